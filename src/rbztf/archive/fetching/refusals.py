"""HTTP 400 for a cutout: off the chip, or a refusal without a good reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from rbztf.stores.epochs import Columns, FrameStatus

NEAR_EDGE_PIX = 100.0
"""An object as near as this to the edge of its chip may be off the chip in other exposures."""


def off_chip_by_archive(columns: Columns) -> NDArray[np.bool_]:
    """Epochs that an archive, and not an image at hand, said are off the chip, (n,) bool."""
    asked = np.char.startswith(columns["url"].astype(str), "http")
    off_chip: NDArray[np.bool_] = asked & (columns["status"] == FrameStatus.OFF_CHIP.value)
    return off_chip


def judge_refusals(columns: Columns, refused: Iterable[int], near_edge: Callable[[], bool]) -> str:
    """Decide what HTTP 400 means for the epochs of an object; their status is changed in place.

    Where a frame of the object shows that it lies near the edge of the chip, refused epochs are
    off the chip. Where no frame came at all, none is: a light curve lists epochs in which the
    object was seen.

    Parameters
    ----------
    columns : dict of str to ndarray (n,)
        As :data:`rbztf.stores.epochs.COLUMNS`.
    refused : iterable of int
        Rows of the epochs for which the archive did not say why.
    near_edge : callable
        Whether a frame of the object lies near the edge.

    Returns
    -------
    str
        The problem, where no frame came; else empty.
    """
    rows = list(refused)
    if (columns["status"] == FrameStatus.OK.value).any():
        if rows and near_edge():
            columns["status"][rows] = FrameStatus.OFF_CHIP.value
        return ""
    off_chip = off_chip_by_archive(columns)
    columns["status"][off_chip] = FrameStatus.FAILED.value
    n_refused = int(off_chip.sum()) + len(rows)
    if not n_refused:
        return ""
    return f"The archive refused all {n_refused} of its frames (HTTP 400). Run the same command again later."


def is_clipped(frame: NDArray[np.float32]) -> bool:
    """Whether a frame (28, 28) lacks a whole row or column at a side, as at the edge of a chip."""
    return any(bool(np.isnan(side).all()) for side in (frame[0], frame[-1], frame[:, 0], frame[:, -1]))
