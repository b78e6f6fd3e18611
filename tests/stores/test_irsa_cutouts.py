"""Frames as IRSA serves them and as the reference keeps them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from helpers import REAL_FRAMES, Frames, make_oid, need, random_frames, write_frame

from rbztf.errors import DataError
from rbztf.stores.cutouts import open_cutouts, read_object
from rbztf.stores.irsa_cutouts import place, read_frame

OID = make_oid(5)


@pytest.fixture(scope="module")
def real_frames() -> list[Path]:
    paths = sorted(need(REAL_FRAMES / "snad_artefacts").glob("*.fits"))
    assert len(paths) == 24
    return paths


def test_the_reference_s_folder_is_read_in_time_order(tmp_path: Path) -> None:
    frames = random_frames(12)
    times = [58300.123, 58299.5, 100000.25, 58301, *np.random.default_rng(0).uniform(58e3, 59e3, 8).round(4)]
    for frame, hmjd in zip(frames, times):
        write_frame(
            tmp_path / str(OID) / f"{hmjd}.fits",
            frame,
            OIDRA=12.5,
            OIDDEC=-3.25,
            URL=f"u{hmjd}",
            SEEING=2.5,
            PROGRMID=3,
        )
    found = open_cutouts(tmp_path)[OID]
    assert found.oid == OID
    order = np.argsort(times)
    assert np.array_equal(found.frames, frames[order])
    assert np.allclose(found.frame_photometry()[:, 0], np.sort(times) + 2400000.5, rtol=0, atol=1e-9)
    assert (found.ra_deg, found.dec_deg) == (12.5, -3.25)
    assert list(found.epochs["url"]) == [f"u{times[i]}" for i in order]
    assert set(found.epochs["seeing"]) == {2.5}
    assert set(found.epochs["programid"]) == {3}
    assert found.problems == ()


def test_bad_frames_among_good_ones_are_named(tmp_path: Path) -> None:
    folder = tmp_path / str(OID)
    good = random_frames(2)
    write_frame(folder / "58300.5.fits", good[0])
    write_frame(folder / "58302.5.fits", good[1])
    (folder / "58301.5.fits").write_bytes(b"<html>busy</html>")
    (folder / "58303.5.fits").write_bytes((folder / "58302.5.fits").read_bytes()[:4000])
    (folder / "58304.5.fits").write_bytes(b"")
    write_frame(folder / "58305.5.fits", np.zeros((30, 28), np.float32))
    write_frame(folder / "58306.5.fits", np.zeros((2, 28, 28), np.float32))
    write_frame(folder / "first.fits", good[0])
    found = read_object(folder)
    assert np.array_equal(found.frames, good)
    assert {Path(problem.where).name for problem in found.problems} == {
        "58301.5.fits",
        "58303.5.fits",
        "58304.5.fits",
        "58305.5.fits",
        "58306.5.fits",
        "first.fits",
    }
    assert all(problem.what.endswith(".") for problem in found.problems)


def test_a_folder_without_a_readable_frame_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / str(OID)
    folder.mkdir()
    with pytest.raises(DataError, match="no readable frame"):
        read_object(folder)
    (folder / "58301.5.fits").write_bytes(b"SIMPLE  =")
    with pytest.raises(DataError, match=r"no readable frame \(1 tried\)"):
        read_object(folder)


def test_a_single_cutout_with_a_heliocentric_time_keeps_it(tmp_path: Path) -> None:
    path = write_frame(tmp_path / f"{OID}.fits", random_frames(1)[0], HMJD=58300.75, OBSMJD=58300.5)
    assert read_object(path).frame_photometry()[:, 0] == pytest.approx([2458301.25], abs=1e-9)


def test_a_single_cutout_is_an_object_of_one_frame(real_frames: list[Path]) -> None:
    store = open_cutouts(real_frames[0].parent)
    assert len(store) == 24
    for path in real_frames:
        with fits.open(path) as hdus:
            pixels, header = np.array(hdus[0].data, np.float32), hdus[0].header
        found = store[path.stem]
        assert np.array_equal(found.frames, pixels[None], equal_nan=True)
        assert found.frame_photometry()[:, 0] == pytest.approx([header["OBSMJD"] + 2400000.5], abs=1e-9)
        assert (found.ra_deg, found.dec_deg) == (header["OIDRA"], header["OIDDEC"])
        assert found.epochs["url"][0] == header["URL"]
        assert found.epochs["maglimit"][0] == pytest.approx(header["MAGLIM"], rel=1e-6)


def clip(path: Path, target: Path, *, left: int = 0, right: int = 0, bottom: int = 0, top: int = 0) -> Frames:
    """Write a copy of a frame that lost columns and rows, as at the edge of a chip; returns the whole frame."""
    with fits.open(path) as hdus:
        whole = np.array(hdus[0].data, np.float32)
        header = hdus[0].header.copy()
    header["CRPIX1"] -= left
    header["CRPIX2"] -= bottom
    fits.writeto(target, whole[bottom : 28 - top, left : 28 - right], header, overwrite=True)
    return whole


@pytest.mark.parametrize("lost", [2, 5, 13])
@pytest.mark.parametrize(
    "sides", [("left",), ("right",), ("bottom",), ("top",), ("left", "top"), ("right", "bottom")]
)
def test_frames_at_a_chip_edge_land_where_they_came_from(
    real_frames: list[Path], tmp_path: Path, sides: tuple[str, ...], lost: int
) -> None:
    for path in real_frames[::3]:
        target = tmp_path / path.name
        whole = clip(path, target, **dict.fromkeys(sides, lost))
        placed, _ = read_frame(target)
        expected = whole.copy()
        if "left" in sides:
            expected[:, :lost] = np.nan
        if "right" in sides:
            expected[:, 28 - lost :] = np.nan
        if "bottom" in sides:
            expected[:lost] = np.nan
        if "top" in sides:
            expected[28 - lost :] = np.nan
        assert np.array_equal(placed, expected, equal_nan=True), path.stem


def test_a_single_lost_row_is_placed_where_the_position_is_clear(
    real_frames: list[Path], tmp_path: Path
) -> None:
    """Positions in headers are rounded to 0.1 pixels, so some objects could lie on either side."""
    path = next(path for path in real_frames if path.stem == "683212400045048")  # (13.52, 13.27)
    for side in ("bottom", "top"):
        whole = clip(path, tmp_path / path.name, **{side: 1})
        placed, _ = read_frame(tmp_path / path.name)
        missing = 0 if side == "bottom" else 27
        assert np.isnan(placed[missing]).all()
        kept = np.delete(np.arange(28), missing)
        assert np.array_equal(placed[kept], whole[kept])


def test_a_clipped_frame_without_a_position_goes_to_the_corner(tmp_path: Path) -> None:
    small = random_frames(1)[0, :20, :25]
    placed, _ = read_frame(write_frame(tmp_path / "a.fits", small))
    assert np.array_equal(placed[:20, :25], small)
    assert np.isnan(placed[20:]).all()
    assert np.isnan(placed[:, 25:]).all()


@pytest.mark.parametrize(("x_pix", "lost_on_the_left"), [(12.9, True), (13.1, False)])
def test_a_lost_column_is_on_the_side_that_centres_the_object(x_pix: float, lost_on_the_left: bool) -> None:
    header = fits.Header([("CTYPE1", "RA---TAN"), ("CTYPE2", "DEC--TAN"), ("OIDRA", 10.0), ("OIDDEC", 20.0)])
    header.update(CRVAL1=10.0, CRVAL2=20.0, CRPIX1=x_pix + 1, CRPIX2=14.5, CDELT1=-2.8e-4, CDELT2=2.8e-4)
    placed = place(random_frames(1)[0, :, :27], header)
    missing = 0 if lost_on_the_left else 27
    assert np.isnan(placed).all(axis=0).nonzero()[0].tolist() == [missing]


@pytest.mark.parametrize("cards", [{"OIDRA": 10.0}, {"OIDDEC": 10.0}, {"OIDRA": "west", "OIDDEC": 10.0}])
def test_half_a_position_and_one_that_is_not_a_number_are_none(
    tmp_path: Path, cards: dict[str, object]
) -> None:
    small = random_frames(1)[0, :20]
    placed, _ = read_frame(write_frame(tmp_path / "a.fits", small, **cards))
    assert np.array_equal(placed[:20], small)


def test_what_one_frame_does_not_say_is_unknown_of_all(tmp_path: Path) -> None:
    for hmjd, cards in ((58300.5, {"SEEING": 2.0, "GAIN": 6.0}), (58301.5, {"GAIN": 6.5})):
        write_frame(tmp_path / str(OID) / f"{hmjd}.fits", random_frames(1)[0], **cards)
    epochs = read_object(tmp_path / str(OID)).epochs
    assert np.isnan(epochs["seeing"]).all()
    assert epochs["gain"].tolist() == [6.0, 6.5]
    assert epochs["filefracday"].tolist() == [-1, -1]
    assert epochs["url"].tolist() == ["", ""]


def test_the_exposure_is_known_by_the_image_s_name(tmp_path: Path) -> None:
    name = "ztf_20200924431759_000655_zr_c13_o_q3_sciimg.fits"
    path = write_frame(tmp_path / f"{OID}.fits", random_frames(1)[0], OBSMJD=59116.4, FILENAME=name)
    assert read_object(path).epochs["filefracday"].tolist() == [20200924431759]


def test_integer_pixels_are_scaled(tmp_path: Path) -> None:
    stored = np.arange(28 * 28).reshape(28, 28).astype(np.int16)
    path = tmp_path / "58000.5.fits"
    fits.writeto(path, stored, fits.Header([("BSCALE", 0.5), ("BZERO", 10.0)]))
    frame, _ = read_frame(path)
    with fits.open(path) as hdus:
        assert np.allclose(frame, hdus[0].data)
    assert frame.dtype == np.float32
