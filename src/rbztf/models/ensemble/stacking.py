"""How the logits of members become one calibrated probability.

Stacked generalisation (Wolpert 1992, Neural Networks 5, 241) with a logistic function, which
is Platt's calibration (Platt 1999) of a weighted sum: weights, not negative, and bias are fitted
on logits of objects that the members were not trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
RIDGE = 0.02
"""Pull of the weights towards equal ones: members with nearly equal logits share their weight."""
LARGEST_LOGIT = 8.0
"""Member logits are clipped here, so that one sure member cannot overrule all others."""
CONFIDENCE = 0.95
"""Share of retrainings whose score the interval of a score is to hold."""


@dataclass(frozen=True)
class Combination:
    """A weighted sum of member logits for objects with given modalities.

    Attributes
    ----------
    members : tuple of str
    weights : ndarray (m,), float64
        Not negative.
    bias : float
    scores : ndarray (n,), float64
        Probabilities of the training objects, each by members that were not trained on it.
    labels : ndarray (n,), int64
    oids : ndarray (n,), int64, or None
        Of these objects; None in bundles that did not keep them.
    ordinary : ndarray (m,), float64
        Probabilities of ordinary objects, each by members that were not trained on it.
    clear : ndarray (n,), bool, or None
        Which training objects conformal limits rest on; None for all.
    """

    members: tuple[str, ...]
    weights: Array
    bias: float
    scores: Array
    labels: NDArray[np.int64]
    oids: NDArray[np.int64] | None = None
    ordinary: Array = field(default_factory=lambda: np.empty(0))
    clear: NDArray[np.bool_] | None = None

    @classmethod
    def fit(cls, members: Sequence[str], logits: Array, labels: NDArray[np.int64]) -> Combination:
        """Fit weights and bias.

        Parameters
        ----------
        members : sequence of str, (m,)
        logits : ndarray (n, m), float64
            Of objects that the members have not been trained on.
        labels : ndarray (n,), int64
        """
        weights, bias = _fit_weights(_clip(logits), labels)
        scores = sigmoid(_clip(logits) @ weights + bias)
        return cls(tuple(members), weights, bias, scores, labels)

    def logits(self, logits: Array) -> Array:
        """Combined log odds; the last axis of ``logits`` runs over the members."""
        return np.asarray(_clip(logits) @ self.weights + self.bias)

    def probabilities(self, logits: Array) -> Array:
        """Calibrated probability of bogus; the last axis of ``logits`` runs over the members."""
        return sigmoid(self.logits(logits))

    def with_interval(self, logits: Array) -> tuple[Array, Array, Array]:
        """Score of the mean of all trainings, and the interval in which a retraining's score would lie.

        In log odds the interval reaches to both sides by Student's quantile, with one degree of
        freedom less than there are trainings, times the root of two variances added: that of
        single trainings, and :meth:`calibration_variance`. Trainings that share most of their
        data differ less than independent ones; their mean, on the other hand, has only part of
        the chance of each. Measured, the two cancel: of retrainings on other draws of the ZTF
        fields 93 to 97 % lie inside (docs/ensemble.md; benchmarks/interval_coverage.py).

        Parameters
        ----------
        logits : ndarray (trainings, n, m), float64
            Of each member; at least two trainings.

        Returns
        -------
        p, low, high : ndarray (n,), float64
        """
        from scipy.special import stdtrit

        middle = self.logits(logits.mean(axis=0))
        variance = self.logits(logits).var(axis=0, ddof=1) + self.calibration_variance(middle)
        half = stdtrit(len(logits) - 1, (1 + CONFIDENCE) / 2) * np.sqrt(variance)
        return sigmoid(middle), sigmoid(middle - half), sigmoid(middle + half)

    def calibration_variance(self, log_odds: Array) -> Array:
        """Variance of combined log odds, (n,) float64, from the calibration's own error.

        Offset and slope of the log odds are known as well as the training objects tell them: their
        covariance is the inverse of the Fisher information of a logistic regression of the labels
        on the log odds, and of a prior with unit variance, which keeps it finite where the
        classes are separated.
        """
        from scipy.special import logit

        scores = np.clip(self.scores, 1e-12, 1 - 1e-12)
        known = np.stack([np.ones_like(scores), logit(scores)])
        covariance = np.linalg.inv((known * scores * (1 - scores)) @ known.T + np.eye(2))
        asked = np.stack([np.ones_like(log_odds), log_odds])
        return np.asarray((asked * (covariance @ asked)).sum(axis=0))

    @property
    def auc(self) -> float:
        """ROC-AUC on the training objects, out of fold."""
        from sklearn.metrics import roc_auc_score

        return float(roc_auc_score(self.labels, self.scores))


def _fit_weights(logits: Array, labels: NDArray[np.int64]) -> tuple[Array, float]:
    from scipy.optimize import minimize

    n_members = logits.shape[1]
    equal = 1 / n_members
    signs = 2.0 * labels - 1

    def loss(parameters: Array) -> tuple[float, Array]:
        weights, bias = parameters[:-1], parameters[-1]
        margin = signs * (logits @ weights + bias)
        slope = -signs * sigmoid(-margin) / len(labels)
        distance = weights - weights.mean()
        value = float(np.logaddexp(0, -margin).mean() + RIDGE * (distance @ distance))
        return value, np.append(logits.T @ slope + 2 * RIDGE * distance, slope.sum())

    bounds = [(0.0, None)] * n_members + [(None, None)]
    found = minimize(
        loss, np.append(np.full(n_members, equal), 0.0), jac=True, method="L-BFGS-B", bounds=bounds
    )
    return np.asarray(found.x[:-1]), float(found.x[-1])


def sigmoid(logits: Array) -> Array:
    """1 / (1 + exp(-x)), without overflow."""
    from scipy.special import expit

    return np.asarray(expit(logits))


def platt(logits: Array, labels: NDArray[np.generic]) -> tuple[float, float]:
    """Slope (not negative) and offset that make ``sigmoid(slope * x + offset)`` calibrated."""
    weights, bias = _fit_weights(_clip(logits[:, None]), np.asarray(labels, np.int64))
    return float(weights[0]), bias


def _clip(logits: Array) -> Array:
    return np.clip(logits, -LARGEST_LOGIT, LARGEST_LOGIT)
