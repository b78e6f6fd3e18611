"""Which epochs to drop: the score of an object without the frames that contribute most to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Rescore = Callable[[Sequence[Mask]], tuple[Array, Array]]
"""Probabilities of one object with only the frames of each mask kept, and the threshold of each."""
LARGEST_SHARE_DROPPED = 0.5
"""Largest share of its frames that an object may lose."""


@dataclass(frozen=True)
class Cleaned:
    """An object without the frames that contribute most.

    Attributes
    ----------
    dropped : ndarray (n_frames,), bool
    p_bogus : float
        Without them.
    """

    dropped: Mask
    p_bogus: float


def find_cleaned(contributions: Array, rescore: Rescore, min_frames: int) -> Cleaned:
    """Drop the frames with the largest contributions, as few as bring the score below its threshold.

    1, 2, 4 … frames are tried, up to half of them; if none is enough, the number that lowers
    the score most is the answer.

    Parameters
    ----------
    contributions : ndarray (n_frames,), float64
        What each frame adds to the log odds of bogus.
    rescore : callable
        The whole model on the frames that are left (and their photometry).
    min_frames : int
        Frames that must be left.
    """
    n = len(contributions)
    most = min(int(n * LARGEST_SHARE_DROPPED), n - min_frames)
    if most < 1:
        scores, _ = rescore([np.ones(n, bool)])
        return Cleaned(np.zeros(n, bool), float(scores[0]))
    order = np.argsort(-contributions, kind="stable")
    counts = sorted({*(2**power for power in range(int(np.log2(most)) + 1)), most})
    masks = []
    for count in counts:
        dropped = np.zeros(n, bool)
        dropped[order[:count]] = True
        masks.append(dropped)
    scores, thresholds = rescore([~dropped for dropped in masks])
    enough = np.flatnonzero(scores < thresholds)
    chosen = int(enough[0]) if len(enough) else int(np.argmin(scores))
    return Cleaned(masks[chosen], float(scores[chosen]))
