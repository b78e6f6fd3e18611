"""The cross-validation of a run for the page: curves with bands, calibration, histograms, tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rbztf.evaluation.bootstrap import field_weights
from rbztf.evaluation.coverage import Accepted
from rbztf.evaluation.metrics import Ranked, roc_curve
from rbztf.evaluation.scores import Array, Scored, pool
from rbztf.evaluation.summary import Evaluation
from rbztf.plots.evaluation import reliability_bins

DRAWS = 200
"""Resamplings of the fields behind a band."""
GRID = np.linspace(0, 1, 201)
LEAST_COVERAGE = 0.05
"""Share of the objects below which no error rate is drawn: they are too few to have one."""
EDGES = np.linspace(0, 1, 41)


def evaluation_data(
    evaluations: Sequence[Evaluation],
    comparison: Sequence[Mapping[str, Any]],
    history: Sequence[Mapping[str, float | str]] = (),
) -> dict[str, Any]:
    """All figures of a run, for its script.

    Parameters
    ----------
    comparison
        Of :func:`rbztf.evaluation.summary.compare`.
    history
        Learning curves: ``run``, ``epoch`` and values, one row an epoch.
    """
    return {
        "models": [_model(entry) for entry in evaluations],
        "comparison": [_difference(entry) for entry in comparison],
        "history": [dict(row) for row in history],
        "grid": GRID.tolist(),
        "edges": EDGES.tolist(),
    }


def _model(entry: Evaluation) -> dict[str, Any]:
    scored = pool(list(entry.folds.values()))
    (weights,) = field_weights([scored.fields], DRAWS)
    weights = np.concatenate([np.ones((1, len(scored))), weights])
    predicted, found, low, high = reliability_bins(scored)
    points = np.stack([predicted, found, low, high]).tolist()
    return {
        "name": entry.variant,
        "n_objects": entry.n_objects,
        "folds": len(entry.folds),
        "metrics": [_metric(name, value.to_json()) for name, value in entry.metrics.items()],
        "roc": _roc(scored, weights),
        "pr": _precision(scored, weights),
        "risk": _risk(scored, weights),
        "risk_coverage": entry.tables["risk_coverage"],
        "at_priors": entry.tables["at_priors"],
        "reliability": dict(zip(("predicted", "found", "low", "high"), points)),
        "histogram": {
            name: np.histogram(scored.scores[scored.labels == label], EDGES)[0].tolist()
            for name, label in (("real", 0), ("bogus", 1))
        },
        "threshold": float(np.median(np.broadcast_to(scored.threshold, len(scored)))),
        "confusion": _confusion(scored),
        "by_tag": _groups(entry.by_tag, "recall"),
        "by_class": _groups(entry.tables.get("by_class", {}), "false_alarms"),
    }


def _metric(name: str, value: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name, **value}


def _roc(scored: Scored, weights: Array) -> dict[str, list[float]]:
    """Share of artefacts found at each false-alarm rate of the grid, with its 95 % band."""
    with np.errstate(invalid="ignore", divide="ignore"):
        fpr, tpr = roc_curve(scored, weights)
    return _band(np.array([np.interp(GRID, x, y) for x, y in zip(fpr, tpr)]))


def _precision(scored: Scored, weights: Array) -> dict[str, list[float]]:
    """Share of artefacts among those called bogus at each recall of the grid, with its 95 % band."""
    ranked = Ranked.of(scored, weights)
    total = ranked.hits + ranked.false_alarms
    precision = np.divide(ranked.hits, total, out=np.ones_like(total), where=total > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = ranked.hits / ranked.hits[:, -1:]
    curves = []
    for x, y in zip(recall, precision):
        places = np.minimum(np.searchsorted(x, GRID, side="left"), len(y) - 1)
        curves.append(np.where(np.isfinite(x[-1]), y[places], np.nan))
    return _band(np.array(curves))


def _risk(scored: Scored, weights: Array) -> dict[str, list[float | None]]:
    """Error rate among the surest objects at each coverage of the grid, with its 95 % band."""
    drawn = GRID >= LEAST_COVERAGE
    band = _band(Accepted.of(scored, weights).error(GRID[drawn]))
    empty: list[float | None] = [None] * int(np.sum(~drawn))
    return {name: [*empty, *values] for name, values in band.items()}


def _band(curves: Array) -> dict[str, list[float]]:
    """The first curve, and what 95 % of the others lie between."""
    others = curves[1:][np.isfinite(curves[1:]).all(axis=1)]
    low, high = np.percentile(others, [2.5, 97.5], axis=0) if len(others) else (curves[0], curves[0])
    return {"value": _short(curves[0]), "low": _short(low), "high": _short(high)}


def _short(values: Array) -> list[float]:
    return [round(value, 5) for value in values.tolist()]


def _confusion(scored: Scored) -> dict[str, int]:
    """Objects by what they are and what they are called at the threshold."""
    called, bogus = scored.called, scored.labels == 1
    return {
        "bogus_found": int(np.sum(called & bogus)),
        "bogus_missed": int(np.sum(~called & bogus)),
        "real_called_bogus": int(np.sum(called & ~bogus)),
        "real_kept": int(np.sum(~called & ~bogus)),
    }


def _groups(table: Mapping[str, Mapping[str, Any]], figure: str) -> list[dict[str, Any]]:
    """Groups that have the figure, the largest first: name, objects counted, value, interval."""
    rows = []
    for name, row in table.items():
        value = row.get(figure)
        if value is not None:
            counted = row["artefacts"] if figure == "recall" else row["n"] - row["artefacts"]
            low, high = value["ci95"]
            rows.append({"name": name, "n": counted, "value": value["value"], "low": low, "high": high})
    return sorted(rows, key=lambda row: -row["n"])


def _difference(entry: Mapping[str, Any]) -> dict[str, Any]:
    rows = [{"metric": name, **value} for name, value in entry["difference"].items()]
    return {"of": entry["of"], "minus": entry["minus"], "same_folds": entry["same_folds"], "rows": rows}
