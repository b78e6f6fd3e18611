"""Ways to damage a file: bytes at random, a few edits of a valid one, values and shapes that no writer gives."""

from __future__ import annotations

import re
from collections.abc import Callable

from hypothesis import strategies as st

MOST_BYTES = 2**20
NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
WORDS = (
    b"NaN", b"-inf", b"1e400", b"-1", b"0", b"9" * 30, b"9" * 5000, b"1e-400", b"0x1F", b"1_000", b"", b"null",
    b"true", b'""', b"{}", b"[[]]", b"\xff\xfe", b"\x00", b"\x1b[31m", b"\xe2\x80\xae", b"\xd9\xa3", b"'", b'"', b"2147483648",
    b"9223372036854775808", b"[" * 3000, b"{\"a\":" * 3000, b"- " * 3000, b"&a [*a]", b"!!python/name:os.system", b"a" * 200_000,
)  # fmt: skip
"""Put in the place of a number or a word."""
LENGTHS = (b"\xff" * 8, b"\x00" * 8, b"\xff\xff\xff\x7f", b"\x00\x00\x00\x80", b"\xff" * 7 + b"\x7f")
"""Lengths that are negative or huge, as binary formats write them."""


@st.composite
def byte_edits(draw: st.DrawFn, valid: bytes) -> bytes:
    """One to four of: another byte, bytes gone, bytes put in, the end gone, a slice twice."""
    content = bytearray(valid)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, max(0, len(content) - 1)))
        stop = start + draw(st.integers(1, 64))
        kind = draw(st.sampled_from(("flip", "delete", "insert", "truncate", "twice", "length")))
        if kind == "flip":
            content[start : start + 1] = bytes([draw(st.integers(0, 255))])
        elif kind == "delete":
            del content[start:stop]
        elif kind == "insert":
            content[start:start] = draw(st.binary(min_size=1, max_size=16))
        elif kind == "truncate":
            del content[start:]
        elif kind == "length":
            length = draw(st.sampled_from(LENGTHS))
            content[start : start + len(length)] = length
        else:
            content[start:start] = content[start:stop]
    return bytes(content)


@st.composite
def structured_edits(draw: st.DrawFn, valid: bytes) -> bytes:
    """Another number or word, another order or number of lines, other ends of lines, a byte-order mark."""
    edit: Callable[[], bytes] = draw(
        st.sampled_from(
            (
                lambda: _replaced(draw, valid, NUMBER),
                lambda: _replaced(draw, valid, re.compile(rb"[A-Za-z_]{2,}")),
                lambda: _replaced(draw, valid, re.compile(rb"\"[^\"]*\"|'[^']*'")),
                lambda: _replaced(draw, valid, re.compile(rb"[,:{}\[\]\n]")),
                lambda: _lines(draw, valid),
                lambda: valid.replace(
                    b"\n", draw(st.sampled_from((b"\r\n", b"\r", b"\n\n", b"\x00\n", b",\n")))
                ),
                lambda: (
                    draw(st.sampled_from((b"\xef\xbb\xbf", b"\xff\xfe", b"\x00", b"\n\n", b"#", b"[[[[")))
                    + valid
                ),
                lambda: valid + draw(st.sampled_from((b"\xff", b"\x00" * 3000, b"\n,,,", b"}", valid))),
                lambda: draw(
                    st.sampled_from((b"", b"\n", b"null", b"[]", b"{}", b"[null]", b"[1]", b'"a"', b"NaN"))
                ),
            )
        )
    )
    return edit()


def _replaced(draw: st.DrawFn, valid: bytes, pattern: re.Pattern[bytes]) -> bytes:
    places = [match.span() for match in pattern.finditer(valid)]
    if not places:
        return valid
    start, stop = draw(st.sampled_from(places))
    return valid[:start] + draw(st.sampled_from(WORDS)) + valid[stop:]


def _lines(draw: st.DrawFn, valid: bytes) -> bytes:
    """A line gone, twice, or in another place."""
    lines = valid.splitlines(keepends=True) or [b""]
    line = lines.pop(draw(st.integers(0, len(lines) - 1)))
    for _ in range(draw(st.integers(0, 2))):
        lines.insert(draw(st.integers(0, len(lines))), line)
    return b"".join(lines)


@st.composite
def mutations(draw: st.DrawFn, valid: bytes) -> bytes:
    """Any kind of damage to ``valid``."""
    kind = draw(st.sampled_from(("bytes", "structure", "random")))
    if kind == "random":
        return draw(st.binary(max_size=200))
    return draw((byte_edits if kind == "bytes" else structured_edits)(valid))
