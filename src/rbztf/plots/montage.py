"""Many small frames in one picture: one image for all, which draws ten times as fast as axes for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray

from rbztf.figures.style import NO_DATA_COLOUR

Frame = NDArray[np.float32]
Tile = NDArray[np.float32]
"""A frame in colours, (28, 28, 3) float32, 0 to 1, its first row at the bottom."""
GAP = 3
"""White pixels between tiles."""


def stretch(frame: Frame, valid: NDArray[np.bool_], highest: float = 99.7) -> tuple[float, float]:
    """Limits of the grey scale: the first and the ``highest`` percentile of the valid pixels."""
    pixels = frame[valid] if valid.any() else np.zeros(1, np.float32)
    low, high = np.percentile(pixels, [1, highest])
    return float(low), max(float(high), float(low) + 1e-6)


def tile(frame: Frame, valid: NDArray[np.bool_], limits: tuple[float, float], colours: str = "gray") -> Tile:
    """A frame in colours, pixels without data dark red.

    Parameters
    ----------
    frame : ndarray (n, m), float32
    valid : ndarray (n, m), bool
    limits : tuple of float
        Values at both ends of the colour map.
    """
    low, high = limits
    share = np.clip((np.where(valid, frame, low) - low) / (high - low), 0.0, 1.0)
    painted = colormaps[colours](share)[..., :3].astype(np.float32)
    painted[~valid] = NO_DATA_COLOUR
    return np.asarray(painted, np.float32)


def draw(
    axes: Any,
    rows: Sequence[Sequence[Tile]],
    captions: Sequence[Sequence[str]] = (),
    *,
    labels: Sequence[str] = (),
    caption_size: float = 7,
    caption_lines: int = 1,
) -> None:
    """Draw rows of tiles of one size, a caption above each and a label at the left of each row.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    rows : sequence of sequence of ndarray (n, m, 3), float32
        The first row is drawn at the top; rows may have fewer tiles than the first.
    captions : sequence of sequence of str
        As ``rows``; without them none.
    labels : sequence of str
        One a row; without them none.
    caption_lines : int
        Lines in a caption.
    """
    height, width = rows[0][0].shape[:2]
    above = GAP + (7 * caption_lines if captions else 0)
    step_y, step_x = height + above, width + GAP
    canvas = np.ones((step_y * len(rows), step_x * max(map(len, rows)) - GAP, 3), np.float32)
    for i, row in enumerate(rows):
        for j, painted in enumerate(row):
            top, left = i * step_y + above, j * step_x
            canvas[top : top + height, left : left + width] = painted[::-1]
            if captions:
                centre = left + width / 2 - 0.5
                axes.text(centre, top - 1.5, captions[i][j], ha="center", va="bottom", fontsize=caption_size)
    axes.imshow(canvas, origin="upper", interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([i * step_y + above + height / 2 for i in range(len(labels))], labels=labels, fontsize=8)
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
