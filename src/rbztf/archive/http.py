"""Asking an archive over HTTP: politely, patiently, and never trusting an answer unread.

What plain ``requests`` leaves open and this class closes: an answer cut short or trickling
for ever, a page of HTML served with status 200, a busy archive asking for a pause, and an
archive that is down, which is left alone instead of being asked another thousand times.
"""

from __future__ import annotations

import random
import threading
import time
import zlib
from collections.abc import Callable
from http import HTTPStatus
from importlib import metadata
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, InvalidHeader

from rbztf.archive.http_settings import HttpSettings
from rbztf.errors import (
    ArchiveDown,
    ArchiveError,
    BadRequest,
    NoAnswer,
    NotThere,
    Refused,
    Stopped,
    UnsoundAnswer,
    UsageError,
)

T = TypeVar("T")
CHUNK_BYTES = 65536
MAX_MESSAGE_BYTES = 4096
"""What is kept of the text of a refusal."""
GZIP_MAGIC = b"\x1f\x8b"
_TRY_AGAIN = {408, 425, 429, 500, 502, 503, 504}


class ArchiveSession:
    """A pool of kept connections to one archive, safe to use from several threads.

    Parameters
    ----------
    settings : HttpSettings
    seed : int, optional
        Of the jitter in the pauses between tries.
    """

    def __init__(self, settings: HttpSettings | None = None, seed: int | None = None) -> None:
        self.settings = settings or HttpSettings()
        self.n_requests = 0
        self.n_bytes = 0
        self._http = requests.Session()
        adapter = HTTPAdapter(pool_connections=4, pool_maxsize=self.settings.workers, pool_block=False)
        self._http.mount("http://", adapter)
        self._http.mount("https://", adapter)
        # Plain bytes: lengths can be compared, and the archive gzips on request anyway.
        self._http.headers.update({"User-Agent": _user_agent(), "Accept-Encoding": "identity"})
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._failures_in_a_row = 0
        self._down: ArchiveDown | None = None
        self._not_before = 0.0
        self._jitter = random.Random(seed)

    def __enter__(self) -> ArchiveSession:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give up all requests under way at their next byte, and drop the connections."""
        self._closed.set()
        self._http.close()

    def get(
        self,
        url: str,
        check: Callable[[bytes], T],
        *,
        budget_s: float,
        max_bytes: int,
        tries: int | None = None,
        into: Callable[[int | None], Callable[[bytes], object]] | None = None,
    ) -> T:
        """Ask for ``url`` until ``check`` accepts the answer.

        Parameters
        ----------
        check : callable
            Gets the body (gzip undone); returns what is wanted or raises :class:`UnsoundAnswer`.
        budget_s : float
            Longest time for one try, in seconds.
        max_bytes : int
            A longer answer is not read to its end.
        tries : int, optional
            Instead of the session's own number.
        into : callable, optional
            Called at the start of a good body with its length, where the archive says it, returns what
            takes the body piece by piece, for one that is too long for memory; ``check`` then gets
            no bytes, and a gzip file stays one.

        Raises
        ------
        NotThere, BadRequest
            HTTP 404 and 400, at once.
        UnsoundAnswer, NoAnswer
            After the last try; which of them, its last failure decides.
        ArchiveDown
            When the archive counts as down: from then on for every request.
        """
        tries = tries or self.settings.tries
        for attempt in range(1, tries + 1):
            self._wait_for_turn()
            try:
                result = check(self._try(url, budget_s, max_bytes, into))
            except (UnsoundAnswer, NoAnswer) as failure:
                self._failed(url, failure)
                if attempt == tries or isinstance(failure, Refused):
                    raise
                self._pause(self._backoff(attempt))
            except (NotThere, BadRequest):
                self._succeeded()
                raise
            else:
                self._succeeded()
                return result
        raise AssertionError("unreachable")

    def _try(
        self,
        url: str,
        budget_s: float,
        max_bytes: int,
        into: Callable[[int | None], Callable[[bytes], object]] | None,
    ) -> bytes:
        """One request: the body of a good answer, else one of this module's errors."""
        deadline = time.monotonic() + budget_s
        timeout = (self.settings.connect_timeout_s, min(self.settings.read_timeout_s, budget_s))
        with self._lock:
            self.n_requests += 1
        try:
            with self._http.get(url, stream=True, timeout=timeout) as response:
                status, retry_after = response.status_code, response.headers.get("Retry-After")
                pieces: list[bytes] = []
                good = into is not None and status == HTTPStatus.OK
                take = into(_promised(response.raw)) if into and good else pieces.append
                self._read(response.raw, deadline, max_bytes, take)
                body = b"".join(pieces)
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema) as error:
            raise UsageError(
                f"{url} cannot be asked ({error}).", "Check the address of the archive."
            ) from None
        except (requests.exceptions.RequestException, HTTPError, OSError) as error:
            raise NoAnswer(f"{url}: {_reason(error)}.") from None
        if status == HTTPStatus.OK:
            return _gunzip(body, max_bytes)
        raise self._refusal(url, status, retry_after, body)

    def _read(self, raw: Any, deadline: float, max_bytes: int, take: Callable[[bytes], object]) -> None:
        """The whole body, checked against the clock after every piece that arrives."""
        length = 0
        while piece := raw.read1(CHUNK_BYTES, decode_content=False):
            take(piece)
            length += len(piece)
            if length > max_bytes:
                raise UnsoundAnswer(f"The answer is longer than {max_bytes} bytes.")
            if time.monotonic() > deadline:
                raise NoAnswer("The answer took longer than the time allowed.")
            if self._closed.is_set():
                raise Stopped("The session was closed.")
        promised = _promised(raw)
        if promised is not None and promised != length:
            raise NoAnswer(f"The answer has {length} of {promised} bytes.")
        with self._lock:
            self.n_bytes += length

    def _refusal(self, url: str, status: int, retry_after: str | None, body: bytes) -> ArchiveError:
        what = f"{url}: the archive answers {status} {_phrase(status)}".rstrip() + "."
        if status == HTTPStatus.NOT_FOUND:
            return NotThere(what, "Images can be missing for days: ask again another day.")
        if status == HTTPStatus.BAD_REQUEST:
            return BadRequest(what, body=body[:MAX_MESSAGE_BYTES].decode("utf-8", "replace"))
        pause_s = _seconds(retry_after)
        if pause_s > self.settings.max_pause_s:
            return self._open(f"The archive asks to be left alone for {pause_s:.0f} s.")
        with self._lock:
            self._not_before = max(self._not_before, time.monotonic() + pause_s)
        return NoAnswer(what) if status in _TRY_AGAIN else Refused(what)

    def _wait_for_turn(self) -> None:
        """Wait out a pause that the archive asked of any of us."""
        while (pause_s := self._not_before - time.monotonic()) > 0:
            self._pause(pause_s)
        if self._down is not None:
            raise self._down

    def _pause(self, seconds: float) -> None:
        if self._closed.wait(seconds):
            raise Stopped("The session was closed.")
        if self._down is not None:
            raise self._down

    def _backoff(self, attempt: int) -> float:
        full = min(self.settings.max_backoff_s, self.settings.backoff_s * 2.0 ** (attempt - 1))
        return full * self._jitter.uniform(0.5, 1.0)

    def _succeeded(self) -> None:
        with self._lock:
            self._failures_in_a_row = 0

    def _failed(self, url: str, failure: ArchiveError) -> None:
        with self._lock:
            self._failures_in_a_row += 1
            n_failures = self._failures_in_a_row
        if n_failures >= self.settings.breaker_failures:
            host = urlsplit(url).netloc
            raise self._open(
                f"{host} gave {n_failures} bad answers or none in a row (last: {failure.message})"
            )

    def _open(self, message: str) -> ArchiveDown:
        with self._lock:
            if self._down is None:
                self._down = ArchiveDown(
                    message,
                    "Nothing more is asked; run the same command later to go on where this one stopped.",
                )
            return self._down


