"""The polite session against a server that does as it is told."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from rbztf.archive.http import ArchiveSession
from rbztf.archive.http_settings import HttpSettings
from rbztf.errors import (
    ArchiveDown,
    BadRequest,
    NoAnswer,
    NotThere,
    Refused,
    Stopped,
    UnsoundAnswer,
    UsageError,
)

QUICK = HttpSettings(backoff_s=0.01, max_backoff_s=0.02, tries=3)
Script = Callable[[BaseHTTPRequestHandler, int], None]


class Scripted(ThreadingHTTPServer):
    """Answers each request by a function of its number."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, script: Script) -> None:
        self.asked = 0
        lock = threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            server: Scripted

            def do_GET(self) -> None:
                with lock:
                    self.server.asked += 1
                    number = self.server.asked
                script(self, number)

            def log_message(self, format: str, *args: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/x"
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()


@pytest.fixture
def serve() -> Iterator[Callable[[Script], Scripted]]:
    servers: list[Scripted] = []

    def start(script: Script) -> Scripted:
        servers.append(Scripted(script))
        return servers[-1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def answer(handler: BaseHTTPRequestHandler, status: int, body: bytes = b"", **headers: str) -> None:
    handler.send_response(status)
    for name, value in {"Content-Length": str(len(body)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def take(body: bytes) -> bytes:
    if not body.startswith(b"good"):
        raise UnsoundAnswer("not good")
    return body


def get(session: ArchiveSession, url: str, budget_s: float = 5.0, max_bytes: int = 10**6) -> bytes:
    return session.get(url, take, budget_s=budget_s, max_bytes=max_bytes)


def test_a_good_answer_over_one_connection(serve: Callable[[Script], Scripted]) -> None:
    ports: set[int] = set()

    def script(handler: BaseHTTPRequestHandler, _: int) -> None:
        ports.add(handler.client_address[1])
        answer(handler, 200, b"good")

    server = serve(script)
    with ArchiveSession(QUICK) as session:
        assert [get(session, server.url) for _ in range(5)] == [b"good"] * 5
        assert (session.n_requests, session.n_bytes) == (5, 20)
    assert len(ports) == 1


def test_gzip_is_undone(serve: Callable[[Script], Scripted]) -> None:
    server = serve(lambda handler, _: answer(handler, 200, gzip.compress(b"good and gzipped")))
    with ArchiveSession(QUICK) as session:
        assert get(session, server.url) == b"good and gzipped"


def test_broken_gzip_is_unsound(serve: Callable[[Script], Scripted]) -> None:
    server = serve(lambda handler, _: answer(handler, 200, gzip.compress(b"good and gzipped")[:-9]))
    with ArchiveSession(QUICK) as session, pytest.raises(UnsoundAnswer, match="gzip"):
        get(session, server.url)
    assert server.asked == 3


@pytest.mark.parametrize(
    ("status", "error", "asked"),
    [(404, NotThere, 1), (400, BadRequest, 1), (403, Refused, 1), (500, NoAnswer, 3), (429, NoAnswer, 3)],
)
def test_refusals(
    status: int, error: type[Exception], asked: int, serve: Callable[[Script], Scripted]
) -> None:
    server = serve(lambda handler, _: answer(handler, status, b"no"))
    with ArchiveSession(QUICK) as session, pytest.raises(error, match=str(status)):
        get(session, server.url)
    assert server.asked == asked


@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_holds_back_everybody(as_date: bool, serve: Callable[[Script], Scripted]) -> None:
    times: list[float] = []

    def script(handler: BaseHTTPRequestHandler, number: int) -> None:
        times.append(time.time())
        wait = formatdate(time.time() + 2, usegmt=True) if as_date else "1"
        answer(handler, 503 if number == 1 else 200, b"good", Retry_After=wait)

    server = serve(script)
    with ArchiveSession(QUICK) as session:
        first = threading.Thread(target=get, args=(session, server.url))
        first.start()
        while not times:
            time.sleep(0.01)
        time.sleep(0.1)
        get(session, server.url)
        first.join()
    assert all(later - times[0] > 0.8 for later in times[1:])


def test_a_long_retry_after_means_down(serve: Callable[[Script], Scripted]) -> None:
    server = serve(lambda handler, _: answer(handler, 503, Retry_After="3600"))
    with ArchiveSession(QUICK) as session:
        for _ in range(2):
            with pytest.raises(ArchiveDown, match="3600 s"):
                get(session, server.url)
    assert server.asked == 1


def test_a_trickle_is_cut_off(serve: Callable[[Script], Scripted]) -> None:
    def script(handler: BaseHTTPRequestHandler, _: int) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        for _ in range(200):
            handler.wfile.write(b"g")
            handler.wfile.flush()
            time.sleep(0.05)

    server = serve(script)
    started = time.monotonic()
    with ArchiveSession(replace(QUICK, tries=1)) as session, pytest.raises(NoAnswer, match="time allowed"):
        get(session, server.url, budget_s=0.3)
    assert time.monotonic() - started < 5


def test_silence_is_cut_off(serve: Callable[[Script], Scripted]) -> None:
    release = threading.Event()
    server = serve(lambda handler, _: release.wait(10) and None)
    with ArchiveSession(replace(QUICK, tries=2)) as session, pytest.raises(NoAnswer, match="time allowed"):
        get(session, server.url, budget_s=0.2)
    release.set()
    assert server.asked == 2


def test_a_short_answer_is_asked_for_again(serve: Callable[[Script], Scripted]) -> None:
    def script(handler: BaseHTTPRequestHandler, number: int) -> None:
        answer(handler, 200, b"good", Content_Length="9" if number == 1 else "4")
        handler.close_connection = True

    server = serve(script)
    with ArchiveSession(QUICK) as session:
        assert get(session, server.url) == b"good"
    assert server.asked == 2


def test_an_endless_answer_is_not_read(serve: Callable[[Script], Scripted]) -> None:
    server = serve(lambda handler, _: answer(handler, 200, b"good" * 10**5))
    with ArchiveSession(QUICK) as session, pytest.raises(UnsoundAnswer, match="longer than"):
        get(session, server.url, max_bytes=1000)


def test_the_breaker_opens_and_a_success_keeps_it_closed(serve: Callable[[Script], Scripted]) -> None:
    limited = replace(QUICK, tries=2, breaker_failures=3)
    server = serve(lambda handler, number: answer(handler, 200 if number == 2 else 500, b"good"))
    with ArchiveSession(limited) as session:
        assert get(session, server.url) == b"good"
        with pytest.raises(NoAnswer):
            get(session, server.url)
        with pytest.raises(ArchiveDown, match="3 bad answers or none in a row"):
            get(session, server.url)
        with pytest.raises(ArchiveDown):
            get(session, server.url)
    assert server.asked == 5


def test_closing_wakes_up_who_waits(serve: Callable[[Script], Scripted]) -> None:
    server = serve(lambda handler, _: answer(handler, 500))
    session = ArchiveSession(replace(QUICK, backoff_s=60.0, max_backoff_s=60.0))
    threading.Timer(0.2, session.close).start()
    with pytest.raises(Stopped):
        get(session, server.url)


def test_a_wrong_address_is_wrong_use() -> None:
    with ArchiveSession(QUICK) as session, pytest.raises(UsageError, match="cannot be asked"):
        get(session, "http://:0/")


@pytest.mark.parametrize("workers", [0, 11])
def test_too_many_at_once_is_wrong_use(workers: int) -> None:
    with pytest.raises(UsageError, match="1 to 10"):
        HttpSettings(workers=workers)
