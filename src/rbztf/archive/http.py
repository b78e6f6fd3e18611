"""HTTP client for IRSA: retries with backoff, a circuit breaker, and validation of every response.

It closes what plain ``requests`` leaves open: an answer cut short or trickling for ever, a page
of HTML served with status 200, a busy archive asking for a pause, and an archive that is down,
which is left alone instead of being asked another thousand times.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException
from importlib import metadata
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
import urllib3
from urllib3.exceptions import HTTPError, InvalidHeader

from rbztf.archive.fetching.circuit import Circuit
from rbztf.archive.http_settings import HttpSettings
from rbztf.connections import limited, limited_session, reason_of
from rbztf.errors import (
    ArchiveDown,
    ArchiveError,
    BadRequest,
    NoAnswer,
    NotThere,
    RbztfError,
    Refused,
    UnsoundAnswer,
    UsageError,
    reason,
)

T = TypeVar("T")
Sink = Callable[[int | None], Callable[[bytes], object]]
"""Gets the length of a body, where that is known; returns what takes its pieces."""
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

    Attributes
    ----------
    circuit : Circuit
        What is known of the archive's state.
    n_requests, n_bytes : int
        How often it was asked, and what was received.
    """

    def __init__(self, settings: HttpSettings | None = None, seed: int | None = None) -> None:
        self.settings = settings or HttpSettings()
        self.circuit = Circuit(self.settings, seed)
        self.n_requests = 0
        self.n_bytes = 0
        self._http = limited_session(self.settings.workers)
        self._http.headers["User-Agent"] = _user_agent()
        self._lock = threading.Lock()

    def __enter__(self) -> ArchiveSession:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give up all requests under way at their next byte, and drop the connections."""
        self.circuit.close()
        self._http.close()

    def get(
        self,
        url: str,
        check: Callable[[bytes], T],
        *,
        budget_s: float,
        max_bytes: int,
        tries: int | None = None,
        agree: Callable[[T, T], bool] | None = None,
        doubt: Callable[[T, bool], bool] = lambda result, promised: not promised,
        into: Sink | None = None,
    ) -> T:
        """Ask for ``url`` until ``check`` accepts the answer.

        Parameters
        ----------
        check : callable
            Gets the body (gzip undone); returns what is wanted or raises :class:`UnsoundAnswer`.
            Whatever else it raises counts as an unsound answer too.
        budget_s : float
            Longest time for one try, in seconds.
        max_bytes : int
            A longer answer is not read to its end.
        tries : int, optional
            Instead of the session's own number.
        agree : callable, optional
            Whether two results are the same. A good answer that is in doubt is then asked for once
            more, and another one than the first is a failure.
        doubt : callable, optional
            Gets a result, and whether something promised its length; returns whether it is in doubt.
            By default, where nothing did: a part of such an answer looks like the whole.
        into : callable, optional
            Called at the start of a good body with its length, where the archive says it; returns what
            takes the body piece by piece, for one that is too long for memory. ``check`` then gets
            no bytes, and a gzip file stays one.

        Raises
        ------
        NotThere, BadRequest
            HTTP 404 and 400, at once.
        UnsoundAnswer, NoAnswer
            After the last try; which of them, its last failure decides.
        ArchiveDown
            When the archive counts as down: from then on for every request.
        UsageError
            If ``url`` is not an address.
        """
        self._check_address(url)
        tries = tries or self.settings.tries
        for attempt in range(1, tries + 1):
            self.circuit.wait_for_turn()
            answer = self._attempt(url, check, agree, doubt, _Limits(budget_s, max_bytes, into))
            if not isinstance(answer, _Failure):
                self.circuit.succeeded()
                return answer
            if isinstance(answer.error, ArchiveDown):
                raise answer.error
            if isinstance(answer.error, NotThere | BadRequest):
                self.circuit.succeeded()
                raise answer.error
            self.circuit.failed(urlsplit(url).netloc, answer.error)
            if attempt == tries or isinstance(answer.error, Refused):
                raise answer.error
            self.circuit.back_off(attempt)
        raise AssertionError("unreachable")

    def _attempt(
        self,
        url: str,
        check: Callable[[bytes], T],
        agree: Callable[[T, T], bool] | None,
        doubt: Callable[[T, bool], bool],
        limits: _Limits,
    ) -> T | _Failure:
        """One try; a failure as a value, so that no traceback keeps what was received."""
        try:
            body, promised = self._try(url, limits)
            result = _checked(check, body)
            if agree is not None and doubt(result, promised):
                again = _checked(check, self._try(url, limits)[0])
                if not agree(result, again):
                    raise UnsoundAnswer("Two answers to the same question differ: one of them is damaged.")
        except ArchiveError as error:
            error.__traceback__ = error.__context__ = None
            return _Failure(error)
        return result

    def _check_address(self, url: str) -> None:
        try:
            self._http.get_adapter(str(requests.Request("GET", url).prepare().url))
        except (requests.exceptions.RequestException, ValueError) as error:
            raise UsageError(
                f"{url} cannot be asked ({reason(error)}).", "Check the address of the archive."
            ) from None

    def _try(self, url: str, limits: _Limits) -> tuple[bytes, bool]:
        """One request: the body of a good answer, and whether its length was promised.

        Raises
        ------
        ArchiveError
            For any other answer, and for none.
        """
        budget_s, max_bytes = limits.budget_s, limits.max_bytes
        timeout = (self.settings.connect_timeout_s, min(self.settings.read_timeout_s, budget_s))
        with self._lock:
            self.n_requests += 1
        try:
            with limited(budget_s, max_bytes), self._http.get(url, stream=True, timeout=timeout) as response:
                status, headers = response.status_code, response.headers
                body = bytearray()
                streamed = limits.into is not None and status == HTTPStatus.OK
                take = limits.into(_promised(headers)) if limits.into and streamed else body.extend
                self._read(response.raw, max_bytes, take)
        except (requests.exceptions.RequestException, HTTPError, HTTPException, OSError, ValueError) as error:
            raise NoAnswer(f"{urlsplit(url).netloc}: {reason_of(error)}.") from None
        if status == HTTPStatus.OK:
            chunked = "chunked" in headers.get("Transfer-Encoding", "").lower()
            return _gunzip(bytes(body), max_bytes), chunked or _promised(headers) is not None
        raise self._refusal(url, status, headers.get("Retry-After"), bytes(body))

    def _read(self, raw: Any, max_bytes: int, take: Callable[[bytes], object]) -> None:
        """The whole body, piece by piece, as long as was promised."""
        length = 0
        while piece := raw.read1(CHUNK_BYTES, decode_content=False):
            length += len(piece)
            if length > max_bytes:
                raise UnsoundAnswer(f"The answer is longer than {max_bytes} bytes.")
            self.circuit.check_open()
            take(piece)
        promised = _promised(raw.headers)
        if promised is not None and promised != length:
            raise NoAnswer(f"The answer has {length} of {promised} bytes.")
        with self._lock:
            self.n_bytes += length

    def _refusal(self, url: str, status: int, retry_after: str | None, body: bytes) -> ArchiveError:
        what = f"{urlsplit(url).netloc}: the archive answers {status} {_phrase(status)}".rstrip() + "."
        if status == HTTPStatus.NOT_FOUND:
            return NotThere(what, "Images can be missing for days: ask again another day.")
        if status == HTTPStatus.BAD_REQUEST:
            return BadRequest(what, body=body[:MAX_MESSAGE_BYTES].decode("utf-8", "replace"))
        self.circuit.hold_back(_seconds(retry_after))
        return NoAnswer(what) if status in _TRY_AGAIN or status < HTTPStatus.OK else Refused(what)


@dataclass(frozen=True)
class _Limits:
    """Of one try: its longest time, its largest body, and where that goes if not into memory."""

    budget_s: float
    max_bytes: int
    into: Sink | None


@dataclass(frozen=True)
class _Failure:
    """What came of a try instead of a result."""

    error: ArchiveError


def _checked(check: Callable[[bytes], T], body: bytes) -> T:
    try:
        return check(body)
    except RbztfError:
        raise
    except Exception as error:  # noqa: BLE001 - what an archive sends can be wrong in ways nobody thought of
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UnsoundAnswer(f"The answer cannot be read ({reason}).") from None


def _user_agent() -> str:
    try:
        version = metadata.version("rbztf")
    except metadata.PackageNotFoundError:
        version = "dev"
    return f"rbztf/{version} python-requests/{requests.__version__}"


def _promised(headers: Mapping[str, str]) -> int | None:
    """The length of a body as its headers have it."""
    length = headers.get("Content-Length", "")
    return int(length) if length.isascii() and length.isdigit() and len(length) < 19 else None


def _gunzip(body: bytes, max_bytes: int) -> bytes:
    if not body.startswith(GZIP_MAGIC):
        return body
    inflater = zlib.decompressobj(wbits=31)
    try:
        content = inflater.decompress(body, max_bytes)
    except zlib.error as error:
        raise UnsoundAnswer(f"The answer is a broken gzip file ({reason(error)}).") from None
    if not inflater.eof:
        raise UnsoundAnswer("The answer is a gzip file cut short or far too long.")
    if inflater.unused_data.strip(b"\0"):
        raise UnsoundAnswer("The answer is a gzip file with something behind its end.")
    return content


def _seconds(retry_after: str | None) -> float:
    """What a ``Retry-After`` header asks for, in seconds; it may hold a number or a date."""
    if not retry_after:
        return 0.0
    try:
        return max(0.0, float(urllib3.Retry().parse_retry_after(retry_after)))
    except (InvalidHeader, ValueError, TypeError):
        return 0.0
    except OverflowError:
        return float("inf")


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
