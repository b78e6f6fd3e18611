"""The frames of an object one after the other, as an animated GIF."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rbztf.figures.style import NO_DATA_COLOUR, RED, grey_limits
from rbztf.files import whole

if TYPE_CHECKING:
    from PIL.Image import Image

SCALE = 8
"""Pixels of the picture for one of the frame."""
BORDER, FOOT = 4, 20
"""Pixels around the frame, and below it for the caption."""
FRAME_MS = 150
_GREYS = 253
_NO_DATA, _WHITE, _RED = 253, 254, 255


@dataclass(frozen=True)
class Still:
    """One picture of an animation.

    Attributes
    ----------
    frame : ndarray (28, 28), float32
        Pixels in DN, NaN where the chip has none; the first row is drawn at the bottom.
    caption : str
    marked : bool
        Whether it gets a red border.
    """

    frame: NDArray[np.float32]
    caption: str
    marked: bool = False


def write_animation(stills: Sequence[Still], path: Path, frame_ms: int = FRAME_MS) -> None:
    """Write an endless animation; the file appears whole or not at all.

    Each frame is stretched by its own percentiles 1 and 99.5.

    Parameters
    ----------
    stills : sequence of Still
        At least one, in the order of time.
    frame_ms : int
        How long each is shown, milliseconds; browsers show none for less than 20.

    Raises
    ------
    WriteError, UsageError
        If it cannot be written.
    """
    pictures: Iterator[Image] = map(_picture, stills)
    first = next(pictures)
    with whole(path) as part:
        first.save(
            part, format="GIF", save_all=True, append_images=pictures, duration=frame_ms, loop=0, disposal=1
        )


def _picture(still: Still) -> Image:
    from PIL import Image, ImageDraw

    n_y, n_x = (SCALE * side for side in still.frame.shape)
    values = np.full((n_y + 2 * BORDER + FOOT, n_x + 2 * BORDER), _WHITE, np.uint8)
    values[: n_y + 2 * BORDER] = _RED if still.marked else _WHITE
    grey = np.repeat(np.repeat(_levels(still.frame)[::-1], SCALE, axis=0), SCALE, axis=1)
    values[BORDER : BORDER + n_y, BORDER : BORDER + n_x] = grey
    picture = Image.fromarray(values, "L").copy()
    picture = Image.frombytes("P", picture.size, picture.tobytes())
    picture.putpalette(_palette())
    place = (BORDER, n_y + 2 * BORDER + 3)
    ImageDraw.Draw(picture).text(place, still.caption, fill=_RED if still.marked else 0)
    return picture


def _levels(frame: NDArray[np.float32]) -> NDArray[np.uint8]:
    known = np.isfinite(frame)
    low, high = grey_limits(frame[known])
    share = np.clip((np.where(known, frame, low) - low) / (high - low), 0, 1)
    return np.where(known, np.round(share * (_GREYS - 1)), _NO_DATA).astype(np.uint8)


def _palette() -> bytes:
    greys = np.linspace(0, 255, _GREYS).round().astype(np.uint8)
    red = tuple(int(RED[i : i + 2], 16) for i in (1, 3, 5))
    no_data = tuple(round(255 * part) for part in NO_DATA_COLOUR)
    return (
        np.concatenate([np.repeat(greys, 3), np.array([no_data, (255,) * 3, red]).ravel()])
        .astype(np.uint8)
        .tobytes()
    )
