"""Whatever goes wrong between archive and client, no frame is lost, doubled or mistaken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import rbztf
from rbztf.archive.http_settings import HttpSettings
from rbztf.simulate.archive.faults import TRANSIENT_KINDS, Faults
from rbztf.simulate.archive.server import SimulatedArchive
from rbztf.simulate.sky import SimulatedSky
from rbztf.verbs.fetch import check_store, fetch

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
