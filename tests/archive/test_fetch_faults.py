"""Whatever goes wrong between archive and client, no frame is lost, doubled or mistaken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import rbztf
from rbztf.archive.http_settings import HttpSettings
from rbztf.simulate.archive.answers import Answer, Query
from rbztf.simulate.archive.faults import TRANSIENT_KINDS, Faults
from rbztf.simulate.archive.server import SimulatedArchive, kind_of
from rbztf.simulate.sky import SimulatedSky
from rbztf.verbs.fetch import check_store, fetch, fetch_position

Start = Callable[..., SimulatedArchive]
Files = Callable[[Path], dict[str, bytes]]


@pytest.fixture(scope="module")
def brisk(quick: HttpSettings) -> HttpSettings:
    """Gives up on a trickle soon."""
    return replace(quick, frame_budget_s=0.5, table_budget_s=1.0)


@pytest.mark.parametrize("kind", TRANSIENT_KINDS)
def test_each_fault_alone(
    kind: str,
    sky: SimulatedSky,
    start_archive: Start,
    brisk: HttpSettings,
    tmp_path: Path,
    clean_store: dict[str, bytes],
    files_of: Files,
) -> None:
    oids = sky.oids[:2]
    archive = start_archive(faults=Faults(rate=0.3, kinds=(kind,), seed=4, trickle_s=8.0))
    result = fetch(oids, out=tmp_path, archive_url=archive.url, settings=brisk)
    assert archive.requests.by_fault[kind] > 0
    assert result.complete, result.problems
    assert files_of(tmp_path) == {f"{oid}.fits": clean_store[f"{oid}.fits"] for oid in oids}


def test_all_faults_at_once(
    sky: SimulatedSky,
    start_archive: Start,
    brisk: HttpSettings,
    tmp_path: Path,
    clean_store: dict[str, bytes],
    files_of: Files,
) -> None:
    archive = start_archive(faults=Faults(rate=0.3, kinds=TRANSIENT_KINDS, max_per_url=5, trickle_s=8.0))
    result = fetch(sky.oids, out=tmp_path, archive_url=archive.url, settings=brisk)
    assert len(archive.requests.by_fault) > 7
    assert result.complete, result.problems
    assert files_of(tmp_path) == clean_store


def test_frames_that_never_come_have_the_right_status(
    sky: SimulatedSky, start_archive: Start, brisk: HttpSettings, tmp_path: Path
) -> None:
    kinds = (*TRANSIENT_KINDS, "missing", "off_chip")
    archive = start_archive(faults=Faults(rate=0.3, kinds=kinds, persistent_rate=0.1, trickle_s=8.0))
    result = fetch(sky.oids, out=tmp_path, archive_url=archive.url, settings=brisk)
    store = rbztf.open_cutouts(tmp_path)
    seen = {"missing": 0, "off-chip": 0}
    for oid in sky.oids:
        cutouts = store[oid]
        assert len(cutouts.epochs) == len(sky.light_curve(oid)["mjd"])
        for epoch in cutouts.epochs:
            name = str(epoch["url"]).partition("?")[0].rpartition("/")[2]
            wanted = "ok"
            if name in archive.missing_images:
                wanted = "missing"
            elif name in archive.off_chip_images:
                wanted = "off-chip"
            assert epoch["status"] == wanted
            if wanted != "ok":
                seen[wanted] += 1
    assert min(seen.values()) > 0
    assert result.complete is False
    assert {status: result.counts[status] for status in seen} == seen
    assert check_store(tmp_path).complete


def test_answers_that_are_never_sound_count_as_corrupt(
    sky: SimulatedSky, start_archive: Start, brisk: HttpSettings, tmp_path: Path
) -> None:
    class ImagesOnly(Faults):
        def of_answer(self, url: str, asked: int) -> str | None:
            return super().of_answer(url, asked) if "sciimg" in url else None

    faults = ImagesOnly(rate=1.0, kinds=("html", "short_body", "wrong_image"), max_per_url=10**6)
    archive = start_archive(faults=faults)
    few = replace(brisk, tries=2, breaker_failures=10**6)
    result = fetch([sky.oids[0]], out=tmp_path, archive_url=archive.url, settings=few)
    assert set(result.counts) == {"corrupt"}
    assert not result.complete
    archive = start_archive()
    assert fetch([sky.oids[0]], out=tmp_path, archive_url=archive.url, settings=brisk).complete


def test_an_archive_that_goes_down_is_left_alone(
    sky: SimulatedSky,
    start_archive: Start,
    brisk: HttpSettings,
    tmp_path: Path,
    clean_store: dict[str, bytes],
    files_of: Files,
) -> None:
    class AfterAWhile(Faults):
        def of_answer(self, url: str, asked: int) -> str | None:
            return "503" if archive.requests.total > 20 else None

    archive = start_archive(faults=AfterAWhile())
    limited = replace(brisk, breaker_failures=10)
    result = fetch(sky.oids, out=tmp_path, archive_url=archive.url, settings=limited)
    assert not result.complete
    assert archive.requests.total <= 20 + 10 + 2 * 4
    assert "in a row" in result.problems[0].what
    assert result.n_new > 0
    assert all(entry.problem for entry in result.objects if not entry.path)
    assert result.counts["failed"] > 0
    kept = check_store(tmp_path)
    assert sum(kept.under_way.values()) + kept.n_frames >= result.n_new

    archive = start_archive()
    again = fetch(sky.oids, out=tmp_path, archive_url=archive.url, settings=brisk)
    assert again.complete
    assert archive.requests.by_kind["image"] == again.n_frames - result.n_new
    assert files_of(tmp_path) == clean_store


def test_an_archive_that_is_not_there(sky: SimulatedSky, brisk: HttpSettings, tmp_path: Path) -> None:
    few = replace(brisk, breaker_failures=6)
    result = fetch(sky.oids, out=tmp_path, archive_url="http://127.0.0.1:9", settings=few)
    assert not result.complete
    assert result.n_requests <= 6 + 4
    assert "was not asked for" in result.objects[-1].problem


class FramesOnly(Faults):
    """Faults of the cutouts alone."""

    def of_answer(self, url: str, asked: int) -> str | None:
        return super().of_answer(url, asked) if "sciimg" in url else None


@pytest.mark.parametrize("kind", ["lost_bytes", "inserted_bytes"])
def test_bytes_lost_or_inserted_in_the_pixels_are_noticed(
    kind: str,
    sky: SimulatedSky,
    start_archive: Start,
    brisk: HttpSettings,
    tmp_path: Path,
    clean_store: dict[str, bytes],
    files_of: Files,
) -> None:
    """The length is that of a whole frame; the next answer is a good one."""
    archive = start_archive(faults=FramesOnly(rate=1.0, kinds=(kind,), max_per_url=1, seed=6))
    result = fetch(sky.oids, out=tmp_path, archive_url=archive.url, settings=brisk)
    assert archive.requests.by_fault[kind] > 50
    assert result.complete
    assert files_of(tmp_path) == clean_store


@pytest.mark.parametrize("kind", ["lost_bytes", "inserted_bytes"])
def test_frames_that_are_always_damaged_are_corrupt(
    kind: str, sky: SimulatedSky, start_archive: Start, brisk: HttpSettings, tmp_path: Path
) -> None:
    archive = start_archive(faults=FramesOnly(rate=1.0, kinds=(kind,), max_per_url=10**6))
    few = replace(brisk, tries=2, breaker_failures=10**6)
    result = fetch(sky.oids, out=tmp_path, archive_url=archive.url, settings=few)
    assert set(result.counts) == {"corrupt"}
    assert not result.complete


class TablesOnly(Faults):
    """Faults of the light curves alone."""

    def of_answer(self, url: str, asked: int) -> str | None:
        return super().of_answer(url, asked) if "nph_light_curves" in url else None


def test_a_table_cut_at_the_end_of_a_line_is_noticed(
    sky: SimulatedSky,
    start_archive: Start,
    brisk: HttpSettings,
    tmp_path: Path,
    clean_store: dict[str, bytes],
    files_of: Files,
) -> None:
    """No length was promised, so it is asked for a second time; the two answers differ."""
    archive = start_archive(faults=TablesOnly(rate=1.0, kinds=("cut_line",), max_per_url=1))
    result = fetch(sky.oids, out=tmp_path, archive_url=archive.url, settings=brisk)
    assert archive.requests.by_fault["cut_line"] > 0
    assert result.complete
    assert files_of(tmp_path) == clean_store


def test_a_table_that_is_always_cut_is_compared_with_the_known_number_of_epochs(
    sky: SimulatedSky, start_archive: Start, brisk: HttpSettings, tmp_path: Path, files_of: Files
) -> None:
    """The number is known from a position query, or from the store where the release is the same."""
    always = TablesOnly(rate=1.0, kinds=("cut_line",), max_per_url=10**6)
    entry, few = sky.object(sky.oids[0]), replace(brisk, tries=2)
    url = start_archive(faults=always).url
    place = {"out": tmp_path, "archive_url": url, "settings": few}
    by_position = fetch_position(entry.ra_deg, entry.dec_deg, **place)
    n_epochs = len(sky.light_curve(entry.oid)["mjd"])
    assert f"of {n_epochs} epochs" in by_position.objects[0].problem
    assert list(files_of(tmp_path)) == []
    fetch([entry.oid], out=tmp_path, archive_url=start_archive().url, settings=few)
    before = files_of(tmp_path)
    url = start_archive(faults=always).url
    again = fetch([entry.oid], out=tmp_path, archive_url=url, refresh=True, settings=few)
    assert f"of {n_epochs} epochs" in again.objects[0].problem
    assert files_of(tmp_path) == before


def test_epochs_of_an_object_that_was_not_asked_for_make_an_answer_unsound(
    sky: SimulatedSky,
    start_archive: Start,
    brisk: HttpSettings,
    tmp_path: Path,
    clean_store: dict[str, bytes],
    files_of: Files,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As when the OID of some rows is damaged: those epochs would be lacking, in silence."""
    archive, oid = start_archive(), str(int(sky.oids[0]))
    good, spoiled = archive.answer, list[str]()

    def answer(path: str, query: Query) -> Answer:
        found = good(path, query)
        if kind_of(path) != "light_curve" or spoiled:
            return found
        spoiled.append(path)
        return replace(found, body=found.body.replace(f"\n{oid},".encode(), b"\n257201400048862,", 2))

    monkeypatch.setattr(archive, "answer", answer)
    result = fetch([oid], out=tmp_path, archive_url=archive.url, settings=brisk)
    assert spoiled
    assert result.complete
    assert files_of(tmp_path) == {f"{oid}.fits": clean_store[f"{oid}.fits"]}


def test_counts_are_right_after_giving_up(sky: SimulatedSky, brisk: HttpSettings, tmp_path: Path) -> None:
    """Objects that were not asked for are not counted as done; the trouble is told with its cause."""
    last: dict[str, tuple[int, int | None]] = {}
    told: list[str] = []

    def progress(stage: str, done: int, total: int | None, note: str = "") -> None:
        last[stage] = (done, total)
        if stage == "notice":
            told.append(note)

    few = replace(brisk, breaker_failures=6)
    url = "http://no-such-host.invalid"
    result = fetch(sky.oids, out=tmp_path, archive_url=url, settings=few, progress=progress)
    assert last["objects"] == (0, 5)
    assert "name is not known" in told[0]
    assert "name is not known" in result.problems[0].what
