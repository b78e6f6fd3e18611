"""Several processes that fetch into one store: all finish, each object is fetched once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rbztf.archive.http_settings import HttpSettings
from rbztf.simulate.archive.server import SimulatedArchive
from rbztf.simulate.sky import SimulatedSky
from rbztf.stores.store_locks import StoreLocks
from rbztf.verbs.fetch import check_store, fetch

Start = Callable[..., SimulatedArchive]


def run_fetch(archive: SimulatedArchive, out: Path, oids: list[int], *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "rbztf", "fetch", *map(str, oids), "--archive", archive.url]
    command += ["--out", str(out), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_four_processes_share_the_work(tmp_path: Path) -> None:
    """Four lists of 40 objects each, almost every object on all of them."""
    sky = SimulatedSky(52, 3, seed=3)
    with SimulatedArchive(sky, latency_s=0.01) as archive:
        lists = [[int(oid) for oid in sky.oids[start : start + 40]] for start in (0, 4, 8, 12)]
        running = [run_fetch(archive, tmp_path, oids) for oids in lists]
        for process in running:
            _, said = process.communicate()
            assert process.returncode == 0, said
        n_frames = sum(len(sky.light_curve(oid)["mjd"]) for oid in sky.oids)
        assert archive.requests.by_kind["image"] == n_frames
        asked = [url for url in archive.requests.by_url if "nph_light_curves" in url]
        named = [oid for url in asked for oid in url.partition("ID=")[2].partition("&")[0].split(",")]
        assert sorted(named) == sorted(str(int(oid)) for oid in sky.oids)
    found = check_store(tmp_path)
    assert found.complete
    assert found.n_objects == 52


def test_an_object_of_another_process_is_waited_for(
    sky: SimulatedSky, start_archive: Start, quick: HttpSettings, tmp_path: Path
) -> None:
    """The other objects are fetched meanwhile; when it is free, it is fetched too."""
    archive, held = start_archive(), sky.oids[0]
    said: list[str] = []
    with StoreLocks(tmp_path) as other:
        other.take(held)

        def progress(stage: str, done: int, total: int | None, note: str = "") -> None:
            if stage == "notice":
                said.append(note)
                assert {int(path.stem) for path in tmp_path.glob("*.fits")} == set(sky.oids[1:])
                other.release(held)

        result = fetch(sky.oids, out=tmp_path, archive_url=archive.url, settings=quick, progress=progress)
    assert result.complete
    assert said == ["Waiting for 1 object that another process is fetching into the same folder."]


@pytest.mark.parametrize("wait_s", [0, 0.3])
def test_who_will_not_wait_is_told(
    wait_s: float, sky: SimulatedSky, start_archive: Start, quick: HttpSettings, tmp_path: Path
) -> None:
    with StoreLocks(tmp_path) as other:
        other.take(sky.oids[0])
        url = start_archive().url
        result = fetch(sky.oids[:2], out=tmp_path, archive_url=url, settings=quick, wait_s=wait_s)
        process = run_fetch(start_archive(), tmp_path, [int(oid) for oid in sky.oids[:2]], "--wait", "0")
        said = process.communicate()[1]
    assert [entry.complete for entry in result.objects] == [False, True]
    assert "Another process" in result.objects[0].problem
    assert process.returncode == 3
    assert f"Not done: {sky.oids[0]}: Another process is fetching it." in said
