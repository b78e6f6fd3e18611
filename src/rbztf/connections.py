"""HTTP connections on which all that arrives has a deadline and a largest size.

The timeouts of ``requests`` count from one piece to the next, so an answer that trickles, or
a server that sends ``100 Continue`` for ever, is waited for without end. Here every read from
the network, of headers, interim answers, bodies and trailers alike, looks at the clock.
"""

from __future__ import annotations

import http.client
import io
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

TIMEOUT_S = (4.0, 120.0)
"""Longest waits for a connection and for the next piece, where a request names none."""
OVERHEAD_BYTES = 2**20
"""Room for headers and for the framing of chunks, beside a body as long again."""


class TooLong(OSError):
    """An answer that is longer than allowed."""


class _Limits(threading.local):
    """What holds for the requests of this thread."""

    deadline = float("inf")
    max_bytes: float = float("inf")


_limits = _Limits()


@contextmanager
def limited(seconds: float, max_bytes: int) -> Iterator[None]:
    """Requests of this thread within the block end in time, and have bodies of at most ``max_bytes``.

    Only for sessions made by :func:`limited_session`.
    """
    before = _limits.deadline, _limits.max_bytes
    _limits.deadline, _limits.max_bytes = time.monotonic() + seconds, 2 * max_bytes + OVERHEAD_BYTES
    try:
        yield
    finally:
        _limits.deadline, _limits.max_bytes = before


class _LimitedReader(io.RawIOBase):
    """What a socket receives, within the limits that hold when an answer begins."""

    def __init__(self, raw: io.RawIOBase, connection: socket.socket) -> None:
        self._raw, self._connection = raw, connection
        self._deadline, self._left = _limits.deadline, _limits.max_bytes
        self._patience_s = connection.gettimeout() or float("inf")

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """The next piece; TimeoutError after the deadline, TooLong beyond the size."""
        seconds = min(self._patience_s, self._deadline - time.monotonic())
        if seconds <= 0:
            raise TimeoutError("the answer took longer than the time allowed")
        self._connection.settimeout(seconds if seconds < float("inf") else None)
        count = self._raw.readinto(buffer)
        self._left -= count or 0
        if self._left < 0:
            raise TooLong("the answer is longer than allowed")
        return count

    def close(self) -> None:
        """Close the socket's own stream."""
        self._raw.close()
        super().close()


class _LimitedAnswer(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp = io.BufferedReader(_LimitedReader(self.fp.detach(), sock))


class _Plain(HTTPConnection):
    response_class = _LimitedAnswer


class _Secure(HTTPSConnection):
    response_class = _LimitedAnswer


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _Secure


class _LimitedAdapter(HTTPAdapter):
    """Connections with limits; bodies of redirects are not read."""

    _POOLS: ClassVar = {"http": _PlainPool, "https": _SecurePool}

    def __init__(self, *, plain_only: bool, **options: Any) -> None:
        self._plain_only = plain_only
        super().__init__(**options)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """As requests does it, with our connections."""
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = self._POOLS

    def proxy_manager_for(self, *args: Any, **options: Any) -> Any:
        """As requests does it, with our connections."""
        manager = super().proxy_manager_for(*args, **options)
        manager.pool_classes_by_scheme = self._POOLS
        return manager

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        """Send; what comes with a redirect may be endless, so it is thrown away unread."""
        options["timeout"] = options.get("timeout") or TIMEOUT_S
        response = super().send(request, *args, **options)
        if self._plain_only and response.headers.get("Content-Encoding", "identity") != "identity":
            response.close()
            raise requests.exceptions.ContentDecodingError("it sends compressed what was asked for plain")
        if response.is_redirect:
            response.close()
            response.raw = urllib3.HTTPResponse(
                io.BytesIO(), headers=response.raw.headers, preload_content=False
            )
        return response


def limited_session(pool_size: int = 4, *, plain_only: bool = False, **options: Any) -> requests.Session:
    """A session whose answers arrive within :func:`limited`, as plain bytes.

    Parameters
    ----------
    pool_size : int
        Connections that are kept.
    plain_only : bool
        Refuse compressed answers, which may be a thousand times larger than their limit; for
        whoever has them decompressed without a limit.
    options
        Further ones of :class:`requests.adapters.HTTPAdapter`.
    """
    session = requests.Session()
    for scheme in ("http://", "https://"):
        adapter = _LimitedAdapter(
            plain_only=plain_only, pool_connections=4, pool_maxsize=pool_size, **options
        )
        session.mount(scheme, adapter)
    session.headers["Accept-Encoding"] = "identity"  # lengths can be compared
    session.max_redirects = 5
    return session


def reason_of(error: BaseException) -> str:
    """Why a request failed, in a few words: the name, the proxy, the certificate, the time …"""
    causes = _causes(error)
    for kind, words in _REASONS:
        if any(isinstance(cause, kind) for cause in causes):
            return words
    return " ".join(str(error).split())[:200] or type(error).__name__


_REASONS: tuple[tuple[type[BaseException], str], ...] = (
    (TooLong, "the answer is longer than allowed"),
    (urllib3.exceptions.ProxyError, "the proxy does not let it through (see HTTP_PROXY and HTTPS_PROXY)"),
    (urllib3.exceptions.NameResolutionError, "its name is not known (check the address and the network)"),
    (urllib3.exceptions.SSLError, "its certificate cannot be verified, or it does not speak HTTPS"),
    (requests.exceptions.SSLError, "its certificate cannot be verified, or it does not speak HTTPS"),
    (ConnectionRefusedError, "it refuses connections"),
    (urllib3.exceptions.NewConnectionError, "no connection to it can be made"),
    (urllib3.exceptions.ConnectTimeoutError, "no connection in the time allowed"),
    (urllib3.exceptions.TimeoutError, "no answer in the time allowed"),
    (requests.exceptions.Timeout, "no answer in the time allowed"),
    (TimeoutError, "no answer in the time allowed"),
    (requests.exceptions.TooManyRedirects, "it redirects without end"),
    (requests.exceptions.ConnectionError, "no connection, or it broke"),
    (urllib3.exceptions.ProtocolError, "the connection broke"),
)


def _causes(error: BaseException) -> list[BaseException]:
    """An error, what is wrapped in it, and what it came from."""
    found: list[BaseException] = []
    waiting: list[Any] = [error]
    while waiting and len(found) < 50:
        each = waiting.pop()
        if isinstance(each, BaseException) and not any(each is known for known in found):
            found.append(each)
            waiting += [each.__cause__, each.__context__, getattr(each, "reason", None), *each.args]
    return found
