"""Read the image of a plain FITS file without building HDU objects, and verify its checksums.

The cutout store holds thousands of small files. Opening one with a general FITS library
costs milliseconds, most of it header bookkeeping, which would dominate objects with few
frames. This reader knows just enough of the standard (2880-byte blocks of 80-character
cards, FITS 4.0, sections 3.1 and 4.1) to find one image; whatever it does not recognise
it leaves to astropy.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

BLOCK = 2880
CARD = 80
_ONES = 2**32 - 1
_BIG_ENDIAN_FLOAT32 = np.dtype(">f4")
_TYPES = {"D": ">f8", "E": ">f4", "I": ">i2", "J": ">i4", "K": ">i8"}
_FORM = re.compile(r"(\d{0,6})([ADEIJK])")
_FILLING = b"\0 "
"""Fills the last block of data: zeros, or blanks after a table of text."""
_END = re.compile(rb"END {77}")
_VALUE = re.compile(rb"^([A-Z0-9_-]{1,8}) *= *('(?:[^']|'')*'|[^/ ]+)")


class NotPlain(Exception):
    """The file needs a general FITS reader."""


class Damaged(Exception):
    """The content does not have the checksum that it names."""


class Cards(Mapping[str, "str | int | float | bool"]):
    """Cards of one header, read only when asked for; of repeated keywords the first counts.

    Parameters
    ----------
    content : bytes
        The header: whole cards of 80 characters, without END.
    """

    def __init__(self, content: bytes) -> None:
        starts = range(len(content) - CARD, -1, -CARD)
        self._cards = {
            content[i : i + 8]: content[i : i + CARD] for i in starts if content[i + 8 : i + 9] == b"="
        }

    def __getitem__(self, keyword: str) -> str | int | float | bool:
        match = _VALUE.match(self._cards[keyword.encode("ascii").ljust(8)])
        if match is None:
            raise KeyError(keyword)
        return _typed(match[2].decode("ascii", "replace"))

    def __contains__(self, keyword: object) -> bool:
        card = self._cards.get(str(keyword).encode("ascii").ljust(8))
        return card is not None and _VALUE.match(card) is not None

    def __iter__(self) -> Iterator[str]:
        return (keyword.decode("ascii", "replace").rstrip() for keyword in reversed(self._cards))

    def __len__(self) -> int:
        return len(self._cards)

    def starting(self, letter: bytes) -> bytes:
        """The cards whose keywords start with ``letter``, as content for others."""
        return b"".join(card for keyword, card in self._cards.items() if keyword.startswith(letter))

    def whole_number(self, keyword: str, default: int | None = None) -> int:
        """The whole number of a card that the file cannot be read without.

        Raises
        ------
        NotPlain
            If it is another thing, or is not there and has no ``default``.
        """
        value = self.get(keyword, default)
        if type(value) is not int or value < 0:
            raise NotPlain
        return value


def _typed(text: str) -> str | int | float | bool:
    """The value of a card: a quoted text, T or F, or a number."""
    if text.startswith("'"):
        return text[1:-1].rstrip().replace("''", "'")
    if text in ("T", "F"):
        return text == "T"
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text.replace("D", "E"))
    except ValueError:
        return text


@dataclass(frozen=True)
class Hdu:
    """Where a header and its data lie in a file.

    Attributes
    ----------
    cards : Cards
    start, data, end : int
        First byte of the header and of the data, and the end of the data, filled to whole blocks.
    size : int
        Bytes of the data, without what fills the last block.
    """

    cards: Cards
    start: int
    data: int
    end: int
    size: int


def hdus(content: bytes) -> Iterator[Hdu]:
    """The headers and data of a FITS file, one by one.

    Raises
    ------
    NotPlain
        If the file is not FITS, or ends before its data do.
    """
    if not content.startswith(b"SIMPLE  ="):
        raise NotPlain
    end = 0
    while end < len(content):
        hdu = _hdu(content, end)
        if hdu.end > len(content):
            raise NotPlain
        end = hdu.end
        yield hdu


def _hdu(content: bytes, start: int) -> Hdu:
    end = _END.search(content, start)
    while end and (end.start() - start) % CARD:
        end = _END.search(content, end.start() + 1)
    if end is None:
        raise NotPlain
    cards = Cards(content[start : end.start()])
    data = start + _whole_blocks(end.start() + CARD - start)
    size = _data_size(cards)
    return Hdu(cards, start, data, data + _whole_blocks(size), size)


def _whole_blocks(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def _shape(cards: Cards) -> tuple[int, ...]:
    """Axes of the data in numpy's order."""
    return tuple(cards.whole_number(f"NAXIS{axis}") for axis in range(cards.whole_number("NAXIS"), 0, -1))


def _data_size(cards: Cards) -> int:
    """Bytes of the data that belong to a header (FITS 4.0, section 4.4.1)."""
    shape, bits = _shape(cards), cards.get("BITPIX")
    if type(bits) is not int:
        raise NotPlain
    groups, parameters = cards.whole_number("GCOUNT", 1), cards.whole_number("PCOUNT", 0)
    return abs(bits) // 8 * groups * (parameters + math.prod(shape)) if shape else 0


