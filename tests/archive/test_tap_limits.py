"""A TAP service that trickles, floods or answers nonsense does not hold us up."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from helpers import Script, Scripted, answer, flood

from rbztf.archive import tap
from rbztf.errors import ArchiveError

QUERY = "SELECT oid FROM ztf_objects_dr24"
TABLE = (
    '<VOTABLE version="1.4"><RESOURCE type="results"><INFO name="QUERY_STATUS" value="OK"/><TABLE>'
    '<FIELD name="oid" datatype="long"/><FIELD name="ra" datatype="double"/><FIELD name="dec" datatype="double"/>'
    '<FIELD name="nobsrel" datatype="int"/><FIELD name="meanmag" datatype="float"/>'
    "<DATA><TABLEDATA>{row}</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"
)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries follow one another at once."""
    monkeypatch.setattr(tap, "PAUSE_S", 0.01)


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (b"HTTP/1.1 200 OK\r\nX-A: ", b"a"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n\r\n<VOTABLE>", b" "),
    ],
)
def test_a_trickle_ends_in_time(
    start: bytes, piece: bytes, serve: Callable[[Script], Scripted], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tap, "BUDGET_S", 0.5)
    server = serve(lambda handler, _: flood(handler, start, piece, 0.02) and None)
    started = time.monotonic()
    with pytest.raises(ArchiveError, match="TAP did not answer"):
        tap.query_objects(QUERY, server.url)
    assert time.monotonic() - started < 10


def test_an_endless_answer_is_refused(
    serve: Callable[[Script], Scripted], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tap, "MAX_BYTES", 10**5)
    start = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n\r\n<VOTABLE>"
    server = serve(lambda handler, _: flood(handler, start, b" " * 1000) and None)
    with pytest.raises(ArchiveError, match="longer than allowed"):
        tap.query_objects(QUERY, server.url)


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"<html>busy</html>", {}),
        (b"\x1f\x8b\x08zip", {"Content-Encoding": "gzip"}),
        (TABLE.format(row="<TR><TD>12</TD><TD>1</TD><TD>2</TD><TD>3</TD><TD>4</TD></TR>").encode(), {}),
        (TABLE.format(row="<TR><TD></TD><TD>x</TD><TD>2</TD><TD>3</TD><TD>4</TD></TR>").encode(), {}),
        (b"\xff\xfe<VOTABLE>", {}),
    ],
)
def test_nonsense_is_refused_in_words(
    body: bytes, headers: dict[str, str], serve: Callable[[Script], Scripted]
) -> None:
    kind = {"Content-Type": "application/x-votable+xml", **headers}
    server = serve(lambda handler, _: answer(handler, 200, body, **kind))
    with pytest.raises(ArchiveError, match="TAP did not answer"):
        tap.query_objects(QUERY, server.url)


def test_a_service_out_of_reach_is_told_with_the_cause() -> None:
    told: list[str] = []

    def progress(stage: str, done: int, total: int | None, note: str = "") -> None:
        told.append(note)

    with pytest.raises(ArchiveError, match="name is not known"):
        tap.query_objects(QUERY, "http://no-such-host.invalid", progress)
    assert "name is not known" in told[0]
