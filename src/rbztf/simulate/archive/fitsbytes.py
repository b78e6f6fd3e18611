"""FITS images as bytes, without building HDU objects: a server makes thousands of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbztf.stores.fastfits import BLOCK, CARD

STRUCTURAL = frozenset(
    {"SIMPLE", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "EXTEND", "XTENSION", "PCOUNT", "GCOUNT"}
)


def image_bytes(cards: Mapping[str, Any], pixels: NDArray[np.float32]) -> bytes:
    """A FITS file of one float32 image.

    Parameters
    ----------
    cards : mapping of str to str, bool, int or float
        Keywords of at most eight characters; structural ones are left out.
    pixels : ndarray (rows, columns), float32
    """
    rows, columns = pixels.shape
    lines = [
        card("SIMPLE", True),
        card("BITPIX", -32),
        card("NAXIS", 2),
        card("NAXIS1", columns),
        card("NAXIS2", rows),
        *(card(keyword, value) for keyword, value in cards.items() if keyword not in STRUCTURAL),
        "END".ljust(CARD),
    ]
    header = "".join(lines).encode("ascii")
    data = pixels.astype(">f4").tobytes()
    return header.ljust(_blocks(len(header)), b" ") + data.ljust(_blocks(len(data)), b"\0")


def card(keyword: str, value: str | bool | int | float) -> str:
    """One card of 80 characters, in fixed format where the value fits into it.

    Raises
    ------
    ValueError
        If the text or number does not fit into a card.
    """
    if isinstance(value, bool | np.bool_):
        text = f"{'T' if value else 'F':>20}"
    elif isinstance(value, str):
        text = "'" + value.replace("'", "''").ljust(8) + "'"
    elif isinstance(value, int | np.integer):
        text = f"{int(value):>20}"
    else:
        text = f"{_number(float(value)):>20}"
    line = f"{keyword:<8}= {text}".ljust(CARD)
    if len(line) > CARD or len(keyword) > 8:
        raise ValueError(f"{keyword} = {value!r} does not fit into a FITS card of {CARD} characters")
    return line


def _number(value: float) -> str:
    text = repr(value).upper()
    return text if "." in text or "E" in text else text + ".0"


def _blocks(size: int) -> int:
    return -(-size // BLOCK) * BLOCK
