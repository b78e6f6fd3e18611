"""Where pieces of work run: in this process, in local ones, or on the workers of a Dask scheduler.

A piece of work is a task for a module-level function: coarse (seconds), the same however often it is done,
and known by its own key, so one that is lost with its worker is done again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib import import_module
from itertools import islice
from typing import Any, Protocol, TypeVar

from rbztf.errors import RbztfError, UsageError, reason
from rbztf.parallel.processes import available_cores, each_process

Task = TypeVar("Task")
Result = TypeVar("Result")
LOCAL = "local"
"""In place of an address: a Dask scheduler and workers on this machine."""
CONNECT_S = 20
WINDOW = 4
"""Tasks a thread that a Dask scheduler holds at once: it slows down under many thousands."""
LEAST_WINDOW = 32
RETRIES = 3
"""How often a piece is tried again whose worker was lost."""


class Scheduler(Protocol):
    """Runs pieces of work."""

    def each(self, work: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
        """Results of ``work(task)``, in the order in which they come.

        Raises
        ------
        RbztfError
            What a piece of work raised, or if its workers were killed time and again.
        """


class Processes:
    """Local worker processes, each on one thread.

    Parameters
    ----------
    workers : int
        0 takes one a core; 1 works in this process.
    """

    def __init__(self, workers: int = 0) -> None:
        self.workers = workers or available_cores()

    def each(self, work: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
        """As :meth:`Scheduler.each`."""
        if self.workers == 1:
            return map(work, tasks)
        return each_process(work, list(tasks), self.workers)


class DaskWorkers:
    """The workers of a Dask scheduler.

    Parameters
    ----------
    client : dask.distributed.Client
    """

    def __init__(self, client: Any) -> None:
        self.client = client

    def each(self, work: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
        """As :meth:`Scheduler.each`; the scheduler holds a few tasks a worker at a time."""
        distributed: Any = import_module("distributed")
        waiting = iter(tasks)
        running = distributed.as_completed()
        for task in islice(waiting, self._window()):
            running.add(self._submit(work, task))
        try:
            for future in running:
                result, error = future.result()
                future.release()
                if error is not None:
                    raise error
                yield result
                for task in islice(waiting, max(1, self._window() - running.count())):
                    running.add(self._submit(work, task))
        except distributed.KilledWorker:
            raise RbztfError(
                "A piece of work ended its Dask worker time and again, possibly because memory ran out.",
                "Give the workers more memory, then run the same command again.",
            ) from None

    def _submit(self, work: Callable[[Any], Any], task: Any) -> Any:
        return self.client.submit(_guarded, work, task, pure=False, retries=RETRIES)

    def _window(self) -> int:
        return max(LEAST_WINDOW, WINDOW * int(sum(self.client.nthreads().values())))


def in_order(pool: Scheduler, work: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
    """Results of ``work(task)`` in the order of the tasks; what comes too soon is held."""
    held: dict[int, Result] = {}
    turn = 0
    for number, result in pool.each(partial(_numbered, work), enumerate(tasks)):
        held[number] = result
        while turn in held:
            yield held.pop(turn)
            turn += 1


def _numbered(work: Callable[[Any], Any], task: tuple[int, Any]) -> tuple[int, Any]:
    number, given = task
    return number, work(given)


def _guarded(work: Callable[[Any], Any], task: Any) -> tuple[Any, RbztfError | None]:
    """What a piece of work gives, or our own error, which no second try would mend."""
    try:
        return work(task), None
    except RbztfError as error:
        return None, error


@contextmanager
def open_scheduler(address: str | None = None, workers: int = 0) -> Iterator[Scheduler]:
    """What runs pieces of work within the block.

    Parameters
    ----------
    address : str, optional
        Of a Dask scheduler, such as ``tcp://node:8786``, or ``local`` for one that is started here;
        left out, local processes without Dask.
    workers : int
        Local processes; 0 takes one a core.

    Raises
    ------
    UsageError
        If Dask is not installed, or does not answer.
    """
    if address is None:
        yield Processes(workers)
        return
    with open_client(address, workers) as client:
        yield DaskWorkers(client)


@contextmanager
def open_client(address: str, workers: int = 0) -> Iterator[Any]:
    """A :class:`distributed.Client` within the block; parameters and errors as of :func:`open_scheduler`."""
    try:
        distributed: Any = import_module("distributed")
    except ImportError:
        raise UsageError("--scheduler needs Dask.", 'Install it: pip install "rbztf[dask]".') from None
    with ExitStack() as stack:
        target: Any = address
        if address == LOCAL:
            n_workers = workers or available_cores()
            target = stack.enter_context(
                distributed.LocalCluster(n_workers=n_workers, threads_per_worker=1, dashboard_address=None)
            )
        try:
            client = stack.enter_context(distributed.Client(target, timeout=CONNECT_S))
        except (OSError, TimeoutError, ValueError) as error:
            raise UsageError(
                f"No Dask scheduler answers at {address} ({reason(error)}).",
                "Start one (dask scheduler), or leave out --scheduler.",
            ) from None
        yield client
