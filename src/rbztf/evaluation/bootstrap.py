"""95 % intervals by a bootstrap over ZTF fields, of metrics per fold and of metrics pooled.

Objects of one field share their sky, their chips and their artefacts, so fields, not objects,
are drawn. Two figures are made of each metric: the mean over folds, and the *pooled* one, of all
out-of-fold scores together, each object decided at its own fold's threshold. Where the folds
were drawn several times, each draw is pooled by itself and the draws are averaged.

The expected calibration error of a resampling is biased upwards (a gap counts whichever way it
goes), so its interval errs on the safe side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rbztf.evaluation.metrics import METRICS, evaluate_fold
from rbztf.evaluation.scores import Array, Scored, by_draw, pool

Interval = tuple[float, float]
N_TO_TELL_FIELDS = 100
"""Draws in which two fields are never drawn equally often by chance."""
UNKNOWN: Interval = (float("nan"), float("nan"))


@dataclass(frozen=True)
class Estimate:
    """A metric.

    Attributes
    ----------
    mean, std : float
        Over folds.
    ci95 : (float, float)
        95 % interval of the mean.
    pooled : float
        Of all out-of-fold scores together.
    pooled_ci95 : (float, float)
    """

    mean: float
    std: float
    ci95: Interval
    pooled: float = float("nan")
    pooled_ci95: Interval = UNKNOWN

    def to_json(self) -> dict[str, object]:
        """As in ``cv --json``."""
        return {
            "mean": self.mean,
            "std": self.std,
            "ci95": list(self.ci95),
            "pooled": self.pooled,
            "pooled_ci95": list(self.pooled_ci95),
        }


@dataclass(frozen=True)
class Spread:
    """Each metric in every resampling, (draws,) float64 by name: mean over folds, and pooled.

    The same fields and seed give the same resamplings, so the difference of two models on the
    same objects is the difference of their spreads: a paired bootstrap.
    """

    mean: dict[str, Array]
    pooled: dict[str, Array]


def estimates(folds: Sequence[Scored], spread: Spread) -> dict[str, Estimate]:
    """Each metric of :data:`METRICS` over folds and pooled, with intervals from resamplings."""
    per_fold = [evaluate_fold(fold) for fold in folds]
    together = pooled_metrics(folds)
    out = {}
    for name in METRICS:
        values = np.array([metrics[name] for metrics in per_fold])
        out[name] = Estimate(
            float(values.mean()),
            float(values.std()),
            interval(spread.mean[name]),
            together[name],
            interval(spread.pooled[name]),
        )
    return out


def pooled_metrics(folds: Sequence[Scored]) -> dict[str, float]:
    """All metrics of all out-of-fold scores together, averaged over draws of the folds."""
    made = [evaluate_fold(pool([folds[i] for i in places])) for places in by_draw(folds).values()]
    return {name: float(np.mean([metrics[name] for metrics in made])) for name in METRICS}


def spread(folds: Sequence[Scored], draws: int, seed: int = 0) -> Spread:
    """Metrics of ``draws`` resamplings of the fields."""
    weights = field_weights([fold.fields for fold in folds], draws, seed)
    pooled: list[tuple[Scored, Array]] = [
        (pool([folds[i] for i in places]), np.concatenate([weights[i] for i in places], axis=1))
        for places in by_draw(folds).values()
    ]
    mean, together = {}, {}
    for name, metric in METRICS.items():
        with np.errstate(invalid="ignore", divide="ignore"):
            mean[name] = np.mean([metric(fold, weight) for fold, weight in zip(folds, weights)], axis=0)
            together[name] = np.mean([metric(fold, weight) for fold, weight in pooled], axis=0)
    return Spread(mean, together)


def field_weights(groups: Sequence[NDArray[np.int64]], draws: int, seed: int = 0) -> list[Array]:
    """How often each object's field is drawn.

    Parameters
    ----------
    groups : sequence of ndarray (n_i,), int64
        Fields of the objects of each fold.

    Returns
    -------
    list of ndarray (draws, n_i), float64
    """
    fields = np.unique(np.concatenate(groups))
    drawn = np.random.default_rng(seed).multinomial(
        len(fields), np.full(len(fields), 1 / len(fields)), size=draws
    )
    return [drawn[:, np.searchsorted(fields, group)].astype(float) for group in groups]


def interval(values: Array) -> Interval:
    """Central 95 % of the draws that are defined (no class missing); NaN if none is."""
    defined = values[np.isfinite(values)]
    if not len(defined):
        return UNKNOWN
    low, high = np.percentile(defined, [2.5, 97.5])
    return float(low), float(high)


def share(chosen: NDArray[np.bool_], among: NDArray[np.bool_], weights: Array) -> tuple[float, Interval]:
    """Share of the objects ``among`` that are ``chosen``, (n,) bool both, and its 95 % interval.

    Parameters
    ----------
    weights : ndarray (draws, n), float64
        From :func:`field_weights`.

    Notes
    -----
    Where none or all of the objects are chosen, every resampling says the same, and the interval
    is that of Clopper & Pearson (1934, Biometrika 26, 404) with each field as one trial.
    """
    if not among.any():
        return float("nan"), UNKNOWN
    value = float(chosen[among].mean())
    if value in (0.0, 1.0):
        return value, _interval_of_a_certainty(value, weights[:, among])
    total = weights @ among.astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = (weights @ (chosen & among).astype(float)) / total
    return value, interval(shares)


def _interval_of_a_certainty(value: float, weights: Array) -> Interval:
    if not len(weights):
        return UNKNOWN
    n_fields = np.unique(weights[:N_TO_TELL_FIELDS], axis=1).shape[1]  # one field, one column
    furthest = 0.025 ** (1 / n_fields)
    return (furthest, 1.0) if value else (0.0, 1 - furthest)
