"""The polite session against a server that does as it is told."""

from __future__ import annotations

import gzip
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler

import pytest
from helpers import Script, Scripted, answer, flood

from rbztf.archive.fetching import circuit
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


ENDLESS = {
    "status line": (b"HTTP/1.1 200", b" "),
    "header line": (b"HTTP/1.1 200 OK\r\nX-A: ", b"a"),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n"),
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "chunk length": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0"),
    "chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n", b"1\r\nx\r\n"),
    "trailers": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n0\r\n", b"X-T: a\r\n"),
    "trailer line": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n0\r\nX: ", b"a"),
    "body": (b"HTTP/1.1 200 OK\r\n\r\n", b"good"),
    "refusal": (b"HTTP/1.1 500 No\r\n\r\n", b"bad"),
}


@pytest.mark.parametrize("part", ENDLESS)
def test_whatever_trickles_ends_in_time(part: str, serve: Callable[[Script], Scripted]) -> None:
    start, piece = ENDLESS[part]
    server = serve(lambda handler, _: flood(handler, start, piece, 0.02) and None)
    started = time.monotonic()
    with ArchiveSession(replace(QUICK, tries=1)) as session, pytest.raises((NoAnswer, UnsoundAnswer)):
        get(session, server.url, budget_s=0.3)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("part", ENDLESS)
def test_whatever_floods_is_not_kept(part: str, serve: Callable[[Script], Scripted]) -> None:
    """The largest body allowed is 100 kB: a few times that and a fixed part is all that is received."""
    start, piece = ENDLESS[part]
    taken: list[int] = []
    done = threading.Event()

    def script(handler: BaseHTTPRequestHandler, _: int) -> None:
        taken.append(flood(handler, start, piece * 1000))
        done.set()

    server = serve(script)
    tracemalloc.start()
    try:
        with ArchiveSession(replace(QUICK, tries=1)) as session, pytest.raises((NoAnswer, UnsoundAnswer)):
            get(session, server.url, budget_s=3.0, max_bytes=10**5)
        assert tracemalloc.get_traced_memory()[1] < 12e6
    finally:
        tracemalloc.stop()
    assert done.wait(5)
    if part != "interim answers":  # those are thrown away one by one, until the time is over
        assert taken[0] < 2**25


def test_the_body_of_a_redirect_is_not_read(serve: Callable[[Script], Scripted]) -> None:
    taken: list[int] = []

    def script(handler: BaseHTTPRequestHandler, number: int) -> None:
        if handler.path == "/there":
            return answer(handler, 200, b"good")
        taken.append(flood(handler, b"HTTP/1.1 302 Found\r\nLocation: /there\r\n\r\n", b"x" * 2**16))

    server = serve(script)
    with ArchiveSession(QUICK) as session:
        assert get(session, server.url) == b"good"
    assert server.asked == 2


def test_redirects_come_to_an_end(serve: Callable[[Script], Scripted]) -> None:
    server = serve(lambda handler, _: answer(handler, 301, Location="/again"))
    with (
        ArchiveSession(replace(QUICK, tries=1)) as session,
        pytest.raises(NoAnswer, match="redirects without end"),
    ):
        get(session, server.url)
    assert server.asked < 10


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Length": "²"},
        {"Content-Length": "-4"},
        {"Content-Length": "9" * 5000},
        {"Content-Length": "4, 5"},
        {"Content-Length": "0x4"},
        {"Transfer-Encoding": "gzip, zip"},
        {"Location": "http://["},
        {"X-Nonsense": "\x01\x80\xff"},
        {"Content-Encoding": "zip"},
    ],
)
def test_odd_headers_of_a_good_answer(headers: dict[str, str], serve: Callable[[Script], Scripted]) -> None:
    """They are read or refused; nothing else than our own errors comes out, and the next answer is good."""

    def script(handler: BaseHTTPRequestHandler, number: int) -> None:
        if number > 1:
            return answer(handler, 200, b"good")
        handler.send_response(200)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(b"good")
        handler.close_connection = True

    server = serve(script)
    with ArchiveSession(QUICK) as session:
        assert get(session, server.url) == b"good"


@pytest.mark.parametrize("status", [103, 204, 206, 304, 418, 599, 999])
@pytest.mark.parametrize("location", ["", "ftp://x/y", "http://[::1/", "//", "http://\xff\xfe/"])
def test_odd_statuses_are_no_answer(status: int, location: str, serve: Callable[[Script], Scripted]) -> None:
    status = 302 if location else status
    extra = {"Location": location} if location else {}
    server = serve(lambda handler, _: answer(handler, status, b"", **extra))
    with ArchiveSession(QUICK) as session, pytest.raises(NoAnswer):
        get(session, server.url)


