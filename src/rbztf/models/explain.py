"""Which epochs a verdict rests on, and what is left of it without them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rbztf.models.ensemble import Ensemble
from rbztf.models.networks import FittedNetwork
from rbztf.models.objects import Modality, ObjectSet

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Rescore = Callable[[Sequence[Mask]], Array]
"""Probabilities of one object with only the frames of each mask kept."""
LARGEST_SHARE_DROPPED = 0.5
"""An object is not saved by dropping more than this share of its frames."""


def epoch_shares(model: Ensemble, objects: ObjectSet) -> list[Array]:
    """What each frame adds to the log odds of bogus, through the networks that read frames.

    The networks' votes are summed over frames (see :mod:`rbztf.models.pooling`), the members'
    log odds over members: so are the shares, exactly. What trees and light-curve features add has
    no share of its own; :func:`find_rescue` measures their part by scoring again.

    Returns
    -------
    list of ndarray (n_frames,), float64
        Zeros where no network reads the object's frames.
    """
    shares = [np.zeros(len(sequence)) for sequence in objects.sequences]
    available = model.available(objects)
    for have in {found for found in available if Modality.IMAGE in found}:
        index = np.array([i for i, found in enumerate(available) if found == have])
        part = objects.take(index)
        combination = model.combinations[have]
        for name, weight in zip(combination.members, combination.weights):
            bags = model.members[name]
            for member in bags:
                if isinstance(member, FittedNetwork) and member.scaling is not None:
                    for i, share in zip(index, member.shares(part)):
                        shares[i] += weight / len(bags) * share
    return shares


@dataclass(frozen=True)
class Rescue:
    """What dropping the most blamed frames makes of an object.

    Attributes
    ----------
    dropped : ndarray (n_frames,), bool
    p_bogus : float
        Without them.
    saved : bool
        Whether it is below the threshold.
    """

    dropped: Mask
    p_bogus: float
    saved: bool


def find_rescue(shares: Array, rescore: Rescore, threshold: float, min_frames: int) -> Rescue:
    """Drop the frames with the largest shares, as few as bring the score below ``threshold``.

    1, 2, 4 … frames are tried, up to half of them; if none is enough, the number that lowers
    the score most is the answer.

    Parameters
    ----------
    shares : ndarray (n_frames,), float64
    rescore : callable
        The whole model on the frames that are left (and their photometry).
    min_frames : int
        Frames that must be left.
    """
    n = len(shares)
    most = min(int(n * LARGEST_SHARE_DROPPED), n - min_frames)
    if most < 1:
        nothing = np.zeros(n, bool)
        p = float(rescore([~nothing])[0])
        return Rescue(nothing, p, p < threshold)
    order = np.argsort(-shares, kind="stable")
    counts = sorted({*(2**power for power in range(int(np.log2(most)) + 1)), most})
    masks = []
    for count in counts:
        dropped = np.zeros(n, bool)
        dropped[order[:count]] = True
        masks.append(dropped)
    scores = rescore([~dropped for dropped in masks])
    enough = np.flatnonzero(scores < threshold)
    chosen = int(enough[0]) if len(enough) else int(np.argmin(scores))
    return Rescue(masks[chosen], float(scores[chosen]), bool(len(enough)))
