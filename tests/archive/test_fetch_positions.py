"""Frames belong to the position in their object's header, and an object is off the chip only for a reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray

import rbztf
from rbztf.archive.http_settings import HttpSettings
from rbztf.archive.journal import journal_path, read_journal
from rbztf.simulate.archive.faults import Faults
from rbztf.simulate.archive.server import SimulatedArchive
from rbztf.simulate.sky import SimulatedSky
from rbztf.stores.object_file import write_object
from rbztf.verbs.fetch import check_store, cut_images, fetch

Start = Callable[..., SimulatedArchive]
PIXEL_DEG = 1.012 / 3600
FIELD_OID = 655213300000001
DAYS = (20200924431759, 20200925401234)


class ImagesOnly(Faults):
    """Faults of the images alone."""

    def of_answer(self, url: str, asked: int) -> str | None:
        return super().of_answer(url, asked) if "sciimg" in url else None


REFUSING = ImagesOnly(rate=1.0, kinds=("bad_request",), max_per_url=10**6)


def shift(folder: Path, oid: int, pixels: float) -> NDArray[np.float32]:
    """Say in the file of an object that it lies some pixels away; returns its frames."""
    cutouts = rbztf.open_cutouts(folder)[oid]
    write_object(
        folder,
        cutouts.oid,
        cutouts.frames,
        cutouts.epochs,
        ra_deg=cutouts.ra_deg,
        dec_deg=cutouts.dec_deg + pixels * PIXEL_DEG,
        collection=cutouts.collection,
    )
    return cutouts.frames


@pytest.mark.parametrize(("pixels", "asked_again"), [(0.5, False), (3.0, True), (40.0, True)])
def test_an_object_that_has_moved_is_fetched_again(
    pixels: float,
    asked_again: bool,
    sky: SimulatedSky,
    start_archive: Start,
    quick: HttpSettings,
    tmp_path: Path,
    clean_store: dict[str, bytes],
) -> None:
    oid, archive = sky.oids[0], start_archive()
    fetch([oid], out=tmp_path, archive_url=archive.url, settings=quick)
    before = archive.requests.by_kind["image"]
    shift(tmp_path, oid, pixels)
    result = fetch([oid], out=tmp_path, archive_url=archive.url, refresh=True, settings=quick)
    assert result.complete
    assert archive.requests.by_kind["image"] - before == (before if asked_again else 0)
    assert bool(result.notes) == asked_again
    if asked_again:
        assert (tmp_path / f"{oid}.fits").read_bytes() == clean_store[f"{oid}.fits"]
    else:  # position and pixels still agree
        expected = sky.object(oid).dec_deg + pixels * PIXEL_DEG
        assert rbztf.open_cutouts(tmp_path)[oid].dec_deg == pytest.approx(expected)


def test_a_move_that_was_cut_off_keeps_no_frame_of_the_old_place(
    sky: SimulatedSky,
    start_archive: Start,
    quick: HttpSettings,
    tmp_path: Path,
    clean_store: dict[str, bytes],
) -> None:
    oid, archive = sky.oids[0], start_archive()
    fetch([oid], out=tmp_path, archive_url=archive.url, max_frames=4, settings=quick)
    shift(tmp_path, oid, 10)
    asked = archive.requests.by_kind["image"]

    class StopsSoon(Faults):
        def of_answer(self, url: str, number: int) -> str | None:
            return "503" if "sciimg" in url and archive.requests.by_kind["image"] > 5 else None

    archive = start_archive(faults=StopsSoon())
    few = HttpSettings(backoff_s=0.01, max_backoff_s=0.01, tries=2, breaker_failures=2)
    cut_off = fetch([oid], out=tmp_path, archive_url=archive.url, refresh=True, settings=few)
    assert not cut_off.complete
    journaled = read_journal(journal_path(tmp_path, oid))
    assert 0 < len(journaled.outcomes) < asked + 10
    again = fetch([oid], out=tmp_path, archive_url=start_archive().url, settings=quick)
    assert again.complete
    assert (tmp_path / f"{oid}.fits").read_bytes() == clean_store[f"{oid}.fits"]


def test_refusals_of_all_frames_are_a_failure_and_asked_again(
    sky: SimulatedSky,
    start_archive: Start,
    quick: HttpSettings,
    tmp_path: Path,
    clean_store: dict[str, bytes],
) -> None:
    oid = sky.oids[0]
    for faults in (REFUSING, Faults(rate=0, kinds=("off_chip",), persistent_rate=1.0)):
        url = start_archive(faults=faults).url
        result = fetch([oid], out=tmp_path, archive_url=url, settings=quick)
        assert not result.complete
        assert set(result.counts) == {"failed"}
        assert "refused all" in result.objects[0].problem
    result = fetch([oid], out=tmp_path, archive_url=start_archive().url, settings=quick)
    assert result.complete
    assert (tmp_path / f"{oid}.fits").read_bytes() == clean_store[f"{oid}.fits"]


@pytest.mark.parametrize("at_edge", [False, True])
def test_an_unexplained_refusal_is_off_chip_only_at_the_edge(
    at_edge: bool, sky: SimulatedSky, start_archive: Start, quick: HttpSettings, tmp_path: Path
) -> None:
    """Some frames are in the store already; the others are refused."""
    oid = sky.oids[0]
    fetch([oid], out=tmp_path, archive_url=start_archive().url, max_frames=3, settings=quick)
    if at_edge:
        cutouts = rbztf.open_cutouts(tmp_path)[oid]
        frames = cutouts.frames.copy()
        frames[1, :, 20:] = np.nan
        place = {"ra_deg": cutouts.ra_deg, "dec_deg": cutouts.dec_deg, "collection": cutouts.collection}
        write_object(tmp_path, oid, frames, cutouts.epochs, **place)
    url = start_archive(faults=REFUSING).url
    result = fetch([oid], out=tmp_path, archive_url=url, settings=quick)
    assert result.counts["ok"] == 3
    assert result.counts["off-chip" if at_edge else "failed"] == len(sky.light_curve(oid)["mjd"]) - 3
    assert result.complete == at_edge


def test_refresh_asks_again_what_was_off_chip(
    sky: SimulatedSky,
    start_archive: Start,
    quick: HttpSettings,
    tmp_path: Path,
    clean_store: dict[str, bytes],
) -> None:
    faults = Faults(rate=0, kinds=("off_chip",), persistent_rate=0.4)
    first = fetch(sky.oids[:2], out=tmp_path, archive_url=start_archive(faults=faults).url, settings=quick)
    assert first.complete
    archive = start_archive()
    second = fetch(sky.oids[:2], out=tmp_path, archive_url=archive.url, refresh=True, settings=quick)
    assert second.n_new == first.counts["off-chip"] == archive.requests.by_kind["image"]
    for path in tmp_path.glob("*.fits"):
        assert path.read_bytes() == clean_store[path.name]


def quadrant(folder: Path, day: int) -> None:
    """An image of 300 x 320 pixels whose values are their own numbers, north up."""
    pixels = np.arange(300 * 320, dtype=np.float32).reshape(300, 320)
    cards = fits.Header()
    cards["FIELDID"], cards["CCDID"], cards["QID"], cards["FILTERID"] = 655, 13, 3, 2
    cards["OBSMJD"] = 59116.0 + day // 10**6 - 20200924 + day % 10**6 / 1e6
    cards["CTYPE1"], cards["CTYPE2"] = "RA---TAN", "DEC--TAN"
    cards["CRPIX1"], cards["CRPIX2"], cards["CRVAL1"], cards["CRVAL2"] = 160.5, 150.5, 250.0, 37.0
    cards["CD1_1"], cards["CD1_2"], cards["CD2_1"], cards["CD2_2"] = -PIXEL_DEG, 0.0, 0.0, PIXEL_DEG
    folder.mkdir(exist_ok=True)
    fits.PrimaryHDU(pixels, cards).writeto(folder / f"ztf_{day}_000655_zr_c13_o_q3_sciimg.fits")


def cut_at(tmp_path: Path, dec_deg: float, ra_deg: float = 250.0) -> rbztf.FetchResult:
    (tmp_path / "targets.csv").write_text(f"oid,ra,dec\n{FIELD_OID},{ra_deg!r},{dec_deg!r}\n")
    return cut_images(tmp_path / "images", tmp_path / "targets.csv", out=tmp_path / "out")


def middles(tmp_path: Path) -> list[float]:
    """The first pixel of each frame, and where the header says the object is."""
    cutouts = rbztf.open_cutouts(tmp_path / "out")[FIELD_OID]
    return [*cutouts.frames[:, 0, 0].tolist(), round(cutouts.dec_deg, 6)]


def test_images_are_cut_again_at_a_new_position(tmp_path: Path) -> None:
    for day in DAYS:
        quadrant(tmp_path / "images", day)
    cut_at(tmp_path, 37.0)
    right = middles(tmp_path)
    cut_at(tmp_path, 37.0 + 30 * PIXEL_DEG)
    assert middles(tmp_path) == [right[0] + 30 * 320] * 2 + [round(37.0 + 30 * PIXEL_DEG, 6)]
    result = cut_at(tmp_path, 37.0)
    assert middles(tmp_path) == right
    assert result.n_new == 2
    nearly = cut_at(tmp_path, 37.0 + 0.6 * PIXEL_DEG)  # within a pixel: what is there stays
    assert nearly.n_new == 0
    assert middles(tmp_path) == right
    assert check_store(tmp_path / "out").complete


def test_a_position_elsewhere_is_named_and_can_be_corrected(tmp_path: Path) -> None:
    """Right ascension and declination swapped, then right."""
    quadrant(tmp_path / "images", DAYS[0])
    result = cut_at(tmp_path, 25.0, 37.0)
    assert not result.complete
    assert "not near the images" in result.problems[0].what
    assert cut_at(tmp_path, 37.0).n_new == 1
    wrong = cut_at(tmp_path, 25.0, 37.0)  # and then wrong again: what is there stays
    assert not wrong.complete
    assert len(rbztf.open_cutouts(tmp_path / "out")[FIELD_OID].frames) == 1


def test_a_light_curve_s_position_counts(
    sky: SimulatedSky, start_archive: Start, quick: HttpSettings, tmp_path: Path
) -> None:
    """A target beside it is told of, and its frames are those of the light curve."""
    quadrant(tmp_path / "images", DAYS[0])
    cut_at(tmp_path, 37.0)
    right = middles(tmp_path)
    cutouts = rbztf.open_cutouts(tmp_path / "out")[FIELD_OID]
    place = {"ra_deg": cutouts.ra_deg, "dec_deg": cutouts.dec_deg, "collection": "ztf_dr24"}
    write_object(tmp_path / "out", cutouts.oid, cutouts.frames[:0], without_frames(cutouts.epochs), **place)
    result = cut_at(tmp_path, 37.0 + 20 * PIXEL_DEG)
    assert result.complete
    assert "more than a pixel" in result.notes[0]
    assert middles(tmp_path) == right


def without_frames(epochs: object) -> object:
    """The table of epochs as before any frame was fetched."""
    epochs["frame"] = -1  # type: ignore[index]
    epochs["status"] = ["skipped"] * len(epochs)  # type: ignore[index, arg-type]
    return epochs
