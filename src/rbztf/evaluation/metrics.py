"""Metrics of a binary classifier, and their 95 % intervals by a bootstrap over fields.

Every metric takes object weights, one row a bootstrap draw: drawing a field k times is
weighing its objects k times. Ties in the score are handled as scikit-learn does, with
which the tests compare each metric.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
N_CALIBRATION_BINS = 10
FALSE_POSITIVE_RATES = (0.01, 0.05)


@dataclass(frozen=True)
class Scored:
    """Test objects of one fold with their scores.

    Attributes
    ----------
    oids : ndarray (n,), int64
    labels : ndarray (n,), int64
        1 = artefact.
    scores : ndarray (n,), float64
        Probability of bogus.
    threshold : float
        Decision threshold, chosen without these objects.
    """

    oids: NDArray[np.int64]
    labels: NDArray[np.int64]
    scores: Array
    threshold: float

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def fields(self) -> NDArray[np.int64]:
        """ZTF field of each object, (n,) int64."""
        return self.oids // 10**12


@dataclass(frozen=True)
class Estimate:
    """A metric: mean and spread over folds, and a 95 % interval of the mean."""

    mean: float
    std: float
    ci95: tuple[float, float]

    def to_json(self) -> dict[str, object]:
        """As in ``cv --json``."""
        return {"mean": self.mean, "std": self.std, "ci95": list(self.ci95)}


@dataclass(frozen=True)
class _Ranked:
    """Cumulative weights of artefacts and real objects, by falling score, one row a draw."""

    hits: Array
    """(draws, thresholds): weight of artefacts at or above each distinct score."""
    false_alarms: Array

    @classmethod
    def of(cls, fold: Scored, weights: Array) -> _Ranked:
        order = np.argsort(-fold.scores, kind="stable")
        scores = fold.scores[order]
        last_of_tie = np.flatnonzero(np.append(np.diff(scores) != 0, True))
        positive = fold.labels[order] == 1
        ordered = weights[:, order]
        hits = np.cumsum(ordered * positive, axis=1)[:, last_of_tie]
        return cls(hits, np.cumsum(ordered * ~positive, axis=1)[:, last_of_tie])


def roc_auc(fold: Scored, weights: Array) -> Array:
    """Area under the ROC curve, (draws,); NaN where a class is missing."""
    ranked = _Ranked.of(fold, weights)
    tpr, fpr = (_with_origin(_share(part)) for part in (ranked.hits, ranked.false_alarms))
    return np.asarray(np.trapezoid(tpr, fpr, axis=1))


def average_precision(fold: Scored, weights: Array) -> Array:
    """Mean precision over the artefacts found, (draws,), without interpolation."""
    ranked = _Ranked.of(fold, weights)
    total = ranked.hits + ranked.false_alarms
    precision = np.divide(ranked.hits, total, out=np.zeros_like(total), where=total > 0)
    gained = np.diff(_with_origin(_share(ranked.hits)), axis=1)
    return np.asarray((precision * gained).sum(axis=1))


def tpr_at_fpr(fold: Scored, weights: Array, limit: float) -> Array:
    """Largest share of artefacts found with at most ``limit`` of false alarms, (draws,)."""
    ranked = _Ranked.of(fold, weights)
    tpr, fpr = _share(ranked.hits), _share(ranked.false_alarms)
    found = np.where(fpr <= limit + 1e-12, tpr, 0.0).max(axis=1)
    return np.where(np.isnan(tpr[:, -1] + fpr[:, -1]), np.nan, found)


def accuracy(fold: Scored, weights: Array) -> Array:
    """Share of right decisions at the fold's threshold, (draws,)."""
    right = (fold.scores >= fold.threshold) == (fold.labels == 1)
    return _mean(weights, right)


def f1(fold: Scored, weights: Array) -> Array:
    """F1 of the artefact class at the fold's threshold, (draws,)."""
    called, is_artefact = fold.scores >= fold.threshold, fold.labels == 1
    both = weights @ (called & is_artefact).astype(float)
    total = weights @ (called.astype(float) + is_artefact)
    return np.asarray(np.divide(2 * both, total, out=np.zeros_like(total), where=total > 0))


def brier(fold: Scored, weights: Array) -> Array:
    """Mean squared error of the probability, (draws,)."""
    return _mean(weights, np.square(fold.scores - fold.labels))


def ece(fold: Scored, weights: Array) -> Array:
    """Expected calibration error over 10 bins of equal mass, (draws,)."""
    order = np.argsort(fold.scores, kind="stable")
    gaps = np.zeros(len(weights))
    for members in np.array_split(order, N_CALIBRATION_BINS):
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


def estimate(folds: Sequence[Scored], draws: int = 1000, seed: int = 0) -> dict[str, Estimate]:
    """Each metric averaged over folds, with the interval a bootstrap over fields gives it."""
    per_fold = [evaluate_fold(fold) for fold in folds]
    spread = bootstrap(folds, draws, seed)
    out = {}
    for name in METRICS:
        values = np.array([metrics[name] for metrics in per_fold])
        low, high = interval(spread[name])
        out[name] = Estimate(float(values.mean()), float(values.std()), (low, high))
    return out


def bootstrap(folds: Sequence[Scored], draws: int, seed: int) -> dict[str, Array]:
    """Fold-averaged metrics of ``draws`` resamplings of the fields, (draws,) each.

    The same draws of fields, and so the same seeds, serve every model on the same objects,
    which makes differences between models paired.
    """
    fields = np.unique(np.concatenate([fold.fields for fold in folds]))
    drawn = np.random.default_rng(seed).multinomial(
        len(fields), np.full(len(fields), 1 / len(fields)), size=draws
    )
    weights = [drawn[:, np.searchsorted(fields, fold.fields)].astype(float) for fold in folds]
    out = {}
    for name, metric in METRICS.items():
        with np.errstate(invalid="ignore", divide="ignore"):
            out[name] = np.mean([metric(fold, weight) for fold, weight in zip(folds, weights)], axis=0)
    return out


def interval(values: Array) -> tuple[float, float]:
    """Central 95 % of the draws that are defined (no class missing); NaN if none is."""
    defined = values[np.isfinite(values)]
    if not len(defined):
        return float("nan"), float("nan")
    low, high = np.percentile(defined, [2.5, 97.5])
    return float(low), float(high)


def _share(cumulative: Array) -> Array:
    total = cumulative[:, -1:]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(cumulative / np.where(total > 0, total, np.nan))


def _with_origin(curve: Array) -> Array:
    return np.concatenate([np.zeros((len(curve), 1)), curve], axis=1)


def _mean(weights: Array, values: NDArray[np.generic]) -> Array:
    return np.asarray(weights @ values.astype(float) / weights.sum(axis=1))
