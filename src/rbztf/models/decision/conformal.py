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

At another prior than that of the training (:mod:`rbztf.models.decision.prior`) real objects are of two
groups, and *real* leaves a set only if the object is too unlike both: picked ones are missed as
rarely as ever, and of ordinary ones only as many as keeps the number of false alarms for one
artefact where it was. The rarer artefacts are, the more of them may be missed instead: up to twice
the error rate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rbztf.errors import UsageError
from rbztf.models.decision.prior import Population


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

    @property
    def limit_real(self) -> float:
        """Probability up to which an object is called real; NaN if none is."""
        limit = min(self.q_real, np.nextafter(1 - self.q_bogus, -math.inf))
        return float(limit) if limit >= 0 else math.nan

    @property
    def limit_bogus(self) -> float:
        """Probability from which an object is called bogus; NaN if none is."""
        limit = max(np.nextafter(self.q_real, math.inf), 1 - self.q_bogus)
        return float(limit) if limit <= 1 else math.nan


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
    _check(error_rate)
    return Conformal(
        _limit(scores[labels == 0], error_rate), _limit(1 - scores[labels == 1], error_rate), error_rate
    )


def fit_population(population: Population, error_rate: float) -> Conformal:
    """Fit the limits for objects among which artefacts are as rare as in ``population``.

    Of picked real objects a share ``error_rate`` is missed, of ordinary ones that times the rarity
    of artefacts (or, of n ordinary objects, 1 / (n + 1) if that is more), of artefacts up to twice
    the rate. With a rarity of 1 and no ordinary object this is :func:`fit`.

    Raises
    ------
    UsageError
        For an error rate that is not between 0 and 1.
    """
    _check(error_rate)
    q_real = _limit(population.picked, error_rate)
    n = len(population.ordinary)
    if n:
        rate = max(error_rate * population.rarity, 1 / (n + 1))
        q_real = max(q_real, _limit(population.ordinary, rate))
    missed = min(error_rate * (2 - population.rarity), (1 + error_rate) / 2)
    return Conformal(q_real, _limit(1 - population.artefacts, missed), error_rate)


def _check(error_rate: float) -> None:
    if not 0 < error_rate < 1:
        raise UsageError(f"The error rate {error_rate} is not between 0 and 1.", "Give 0.1, for example.")


def _limit(nonconformity: NDArray[np.float64], error_rate: float) -> float:
    n = len(nonconformity)
    rank = math.ceil((n + 1) * (1 - error_rate) - 1e-9)  # 10 × 0.9 may exceed 9 by rounding
    return float(np.partition(nonconformity, rank - 1)[rank - 1]) if rank <= n else math.inf
