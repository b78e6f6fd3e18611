"""Counts of the requests to the simulated archive, from many threads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock


class RequestLog:
    """Counts of requests.

    Attributes
    ----------
    total : int
    by_kind : Counter
        ``light_curve``, ``image``, ``search``, ``tap``, ``knowledge``, ``unknown``.
    by_status : Counter
        HTTP status codes sent.
    by_fault : Counter
        Faults sent, by their names in :mod:`rbztf.simulate.archive.faults`.
    by_url : Counter
        Path and query.
    max_concurrent : int
        The most requests that were under way at once.
    connections : int
        Connections opened.
    errors : list of BaseException
        What the server itself got wrong; should stay empty.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._under_way = 0
        self.total = 0
        self.max_concurrent = 0
        self.connections = 0
        self.errors: list[BaseException] = []
        self.by_kind: Counter[str] = Counter()
        self.by_status: Counter[int] = Counter()
        self.by_fault: Counter[str] = Counter()
        self.by_url: Counter[str] = Counter()

    def __repr__(self) -> str:
        return (
            f"RequestLog({self.total} requests, {dict(self.by_kind)}, at most {self.max_concurrent} at once)"
        )

    @contextmanager
    def request(self, kind: str, url: str) -> Iterator[int]:
        """Count a request while it is under way; yields how often ``url`` was asked before."""
        with self._lock:
            asked = self.by_url[url]
            self.total += 1
            self.by_kind[kind] += 1
            self.by_url[url] += 1
            self._under_way += 1
            self.max_concurrent = max(self.max_concurrent, self._under_way)
        try:
            yield asked
        finally:
            with self._lock:
                self._under_way -= 1

    def opened(self) -> None:
        """Count a connection."""
        with self._lock:
            self.connections += 1

    def failed(self, error: BaseException) -> None:
        """Keep an error of the server."""
        with self._lock:
            self.errors.append(error)

    def sent(self, status: int, fault: str | None) -> None:
        """Count an answer."""
        with self._lock:
            self.by_status[status] += 1
            if fault:
                self.by_fault[fault] += 1
