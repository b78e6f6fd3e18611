"""Frames as IRSA serves them and as the reference keeps them."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import Cutout2D
from helpers import REAL_FRAMES, Frames, make_oid, need, random_frames, write_cutouts, write_frame

from rbztf.archive.object_state import ObjectState
from rbztf.errors import DataError
from rbztf.stores.cutouts import open_cutouts, read_object
from rbztf.stores.irsa_cutouts import place, read_frame
from rbztf.verbs.fetch import check_store

Cards = dict[str, Any]
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


@pytest.mark.parametrize(
    "cards",
    [
        {},
        {"OIDRA": 10.0},
        {"OIDDEC": 10.0},
        {"OIDRA": "west", "OIDDEC": 10.0},
        {"OIDRA": 10.0, "OIDDEC": 20.0},
    ],
)
def test_a_clipped_frame_without_a_whole_position_is_refused(tmp_path: Path, cards: Cards) -> None:
    path = write_frame(tmp_path / "a.fits", random_frames(1)[0, :20, :25], **cards)
    with pytest.raises(DataError, match="20 x 25 pixels, and its header does not say where"):
        read_frame(path)


@pytest.mark.parametrize(("x_pix", "lost_on_the_left"), [(12.9, True), (13.1, False)])
def test_a_lost_column_is_on_the_side_that_centres_the_object(x_pix: float, lost_on_the_left: bool) -> None:
    header = fits.Header([("CTYPE1", "RA---TAN"), ("CTYPE2", "DEC--TAN"), ("OIDRA", 10.0), ("OIDDEC", 20.0)])
    header.update(CRVAL1=10.0, CRVAL2=20.0, CRPIX1=x_pix + 1, CRPIX2=14.5, CDELT1=-2.8e-4, CDELT2=2.8e-4)
    placed = place(random_frames(1)[0, :, :27], header)
    missing = 0 if lost_on_the_left else 27
    assert np.isnan(placed).all(axis=0).nonzero()[0].tolist() == [missing]


def sky(shape: tuple[int, int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(300, 8, shape).astype(np.float32)


@pytest.mark.parametrize("size", [1, 20, 21, 27, 29, 63, 64, 255])
def test_a_square_cutout_of_another_size_is_centred(size: int, tmp_path: Path) -> None:
    """Its middle comes to the middle, as Cutout2D would have it."""
    pixels = sky((size, size))
    placed, _ = read_frame(write_frame(tmp_path / "a.fits", pixels))
    whole = np.full((size + 60, size + 60), np.nan, np.float32)
    whole[30:-30, 30:-30] = pixels
    middle = (size - 1) / 2 + 30
    assert np.array_equal(placed, Cutout2D(whole, (middle, middle), (28, 28)).data, equal_nan=True)


def tan(x_pix: float, y_pix: float) -> Cards:
    """A header whose object is at a pixel, counted from 0."""
    return {
        "CTYPE1": "RA---TAN",
        "CTYPE2": "DEC--TAN",
        "CRVAL1": 10.0,
        "CRVAL2": 20.0,
        "CRPIX1": x_pix + 1,
        "CRPIX2": y_pix + 1,
        "CDELT1": -2.8e-4,
        "CDELT2": 2.8e-4,
        "OIDRA": 10.0,
        "OIDDEC": 20.0,
    }


@pytest.mark.parametrize(
    ("shape", "x_pix", "y_pix"),
    [((21, 21), 9.8, 10.3), ((21, 21), 4.2, 17.4), ((63, 63), 31.2, 30.9), ((63, 40), 5.5, 60.2)],
)
def test_an_object_comes_to_the_middle_wherever_it_is(
    shape: tuple[int, int], x_pix: float, y_pix: float, tmp_path: Path
) -> None:
    pixels = sky(shape)
    placed, _ = read_frame(write_frame(tmp_path / "a.fits", pixels, **tan(x_pix, y_pix)))
    assert np.array_equal(
        placed, Cutout2D(pixels, (x_pix, y_pix), (28, 28), mode="partial").data, equal_nan=True
    )


@pytest.mark.parametrize(
    ("shape", "cards", "what"),
    [
        ((63, 40), {}, "does not say where its object is"),
        ((63, 63), tan(-4.0, 20.0), "position in its header .* is not on it"),
        ((300, 300), {}, "rbztf fetch --images"),
        ((3, 28, 28), {}, "not of rows and columns"),
    ],
)
def test_a_cutout_that_cannot_be_placed_says_why(
    shape: tuple[int, ...], cards: Cards, what: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=what):
        read_frame(write_frame(tmp_path / "a.fits", np.full(shape, 300, np.float32), **cards))


@pytest.mark.parametrize("dtype", [">f8", ">i2", ">i4", ">i8", "u1", ">u2"])
@pytest.mark.parametrize("where", ["primary", "extension", "compressed"])
def test_any_numbers_in_any_part_of_a_file(dtype: str, where: str, tmp_path: Path) -> None:
    """An empty first header, or a mask before the image, changes nothing; nor does its header's place."""
    pixels = np.random.default_rng(1).integers(90, 200, (28, 28)).astype(dtype)
    primary = fits.PrimaryHDU(pixels if where == "primary" else None)
    primary.header["SEEING"] = 2.5
    mask = fits.ImageHDU(np.ones((28, 28), np.int16), name="MASK")
    hdus = [primary, mask]
    if where == "extension":
        hdus.append(fits.ImageHDU(pixels))
    elif where == "compressed":
        hdus.append(fits.CompImageHDU(pixels, compression_type="GZIP_1", quantize_level=0))
    fits.HDUList(hdus).writeto(tmp_path / "a.fits")
    frame, cards = read_frame(tmp_path / "a.fits")
    assert np.array_equal(frame, pixels.astype(np.float32))
    assert cards["SEEING"] == 2.5


