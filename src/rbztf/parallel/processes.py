"""Run independent tasks in local worker processes, or on threads that wait for the network.

Every piece runs torch on one thread, wherever it runs, so results do not depend on the
number of workers; two pieces on two cores finish sooner than one piece on both, since the
matrices of a recurrent step are small.
"""

from __future__ import annotations

import multiprocessing
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, as_completed, wait
from concurrent.futures.process import BrokenProcessPool
from queue import SimpleQueue
from typing import Any, TypeVar

from rbztf.errors import RbztfError
from rbztf.progress import Progress, silent

Task = TypeVar("Task")
Result = TypeVar("Result")
Work = Callable[[Task, Progress], Result]
_POLL_S = 0.2
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
TRIES = 3
"""How often a pool of workers is started, of which one was killed."""
_reports: Any = None


def map_processes(
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
                    "A worker process was killed, possibly because it ran out of memory.",
                    "Try again with --workers 1.",
                ) from None
            finally:
                pool.shutdown(wait=True, cancel_futures=True)


def each_process(work: Callable[[Task], Result], tasks: Sequence[Task], workers: int) -> Iterator[Result]:
    """Results of ``work(task)`` in local worker processes, in the order in which they come.

    A worker that is killed costs what it was at: its task, and those of the workers beside it, are done again.

    Parameters
    ----------
    work : callable
        A module-level function.
    workers : int
        Processes, each on one thread.

    Raises
    ------
    RbztfError
        What a piece of work raised, or if workers were killed time and again.
    """
    context = multiprocessing.get_context("spawn")
    left = dict(enumerate(tasks))
    for _ in range(TRIES):
        if not left:
            return
        with ProcessPoolExecutor(min(workers, len(left)), context, _start_alone) as pool:
            futures = {pool.submit(work, task): number for number, task in left.items()}
            try:
                for future in as_completed(futures):
                    result = future.result()
                    del left[futures[future]]
                    yield result
                return
            except BrokenProcessPool:
                pass
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
    raise RbztfError(
        f"Worker processes were killed {TRIES} times, possibly because memory ran out.",
        'Try again with --workers 1; a script of your own has to begin its work under if __name__ == "__main__".',
    )


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


def _start_alone() -> None:
    """Begin a worker that computes on one thread."""
    from threadpoolctl import threadpool_limits

    os.environ.update(dict.fromkeys(_THREADS, "1"))  # for libraries that are loaded later
    threadpool_limits(1)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()


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


Handler = Callable[[Any], None]
"""Gets what a task returned, or the error it raised, in the thread that collects."""
_STOP = None


class Workers:
    """Threads that run tasks; results are handled by the caller, one after another.

    The threads are daemons: an interrupted run does not wait for an archive that hangs.

    Parameters
    ----------
    n_workers : int
    """

    def __init__(self, n_workers: int) -> None:
        self.in_flight = 0
        self._tasks: SimpleQueue[tuple[Callable[[], Any], Handler] | None] = SimpleQueue()
        self._results: SimpleQueue[tuple[Any, Handler]] = SimpleQueue()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(n_workers)]
        for thread in self._threads:
            thread.start()

    def submit(self, task: Callable[[], Any], handler: Handler) -> None:
        """Queue ``task``; :meth:`collect` will give ``handler`` its result or error."""
        self.in_flight += 1
        self._tasks.put((task, handler))

    def collect(self, timeout_s: float) -> bool:
        """Handle one finished task; False if there is none within ``timeout_s`` seconds."""
        if not self.in_flight:
            return False
        try:
            result, handler = self._results.get(timeout=timeout_s)
        except queue.Empty:
            return False
        self.in_flight -= 1
        handler(result)
        return True

    def stop(self) -> None:
        """Let the threads end when they have done what they are at."""
        for _ in self._threads:
            self._tasks.put(_STOP)

    def _work(self) -> None:
        while (task := self._tasks.get()) is not _STOP:
            run, handler = task
            try:
                result = run()
            except Exception as error:  # noqa: BLE001 (handed on: the handler raises what it does not expect)
                result = error
            self._results.put((result, handler))