def _user_agent() -> str:
    try:
        version = metadata.version("rbztf")
    except metadata.PackageNotFoundError:
        version = "dev"
    return f"rbztf/{version} python-requests/{requests.__version__}"


def _promised(raw: Any) -> int | None:
    """The length of a body as its headers have it."""
    length = raw.headers.get("Content-Length", "")
    return int(length) if length.isdigit() and len(length) < 19 else None


def _gunzip(body: bytes, max_bytes: int) -> bytes:
    if not body.startswith(GZIP_MAGIC):
        return body
    inflater = zlib.decompressobj(wbits=31)
    try:
        content = inflater.decompress(body, max_bytes)
    except zlib.error as error:
        raise UnsoundAnswer(f"The answer is a broken gzip file ({error}).") from None
    if not inflater.eof:
        raise UnsoundAnswer("The answer is a gzip file cut short or far too long.")
    return content


def _seconds(retry_after: str | None) -> float:
    """What a ``Retry-After`` header asks for, in seconds; it may hold a number or a date."""
    if not retry_after:
        return 0.0
    try:
        return float(urllib3.Retry().parse_retry_after(retry_after))
    except InvalidHeader:
        return 0.0


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _reason(error: Exception) -> str:
    if isinstance(error, requests.exceptions.Timeout | urllib3.exceptions.TimeoutError):
        return "no answer in the time allowed"
    if isinstance(error, requests.exceptions.ConnectionError):
        return "no connection, or it broke"
    return " ".join(str(error).split())[:200] or type(error).__name__
