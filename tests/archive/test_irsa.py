"""IRSA's dialect: requests as they would be sent, answers as they have been seen."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from rbztf.archive.epoch_filters import Filters
from rbztf.archive.irsa import (
    Exposure,
    cutout_url,
    exposure_of_name,
    image_url,
    light_curves_url,
    parse_integer,
    parse_light_curves,
)
from rbztf.archive.tap import parse_position, parse_radius, position_query
from rbztf.errors import UnsoundAnswer, UsageError
from rbztf.stores.epochs import blank_columns
from rbztf.times import heliocentric_jd, mjd_of_filefracday

HEADER = (
    "oid,expid,hjd,mjd,mag,magerr,catflags,filtercode,ra,dec,chi,sharp,filefracday,field,ccdid,qid,"
    "limitmag,magzp,magzprms,clrcoeff,clrcounc,exptime,airmass,programid"
)
ROW = (
    "675103300002930,44835315,2458202.8577286243,58202.353159699996,18.6746521,0.0466535166,0,zg,"
    "209.99005510000001,29.997625800000002,0.417,0.01,20180325353160,675,0x3,3,20.25,26.249,0.02,-0.057,"
    "3.8e-05,30,1.156,1"
)
EXPOSURE = Exposure(20200924431759, 655, "zr", 13, 3)


def test_requests() -> None:
    assert light_curves_url([686103400034440, 686103400034441]) == (
        "https://irsa.ipac.caltech.edu/cgi-bin/ZTF/nph_light_curves"
        "?ID=686103400034440,686103400034441&COLLECTION=ztf_dr24&FORMAT=CSV"
    )
    image = (
        "http://localhost:1/ibe/data/ztf/products/sci/2020/0924/431759/"
        "ztf_20200924431759_000655_zr_c13_o_q3_sciimg.fits"
    )
    assert image_url(EXPOSURE, "http://localhost:1/") == image
    assert cutout_url(EXPOSURE, 278.04791259765625, -30.5, "http://localhost:1") == (
        f"{image}?center=278.0479126,-30.5000000&size=27pix&gzip=false"
    )


def test_names_lead_back_to_exposures() -> None:
    for ending in ("", ".gz", ".fz", "?center=1,2&size=27pix"):
        assert exposure_of_name(image_url(EXPOSURE) + ending) == EXPOSURE
    assert exposure_of_name("ztf_20200924431759_000655_zr_c13_o_q3_mskimg.fits") is None


def test_a_row_as_served() -> None:
    (curve,) = parse_light_curves(f"{HEADER}\n{ROW}\n").values()
    assert curve.oid == 675103300002930
    assert (curve.ra_deg, curve.dec_deg) == (209.99005510000001, 29.997625800000002)
    assert curve.columns["hjd"][0] == 2458202.8577286243
    assert curve.columns["filefracday"][0] == 20180325353160
    assert curve.columns["ccdid"][0] == 3
    assert curve.columns["programid"][0] == 1
    again = parse_light_curves(curve.text)[curve.oid]
    assert all(np.array_equal(again.columns[name], curve.columns[name]) for name in curve.columns)


def test_a_missing_hjd_is_computed() -> None:
    (curve,) = parse_light_curves(f"{HEADER}\n{ROW.replace('2458202.8577286243', 'NaN')}\n").values()
    assert abs(curve.columns["hjd"][0] - 2458202.8577286243) * 86400 < 0.05
    assert abs(heliocentric_jd(np.array([58202.35333]), 209.99, 29.99)[0] - 2458202.857729) < 1e-5


def test_epochs_come_in_time_order_each_once() -> None:
    later = ROW.replace("58202.353", "58203.353").replace("20180325", "20180326")
    (curve,) = parse_light_curves("\n".join([HEADER, later, ROW, later, ""])).values()
    assert len(curve) == 2
    assert np.diff(curve.columns["mjd"])[0] > 0


@pytest.mark.parametrize(("text", "value"), [("13", 13), ("0x8000", 32768), ("0xd", 13), ("013", 13)])
def test_integers(text: str, value: int) -> None:
    assert parse_integer(text) == value


def test_no_rows_is_no_light_curve() -> None:
    assert parse_light_curves(HEADER + "\n") == {}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('<VOTABLE><INFO name="QUERY_STATUS" value="ERROR">No such &lt;thing&gt;</INFO>', "No such <thing>"),
        ("<!DOCTYPE html><html>", "not a light-curve table"),
        ("", "not a light-curve table"),
        ("oid,mjd\n1,2\n", "lacks the columns"),
        (f"{HEADER}\n{ROW[:100]}", "Line 2"),
        (f"{HEADER}\n{ROW.replace('0x3', 'three')}", "cannot be read"),
        (f"{HEADER}\n{ROW.replace('20180325353160', '')}", "without a time"),
        (f"{HEADER}\n{ROW.replace('675103300002930', '12')}", "for an OID"),
    ],
)
def test_answers_that_are_no_light_curve(text: str, what: str) -> None:
    with pytest.raises(UnsoundAnswer, match=what):
        parse_light_curves(text)


@pytest.mark.parametrize("kept", [f"{ROW}"[:-1], ROW, ROW[:-1] + "\n", f"{ROW}\n{ROW}"])
def test_a_table_that_breaks_off_is_not_whole(kept: str) -> None:
    """Before the last value, and before the last line end."""
    with pytest.raises(UnsoundAnswer, match="breaks off"):
        parse_light_curves(f"{HEADER}\n{kept}")


def column(name: str, value: str) -> str:
    """The row with another value in one column."""
    values = ROW.split(",")
    values[HEADER.split(",").index(name)] = value
    return ",".join(values)


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("catflags", "0x1FFFFFFFFFFFFFFFFF", "out of range"),
        ("ccdid", "9" * 5000, "cannot be read"),
        ("expid", "-1E400", "cannot be read"),
        ("programid", "1_0_0_0_0_0_0_0_0_0_0", "out of range"),
        ("mjd", "1e400", "without a time"),
        ("mjd", "2458202.5", "not a time of the survey"),
        ("filefracday", "20181399000000", "cannot be read"),
        ("filefracday", "-5", "without a time"),
        ("ra", "NaN", "not a position"),
        ("ra", "-1", "not a position"),
        ("dec", "", "not a position"),
        ("dec", "90.0001", "not a position"),
        ("mag", "bright", "cannot be read"),
    ],
)
def test_values_that_no_epoch_has_are_unsound(name: str, value: str, what: str) -> None:
    with pytest.raises(UnsoundAnswer, match=what):
        parse_light_curves(f"{HEADER}\n{column(name, value)}\n")


@pytest.mark.parametrize("value", ["1E400", "-inf", "NaN", "", "null", "1e39"])
def test_measurements_that_are_not_finite_are_unknown(value: str) -> None:
    (curve,) = parse_light_curves(f"{HEADER}\n{column('mag', value)}\n").values()
    assert np.isnan(curve.columns["mag"][0])


def test_a_position_is_the_median_of_the_epochs() -> None:
    """One epoch has none, one is far off; an object at 0 h has positions on both sides."""
    places = [("359.9999", "10"), ("0.0001", "10.0002"), ("0.0002", "10.0001"), ("-1", "-1"), ("0.01", "10")]
    lines = []
    for number, (ra, dec) in enumerate(places):
        row = column("ra", ra).split(",")
        row[HEADER.split(",").index("dec")] = dec
        row[HEADER.split(",").index("filefracday")] = f"2018032{number}353160"
        lines.append(",".join(row))
    (curve,) = parse_light_curves("\n".join([HEADER, *lines, ""])).values()
    assert curve.ra_deg == pytest.approx(0.00015)
    assert curve.dec_deg == pytest.approx(10.00005)
    assert curve.n_rows == 5


def test_names_of_exposures_are_times() -> None:
    assert mjd_of_filefracday(20180724354109) == 58323.354109
    with pytest.raises(ValueError, match="month"):
        mjd_of_filefracday(20181324354109)


def test_tap_queries_are_made_without_sending() -> None:
    assert position_query(101.2, 40.1, 3.6) == (
        "SELECT oid, ra, dec, filtercode, nobsrel, meanmag FROM ztf_objects_dr24 WHERE "
        "CONTAINS(POINT('ICRS', ra, dec), CIRCLE('ICRS', 101.2000000, 40.1000000, 0.00100000))=1"
    )
    for wrong in ((-1.0, 0.0, 1.0, "ztf_dr24"), (0.0, 0.0, 9999.0, "ztf_dr24"), (0.0, 0.0, 1.0, "dr; DROP")):
        with pytest.raises(UsageError):
            position_query(*wrong)


def test_positions_and_radii_are_read() -> None:
    assert parse_position("101.2,-40.1") == (101.2, -40.1)
    assert [parse_radius(text) for text in ("2arcsec", "0.5 arcmin", ".001deg", "3")] == [2, 30, 3.6, 3]
    for wrong in ("", "101.2", "a,b", "1,2,3"):
        with pytest.raises(UsageError, match="no position"):
            parse_position(wrong)
    for wrong in ("", "2 parsec", "-2", "arcsec"):
        with pytest.raises(UsageError, match="no radius"):
            parse_radius(wrong)


def test_filters_choose_epochs() -> None:
    columns = blank_columns(10)
    columns["mjd"] = np.arange(58000.0, 58010.0)
    columns["catflags"][3] = 0x8000

    def chosen(**options: object) -> list[int]:
        return np.flatnonzero(Filters(**options).wanted(columns)).tolist()  # type: ignore[arg-type]

    assert chosen() == list(range(10))
    assert chosen(bad_catflags=32768) == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    assert chosen(mjd_min=58002, mjd_max=58004, bad_catflags=32768) == [2, 4]
    assert chosen(max_frames=2) == [8, 9]
    assert chosen(max_frames=2, keep="oldest") == [0, 1]
    assert chosen(max_frames=4, keep="even") == [0, 3, 6, 9]
    assert chosen(max_frames=0) == []
    columns["seeing"][5], columns["infobits"][6] = 4.0, 4
    assert chosen(max_seeing_pix=3.0, bad_infobits=6) == [0, 1, 2, 3, 4, 7, 8, 9]


def test_fetching_needs_no_torch() -> None:
    code = "import sys, rbztf.verbs.fetch, rbztf.archive.images.cut_folder; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
