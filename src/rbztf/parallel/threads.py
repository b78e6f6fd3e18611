"""Work spread over threads, for what releases Python's lock: products of matrices, sorts, trees."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_threads(work: Callable[[Item], Result], items: Iterable[Item], n_threads: int) -> Iterator[Result]:
    """The results of ``work``, in order, made on ``n_threads`` threads while this one makes the next items; 0 for none.

    This thread alone goes through ``items``: what reads FITS files is not made for several. It is at
    most one item ahead of the threads, so memory does not grow with the number of items. An error of
    ``work`` or of ``items`` is raised here, and what has not begun is then left.
    """
    if not n_threads:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(n_threads) as pool:
        waiting: deque[Future[Result]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > n_threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
