"""Read the image of a plain FITS file without building HDU objects.

The cutout store holds thousands of small files. Opening one with a general FITS library
costs milliseconds, most of it header bookkeeping, which would dominate objects with few
frames. This reader knows just enough of the standard (2880-byte blocks of 80-character
cards, FITS 4.0, sections 3.1 and 4.1) to find one image; whatever it does not recognise
it leaves to astropy.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

BLOCK = 2880
CARD = 80
_PIXEL_CARDS = ("BITPIX", "BSCALE", "BZERO", "NAXIS", "NAXIS1", "NAXIS2")
_BIG_ENDIAN_FLOAT32 = np.dtype(">f4")
_END = re.compile(rb"END {77}")
_VALUE = re.compile(rb"^([A-Z0-9_-]{1,8}) *= *('(?:[^']|'')*'|[^/ ]+)")


class NotPlain(Exception):
    """The file needs a general FITS reader."""


def read_extension(path: Path, name: str) -> tuple[dict[str, str], dict[str, str], NDArray[np.float32]]:
    """Read the first extension of ``path``, an uncompressed float32 image called ``name``.

    Returns
    -------
    primary, extension : dict
        The cards of both headers as text, quotes removed.
    image : ndarray, float32
        The pixels in native byte order, axes in numpy order.

    Raises
    ------
    NotPlain
        If the file is anything else than that.
    """
    content = path.read_bytes()
    if not content.startswith(b"SIMPLE  ="):
        raise NotPlain
    primary, offset = _header(content, 0)
    if primary.get("NAXIS") != "0":
        raise NotPlain
    extension, offset = _header(content, offset)
    if extension.get("XTENSION") != "IMAGE" or extension.get("EXTNAME") != name:
        raise NotPlain
    return primary, extension, _image(content, offset, extension)


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

    def __iter__(self) -> Iterator[str]:
        return (keyword.decode("ascii", "replace").rstrip() for keyword in reversed(self._cards))

    def __len__(self) -> int:
        return len(self._cards)


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


def read_primary(content: bytes) -> tuple[Cards, NDArray[np.float32]]:
    """Read a FITS file held in memory whose primary HDU is an uncompressed 2-D float32 image.

    Returns
    -------
    cards : Cards
    image : ndarray (rows, columns), float32
        Native byte order.

    Raises
    ------
    NotPlain
        If it is anything else, or cut short.
    """
    if not content.startswith(b"SIMPLE  ="):
        raise NotPlain
    end = _END.search(content)
    while end and end.start() % CARD:
        end = _END.search(content, end.start() + 1)
    if end is None:
        raise NotPlain
    cards = Cards(content[: end.start()])
    if cards.get("NAXIS") != 2:
        raise NotPlain
    offset = -(-(end.start() + CARD) // BLOCK) * BLOCK
    return cards, _image(content, offset, {name: str(cards[name]) for name in _PIXEL_CARDS if name in cards})


def _header(content: bytes, offset: int) -> tuple[dict[str, str], int]:
    """Cards of the header that starts at ``offset``, and where its data begin."""
    cards: dict[str, str] = {}
    for start in range(offset, len(content) - CARD + 1, CARD):
        card = content[start : start + CARD]
        if card.startswith(b"END "):
            return cards, offset + -(-(start + CARD - offset) // BLOCK) * BLOCK
        match = _VALUE.match(card)
        if match:
            cards[match[1].decode("ascii")] = match[2].decode("ascii", "replace").strip("'").rstrip()
    raise NotPlain


def _image(content: bytes, offset: int, cards: dict[str, str]) -> NDArray[np.float32]:
    if cards.get("BITPIX") != "-32" or "BSCALE" in cards or "BZERO" in cards:
        raise NotPlain
    try:
        shape = tuple(int(cards[f"NAXIS{axis}"]) for axis in range(int(cards["NAXIS"]), 0, -1))
    except (KeyError, ValueError):
        raise NotPlain from None
    count = int(np.prod(shape)) if shape else 0
    if offset + 4 * count > len(content):
        raise NotPlain
    pixels = np.frombuffer(content, _BIG_ENDIAN_FLOAT32, count, offset)
    return pixels.reshape(shape).astype(np.float32)