def test_an_image_counts_before_whole_numbers_without_a_name(tmp_path: Path) -> None:
    frame = sky((28, 28))
    fits.HDUList([fits.PrimaryHDU(np.ones((28, 28), np.int16)), fits.ImageHDU(frame)]).writeto(
        tmp_path / "a.fits"
    )
    assert np.array_equal(read_frame(tmp_path / "a.fits")[0], frame)


def test_a_value_for_blank_pixels_becomes_nan(tmp_path: Path) -> None:
    stored = np.full((28, 28), 300, np.int16)
    stored[3, 4] = -32768
    fits.writeto(tmp_path / "a.fits", stored, fits.Header([("BLANK", -32768)]))
    frame, _ = read_frame(tmp_path / "a.fits")
    assert np.argwhere(np.isnan(frame)).tolist() == [[3, 4]]


def test_what_is_no_image_is_named(tmp_path: Path) -> None:
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.ones((28, 28)), name="MASK")]).writeto(
        tmp_path / "m.fits"
    )
    with pytest.raises(DataError, match="a mask, but no image"):
        read_frame(tmp_path / "m.fits")
    fits.PrimaryHDU().writeto(tmp_path / "e.fits")
    with pytest.raises(DataError, match="holds no image"):
        read_frame(tmp_path / "e.fits")
    with pytest.raises(DataError, match="pixel of inf"):
        read_frame(write_frame(tmp_path / "i.fits", np.full((28, 28), 1e300)))


def compressed(path: Path, target: Path) -> None:
    """The same cutout in the form that the target's name promises."""
    if target.suffix.lower() == ".gz":
        target.write_bytes(gzip.compress(path.read_bytes()))
    elif target.suffix == ".fz":
        with fits.open(path) as hdus:
            image = fits.CompImageHDU(
                hdus[0].data, hdus[0].header, compression_type="GZIP_2", quantize_level=0
            )
            fits.HDUList([fits.PrimaryHDU(), image]).writeto(target)
    else:
        target.write_bytes(path.read_bytes())


ENDINGS = (".fits", ".fits.gz", ".fits.fz", ".fit", ".fts", ".FITS", ".fit.gz", ".Fits.GZ", ".fz.gz")


def test_frames_are_read_whatever_their_ending_or_named(tmp_path: Path) -> None:
    folder, plain = tmp_path / str(OID), tmp_path / "plain.fits"
    frames = [sky((28, 28), seed) for seed in range(len(ENDINGS))]
    folder.mkdir()
    for number, (frame, ending) in enumerate(zip(frames, ENDINGS)):
        plain.unlink(missing_ok=True)
        write_frame(plain, frame)
        compressed(plain, folder / f"{58000.5 + number}{ending}")
    for name in ("58100.5.fits.xz", "58100.5.npy", "58101.5", "x.fits.bz2", "notes.txt", ".58102.5.fits"):
        (folder / name).write_bytes(b"x")
    (folder / "58000.5.fits.gz").write_bytes(gzip.compress(plain.read_bytes()))
    found = open_cutouts(tmp_path)[OID]
    assert np.array_equal(found.frames, frames[:-1])
    told = {Path(problem.where).name: problem.what for problem in found.problems}
    assert set(told) == {
        "58008.5.fz.gz",
        "58100.5.fits.xz",
        "58100.5.npy",
        "58101.5",
        "x.fits.bz2",
        "58000.5.fits.gz",
    }
    assert "has the time of 58000.5.fits" in told["58000.5.fits.gz"]
    assert not check_store(tmp_path).complete


