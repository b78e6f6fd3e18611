"""How well the probabilities of artefact kinds find their kind among all objects."""

from __future__ import annotations

from typing import Any

import numpy as np

from rbztf.archive.labels import LabelTable
from rbztf.evaluation.metrics import Array, roc_auc
from rbztf.evaluation.resample import interval
from rbztf.evaluation.scored import Scored
from rbztf.evaluation.slices import count, tags_of

COMMON = 80
"""Objects from which a kind counts in the macro average."""
MACRO = "macro"


def kind_table(scored: Scored, labels: LabelTable, weights: Array) -> dict[str, dict[str, Any]] | None:
    """AUC of each artefact kind against all other objects; None where there are no probabilities.

    Parameters
    ----------
    scored : Scored
        Pooled, n objects.
    weights : ndarray (draws, n), float64

    Returns
    -------
    dict
        Per kind with some objects ``n`` and ``roc_auc`` with interval; under ``macro`` the mean
        over kinds with at least :data:`COMMON` objects, and ``n``, how many kinds these are.
    """
    if scored.kinds is None:
        return None
    rows: dict[str, dict[str, Any]] = {}
    common: list[tuple[float, Array]] = []
    for kind, shares in scored.kinds.items():
        truth = np.array([kind in tags_of(labels, oid) for oid in scored.oids.tolist()], np.int64)
        known = np.isfinite(shares)
        n = count(scored, known & (truth == 1))
        if not n or truth[known].all():
            continue
        inside = Scored(scored.oids[known], truth[known], shares[known], np.nan)
        with np.errstate(invalid="ignore", divide="ignore"):
            value = float(roc_auc(inside, np.ones((1, len(inside))))[0])
            drawn = roc_auc(inside, weights[:, known])
        rows[kind] = {"n": n, "roc_auc": {"value": value, "ci95": list(interval(drawn))}}
        if n >= COMMON:
            common.append((value, drawn))
    if common:
        value = float(np.mean([value for value, _ in common]))
        ci95 = list(interval(np.mean([drawn for _, drawn in common], axis=0)))
        rows[MACRO] = {"n": len(common), "roc_auc": {"value": value, "ci95": ci95}}
    return rows
