"""False alarms and missed artefacts at operating points chosen on inner folds, and at stated priors.

The labelled objects are half artefacts, those of a data release far fewer. At a stated *prior*, the
share of artefacts among the objects asked about, scores are shifted as ``predict --prior`` shifts them
(:mod:`rbztf.models.decision.prior`) and objects are weighted so that artefacts have that share. The
real objects stay those that experts picked; ordinary ones may be easier or harder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbztf.evaluation.bootstrap import Interval, interval
from rbztf.evaluation.metrics import brier, ece
from rbztf.evaluation.scores import Array, Scored, pool
from rbztf.evaluation.subgroups import called_table, share_json
from rbztf.models.decision.prior import shift

DECISION = "decision"
"""The point of ``Scored.threshold``, at which accuracy and F1 are measured."""
FAR10 = "far10"
"""Key of ``Scored.thresholds``: at most 10 % false alarms on inner folds."""
PRIORS = (0.5, 0.1, 0.02)
"""Shares of artefacts at which calibration and precision are told."""
EVEN = 0.5
"""Probability from which an object is called bogus at a stated prior."""


def operating_points(
    folds: Sequence[Scored], masks: Mapping[str, NDArray[np.bool_]], weights: Array
) -> dict[str, dict[str, Any]]:
    """Shares found and falsely called at each operating point that all folds have.

    Parameters
    ----------
    folds : sequence of Scored
        n objects together.
    masks : mapping of str to ndarray (n,), bool
        Objects of each tag.
    weights : ndarray (draws, n), float64

    Returns
    -------
    dict
        Per point ``threshold`` (mean over folds, least, largest), ``recall`` and
        ``false_alarms`` over all objects, and ``by_tag`` (see
        :func:`~rbztf.evaluation.subgroups.called_table`).
    """
    shared = [name for name in folds[0].thresholds if all(name in fold.thresholds for fold in folds)]
    points = {}
    for name in (DECISION, *shared):
        point = None if name == DECISION else name
        scored = pool(folds, point)
        limits = [fold.threshold if point is None else fold.thresholds[point] for fold in folds]
        is_artefact = scored.labels == 1
        points[name] = {
            "threshold": {
                "mean": float(np.mean([np.median(limit) for limit in limits])),
                "min": float(min(map(np.min, limits))),
                "max": float(max(map(np.max, limits))),
            },
            "recall": share_json(scored.called, is_artefact, weights),
            "false_alarms": share_json(scored.called, ~is_artefact, weights),
            "by_tag": called_table(scored, masks, weights),
        }
    return points


def at_priors(scored: Scored, weights: Array) -> list[dict[str, Any]]:
    """Calibration, and what calling bogus at p >= 0.5 does, at each of :data:`PRIORS`.

    Parameters
    ----------
    scored : Scored
        Pooled, n objects; their share of artefacts is taken for that of the trainings.
    weights : ndarray (draws, n), float64

    Returns
    -------
    list of dict
        ``prior``; ``brier`` and ``ece`` of the shifted scores, over objects weighted to the prior;
        ``recall`` (share of artefacts called bogus), ``false_alarms`` (share of real objects called so)
        and ``precision`` (expected share of artefacts among those called so; None if nothing is), all with
        interval. Empty unless there are both real objects and artefacts.
    """
    is_artefact = scored.labels == 1
    trained = float(is_artefact.mean())
    if trained in (0.0, 1.0):
        return []
    rows = []
    for prior in PRIORS:
        shifted = replace(scored, scores=shift(scored.scores, trained, prior), threshold=EVEN)
        objects = to_prior(np.ones((1, len(scored))), is_artefact, prior)
        resampled = to_prior(weights, is_artefact, prior)
        mass = objects[0]
        row: dict[str, Any] = {
            "prior": prior,
            "brier": _with_interval(brier(shifted, objects), brier(shifted, resampled)),
            "ece": _with_interval(ece(shifted, objects, mass), ece(shifted, resampled, mass)),
            "recall": share_json(shifted.called, is_artefact, weights),
            "false_alarms": share_json(shifted.called, ~is_artefact, weights),
        }
        row["precision"] = _precision(row, shifted.called, is_artefact, resampled)
        rows.append(row)
    return rows


def to_prior(weights: Array, is_artefact: NDArray[np.bool_], prior: float) -> Array:
    """Weights that add up to 1 in each draw, those of the artefacts to ``prior``.

    Parameters
    ----------
    weights : ndarray (draws, n), float64
    is_artefact : ndarray (n,), bool

    Returns
    -------
    ndarray (draws, n), float64
        NaN in a draw without artefacts or without real objects.
    """
    made = np.empty_like(weights)
    with np.errstate(invalid="ignore", divide="ignore"):
        for mask, mass in ((is_artefact, prior), (~is_artefact, 1 - prior)):
            made[:, mask] = weights[:, mask] * (mass / weights[:, mask].sum(axis=1, keepdims=True))
    return made


def _with_interval(value: Array, drawn: Array) -> dict[str, Any]:
    return {"value": float(value[0]), "ci95": list(interval(drawn))}


def _precision(
    row: dict[str, Any], called: NDArray[np.bool_], is_artefact: NDArray[np.bool_], resampled: Array
) -> dict[str, Any] | None:
    """Precision at a prior, with its interval.

    Where no real object or no artefact is called bogus, every resampling says the same, and the interval is
    that of the rate that is 0.
    """
    recall, alarms, prior = row["recall"], row["false_alarms"], row["prior"]

    def precision(found: float, raised: float) -> float:
        return float(prior * found / (prior * found + (1 - prior) * raised))

    if not called.any():
        return None
    value = precision(recall["value"], alarms["value"])
    ci95: Interval
    if not alarms["value"]:
        ci95 = precision(recall["value"], alarms["ci95"][1]), 1.0
    elif not recall["value"]:
        ci95 = 0.0, precision(recall["ci95"][1], alarms["value"])
    else:
        with np.errstate(invalid="ignore", divide="ignore"):
            hits = resampled @ (called & is_artefact).astype(float)
            ci95 = interval(hits / (resampled @ called.astype(float)))
    return {"value": value, "ci95": list(ci95)}
