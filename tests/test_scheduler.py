"""Pieces of work in local processes and on Dask workers: whatever happens to a worker, every piece is done."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rbztf.errors import DataError, RbztfError, UsageError
from rbztf.parallel.scheduler import DaskWorkers, Processes, Scheduler, open_scheduler


def square(number: int) -> int:
    return number * number


def refuse(number: int) -> int:
    if number == 3:
        raise DataError("3 is wrong.", "Leave it out.")
    return number


def die_once(task: tuple[int, str]) -> int:
    """The first worker that gets the task 2 is killed."""
    number, mark = task
    if number == 2 and not Path(mark).exists():
        Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def die(number: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.fixture(scope="module")
def dask() -> Iterator[Scheduler]:
    pytest.importorskip("distributed")
    with open_scheduler("local", 2) as found:
        yield found


@pytest.fixture(params=["one", "processes", "dask"])
def scheduler(request: pytest.FixtureRequest) -> Scheduler:
    made = {"one": lambda: Processes(1), "processes": lambda: Processes(2)}
    found: Any = request.getfixturevalue("dask") if request.param == "dask" else made[request.param]()
    return found  # type: ignore[no-any-return]


def test_every_piece_is_done(scheduler: Scheduler) -> None:
    assert sorted(scheduler.each(square, range(50))) == [number * number for number in range(50)]
    assert list(scheduler.each(square, [])) == []


def test_an_error_of_ours_arrives_as_it_was_raised(scheduler: Scheduler) -> None:
    with pytest.raises(DataError, match=r"3 is wrong\.") as caught:
        list(scheduler.each(refuse, range(6)))
    assert caught.value.next_step == "Leave it out."


@pytest.mark.parametrize("kind", ["processes", "dask"])
def test_a_killed_worker_costs_no_piece(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    scheduler: Scheduler = Processes(2) if kind == "processes" else request.getfixturevalue("dask")
    mark = str(tmp_path / "mark")
    assert sorted(scheduler.each(die_once, [(number, mark) for number in range(8)])) == list(range(8))
    assert Path(mark).exists()


def test_work_that_kills_every_worker_ends_in_a_sentence() -> None:
    with pytest.raises(RbztfError, match="killed 3 times"):
        list(Processes(2).each(die, [1, 2]))


def test_a_scheduler_holds_few_tasks_at_a_time(dask: DaskWorkers, monkeypatch: pytest.MonkeyPatch) -> None:
    held, most = set[int](), 0
    submit = dask._submit

    def counted(work: Any, task: int) -> Any:
        nonlocal most
        held.add(task)
        most = max(most, len(held))
        return submit(work, task)

    monkeypatch.setattr(dask, "_submit", counted)
    for result in dask.each(square, range(600)):
        held.discard(round(result**0.5))
    assert not held
    assert most <= dask._window() + 1


def test_no_scheduler_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr("rbztf.parallel.scheduler.CONNECT_S", 1)
    with (
        pytest.raises(UsageError, match=r"No Dask scheduler answers at tcp://127\.0\.0\.1:9"),
        open_scheduler("tcp://127.0.0.1:9"),
    ):
        pass
    with pytest.raises(UsageError, match="No Dask scheduler"), open_scheduler("nonsense://x"):
        pass