@pytest.mark.parametrize("ending", ENDINGS[1:-1])
def test_objects_of_a_store_are_read_whatever_their_ending(ending: str, tmp_path: Path) -> None:
    write_cutouts(tmp_path / "ours", {OID: random_frames(3)})
    write_frame(tmp_path / "theirs.fits", sky((28, 28)), OBSMJD=58300.5)
    store = tmp_path / "store"
    store.mkdir()
    compressed(tmp_path / "theirs.fits", store / f"{make_oid(6)}{ending}")
    found = open_cutouts(store)
    assert np.array_equal(found[make_oid(6)].frames, sky((28, 28))[None])
    assert check_store(store).complete
    if "fz" not in ending:
        compressed(tmp_path / "ours" / f"{OID}.fits", store / f"{OID}{ending}")
        assert len(open_cutouts(store)[OID].epochs) == 3
        assert len(open_cutouts(store).epochs(OID)) == 3


def test_files_of_a_store_that_are_not_read_are_named(tmp_path: Path) -> None:
    write_cutouts(tmp_path, {OID: random_frames(2)})
    for name in (f"{OID}.fit", f"{make_oid(6)}.fits.xz", "123.fits", "ztf_sciimg.fits", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / str(OID)).mkdir()
    found = check_store(tmp_path)
    assert found.n_objects == 1
    said = {Path(problem.where).name for problem in found.problems}
    assert said == {str(OID), f"{OID}.fit", str(make_oid(6)), "123.fits", "ztf_sciimg.fits"}


def test_an_object_in_another_form_is_not_fetched_a_second_time(tmp_path: Path) -> None:
    (tmp_path / f"{OID}.fits.gz").write_bytes(b"x")
    with pytest.raises(DataError, match="another form"):
        ObjectState.from_store(tmp_path, OID)


@pytest.mark.parametrize("damage", ["bit", "cut", "behind"])
def test_a_gzip_file_is_read_to_its_checksum(damage: str, tmp_path: Path) -> None:
    """Stored blocks have no redundancy: only the checksum at the end shows a changed pixel."""
    plain = write_frame(tmp_path / "plain.fits", sky((28, 28)))
    content = bytearray(gzip.compress(plain.read_bytes(), 0))
    if damage == "bit":
        content[-5000] ^= 1
    content = content[:-4] if damage == "cut" else content + b"x" * (damage == "behind")
    (tmp_path / "a.fits.gz").write_bytes(content)
    with pytest.raises(DataError):
        read_frame(tmp_path / "a.fits.gz")


@pytest.mark.parametrize(
    ("name", "hmjd"),
    [("2458700.7", 58700.2), ("58700.2", 58700.2), ("58700", 58700.0), ("2400001.5", None)]
    + [(name, None) for name in ("nan", "inf", "-58700.5", "1700.7", "58_700.5", "5.87e4", "1e400", "٣")],
)
def test_a_julian_date_for_a_name_is_understood_and_no_time_refused(
    name: str, hmjd: float | None, tmp_path: Path
) -> None:
    folder = tmp_path / str(OID)
    write_frame(folder / "58000.5.fits", sky((28, 28)))
    write_frame(folder / f"{name}.fits", sky((28, 28)))
    found = read_object(folder)
    if hmjd is None:
        assert [Path(problem.where).stem for problem in found.problems] == [name]
        assert "not a time" in found.problems[0].what
    else:
        assert found.frame_columns("hjd")[0] == pytest.approx([2458001.0, hmjd + 2400000.5], abs=1e-6)


def test_a_cutout_with_bytes_lost_is_refused(tmp_path: Path) -> None:
    content = write_frame(tmp_path / "a.fits", sky((28, 28))).read_bytes()
    for spoilt in (content[:4000] + content[4001:], content[:4000] + content[4001:] + b"\0", content + b"x"):
        (tmp_path / "a.fits").write_bytes(spoilt)
        with pytest.raises(DataError, match=r"not a whole FITS file|which no image has"):
            read_frame(tmp_path / "a.fits")


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


def test_a_cutout_that_is_named_after_no_object_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    write_frame(path, random_frames(1)[0])
    with pytest.raises(DataError, match=r"a\.fits is not named after an object: 'a' is not a ZTF OID"):
        read_object(path)
