"""One writer an object, by locks that end with their process, or a word where there are none."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import make_oid, run

from rbztf.errors import UsageError, WriteError
from rbztf.locks import hold
from rbztf.progress import silent
from rbztf.stores.store_locks import LOCK_NAME, Busy, Patience, StoreLocks

ONE, OTHER = make_oid(1), make_oid(2)
HOLD = """
import sys, pathlib
from rbztf.stores.store_locks import StoreLocks
locks = StoreLocks(pathlib.Path(sys.argv[1]))
assert all(locks.take(int(oid)) for oid in sys.argv[2:])
print("held", flush=True)
sys.stdin.read()
"""


def test_another_process_holds_single_objects(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path), str(ONE)]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other,
        StoreLocks(tmp_path) as locks,
    ):
        assert other.stdout is not None
        try:
            assert other.stdout.readline() == b"held\n"
            assert not locks.take(ONE)
            assert locks.take(OTHER)
        finally:
            other.kill()
            other.wait()
        assert locks.take(ONE)  # the system released it
        assert locks.warning == ""


def test_two_holders_within_one_process_exclude_each_other(tmp_path: Path) -> None:
    with StoreLocks(tmp_path) as first, StoreLocks(tmp_path) as second:
        assert first.take(ONE)
        assert not second.take(ONE)
        first.release(ONE)
        assert second.take(ONE)
        with (
            pytest.raises(Busy, match="Another process is writing"),
            first.held(ONE, Patience(0, silent), "x"),
        ):
            pass


def test_a_folder_is_made_with_those_above_it(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "store"
    for _ in range(2):
        with StoreLocks(folder) as locks:
            assert locks.take(ONE)
    assert [entry.name for entry in folder.iterdir()] == [LOCK_NAME]


def test_half_files_of_killed_writers_go(tmp_path: Path) -> None:
    dead, alive = (tmp_path / f".{oid}.fits.77.{oid}.part" for oid in (ONE, OTHER))
    for path in (dead, alive):
        path.write_bytes(b"half")
    with alive.open("rb") as stream:
        hold(stream.fileno())
        StoreLocks(tmp_path).close()
        assert not dead.exists()
        assert alive.exists()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, 524])
def test_a_file_system_without_locks(tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, "no locks here")

    with StoreLocks(tmp_path) as locks:
        for name in ("fcntl", "lockf", "flock"):
            monkeypatch.setattr(fcntl, name, refuse)
        assert locks.take(ONE)
        assert locks.take(ONE)
        locks.release(ONE)
        assert "no file locks" in locks.warning


def test_waiting_is_said_and_comes_to_an_end(tmp_path: Path) -> None:
    said: list[str] = []

    def progress(stage: str, done: int, total: int | None, note: str = "") -> None:
        said.append(f"{stage}: {note}")

    with StoreLocks(tmp_path) as first, StoreLocks(tmp_path) as second:
        first.take(ONE)
        with pytest.raises(Busy), second.held(ONE, Patience(0.3, progress), "object 1"):
            pass
    assert said == ["notice: Waiting for object 1, to which another process is writing."]


def test_waiting_is_said_every_half_minute_and_a_rest_starts_the_time_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, said = [1000.0], list[float]()

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    monkeypatch.setattr("time.sleep", sleep)
    patience = Patience(100, lambda *_: said.append(clock[0] - 1000))
    while patience.wait("x"):
        pass
    assert said == pytest.approx([0, 30, 60, 90], abs=0.5)
    assert clock[0] - 1000 == pytest.approx(100, abs=0.5)
    patience.rest()
    assert patience.wait("x")


def test_the_lock_cannot_be_run(tmp_path: Path) -> None:
    StoreLocks(tmp_path).close()
    assert not (tmp_path / LOCK_NAME).stat().st_mode & 0o111


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="a file is in the way"):
        StoreLocks(tmp_path / "file" / "store")


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO])
@pytest.mark.parametrize("call", ["open", "mkdir"])
def test_a_store_that_cannot_be_written_is_exit_1(
    number: int, call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with everything else that is written: wrong use is something else."""
    (tmp_path / "targets.csv").write_text(f"oid,ra,dec\n{make_oid(1)},1,2\n")
    image = tmp_path / "images" / "ztf_20200924431759_000655_zr_c13_o_q3_sciimg.fits"
    image.parent.mkdir()
    image.write_bytes(b"x")
    store, opened = tmp_path / "store", getattr(os, call)

    def refuse(path: object, *rest: object, **named: object) -> object:
        if str(path).startswith(str(store)):
            raise OSError(number, os.strerror(number))
        return opened(path, *rest, **named)

    monkeypatch.setattr(os, call, refuse)
    with pytest.raises(WriteError):
        StoreLocks(store)
    images = ["--images", image.parent, "--targets", tmp_path / "targets.csv"]
    for arguments in ([make_oid(1), "--archive", "http://127.0.0.1:9"], images):
        found = run("fetch", *arguments, "--out", store)
        assert found.exit_code == 1
        assert found.stderr.count("\n") == 1
        assert f"{store} cannot be written" in found.stderr
