"""Which epochs a verdict rests on, and what is left of it without them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rbztf.errors import UsageError
from rbztf.models.ensemble.ensemble import Ensemble
from rbztf.models.ensemble.network_member import FittedNetwork
from rbztf.models.objects.object_set import Modality, ObjectSet

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Rescore = Callable[[Sequence[Mask]], tuple[Array, Array]]
"""Probabilities of one object with only the frames of each mask kept, and the threshold of each."""
LARGEST_SHARE_DROPPED = 0.5
"""An object is not saved by dropping more than this share of its frames."""


def voting_member(model: Ensemble) -> str | None:
    """The member whose frames vote by themselves; None if there is none."""
    for name, bags in model.members.items():
        if isinstance(bags[0], FittedNetwork) and bags[0].section.pooling == "votes":
            return name
    return None


def frame_contributions(model: Ensemble, objects: ObjectSet) -> list[Array]:
    """What each frame adds to the log odds of bogus of the :func:`voting_member`.

    Its frames vote by themselves, so with the same constant for every object (its bias) the
    shares of an object's frames are its log odds, exactly (see :mod:`rbztf.models.ensemble.pooled_network`). What
    other members make of the frames has no share; :func:`find_cleaned` measures it by scoring again.

    Returns
    -------
    list of ndarray (n_frames,), float64

    Raises
    ------
    UsageError
        If the model has no such member.
    """
    name = voting_member(model)
    if name is None:
        raise UsageError(
            "No member of this model votes frame by frame, so it cannot name epochs.",
            "Train one that does (pooling: votes), such as --config default.",
        )
    shares = [np.zeros(len(sequence)) for sequence in objects.sequences]
    index = np.flatnonzero(objects.has(Modality.IMAGE))
    bags = model.members[name]
    for member in bags:
        assert isinstance(member, FittedNetwork)
        for i, share in zip(index, member.shares(objects.take(index))):
            shares[i] += share / len(bags)
    return shares


@dataclass(frozen=True)
class Cleaned:
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


def find_cleaned(shares: Array, rescore: Rescore, min_frames: int) -> Cleaned:
    """Drop the frames with the largest shares, as few as bring the score below its threshold.

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
        scores, thresholds = rescore([~nothing])
        return Cleaned(nothing, float(scores[0]), bool(scores[0] < thresholds[0]))
    order = np.argsort(-shares, kind="stable")
    counts = sorted({*(2**power for power in range(int(np.log2(most)) + 1)), most})
    masks = []
    for count in counts:
        dropped = np.zeros(n, bool)
        dropped[order[:count]] = True
        masks.append(dropped)
    scores, thresholds = rescore([~dropped for dropped in masks])
    enough = np.flatnonzero(scores < thresholds)
    chosen = int(enough[0]) if len(enough) else int(np.argmin(scores))
    return Cleaned(masks[chosen], float(scores[chosen]), bool(len(enough)))
