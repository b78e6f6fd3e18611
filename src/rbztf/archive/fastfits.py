"""Read the image of a plain FITS file without building HDU objects.

The cutout store holds thousands of small files. Opening one with a general FITS library
costs milliseconds, most of it header bookkeeping, which would dominate objects with few
frames. This reader knows just enough of the standard (2880-byte blocks of 80-character
cards, FITS 4.0, sections 3.1 and 4.1) to find one image; whatever it does not recognise
it leaves to astropy.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

BLOCK = 2880
CARD = 80
_BIG_ENDIAN_FLOAT32 = np.dtype(">f4")
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


def _header(content: bytes, offset: int) -> tuple[dict[str, str], int]:
    """Cards of the header that starts at ``offset``, and where its data begin."""
    cards: dict[str, str] = {}
    for start in range(offset, len(content) - CARD + 1, CARD):
        card = content[start : start + CARD]
        if card.startswith(b"END "):
            return cards, offset + -(-(start + CARD - offset) // BLOCK) * BLOCK
        match = _VALUE.match(card)
        if match:
            cards[match[1].decode("ascii")] = match[2].decode("ascii").strip("'").rstrip()
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