def check_sums(content: bytes, parts: Sequence[Hdu]) -> bool:
    """Verify the checksums of a file all of whose parts have one, or none has.

    A header with a CHECKSUM and its data add up to zero as 32-bit numbers in ones' complement
    (FITS 4.0, section 4.4.2.7); a changed bit anywhere changes the sum.

    Returns
    -------
    bool
        Whether it has checksums.

    Raises
    ------
    Damaged
        If a sum is wrong.
    """
    if not any("CHECKSUM" in part.cards for part in parts):
        return False
    for part in parts:
        if "CHECKSUM" not in part.cards or _sum(content, part.start, part.end) % _ONES:
            raise Damaged(f"the checksum of {part.cards.get('EXTNAME', 'its first header')} is wrong")
    return True


def whole_parts(content: bytes) -> list[Hdu]:
    """The headers and data of a file from elsewhere, which is as long as they say, to the byte.

    What fills their last blocks is empty, as the standard has it (FITS 4.0, sections 3.3 and 4.3),
    so that nothing was inserted; checksums are right, where there are some.

    Raises
    ------
    Damaged
        If anything is lost, added or changed.
    """
    try:
        parts = list(hdus(content))
    except NotPlain:
        raise Damaged("it is cut short, or not as long as its headers say") from None
    for number, part in enumerate(parts):
        if number and "XTENSION" not in part.cards:
            raise Damaged("something that is not FITS follows its data")
        if not content[part.start : part.data].rstrip(_FILLING).endswith(b"END"):
            raise Damaged("a header of it goes on behind its END")
        if content[part.data + part.size : part.end].strip(_FILLING):
            raise Damaged("its data are longer than its headers say")
        _check_sums_there(content, part)
    return parts


def _check_sums_there(content: bytes, part: Hdu) -> None:
    """Compare the checksums that a part has, be it one of the two, with its bytes."""
    if re.fullmatch(r"\d+", named := str(part.cards.get("DATASUM", "")).strip()):
        found = _sum(content, part.data, part.end)
        if (found - int(named)) % _ONES:
            raise Damaged("its data do not have the sum that DATASUM names")
    if str(part.cards.get("CHECKSUM", "")).strip() and _sum(content, part.start, part.end) % _ONES:
        raise Damaged("it does not have the sum that CHECKSUM names")


def _sum(content: bytes, start: int, end: int) -> int:
    """The sum of 32-bit numbers between two places, which are whole blocks apart."""
    return int(np.frombuffer(content, ">u4", (end - start) // 4, start).sum(dtype=np.uint64))


def read_extension(content: bytes, parts: Sequence[Hdu], name: str) -> NDArray[np.float32]:
    """The first extension of a file, an uncompressed float32 image called ``name``.

    Returns
    -------
    ndarray, float32
        The pixels in native byte order, axes in numpy order.

    Raises
    ------
    NotPlain
        If the file is anything else than that.
    """
    if len(parts) < 2 or parts[0].cards.get("NAXIS") != 0:
        raise NotPlain
    extension = parts[1]
    if extension.cards.get("XTENSION") != "IMAGE" or extension.cards.get("EXTNAME") != name:
        raise NotPlain
    return _image(content, extension)


def read_table(content: bytes, hdu: Hdu) -> NDArray[np.void]:
    """A binary table of numbers and texts, one a cell, as a structured array in the file's byte order.

    Raises
    ------
    NotPlain
        If it is anything else than that.
    """
    cards = hdu.cards
    dtype = _row_type(cards.starting(b"T"))
    as_told = dtype.itemsize == cards.whole_number("NAXIS1") and cards.get("PCOUNT") == 0
    if cards.get("XTENSION") != "BINTABLE" or not as_told:
        raise NotPlain
    return np.frombuffer(content, dtype, cards.whole_number("NAXIS2"), hdu.data)


@lru_cache(64)
def _row_type(content: bytes) -> np.dtype[np.void]:
    """The type of a table's rows, which all objects of a store share; of the cards that describe its columns."""
    cards = Cards(content)
    return np.dtype([_field(cards, number) for number in range(1, cards.whole_number("TFIELDS") + 1)])


def _field(cards: Cards, number: int) -> tuple[str, str]:
    """Name and type of a column."""
    match = _FORM.fullmatch(str(cards.get(f"TFORM{number}", "")))
    name = cards.get(f"TTYPE{number}")
    if match is None or not isinstance(name, str) or f"TZERO{number}" in cards or f"TSCAL{number}" in cards:
        raise NotPlain
    count, letter = match[1] or "1", match[2]
    if letter != "A" and count != "1":
        raise NotPlain
    return name, f"S{count}" if letter == "A" else _TYPES[letter]


def read_primary(content: bytes) -> tuple[Cards, NDArray[np.float32]]:
    """Read a FITS file held in memory whose primary HDU is an uncompressed 2-D float32 image.

    Returns
    -------
    cards : Cards
    image : ndarray (rows, columns), float32, in native byte order

    Raises
    ------
    NotPlain
        If it is anything else, or cut short.
    """
    first = next(hdus(content), None)
    if first is None or first.cards.get("NAXIS") != 2:
        raise NotPlain
    return first.cards, _image(content, first)


def _image(content: bytes, hdu: Hdu) -> NDArray[np.float32]:
    shape = _shape(hdu.cards)
    if not shape or hdu.cards.get("BITPIX") != -32 or "BSCALE" in hdu.cards or "BZERO" in hdu.cards:
        raise NotPlain
    pixels = np.frombuffer(content, _BIG_ENDIAN_FLOAT32, math.prod(shape), hdu.data)
    return pixels.reshape(shape).astype(np.float32)
