"""Sprite sheets: many frames in one picture, of which a page shows a part."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

from rbztf.errors import UsageError
from rbztf.figures.style import NO_DATA_COLOUR

COLUMNS = 32
"""Frames in a row of a sheet."""
MOST_ROWS = 580
"""WebP has at most 16,383 pixels on a side."""
MOST_FRAMES = COLUMNS * MOST_ROWS
FINE, SMALL = 80, 28
"""Quality where an object has its chosen frames, and where it has all of them."""
EFFORT = 2


def sheet(tiles: NDArray[np.uint8], no_data: NDArray[np.bool_], columns: int = COLUMNS) -> NDArray[np.uint8]:
    """Lay out frames row by row, (rows * 28, columns * 28) or with a last axis of 3 colours, uint8.

    Parameters
    ----------
    tiles : ndarray (n, 28, 28), uint8
        Grey, the first row of each at its bottom, as FITS has it.
    no_data : ndarray (n, 28, 28), bool
        Pixels that the chip does not have; they are painted dark red.
    """
    n, size = len(tiles), tiles.shape[1]
    columns = max(1, min(columns, n))
    rows = max(1, -(-n // columns))
    painted = tiles
    if no_data.any():
        painted = np.repeat(tiles[..., None], 3, axis=-1)
        painted[no_data] = np.round(np.array(NO_DATA_COLOUR) * 255).astype(np.uint8)
    full = np.zeros((rows * columns, *painted.shape[1:]), np.uint8)
    full[:n] = painted[:, ::-1]
    laid = full.reshape(rows, columns, *full.shape[1:]).swapaxes(1, 2)
    return laid.reshape(rows * size, columns * size, *full.shape[3:])


def webp(picture: NDArray[np.uint8], quality: int = FINE) -> bytes:
    """A grey or coloured picture as WebP.

    Raises
    ------
    UsageError
        If pillow was built without WebP.
    """
    from PIL import Image, features

    if not features.check("webp"):
        raise UsageError("This pillow cannot write WebP.", "Install it anew: pip install --upgrade pillow.")
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "webp", quality=quality, method=EFFORT)
    return stream.getvalue()
