"""How independent pieces of work are spread: in this process, or over local worker processes.

Every piece runs torch on one thread, wherever it runs, so results do not depend on the
number of workers; two pieces on two cores finish sooner than one piece on both, since the
matrices of a recurrent step are small.
"""

from __future__ import annotations

import multiprocessing
import os
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from rbztf.errors import RbztfError
from rbztf.progress import Progress, silent

Task = TypeVar("Task")
Result = TypeVar("Result")
Work = Callable[[Task, Progress], Result]
_POLL_S = 0.2
_reports: Any = None


def spread(
    work: Callable[[Task, Progress], Result], tasks: Sequence[Task], workers: int, progress: Progress = silent
) -> list[Result]:
    """Run ``work(task, progress)`` for every task; results in the order of the tasks.

    Parameters
    ----------
    work : callable
        A module-level function (it travels to other processes by name).
    workers : int
        Processes; 0 takes one a core, 1 stays in this process.

    Raises
    ------
    RbztfError
        What a piece of work raised, or if a worker was killed.
    """
    workers = min(workers or available_cores(), len(tasks))
    if workers <= 1:
        return [work(task, progress) for task in tasks]
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager:
        reports = manager.Queue()
        with ProcessPoolExecutor(workers, context, _start_worker, (reports,)) as pool:
            futures = [pool.submit(_in_worker, work, task) for task in tasks]
            try:
                _relay(futures, reports, progress)
                return [future.result() for future in futures]
            except BrokenProcessPool:
                raise RbztfError(
                    "A worker process was killed, perhaps for want of memory.", "Try again with --workers 1."
                ) from None
            finally:
                pool.shutdown(wait=True, cancel_futures=True)


def available_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _relay(futures: Sequence[Future[Any]], reports: Any, progress: Progress) -> None:
    pending = set(futures)
    while pending:
        done, pending = wait(pending, timeout=_POLL_S, return_when=FIRST_COMPLETED)
        while True:
            try:
                progress(*reports.get_nowait())
            except queue.Empty:
                break
        if any(future.exception() for future in done):
            return


def _start_worker(reports: Any) -> None:
    global _reports
    _reports = reports
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()


def _end_with(parent: int) -> None:
    """Do not outlive a parent that was killed: its work would go on for nobody."""
    while os.getppid() == parent:
        time.sleep(_POLL_S)
    os._exit(1)


def _report(stage: str, done: int, total: int | None, note: str = "") -> None:
    _reports.put((stage, done, total, note))


def _in_worker(work: Callable[[Any, Progress], Any], task: Any) -> Any:
    return work(task, _report)
