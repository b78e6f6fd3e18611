"""What contradicts itself in an object of the store, and what no frame can show."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbztf.stores.epochs import Columns, FrameStatus
from rbztf.wording import counted
from rbztf.ztf import SIZE_PIX

LARGEST_DN = 1e9
"""Detectors count to 65,536; nothing that was done to a frame since makes more of it."""
SMALLEST_DN = 1e-12
"""Pixels that are nearer to zero, but not zero, are not counts of anything."""
LOWEST_SHARE = 1 / 8
"""Of the median of a cutout: no pixel of 13,740 real ones is below a fifth of it."""
HIGHEST_DN = 1e5
"""The highest pixel of those has 67,000 DN."""
WIDEST_COLUMN_PIX = 4
"""Of dead pixels, which are no jump of the sky."""
N_SCATTER = 7
"""Median deviations: 5 standard deviations of the sky."""
MJD_RANGE = (50000.0, 100000.0)
"""Days of epochs that can be: 1995 to 2132."""


def contradictions(frames: NDArray[np.float32], columns: Columns) -> Iterator[str]:
    """What cannot be in an object of the store, a sentence each.

    Parameters
    ----------
    frames : ndarray (n, 28, 28), float32
        DN.
    columns : dict of str to ndarray (n_epochs,)
        As :data:`rbztf.stores.epochs.COLUMNS`.
    """
    if frames.shape[1:] != (SIZE_PIX, SIZE_PIX):
        yield f"its frames have the shape {frames.shape[1:]}."
    if wrong := impossible_pixel(frames):
        yield f"its frames hold {wrong}."
    unknown = set(columns["status"]) - {status.value for status in FrameStatus}
    if unknown:
        yield f"its epochs have the unknown status {', '.join(sorted(unknown))}."
    index = columns["frame"]
    if not np.array_equal(index[index >= 0], np.arange(len(frames))):
        yield f"its epochs do not point at its {counted(len(frames), 'frame')} one by one, in time order."
    if columns["status"].size and not np.array_equal(index >= 0, columns["status"] == FrameStatus.OK.value):
        yield "its statuses contradict its frames."
    if (np.diff(columns["mjd"]) < 0).any():
        yield "its epochs are not in time order."
    if (columns["mjd"] < MJD_RANGE[0]).any() or (columns["mjd"] > MJD_RANGE[1]).any():
        yield "its epochs are at times at which nothing was observed."
    known = columns["filefracday"][columns["filefracday"] > 0]
    if len(np.unique(known)) != len(known):
        yield "it holds an exposure twice."


def impossible_pixel(pixels: NDArray[np.floating[Any]]) -> str:
    """A pixel (DN, NaN where unknown) that no image can have, in words; empty if there is none.

    A number whose bytes were shifted has part of its fraction for an exponent, and so is mostly
    larger or smaller by many orders of magnitude than any count of a detector.
    """
    size = np.abs(pixels)
    wrong = (size > LARGEST_DN) | ((size < SMALLEST_DN) & (size > 0))
    return f"a pixel of {pixels[wrong][0]:.3g} DN" if wrong.any() else ""


def sky_jumps(frame: NDArray[np.float32]) -> bool:
    """Whether a cutout (rows, columns), DN with sky, looks as if bytes of it were lost on the way.

    Then the sky, which is level in any cutout, jumps where they are missing; if that is in the last
    pixel, it differs from the sky, and zeros fill its end.
    """
    known = frame[~np.isnan(frame)]
    if not known.size:
        return False
    median = np.median(known)
    if _has_more_than_columns((frame < median * LOWEST_SHARE) | (frame > HIGHEST_DN)):
        return True
    scatter = np.median(np.abs(known - median))
    ends_with_zero = frame[-1, -1].astype(">f4").tobytes()[-1] == 0
    return bool(ends_with_zero and abs(frame[-1, -1] - median) > N_SCATTER * scatter)


def _has_more_than_columns(far: NDArray[np.bool_]) -> bool:
    """Whether marked pixels (rows, columns) are anything else than columns of some pixels' width, as dead ones."""
    around = np.pad(far, ((1, 1), (0, 0)))
    alone = far & ~(around[:-2] | around[2:])
    return bool(alone.any() or (far.sum(axis=1) > WIDEST_COLUMN_PIX).any())
