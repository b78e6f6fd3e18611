"""An archive that lies: answers whose status, headers, table or frame are wrong in one of many ways."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rbztf.simulate.archive.answers import Answer, Query, page
from rbztf.simulate.archive.faults import Faults
from rbztf.simulate.archive.server import SimulatedArchive, kind_of
from rbztf.simulate.sky import SimulatedSky

Lie = Callable[[Answer, np.random.Generator, str], Answer]
"""Gets the good answer, chance, and the path and query asked for."""


@dataclass(frozen=True)
class Lies:
    """Which answers are wrong: as in :class:`rbztf.simulate.archive.faults.Faults`, and decided alike."""

    kinds: Sequence[str]
    rate: float
    max_per_url: int
    seed: int


class LyingArchive(SimulatedArchive):
    """A simulated archive whose answers are spoiled before they are sent."""

    def __init__(self, sky: SimulatedSky, lies: Lies, faults: Faults | None = None, port: int = 0) -> None:
        self._lies = lies
        self._asked: dict[str, int] = {}
        super().__init__(sky, faults=faults, port=port)

    def answer(self, path: str, query: Query) -> Answer:
        """The answer, made wrong by one of the kinds that fit it."""
        good = super().answer(path, query)
        url = f"{path}?{'&'.join(f'{name}={value}' for name in query for value in query.all(name))}"
        asked = self._asked[url] = self._asked.get(url, -1) + 1
        fitting = [kind for kind in self._lies.kinds if kind in OF[kind_of(path)]]
        chance = np.random.default_rng([self._lies.seed, zlib.crc32(url.encode()), asked])
        if asked >= self._lies.max_per_url or not fitting or chance.random() >= self._lies.rate:
            return good
        return OF[kind_of(path)][str(chance.choice(fitting))](good, chance, url)


def _status(number: int, **headers: str) -> Lie:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda good, chance, url: Answer(b"no\n", status=number, headers=named)


def _headers(**headers: str) -> Lie:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda good, chance, url: replace(good, headers=named)


def _many_headers(good: Answer, chance: np.random.Generator, url: str) -> Answer:
    return replace(good, headers={f"X-{number}": "x" for number in range(300)})


def _redirect(good: Answer, chance: np.random.Generator, url: str) -> Answer:
    return Answer(b"", status=int(chance.choice([301, 302, 303, 307, 308])), headers={"Location": url})


def _bytes(change: Callable[[bytes, np.random.Generator], bytes], **headers: str) -> Lie:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda good, chance, url: replace(good, body=change(good.body, chance), headers=named)


def _table(change: Callable[[list[list[bytes]], np.random.Generator], list[list[bytes]]]) -> Lie:
    """Changes the cells of a table, its header first."""

    def lie(good: Answer, chance: np.random.Generator, url: str) -> Answer:
        cells = [line.split(b",") for line in good.body.splitlines()]
        lines = [b",".join(row) for row in change(cells, chance)]
        return replace(good, body=b"\n".join(lines) + b"\n")

    return lie


def _cells(name: bytes, value: bytes) -> Lie:
    """Some cells of a column have another value."""

    def change(rows: list[list[bytes]], chance: np.random.Generator) -> list[list[bytes]]:
        place = rows[0].index(name)
        for row in rows[1:]:
            if chance.random() < 0.5:
                row[place] = value
        return rows

    return _table(change)


def _without(name: bytes) -> Lie:
    def change(rows: list[list[bytes]], _: np.random.Generator) -> list[list[bytes]]:
        place = rows[0].index(name)
        return [row[:place] + row[place + 1 :] for row in rows]

    return _table(change)


def _shuffled(rows: list[list[bytes]], chance: np.random.Generator) -> list[list[bytes]]:
    return [rows[0], *(rows[1:][place] for place in chance.permutation(len(rows) - 1))]


def _card(name: bytes, value: bytes | None) -> Lie:
    """A card of a FITS header with another value, or without its name."""
    pattern = re.compile(rb"%-8s=.{71}" % name, re.DOTALL)

    def change(body: bytes, _: np.random.Generator) -> bytes:
        card = b"COMMENT gone" if value is None else b"%-8s= %20s" % (name, value)
        return pattern.sub(card.ljust(80), body, count=1)

    return _bytes(change)


def _pixels(value: bytes) -> Lie:
    """Some pixels are others; they are big-endian float32 in the last block or two."""

    def change(body: bytes, chance: np.random.Generator) -> bytes:
        start = body.index(b"END" + b" " * 77) // 2880 * 2880 + 2880
        at = start + 4 * int(chance.integers(28))
        return body[:at] + value * 9 + body[at + 9 * len(value) :]

    return _bytes(change)


HUGE = b"9" * 400
ANY: dict[str, Lie] = {
    **{
        f"status {n}": _status(n)
        for n in (204, 205, 206, 300, 304, 401, 403, 404, 405, 410, 418, 451, 502, 507, 599)
    },
    "pause without end": _status(503, Retry_After="99999999999"),
    "pause that is no number": _status(429, Retry_After="soon, \x7f"),
    "redirect to itself": _redirect,
    "redirect to a file": _status(302, Location="file:///etc/hostname"),
    "redirect to nobody": _status(307, Location="http://127.0.0.1:1/"),
    "redirect to nothing": _status(301),
    "wrong content type": lambda good, chance, url: replace(good, content_type="text/html"),
    "two lengths": _headers(Content_Length="7"),
    "negative length": _headers(Content_Length="-1"),
    "chunked, it says": _headers(Transfer_Encoding="chunked"),
    "part of a range": _headers(Content_Range="bytes 0-9/10"),
    "300 headers": _many_headers,
    "long header": _headers(X_Long="x" * 100_000),
    "header of control characters": _headers(X_Odd="a\x00\x1b[31m\x7f"),
    "gzip": _bytes(lambda body, _: gzip.compress(body), Content_Encoding="gzip"),
    "gzip, not told": _bytes(lambda body, _: gzip.compress(body)),
    "gzip, it says": _headers(Content_Encoding="gzip"),
    "gzip cut short": _bytes(lambda body, _: gzip.compress(body)[:-20], Content_Encoding="gzip"),
    "gzip and more": _bytes(lambda body, _: gzip.compress(body) + b"more", Content_Encoding="gzip"),
    "gzip bomb": _bytes(lambda body, _: gzip.compress(bytes(3 * 10**8), 1), Content_Encoding="gzip"),
    "brotli, it says": _headers(Content_Encoding="br"),
    "HTML": lambda good, chance, url: page("Sign in"),
    "JSON": _bytes(lambda body, _: b'{"error": null}'),
    "no body": _bytes(lambda body, _: b""),
    "one byte": _bytes(lambda body, _: body[:1]),
    "one byte less": _bytes(lambda body, _: body[:-1]),
    "one byte more": _bytes(lambda body, _: body + b"\0"),
    "NUL bytes": _bytes(lambda body, _: bytes(len(body))),
    "random bytes": _bytes(lambda body, chance: chance.bytes(len(body))),
    "40 MB": _bytes(lambda body, _: body + bytes(40 * 10**6)),
    "twice": _bytes(lambda body, _: body + body),
    "second half": _bytes(lambda body, _: body[len(body) // 2 :]),
}
"""Lies that fit every answer."""
TABLE: dict[str, Lie] = {
    "empty table": _table(lambda rows, _: rows[:1]),
    "no header": _table(lambda rows, _: rows[1:]),
    "rows in any order": _table(_shuffled),
    "rows twice": _table(lambda rows, _: [*rows, *rows[1:]]),
    "another OID": _cells(b"oid", b"257201400048862"),
    "OID that is none": _cells(b"oid", b"-1"),
    "column lacking": _without(b"filefracday"),
    "column twice": _table(lambda rows, _: [[*row, row[0]] for row in rows]),
    "unknown column": _table(lambda rows, _: [[*row, b"x"] for row in rows]),
    "long cells": _table(lambda rows, _: [rows[0], *([*row[:-1], b"1" * 10**5] for row in rows[1:])]),
    "no time": _cells(b"mjd", b"nan"),
    "time that is none": _cells(b"mjd", b"1e300"),
    "infinite time": _cells(b"mjd", b"inf"),
    "name of no time": _cells(b"filefracday", b"20189999999999"),
    "huge integer": _cells(b"field", HUGE),
    "huge number": _cells(b"mjd", b"1e999999"),
    "words for numbers": _cells(b"mag", b"bright"),
    "position that is none": _cells(b"dec", b"4000"),
    "formula": _cells(b"mag", b"=1+1"),
    "control characters": _cells(b"filtercode", b"\x1b[2J\x00\x07"),
    "not UTF-8": _cells(b"filtercode", b"\xff\xfe"),
    "quoted": _table(lambda rows, _: [rows[0], *([b'"' + cell + b'"' for cell in row] for row in rows[1:])]),
    "CRLF": _bytes(lambda body, _: body.replace(b"\n", b"\r\n")),
    "BOM": _bytes(lambda body, _: b"\xef\xbb\xbf" + body),
    "UTF-16": _bytes(lambda body, _: body.decode().encode("utf-16")),
    "semicolons": _bytes(lambda body, _: body.replace(b",", b";")),
    "upper case": _bytes(lambda body, _: body.upper()),
    "empty lines": _bytes(lambda body, _: body.replace(b"\n", b"\n\n")),
}
"""Lies that fit light curves."""
IMAGE: dict[str, Lie] = {
    "huge axis": _card(b"NAXIS1", b"2000000000"),
    "axes of no length": _card(b"NAXIS1", b"0"),
    "negative axis": _card(b"NAXIS2", b"-28"),
    "1,000 axes": _card(b"NAXIS", b"999"),
    "other pixels": _card(b"BITPIX", b"16"),
    "no such pixels": _card(b"BITPIX", b"-33"),
    "place that is none": _card(b"CRVAL1", b"NaN"),
    "another place": _card(b"CRVAL2", b"12.5"),
    "no place": _card(b"CRPIX1", None),
    "singular matrix": _card(b"CD1_1", b"0.0"),
    "infinite pixels": _pixels(b"\x7f\x80\x00\x00"),
    "pixels of 1e38": _pixels(b"\x7e\x96\x76\x99"),
    "header without end": _bytes(lambda body, _: body.replace(b"END" + b" " * 77, b" " * 80, 1)),
    "header of control characters": _bytes(
        lambda body, _: body.replace(b"COMMENT", b"\x00\x1b[2J\xff\xfe", 1)
    ),
    "header alone": _bytes(lambda body, _: body[:2880]),
    "a block more": _bytes(lambda body, _: body + bytes(2880)),
}
"""Lies that fit frames."""
OF: dict[str, dict[str, Any]] = {"light_curve": {**ANY, **TABLE}, "image": {**ANY, **IMAGE}}
OF.update(dict.fromkeys(("search", "tap", "knowledge", "unknown"), ANY))
KINDS = tuple(dict.fromkeys([*ANY, *TABLE, *IMAGE]))
