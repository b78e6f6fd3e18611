"""Decisions that may be *unsure*: class-conditional (Mondrian) conformal prediction.

For each class by itself, the objects of a calibration set say how unlike its class an object may
look: a set that is to miss its class for a share ``error_rate`` of the objects holds every class
whose nonconformity, 1 − p(class), is at most the ⌈(n + 1)(1 − error_rate)⌉-th smallest among
the n calibration objects of that class. If calibration and new objects are exchangeable, a new
object's set holds its class with probability 1 − error_rate or more, for real objects and for
artefacts alike, however wrong the probabilities are.

Sources: V. Vovk (2012), Conditional validity of inductive conformal predictors, Proceedings of
Machine Learning Research 25, 475 (arXiv:1209.2673), on label-conditional predictors;
A. N. Angelopoulos & S. Bates (2021), A gentle introduction to conformal prediction
(arXiv:2107.07511), on the finite-sample quantile and class-conditional sets.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rbztf.errors import UsageError


@dataclass(frozen=True)
class Conformal:
    """Fitted limits of nonconformity.

    Attributes
    ----------
    q_real, q_bogus : float
        Largest nonconformity of an object whose set holds *real*, or *bogus*; infinite where the
        calibration set is too small for a limit, so that every set holds the class.
    error_rate : float
        Share of sets that may miss their class.
    """

    q_real: float
    q_bogus: float
    error_rate: float

    def sets(self, scores: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether *real*, and whether *bogus*, is in each object's set, (n, 2) bool.

        Parameters
        ----------
        scores : ndarray (n,), float64
            Probability of bogus.
        """
        return np.stack([scores <= self.q_real, 1 - scores <= self.q_bogus], axis=1)

    def decide(self, scores: NDArray[np.float64]) -> NDArray[np.str_]:
        """``real`` or ``bogus`` where the set holds that alone, else ``unsure``, (n,) str."""
        real, bogus = self.sets(scores).T
        return np.where(real & ~bogus, "real", np.where(bogus & ~real, "bogus", "unsure"))


def fit(labels: NDArray[np.int64], scores: NDArray[np.float64], error_rate: float) -> Conformal:
    """Fit the limits on objects that the model was not trained on.

    Parameters
    ----------
    labels : ndarray (n,), int64
        1 = artefact.
    scores : ndarray (n,), float64
        Probability of bogus.
    error_rate : float
        Share of sets that may miss their class, above 0 and below 1.

    Raises
    ------
    UsageError
        For an error rate that is not between 0 and 1.
    """
    if not 0 < error_rate < 1:
        raise UsageError(f"The error rate {error_rate} is not between 0 and 1.", "Give 0.1, for example.")
    return Conformal(
        _limit(scores[labels == 0], error_rate), _limit(1 - scores[labels == 1], error_rate), error_rate
    )


def _limit(nonconformity: NDArray[np.float64], error_rate: float) -> float:
    n = len(nonconformity)
    rank = math.ceil((n + 1) * (1 - error_rate) - 1e-9)  # 10 × 0.9 may exceed 9 by rounding
    return float(np.partition(nonconformity, rank - 1)[rank - 1]) if rank <= n else math.inf
