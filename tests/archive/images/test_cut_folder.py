"""Objects cut out of whole images, beside astropy's Cutout2D."""

from __future__ import annotations

import gzip
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.nddata import Cutout2D
from astropy.nddata.utils import NoOverlapError
from astropy.wcs import WCS
from helpers import tiny_encoder
from numpy.typing import NDArray

import rbztf
from rbztf.archive.http_settings import HttpSettings
from rbztf.archive.images.quadrants import cut, read_quadrant, sky_to_pixel
from rbztf.config import load_config
from rbztf.errors import DataError, InputError
from rbztf.simulate.archive.server import SimulatedArchive
from rbztf.simulate.sky import SimulatedSky
from rbztf.times import mjd_of_filefracday
from rbztf.verbs.embed import embed
from rbztf.verbs.embed_images import embed_images
from rbztf.verbs.fetch import check_store, cut_images, fetch

SHAPE = (420, 390)
FIRST_OID = 655213300000001
DAYS = (20200924431759, 20200925401234, 20200926300001)


def header(day: int = DAYS[0]) -> fits.Header:
    """A distorted quadrant of field 655, filter r, CCD 13, quadrant 3."""
    cards = fits.Header()
    cards["FIELDID"], cards["CCDID"], cards["QID"], cards["EXPTIME"], cards["SEEING"] = 655, 13, 3, 30.0, 2.1
    cards["OBSMJD"] = 59116.0 + day // 10**6 - 20200924 + day % 10**6 / 1e6
    cards["CTYPE1"], cards["CTYPE2"] = "RA---TPV", "DEC--TPV"
    cards["CRPIX1"], cards["CRPIX2"] = 201.5, 188.5
    cards["CRVAL1"], cards["CRVAL2"] = 250.0, 37.0
    cards["CD1_1"], cards["CD1_2"], cards["CD2_1"], cards["CD2_2"] = -2.8e-4, -1e-5, 1e-5, -2.8e-4
    for axis in (1, 2):
        cards[f"PV{axis}_0"], cards[f"PV{axis}_1"], cards[f"PV{axis}_4"] = 1e-5, 1.00002, 0.3
    return cards


