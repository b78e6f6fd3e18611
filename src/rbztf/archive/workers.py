"""A few threads that do what waits on the network, and hand everything back to one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

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

    def collect(self, *, wait: bool) -> bool:
        """Handle one finished task; False if there is none (yet, unless ``wait``)."""
        if not self.in_flight or not (wait or not self._results.empty()):
            return False
        result, handler = self._results.get()
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
