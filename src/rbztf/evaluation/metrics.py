"""Metrics of a binary classifier, over weighted objects.

Every metric takes object weights, one row a bootstrap draw: drawing a field k times is
weighing its objects k times (:mod:`rbztf.evaluation.bootstrap`). Ties in the score are handled
as scikit-learn does, with which the tests compare each metric.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from rbztf.evaluation.scores import Array, Scored

N_CALIBRATION_BINS = 10
FALSE_POSITIVE_RATES = (0.01, 0.05)


@dataclass(frozen=True)
class Ranked:
    """Cumulative weights of artefacts and real objects, by falling score, one row a draw.

    Attributes
    ----------
    hits, false_alarms : ndarray (draws, distinct scores), float64
        Weight of artefacts and of real objects at or above each distinct score.
    """

    hits: Array
    false_alarms: Array

    @classmethod
    def of(cls, fold: Scored, weights: Array) -> Ranked:
        """Rank the n objects of a fold; ``weights`` is (draws, n) float64."""
        order = np.argsort(-fold.scores, kind="stable")
        scores = fold.scores[order]
        last_of_tie = np.flatnonzero(np.append(np.diff(scores) != 0, True))
        positive = fold.labels[order] == 1
        ordered = weights[:, order]
        hits = np.cumsum(ordered * positive, axis=1)[:, last_of_tie]
        return cls(hits, np.cumsum(ordered * ~positive, axis=1)[:, last_of_tie])


def roc_curve(fold: Scored, weights: Array) -> tuple[Array, Array]:
    """False-alarm and true-positive rates from (0, 0) to (1, 1), (draws, thresholds + 1) each."""
    ranked = Ranked.of(fold, weights)
    return _with_origin(_share(ranked.false_alarms)), _with_origin(_share(ranked.hits))


def roc_auc(fold: Scored, weights: Array) -> Array:
    """Area under the ROC curve, (draws,); NaN where a class is missing."""
    fpr, tpr = roc_curve(fold, weights)
    return np.asarray((np.diff(fpr, axis=1) * (tpr[:, 1:] + tpr[:, :-1]) / 2).sum(axis=1))


def average_precision(fold: Scored, weights: Array) -> Array:
    """Mean precision over the artefacts found, (draws,), without interpolation."""
    ranked = Ranked.of(fold, weights)
    total = ranked.hits + ranked.false_alarms
    precision = np.divide(ranked.hits, total, out=np.zeros_like(total), where=total > 0)
    gained = np.diff(_with_origin(_share(ranked.hits)), axis=1)
    return np.asarray((precision * gained).sum(axis=1))


def tpr_at_fpr(fold: Scored, weights: Array, limit: float) -> Array:
    """Largest share of artefacts found with at most ``limit`` of false alarms, (draws,)."""
    ranked = Ranked.of(fold, weights)
    tpr, fpr = _share(ranked.hits), _share(ranked.false_alarms)
    found = np.where(fpr <= limit + 1e-12, tpr, 0.0).max(axis=1)
    return np.where(np.isnan(tpr[:, -1] + fpr[:, -1]), np.nan, found)


def accuracy(fold: Scored, weights: Array) -> Array:
    """Share of right decisions at the fold's threshold, (draws,)."""
    right = fold.called == (fold.labels == 1)
    return _mean(weights, right)


def f1(fold: Scored, weights: Array) -> Array:
    """F1 of the artefact class at the fold's threshold, (draws,)."""
    called, is_artefact = fold.called, fold.labels == 1
    both = weights @ (called & is_artefact).astype(float)
    total = weights @ (called.astype(float) + is_artefact)
    return np.asarray(np.divide(2 * both, total, out=np.zeros_like(total), where=total > 0))


def brier(fold: Scored, weights: Array) -> Array:
    """Mean squared error of the probability, (draws,)."""
    return _mean(weights, np.square(fold.scores - fold.labels))


def ece(fold: Scored, weights: Array, mass: Array | None = None) -> Array:
    """Expected calibration error over 10 bins of equal mass, (draws,).

    Parameters
    ----------
    mass : ndarray (n,), float64, optional
        Of each object, for the bounds of the bins; default the same of all.
    """
    order = np.argsort(fold.scores, kind="stable")
    gaps = np.zeros(len(weights))
    for members in _equal_bins(order, mass):
        gaps += np.abs(weights[:, members] @ (fold.scores[members] - fold.labels[members]))
    return np.asarray(gaps / weights.sum(axis=1))


METRICS: dict[str, Callable[[Scored, Array], Array]] = {
    "roc_auc": roc_auc,
    "average_precision": average_precision,
    "accuracy": accuracy,
    "f1": f1,
    "brier": brier,
    "ece": ece,
    **{f"tpr_at_fpr.{limit}": partial(tpr_at_fpr, limit=limit) for limit in FALSE_POSITIVE_RATES},
}


def evaluate_fold(fold: Scored) -> dict[str, float]:
    """All :data:`METRICS` of one fold."""
    ones = np.ones((1, len(fold)))
    return {name: float(metric(fold, ones)[0]) for name, metric in METRICS.items()}


def _share(cumulative: Array) -> Array:
    total = cumulative[:, -1:]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(cumulative / np.where(total > 0, total, np.nan))


def _equal_bins(order: NDArray[np.intp], mass: Array | None) -> list[NDArray[np.intp]]:
    """Places of the objects in each bin; an object is where the middle of its mass falls."""
    if mass is None:
        return np.array_split(order, N_CALIBRATION_BINS)
    ordered = mass[order]
    middle = (np.cumsum(ordered) - ordered / 2) / ordered.sum()
    place = np.minimum((middle * N_CALIBRATION_BINS).astype(int), N_CALIBRATION_BINS - 1)
    return [order[place == k] for k in range(N_CALIBRATION_BINS)]


def _with_origin(curve: Array) -> Array:
    return np.concatenate([np.zeros((len(curve), 1)), curve], axis=1)


def _mean(weights: Array, values: NDArray[np.generic]) -> Array:
    return np.asarray(weights @ values.astype(float) / weights.sum(axis=1))