@pytest.mark.parametrize("wait", ["1e400", "-5", "soon", "Fri, 99 Foo 2020 99:99:99 GMT", "\xff", "0"])
def test_odd_pauses_are_none(wait: str, serve: Callable[[Script], Scripted]) -> None:
    server = serve(
        lambda handler, number: answer(handler, 503 if number == 1 else 200, b"good", Retry_After=wait)
    )
    with ArchiveSession(QUICK) as session:
        assert get(session, server.url) == b"good"


def test_an_endless_pause_means_down(serve: Callable[[Script], Scripted]) -> None:
    server = serve(lambda handler, _: answer(handler, 503, Retry_After="9" * 400))
    with ArchiveSession(QUICK) as session, pytest.raises(ArchiveDown, match="left alone"):
        get(session, server.url)


def test_a_check_that_fails_makes_the_answer_unsound(serve: Callable[[Script], Scripted]) -> None:
    server = serve(lambda handler, _: answer(handler, 200, b"\x1b[2J"))

    def check(body: bytes) -> int:
        return int(body) // 0

    with ArchiveSession(QUICK) as session, pytest.raises(UnsoundAnswer, match="cannot be read"):
        session.get(server.url, check, budget_s=1.0, max_bytes=100)


def test_errors_do_not_keep_what_was_received(serve: Callable[[Script], Scripted]) -> None:
    server = serve(lambda handler, _: answer(handler, 200, b"bad" * 10**6))
    with ArchiveSession(replace(QUICK, breaker_failures=3)) as session:
        for expected in (ArchiveDown, ArchiveDown):
            with pytest.raises(expected) as caught:
                get(session, server.url, max_bytes=10**7)
            error: BaseException | None = caught.value
            assert error.__cause__ is error.__context__ is None
            trace = error.__traceback__
            while trace is not None:
                for value in trace.tb_frame.f_locals.values():
                    assert not isinstance(value, bytes | bytearray)
                trace = trace.tb_next


def test_an_answer_without_a_promised_length_is_asked_for_twice(serve: Callable[[Script], Scripted]) -> None:
    """The first is cut short, which nothing shows but the second."""

    def script(handler: BaseHTTPRequestHandler, number: int) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(b"good" if number == 1 else b"good and whole")
        handler.close_connection = True

    server = serve(script)
    with ArchiveSession(QUICK) as session:
        found = session.get(server.url, take, budget_s=1.0, max_bytes=100, agree=bytes.__eq__)
    assert found == b"good and whole"
    assert server.asked == 4


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


@pytest.mark.parametrize(
    ("address", "proxy", "words"),
    [
        ("http://no-such-host.invalid/x", "", "name is not known"),
        ("http://127.0.0.1:{closed}/x", "", "refuses connections"),
        ("http://irsa.example/x", "http://127.0.0.1:{closed}", "proxy"),
        ("https://127.0.0.1:{open}/x", "", "certificate"),
    ],
)
def test_an_archive_out_of_reach_is_told_with_the_cause(
    address: str, proxy: str, words: str, serve: Callable[[Script], Scripted], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the first failure, and then that it is tried again."""
    server = serve(lambda handler, _: answer(handler, 200, b"good"))
    ports = {"closed": closed_port(), "open": server.server_address[1]}
    for name in (
        "http_proxy",
        "https_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "no_proxy",
        "NO_PROXY",
    ):
        monkeypatch.delenv(name, raising=False)
    if proxy:
        monkeypatch.setenv("http_proxy", proxy.format(**ports))
    told: list[str] = []
    with ArchiveSession(QUICK) as session:
        session.circuit.tell = told.append
        with pytest.raises(NoAnswer, match=words):
            get(session, address.format(**ports))
    assert len(told) == 1
    assert words in told[0]
    assert told[0].endswith("Trying again.")


def test_silence_is_told_of_too(serve: Callable[[Script], Scripted], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(circuit, "TELL_SILENCE_S", 0.1)
    told: list[str] = []
    found = circuit.Circuit(QUICK)
    found.tell = told.append
    found.tell_silence()
    found.wait_for_turn()
    found.tell_silence()
    assert told == []
    time.sleep(0.15)
    found.tell_silence()
    found.tell_silence()
    assert told == ["The archive has not answered yet. Still waiting."]
