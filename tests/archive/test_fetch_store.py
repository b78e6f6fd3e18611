"""Fetching into a store, over real sockets: what arrives, what is asked again, what is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers import files_below, largest_file

import rbztf
from rbztf.archive.http_settings import HttpSettings
from rbztf.archive.journal import Journal, journal_path
from rbztf.errors import DataError, InputError, UsageError, WriteError
from rbztf.simulate.archive.faults import Faults
from rbztf.simulate.archive.server import SimulatedArchive
from rbztf.simulate.sky import SimulatedSky
from rbztf.verbs.fetch import check_store, fetch, fetch_labels, fetch_position

Start = Callable[..., SimulatedArchive]
Files = Callable[[Path], dict[str, bytes]]


def test_every_frame_arrives_unchanged(
    sky: SimulatedSky, start_archive: Start, quick: HttpSettings, tmp_path: Path
) -> None:
    archive = start_archive()
    result = fetch(sky.oids, out=tmp_path, archive_url=archive.url, settings=quick)
    assert result.complete
    assert [entry.oid for entry in result.objects] == list(sky.oids)
    store = rbztf.open_cutouts(tmp_path)
    for oid in sky.oids:
        cutouts, curve = store[oid], sky.light_curve(oid)
        assert np.array_equal(cutouts.frames, sky.frames(oid), equal_nan=True)
        assert np.array_equal(cutouts.epochs["mjd"], curve["mjd"])
        assert np.allclose(cutouts.epochs["mag"], curve["mag"], atol=1e-6)
        assert np.isfinite(cutouts.epochs["hjd"]).all()
        assert np.isfinite(cutouts.epochs["seeing"]).all()
        assert (cutouts.epochs["infobits"] >= 0).all()
        assert cutouts.collection == "ztf_dr24"
    assert result.n_frames == result.n_new == sum(len(sky.light_curve(oid)["mjd"]) for oid in sky.oids)
    assert archive.requests.max_concurrent <= 4
    assert archive.requests.connections <= 4
    assert check_store(tmp_path).complete


def test_light_curves_are_asked_for_together(
    sky: SimulatedSky, start_archive: Start, quick: HttpSettings, tmp_path: Path
) -> None:
    archive = start_archive()
    fetch(sky.oids, out=tmp_path, archive_url=archive.url, settings=quick)
    assert archive.requests.by_kind["light_curve"] == 1


def test_a_second_run_asks_nothing(
    sky: SimulatedSky, start_archive: Start, quick: HttpSettings, tmp_path: Path, files_of: Files
) -> None:
    fetch(sky.oids, out=tmp_path, archive_url=start_archive().url, settings=quick)
    before, archive = files_of(tmp_path), start_archive()
    result = fetch(sky.oids, out=tmp_path, archive_url=archive.url, settings=quick)
    assert archive.requests.total == result.n_requests == result.n_new == 0
    assert result.complete
    assert files_of(tmp_path) == before


def test_missing_frames_alone_are_asked_again(
    sky: SimulatedSky,
    start_archive: Start,
    quick: HttpSettings,
    tmp_path: Path,
    files_of: Files,
    clean_store: dict[str, bytes],
) -> None:
    archive = start_archive(faults=Faults(rate=0, kinds=("missing",), persistent_rate=0.3))
    first = fetch(sky.oids, out=tmp_path, archive_url=archive.url, settings=quick)
    assert first.counts["missing"] > 0
    assert not first.complete
    archive = start_archive()
    second = fetch(sky.oids, out=tmp_path, archive_url=archive.url, settings=quick)
    assert archive.requests.by_kind == {"image": first.counts["missing"]}
    assert second.n_new == first.counts["missing"]
    assert files_of(tmp_path) == clean_store


def test_off_chip_epochs_are_not_asked_again(
    sky: SimulatedSky, start_archive: Start, quick: HttpSettings, tmp_path: Path
) -> None:
    faults = Faults(rate=0, kinds=("off_chip",), persistent_rate=0.3)
    first = fetch(sky.oids, out=tmp_path, archive_url=start_archive(faults=faults).url, settings=quick)
    assert first.complete
    assert first.counts["off-chip"] > 0
    archive = start_archive()
    fetch(sky.oids, out=tmp_path, archive_url=archive.url, settings=quick)
    assert archive.requests.total == 0


def test_refresh_asks_for_new_epochs_alone(
    sky: SimulatedSky,
    start_archive: Start,
    quick: HttpSettings,
    tmp_path: Path,
    files_of: Files,
    clean_store: dict[str, bytes],
) -> None:
    archive = start_archive()
    old = fetch(sky.oids, out=tmp_path, archive_url=archive.url, collection="ztf_dr23", settings=quick)
    noted = fetch(sky.oids, out=tmp_path, archive_url=archive.url, settings=quick)
    assert noted.n_new == 0
    assert "refresh" in noted.notes[0]
    archive = start_archive()
    new = fetch(sky.oids, out=tmp_path, archive_url=archive.url, refresh=True, settings=quick)
    assert 0 < new.n_new < old.n_frames
    assert archive.requests.by_kind == {"light_curve": 1, "image": new.n_new}
    assert files_of(tmp_path) == clean_store


def test_an_unknown_oid_is_named_and_the_rest_goes_on(
    sky: SimulatedSky, start_archive: Start, quick: HttpSettings, tmp_path: Path
) -> None:
    unknown = sky.oids[0] + 1 - 2 * (sky.oids[0] % 2)
    result = fetch([sky.oids[0], unknown], out=tmp_path, archive_url=start_archive().url, settings=quick)
    assert [entry.complete for entry in result.objects] == [True, False]
    assert "no light curve" in result.objects[1].problem
    assert result.problems[0].where == str(unknown)
    assert not (tmp_path / f"{unknown}.fits").exists()


def test_filters_keep_the_rows_they_leave_out(
    sky: SimulatedSky, start_archive: Start, quick: HttpSettings, tmp_path: Path
) -> None:
    archive, oid = start_archive(), sky.oids[0]
    curve = sky.light_curve(oid)
    result = fetch([oid], out=tmp_path, archive_url=archive.url, max_frames=5, keep="even", settings=quick)
    assert result.complete
    assert archive.requests.by_kind["image"] == 5
    epochs = rbztf.open_cutouts(tmp_path)[oid].epochs
    assert len(epochs) == len(curve["mjd"])
    assert list(np.flatnonzero(epochs["frame"] >= 0)[[0, -1]]) == [0, len(epochs) - 1]
    more = fetch([oid], out=tmp_path, archive_url=archive.url, mjd_max=curve["mjd"][7], settings=quick)
    assert archive.requests.by_kind["image"] == more.n_frames
    assert set(more.counts) == {"ok", "skipped"}


def test_frames_of_poor_quality_are_dropped_and_not_asked_again(
    sky: SimulatedSky, start_archive: Start, quick: HttpSettings, tmp_path: Path
) -> None:
    archive, oid = start_archive(), sky.oids[0]
    fetch([oid], out=tmp_path / "all", archive_url=archive.url, settings=quick)
    seeing = np.asarray(rbztf.open_cutouts(tmp_path / "all")[oid].epochs["seeing"])
    limit = float(np.median(seeing))
    options = {"out": tmp_path / "good", "archive_url": archive.url, "max_seeing_pix": limit}
    result = fetch([oid], settings=quick, **options)  # type: ignore[arg-type]
    assert result.n_frames == (seeing <= limit).sum()
    assert result.counts["skipped"] == (seeing > limit).sum()
    before = archive.requests.total
    fetch([oid], settings=quick, **options)  # type: ignore[arg-type]
    assert archive.requests.total == before


def test_max_frames_zero_takes_light_curves_alone(
    sky: SimulatedSky, start_archive: Start, quick: HttpSettings, tmp_path: Path
) -> None:
    archive = start_archive()
    result = fetch(sky.oids, out=tmp_path, archive_url=archive.url, max_frames=0, settings=quick)
    assert archive.requests.by_kind == {"light_curve": 1}
    assert result.complete
    assert len(rbztf.open_cutouts(tmp_path)[sky.oids[0]].frames) == 0


def test_other_bands_are_left_out(sky: SimulatedSky, start_archive: Start, tmp_path: Path) -> None:
    archive = start_archive()
    result = fetch(sky.oids, out=tmp_path, archive_url=archive.url, bands=["g"])
    assert result.objects == ()
    assert archive.requests.total == 0
    assert result.notes


def test_a_position_leads_to_its_object(
    sky: SimulatedSky, start_archive: Start, quick: HttpSettings, tmp_path: Path
) -> None:
    entry = sky.object(sky.oids[1])
    url = start_archive().url
    result = fetch_position(entry.ra_deg, entry.dec_deg, out=tmp_path, archive_url=url, settings=quick)
    assert [found.oid for found in result.objects] == [entry.oid]
    with pytest.raises(DataError, match="no object within"):
        fetch_position(entry.ra_deg, -80.0, out=tmp_path, archive_url=url)


def test_labels_are_read_back(
    sky: SimulatedSky, start_archive: Start, quick: HttpSettings, tmp_path: Path
) -> None:
    out = tmp_path / "labels" / "akb.json"
    result = fetch_labels(out, labels_url=start_archive().url, settings=quick)
    table = rbztf.read_labels(out)
    assert set(table) == set(sky.oids)
    assert result.n_artefacts == sum(int(entry.label) for entry in table.values())


@pytest.mark.parametrize("n_bytes", [0, 5_000, 40_000])
def test_a_store_that_cannot_be_written_is_said_and_filled_later(
    sky: SimulatedSky, start_archive: Start, quick: HttpSettings, tmp_path: Path, n_bytes: int
) -> None:
    address = start_archive().url
    with largest_file(n_bytes), pytest.raises(WriteError, match="larger than files may be") as caught:
        fetch(sky.oids, out=tmp_path / "a", archive_url=address, settings=quick)
    assert caught.value.exit_code == 1
    for folder in ("a", "b"):
        assert fetch(sky.oids, out=tmp_path / folder, archive_url=address, settings=quick).complete
    for path in (tmp_path / "b").glob("*.fits"):
        assert (tmp_path / "a" / path.name).read_bytes() == path.read_bytes()
    assert files_below(tmp_path / "a") == files_below(tmp_path / "b")


def test_what_is_not_ours_is_not_overwritten(
    sky: SimulatedSky, start_archive: Start, quick: HttpSettings, tmp_path: Path
) -> None:
    oid = sky.oids[0]
    (tmp_path / f"{oid}.fits").write_bytes(b"SIMPLE  =                    T".ljust(2880))
    (tmp_path / str(sky.oids[1])).mkdir()
    result = fetch(sky.oids[:3], out=tmp_path, archive_url=start_archive().url, settings=quick)
    assert [entry.complete for entry in result.objects] == [False, False, True]


def test_wrong_use_is_said_at_once(tmp_path: Path, sky: SimulatedSky) -> None:
    for options, what in (
        ({"archive_url": "irsa"}, "not the address"),
        ({"workers": 0}, "must be 1 to 10"),
        ({"max_frames": -1}, "0 or more"),
        ({"mjd_min": 2.0, "mjd_max": 1.0}, "before it starts"),
        ({"keep": "best"}, "Unknown choice"),
    ):
        with pytest.raises(UsageError, match=what):
            fetch(sky.oids, out=tmp_path, **options)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="not a ZTF OID"):
        fetch([12345], out=tmp_path)


def test_check_names_what_is_wrong(
    sky: SimulatedSky, start_archive: Start, quick: HttpSettings, tmp_path: Path
) -> None:
    fetch(sky.oids[:3], out=tmp_path, archive_url=start_archive().url, settings=quick)
    whole = tmp_path / f"{sky.oids[0]}.fits"
    whole.write_bytes(whole.read_bytes()[:20000])
    (tmp_path / f"{sky.oids[1]}.fits").rename(tmp_path / f"{sky.oids[4]}.fits")
    Journal(journal_path(tmp_path, sky.oids[3])).close()
    result = check_store(tmp_path)
    assert result.n_objects == 1
    assert len(result.problems) == 2
    assert result.under_way == {str(int(sky.oids[3])): 0}
    assert not result.complete


def test_progress_comes_to_its_end(
    sky: SimulatedSky, start_archive: Start, quick: HttpSettings, tmp_path: Path
) -> None:
    last: dict[str, tuple[int, int | None]] = {}

    def progress(stage: str, done: int, total: int | None, note: str = "") -> None:
        last[stage] = (done, total)

    result = fetch(sky.oids, out=tmp_path, archive_url=start_archive().url, settings=quick, progress=progress)
    assert last == {"objects": (5, 5), "frames": (result.n_frames, result.n_frames)}
