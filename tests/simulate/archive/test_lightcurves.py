"""The light-curve service speaks IRSA's dialect."""

from __future__ import annotations

import csv
import io
import math

import numpy as np
import pytest
import requests
from astropy.io.votable import parse_single_table

from rbztf.simulate.archive.lightcurves import FIELDS
from rbztf.simulate.archive.server import LIGHT_CURVES, SimulatedArchive
from rbztf.simulate.sky import SimulatedSky

UNKNOWN = 686103400034440


def ask(client: requests.Session, archive: SimulatedArchive, **parameters: object) -> requests.Response:
    answer = client.get(archive.url + LIGHT_CURVES, params={"FORMAT": "CSV", **parameters}, timeout=10)
    assert answer.status_code == 200
    return answer


def rows_of(answer: requests.Response) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.text)))


def test_a_light_curve_comes_as_csv(client, archive, sky: SimulatedSky) -> None:
    oid = sky.oids[0]
    answer = ask(client, archive, ID=int(oid), COLLECTION="ztf_dr24")
    assert answer.text.splitlines()[0] == ",".join(FIELDS)
    rows, curve = rows_of(answer), sky.light_curve(oid)
    assert [int(row["oid"]) for row in rows] == [oid] * len(curve["mjd"])
    assert [float(row["mjd"]) for row in rows] == list(curve["mjd"])
    assert [int(row["filefracday"]) for row in rows] == list(curve["filefracday"])
    assert [int(row["catflags"], 0) for row in rows] == list(curve["catflags"])
    assert [float(row["mag"]) for row in rows] == pytest.approx(list(curve["mag"]))


def test_some_integers_are_hexadecimal_and_some_times_missing(client, archive, sky: SimulatedSky) -> None:
    rows = rows_of(ask(client, archive, ID=",".join(str(int(oid)) for oid in sky.oids)))
    hexadecimal = [row for row in rows if row["ccdid"].startswith("0x")]
    assert 0.1 < len(hexadecimal) / len(rows) < 0.4
    assert any(row["catflags"] == "0x8000" for row in hexadecimal)
    assert {int(row["ccdid"], 0) for row in rows} == {oid.ccd for oid in sky.oids}
    missing = [math.isnan(float(row["hjd"])) for row in rows]
    assert 0 < np.mean(missing) < 0.1
    assert all(math.isfinite(float(row["mjd"])) for row in rows)


def test_several_objects_by_comma_or_by_repetition(client, archive, sky: SimulatedSky) -> None:
    first, second = int(sky.oids[0]), int(sky.oids[1])
    by_comma = ask(client, archive, ID=f"{first},{second}")
    repeated = ask(client, archive, ID=[first, second])
    assert by_comma.text == repeated.text
    assert {int(row["oid"]) for row in rows_of(by_comma)} == {first, second}


def test_an_unknown_object_has_a_header_only(client, archive) -> None:
    assert ask(client, archive, ID=UNKNOWN).text == ",".join(FIELDS) + "\n"


def test_a_newer_release_has_more_epochs(client, archive, sky: SimulatedSky) -> None:
    oid = int(sky.oids[0])
    older = rows_of(ask(client, archive, ID=oid, COLLECTION="ztf_dr23"))
    newer = rows_of(ask(client, archive, ID=oid, COLLECTION="ztf_dr24"))
    assert len(older) == math.ceil(0.8 * len(newer)) < len(newer)
    assert newer[: len(older)] == older
    assert rows_of(ask(client, archive, ID=oid)) == newer


def test_filters_take_epochs_out(client, archive, sky: SimulatedSky) -> None:
    oids = ",".join(str(int(oid)) for oid in sky.oids)
    everything = rows_of(ask(client, archive, ID=oids))
    good = rows_of(ask(client, archive, ID=oids, BAD_CATFLAGS_MASK=32768))
    assert good == [row for row in everything if int(row["catflags"], 0) == 0]
    assert 0 < len(good) < len(everything)
    recent = rows_of(ask(client, archive, ID=oids, TIME="58600 59000"))
    assert recent == [row for row in everything if 58600 <= float(row["mjd"]) <= 59000]
    assert rows_of(ask(client, archive, ID=oids, BANDNAME="g,i")) == []
    assert rows_of(ask(client, archive, ID=oids, BANDNAME="g,r")) == everything
    bright = rows_of(ask(client, archive, ID=oids, MAG="0 17"))
    assert bright == [row for row in everything if float(row["mag"]) <= 17]


def test_objects_are_found_by_position(client, archive, sky: SimulatedSky) -> None:
    entry = sky.object(sky.oids[4])
    rows = rows_of(ask(client, archive, POS=f"CIRCLE {entry.ra_deg} {entry.dec_deg} 0.0005"))
    assert {int(row["oid"]) for row in rows} == {entry.oid}


def test_votable_is_the_default(client, archive, sky: SimulatedSky) -> None:
    oid = int(sky.oids[0])
    answer = client.get(archive.url + LIGHT_CURVES, params={"ID": oid, "TIME": "0 99999"}, timeout=10)
    assert "votable" in answer.headers["Content-Type"]
    assert answer.text.startswith("<?xml")
    if "0x" not in answer.text:
        assert len(parse_single_table(io.BytesIO(answer.content)).array) == len(sky.truth(oid))


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"ID": "abc"},
        {"ID": UNKNOWN, "COLLECTION": "ztf_dr99"},
        {"ID": UNKNOWN, "COLOUR": "red"},
        {"ID": UNKNOWN, "FORMAT": "PNG"},
        {"POS": "CIRCLE 1 2 5"},
        {"POS": "BOX 1 2 0.1"},
        {"ID": UNKNOWN, "TIME": "yesterday"},
        {"ID": UNKNOWN, "BAD_CATFLAGS_MASK": "x"},
    ],
)
def test_wrong_requests_are_errors_in_a_votable(client, archive, wrong: dict[str, object]) -> None:
    assert '<INFO name="QUERY_STATUS" value="ERROR">' in ask(client, archive, **wrong).text
