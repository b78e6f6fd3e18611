"""Scores of objects: probability of bogus, its interval, kinds of artefact."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rbztf.models.objects.object_set import Modalities

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ObjectScores:
    """Scores of objects, in their order.

    Attributes
    ----------
    p_bogus : ndarray (n,), float64
        Probability of bogus; NaN where the model comes to no finite number.
    p_low, p_high : ndarray (n,), float64
        Interval that is to hold the scores of 95 % of independent retrainings; NaN where the model
        gives none. See :meth:`rbztf.models.ensemble.stacking.Combination.with_interval`.
    inputs : list of tuple of Modality
        What each score rests on; empty for an object of which nothing is known.
    kinds : dict of str to ndarray (n,), float64
        Probability that the object is an artefact of each kind the model knows; NaN where it cannot tell.
    """

    p_bogus: Array
    p_low: Array
    p_high: Array
    inputs: list[Modalities]
    kinds: dict[str, Array]

    def take(self, index: NDArray[np.int64]) -> ObjectScores:
        """The scores of the objects at ``index``."""
        return ObjectScores(
            self.p_bogus[index],
            self.p_low[index],
            self.p_high[index],
            [self.inputs[i] for i in index],
            {kind: p[index] for kind, p in self.kinds.items()},
        )
