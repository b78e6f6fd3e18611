"""What contradicts itself in an object of the store."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from rbztf.stores.epochs import Columns, FrameStatus
from rbztf.ztf import SIZE_PIX

LARGEST_DN = 1e9
"""Detectors count to 65,536; nothing that was done to a frame since makes more of it."""
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
    if (np.abs(frames) > LARGEST_DN).any():
        yield f"its frames hold values beyond {LARGEST_DN:.0e} DN."
    unknown = set(columns["status"]) - {status.value for status in FrameStatus}
    if unknown:
        yield f"its epochs have the unknown status {', '.join(sorted(unknown))}."
    index = columns["frame"]
    if not np.array_equal(index[index >= 0], np.arange(len(frames))):
        yield f"its epochs do not point at its {len(frames)} frames one by one, in time order."
    if columns["status"].size and not np.array_equal(index >= 0, columns["status"] == FrameStatus.OK.value):
        yield "its statuses contradict its frames."
    if (np.diff(columns["mjd"]) < 0).any():
        yield "its epochs are not in time order."
    if (columns["mjd"] < MJD_RANGE[0]).any() or (columns["mjd"] > MJD_RANGE[1]).any():
        yield "its epochs are at times at which nothing was observed."
    known = columns["filefracday"][columns["filefracday"] > 0]
    if len(np.unique(known)) != len(known):
        yield "it holds an exposure twice."