def pixels(seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(250, 12, SHAPE).astype(np.float32)


def write_image(folder: Path, day: int, seed: int, ending: str) -> None:
    """A science image as plain, gzipped or tile-compressed file, without loss."""
    path = folder / f"ztf_{day}_000655_zr_c13_o_q3_sciimg.fits"
    if ending == ".fz":
        image = fits.CompImageHDU(pixels(seed), header(day), compression_type="GZIP_2", quantize_level=0)
        fits.HDUList([fits.PrimaryHDU(), image]).writeto(f"{path}.fz")
        return
    fits.PrimaryHDU(pixels(seed), header(day)).writeto(path)
    if ending == ".gz":
        Path(f"{path}.gz").write_bytes(gzip.compress(path.read_bytes(), 1))
        path.unlink()


def one_by_one(image: NDArray[np.float32], wcs: WCS, places: SkyCoord) -> NDArray[np.float32]:
    """What Cutout2D gives, NaN where there is no overlap."""
    frames = np.full((len(places), 28, 28), np.nan, np.float32)
    for frame, place in zip(frames, places):
        try:
            frame[:] = Cutout2D(image, place, (28, 28), wcs, mode="partial", fill_value=np.nan).data
        except NoOverlapError:
            continue
    return frames


def places_of(wcs: WCS, shape: tuple[int, int], n: int) -> SkyCoord:
    """Positions on the image, on its edges and beyond."""
    rng = np.random.default_rng(5)
    places: SkyCoord = wcs.pixel_to_world(
        rng.uniform(-30, shape[1] + 30, n),
        np.r_[rng.uniform(-30, 30, n // 2), rng.uniform(0, shape[0], n - n // 2)],
    )
    return places


def test_cutting_equals_cutout2d() -> None:
    image, wcs = pixels(0), WCS(header())
    places = places_of(wcs, SHAPE, 200)
    frames, on_chip = cut(image, *sky_to_pixel(header(), places.ra.deg, places.dec.deg))
    assert np.array_equal(frames, one_by_one(image, wcs, places), equal_nan=True)
    assert np.array_equal(on_chip, ~np.isnan(frames).all(axis=(1, 2)))
    assert 0 < on_chip.sum() < len(on_chip)


def test_cutting_a_real_quadrant_equals_cutout2d(shared_frames: Path) -> None:
    (path,) = shared_frames.glob("ztf_*_sciimg.fits.fz")
    image = read_quadrant(path)
    with warnings.catch_warnings(action="ignore"):
        wcs = WCS(image.header)
    places = places_of(wcs, image.pixels.shape, 120)  # type: ignore[arg-type]
    frames, _ = cut(image.pixels, *sky_to_pixel(image.header, places.ra.deg, places.dec.deg))
    assert np.array_equal(frames, one_by_one(image.pixels, wcs, places), equal_nan=True)


def test_positions_far_away_are_off_the_chip() -> None:
    x_pix, y_pix = sky_to_pixel(header(), np.array([250.0, 70.0, 250.0]), np.array([37.0, -37.0, 40.0]))
    assert np.isfinite(x_pix).tolist() == [True, False, False]
    _, on_chip = cut(pixels(0), x_pix, y_pix)
    assert on_chip.tolist() == [True, False, False]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images" / "2020"
    folder.mkdir(parents=True)
    for seed, (day, ending) in enumerate(zip(DAYS, ("", ".gz", ".fz"))):
        write_image(folder, day, seed, ending)
    return folder.parent


def write_targets(path: Path, places: SkyCoord) -> list[int]:
    oids = [FIRST_OID + number for number in range(len(places))]
    rows = [f"{oid},{float(place.ra.deg)!r},{float(place.dec.deg)!r},x" for oid, place in zip(oids, places)]
    path.write_text("\n".join(["OID,ra,dec,note", *rows]) + "\n")
    return oids


def test_objects_out_of_three_kinds_of_files(images: Path, tmp_path: Path) -> None:
    wcs = WCS(header())
    places = places_of(wcs, SHAPE, 30)
    oids = write_targets(tmp_path / "targets.csv", places)
    result = cut_images(images, tmp_path / "targets.csv", out=tmp_path / "out")
    assert result.complete
    expected = [one_by_one(pixels(seed), wcs, places) for seed in range(3)]
    store = rbztf.open_cutouts(tmp_path / "out")
    for number, oid in enumerate(oids):
        cutouts = store[oid]
        wanted = np.stack([frames[number] for frames in expected])
        if np.isnan(wanted).all():
            assert list(cutouts.epochs["status"].astype(str)) == ["off-chip"] * 3
            continue
        assert np.array_equal(cutouts.frames, wanted, equal_nan=True)
        assert list(cutouts.epochs["filefracday"]) == list(DAYS)
        assert np.allclose(cutouts.epochs["seeing"], 2.1)
        assert (np.abs(cutouts.epochs["hjd"] - cutouts.epochs["mjd"] - 2400000.5) < 0.007).all()
    assert check_store(tmp_path / "out").complete
    assert not list((tmp_path / "out").glob(".cut*"))


@pytest.mark.filterwarnings("ignore")
def test_workers_of_a_scheduler_cut_the_same(images: Path, tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    write_targets(tmp_path / "targets.csv", places_of(WCS(header()), SHAPE, 10))
    cut_images(images, tmp_path / "targets.csv", out=tmp_path / "here")
    result = cut_images(images, tmp_path / "targets.csv", out=tmp_path / "there", scheduler="local")
    assert result.complete
    for path in (tmp_path / "here").glob("*.fits"):
        assert (tmp_path / "there" / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("normaliser", ["minmax", "asinh_ccd"])
def test_objects_embedded_out_of_images_have_the_vectors_of_their_cutouts(
    images: Path, tmp_path: Path, normaliser: str
) -> None:
    oids = write_targets(tmp_path / "targets.csv", places_of(WCS(header()), SHAPE, 24))
    config = load_config(None, ["vae.latent=4", f"frames.normaliser={normaliser}"], project_file=None)
    replace(tiny_encoder(4), config=config).save(tmp_path / "encoder")
    cut_images(images, tmp_path / "targets.csv", out=tmp_path / "cutouts")
    embed(tmp_path / "encoder", tmp_path / "cutouts", tmp_path / "by-object")
    result = embed_images(
        images, tmp_path / "targets.csv", model=tmp_path / "encoder", out=tmp_path / "by-image", workers=1
    )
    one, other = (rbztf.open_embeddings(tmp_path / name) for name in ("by-object", "by-image"))
    assert set(one) == set(other)
    assert result.n_objects == len(one)
    assert len(result.problems) == len(oids) - len(one)
    for oid in one:
        np.testing.assert_array_equal(one[oid], other[oid])
        np.testing.assert_allclose(one.times(oid), other.times(oid), atol=1e-6)


def test_new_images_extend_objects(images: Path, tmp_path: Path) -> None:
    places = places_of(WCS(header()), SHAPE, 10)
    write_targets(tmp_path / "targets.csv", places)
    cut_images(images, tmp_path / "targets.csv", out=tmp_path / "whole")
    last = next(images.rglob("*.fz"))
    last.rename(tmp_path / last.name)
    cut_images(images, tmp_path / "targets.csv", out=tmp_path / "out")
    (tmp_path / last.name).rename(last)
    result = cut_images(images, tmp_path / "targets.csv", out=tmp_path / "out")
    assert result.n_bytes == last.stat().st_size
    for path in (tmp_path / "whole").glob("*.fits"):
        assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()


def test_a_cut_that_was_stopped_goes_on(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import rbztf.archive.images.cut_folder as module

    write_targets(tmp_path / "targets.csv", places_of(WCS(header()), SHAPE, 10))
    cut_images(images, tmp_path / "targets.csv", out=tmp_path / "whole")
    opened: list[str] = []

    def read(path: Path) -> object:
        opened.append(path.name)
        if len(opened) == 3:
            raise KeyboardInterrupt
        return read_quadrant(path)

    monkeypatch.setattr(module, "read_quadrant", read)
    with pytest.raises(KeyboardInterrupt):
        cut_images(images, tmp_path / "targets.csv", out=tmp_path / "out")
    cut_images(images, tmp_path / "targets.csv", out=tmp_path / "out")
    assert len(opened) == 4
    for path in (tmp_path / "whole").glob("*.fits"):
        assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()


def test_what_cannot_be_cut_is_named(images: Path, tmp_path: Path) -> None:
    oids = write_targets(tmp_path / "targets.csv", places_of(WCS(header()), SHAPE, 2))
    with (tmp_path / "targets.csv").open("a") as stream:
        stream.write("656213300000001,250.0,37.0,\n")
    damaged = next(images.rglob("*.gz"))
    damaged.write_bytes(damaged.read_bytes()[:50000])
    result = cut_images(images, tmp_path / "targets.csv", out=tmp_path / "out")
    assert not result.complete
    assert {problem.where for problem in result.problems} == {str(damaged), "656213300000001"}
    assert "no image" in result.objects[-1].problem
    assert len(rbztf.open_cutouts(tmp_path / "out")[oids[0]].epochs) == 2


def bad_compressed(path: Path) -> None:
    """Bytes of the compressed pixels set to something else: the library that unpacks them fails."""
    content = bytearray(path.read_bytes())
    content[-60000:-20000] = b"\x5a" * 40000
    path.write_bytes(content)


def test_one_damaged_image_stops_nothing(images: Path, tmp_path: Path) -> None:
    """It is named, the others are cut, and once it is whole again the next run cuts it too."""
    places = places_of(WCS(header()), SHAPE, 10)
    oids = write_targets(tmp_path / "targets.csv", places)
    cut_images(images, tmp_path / "targets.csv", out=tmp_path / "whole")
    damaged = next(images.rglob("*.fz"))
    good = damaged.read_bytes()
    bad_compressed(damaged)
    result = cut_images(images, tmp_path / "targets.csv", out=tmp_path / "out")
    assert [problem.where for problem in result.problems] == [str(damaged)]
    assert not result.complete
    assert len(rbztf.open_cutouts(tmp_path / "out")[oids[0]].epochs) == 2
    damaged.write_bytes(good)
    assert cut_images(images, tmp_path / "targets.csv", out=tmp_path / "out").complete
    for path in (tmp_path / "whole").glob("*.fits"):
        assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()


def no_wcs(cards: fits.Header) -> None:
    for keyword in list(cards):
        if keyword.startswith(("CTYPE", "CRPIX", "CRVAL", "CD1", "CD2", "PV")):
            del cards[keyword]


def card(keyword: str, value: object) -> Callable[[fits.Header], None]:
    def change(cards: fits.Header) -> None:
        cards[keyword] = value

    return change


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (no_wcs, "CRPIX1"),
        (lambda cards: cards.remove("CTYPE1"), "no WCS"),
        (card("CD1_1", "nan"), "CD1_1"),
        (card("CTYPE1", "GLON-TPV"), "no WCS"),
        (card("CTYPE2", "RA---TPV"), "WCS"),
        (card("FIELDID", 656), "FIELDID 656"),
        (card("CCDID", 4), "CCDID 4"),
        (card("QID", 1), "QID 1"),
        (card("FILTERID", 1), "FILTERID 1"),
        (card("OBSMJD", 59118.43), "MJD 59118.43"),
        (card("FILENAME", "ztf_20200925401234_000655_zr_c13_o.fits"), "exposure 20200925401234"),
    ],
)
def test_an_image_that_is_not_what_its_name_says_settles_nothing(
    change: Callable[[fits.Header], None], what: str, tmp_path: Path
) -> None:
    path = tmp_path / "images" / f"ztf_{DAYS[0]}_000655_zr_c13_o_q3_sciimg.fits"
    path.parent.mkdir()
    cards = header()
    change(cards)
    fits.PrimaryHDU(pixels(0), cards).writeto(path)
    oids = write_targets(tmp_path / "targets.csv", WCS(header()).pixel_to_world([200.0], [190.0]))
    result = cut_images(path.parent, tmp_path / "targets.csv", out=tmp_path / "out")
    assert [problem.where for problem in result.problems] == [str(path)]
    assert what in result.problems[0].what
    fits.PrimaryHDU(pixels(0), header()).writeto(path, overwrite=True)
    assert cut_images(path.parent, tmp_path / "targets.csv", out=tmp_path / "out").complete
    assert list(rbztf.open_cutouts(tmp_path / "out")[oids[0]].epochs["status"].astype(str)) == ["ok"]


@pytest.mark.parametrize("named", [True, False])
def test_a_mask_before_the_image_is_not_cut(named: bool, tmp_path: Path) -> None:
    path = tmp_path / "images" / f"ztf_{DAYS[0]}_000655_zr_c13_o_q3_sciimg.fits"
    path.parent.mkdir()
    mask = np.ones(SHAPE, np.float32 if named else np.int16)
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(mask, header(), name="MASK" if named else "DATA")]
    fits.HDUList([*hdus, fits.ImageHDU(pixels(0), header())]).writeto(path)
    oids = write_targets(tmp_path / "targets.csv", WCS(header()).pixel_to_world([200.0], [190.0]))
    assert cut_images(path.parent, tmp_path / "targets.csv", out=tmp_path / "out").complete
    assert rbztf.open_cutouts(tmp_path / "out")[oids[0]].frames.min() > 100


def test_linked_night_folders_are_entered_once(images: Path, tmp_path: Path) -> None:
    oids = write_targets(tmp_path / "targets.csv", WCS(header()).pixel_to_world([200.0], [190.0]))
    night = tmp_path / "linked"
    night.mkdir()
    (night / "0924").symlink_to(images / "2020")
    (night / "again").symlink_to(night / "0924")
    (night / "loop").symlink_to(night)
    (images / "2020" / "up").symlink_to(night)
    (night / "nowhere").symlink_to(tmp_path / "nothing")
    result = cut_images(night, tmp_path / "targets.csv", out=tmp_path / "out")
    assert result.complete
    assert len(rbztf.open_cutouts(tmp_path / "out")[oids[0]].frames) == 3


def test_images_of_other_endings_are_named(images: Path, tmp_path: Path) -> None:
    write_targets(tmp_path / "targets.csv", WCS(header()).pixel_to_world([200.0], [190.0]))
    other = images / f"ztf_{DAYS[0]}_000655_zr_c13_o_q3_sciimg.fits.bz2"
    other.write_bytes(b"x")
    result = cut_images(images, tmp_path / "targets.csv", out=tmp_path / "out")
    assert [problem.where for problem in result.problems] == [str(other)]
    assert result.n_new == 3


def test_a_changed_bit_in_a_gzip_file_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / f"ztf_{DAYS[0]}_000655_zr_c13_o_q3_sciimg.fits"
    fits.PrimaryHDU(pixels(0), header()).writeto(path)
    content = bytearray(gzip.compress(path.read_bytes(), 0))
    packed = Path(f"{path}.gz")
    packed.write_bytes(content)
    assert np.array_equal(read_quadrant(packed).pixels, pixels(0))
    content[len(content) // 2] ^= 1
    packed.write_bytes(content)
    with pytest.raises(DataError, match="CRC"):
        read_quadrant(packed)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("oid,ra\n1,2\n", "lacks the column 'dec'"),
        ("oid,ra,dec\n", "no object"),
        ("oid,ra,dec\n12,1,2\n", "line 2"),
        (f"oid,ra,dec\n{FIRST_OID},x,2\n", "not a finite number"),
        (f"oid,ra,dec\n{FIRST_OID},,\n", "not a finite number"),
    ],
)
def test_targets_that_are_none(text: str, what: str, images: Path, tmp_path: Path) -> None:
    (tmp_path / "targets.csv").write_text(text)
    with pytest.raises(InputError, match=what):
        cut_images(images, tmp_path / "targets.csv", out=tmp_path / "out")


def test_folders_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "targets.csv").write_text(f"oid,ra,dec\n{FIRST_OID},1,2\n")
    for folder in (tmp_path / "none", tmp_path):
        with pytest.raises(InputError):
            cut_images(folder, tmp_path / "targets.csv", out=tmp_path / "out")
    with pytest.raises(InputError):
        cut_images(tmp_path, out=tmp_path / "no store")


def test_light_curves_fetched_before_say_which_epochs(
    sky: SimulatedSky, start_archive: object, quick: HttpSettings, tmp_path: Path
) -> None:
    """Two images stand for two epochs of an object; a third one is of no epoch of it."""
    archive: SimulatedArchive = start_archive()  # type: ignore[operator]
    oid = sky.oids[0]
    fetch([oid], out=tmp_path / "out", archive_url=archive.url, max_frames=0, settings=quick)
    entry = sky.object(oid)
    days = [int(day) for day in sky.light_curve(oid)["filefracday"][[1, 4]]] + [20200101123456]
    folder = tmp_path / "images"
    folder.mkdir()
    for seed, day in enumerate(days):
        cards = header(day)
        cards["CRVAL1"], cards["CRVAL2"] = entry.ra_deg, entry.dec_deg
        cards["FIELDID"], cards["CCDID"], cards["QID"] = oid.field, oid.ccd, oid.quadrant
        cards["OBSMJD"] = mjd_of_filefracday(day)
        name = f"ztf_{day}_{oid.field:06d}_zr_c{oid.ccd:02d}_o_q{oid.quadrant}_sciimg.fits"
        fits.PrimaryHDU(pixels(seed), cards).writeto(folder / name)
    result = cut_images(folder, out=tmp_path / "out")
    assert result.n_new == 2
    cutouts = rbztf.open_cutouts(tmp_path / "out")[oid]
    assert np.flatnonzero(cutouts.epochs["frame"] >= 0).tolist() == [1, 4]
    assert len(cutouts.epochs) == len(sky.light_curve(oid)["mjd"])
    assert np.isfinite(cutouts.epochs["mag"]).all()
