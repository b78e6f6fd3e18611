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
    """

    members: tuple[str, ...]
    weights: Array
    bias: float
    scores: Array
    labels: NDArray[np.int64]
    oids: NDArray[np.int64] | None = None
    ordinary: Array = field(default_factory=lambda: np.empty(0))

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
