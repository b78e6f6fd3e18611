"""False alarms and missed artefacts at each operating point; all are chosen on inner folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbztf.evaluation.scores import Array, Scored, pool
from rbztf.evaluation.subgroups import called_table, share_json

DECISION = "decision"
"""The point of ``Scored.threshold``, at which accuracy and F1 are measured."""
FAR10 = "far10"
"""Key of ``Scored.thresholds``: at most 10 % false alarms on inner folds."""


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
