"""Figures of an evaluation: ROC and risk-coverage curves, reliability diagram, share called bogus by group."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from rbztf.evaluation.bootstrap import field_weights
from rbztf.evaluation.coverage import Accepted
from rbztf.evaluation.metrics import N_CALIBRATION_BINS, roc_curve
from rbztf.evaluation.scores import Array, Scored, pool
from rbztf.evaluation.summary import Evaluation
from rbztf.figures.style import COLOURS, GREY
from rbztf.plots.common import colours, save
from rbztf.wording import counted

DRAWS = 200
"""Resamplings of the fields behind a band."""
LOWEST_RATE = 2e-3
LINEAR = np.linspace(0, 1, 201)
LOGARITHMIC = np.geomspace(LOWEST_RATE, 1, 120)
COVERAGES = np.linspace(0.05, 1, 191)
"""Shares of the objects for which an error rate is drawn; fewer are too few to have one."""
SHOWN_GROUPS = 16
LONGEST_NAME = 40
LEGEND_WIDTH = 11.5
"""Characters of a legend in an inch."""
NARROW_IN = 5.0
"""Width of a figure below which its panels stand above each other, inches."""
SCORE_BINS = np.linspace(0, 1, 41).tolist()


def evaluation_plots(evaluations: Sequence[Evaluation], folder: Path) -> None:
    """Write ``roc.png``, ``reliability.png``, ``risk_coverage.png`` and ``groups.png`` into ``folder``."""
    roc(evaluations, folder / "roc.png")
    reliability(evaluations, folder / "reliability.png")
    risk_coverage(evaluations, folder / "risk_coverage.png")
    groups(evaluations, folder / "groups.png")


def roc(evaluations: Sequence[Evaluation], path: Path) -> None:
    """Write ROC curves of the pooled scores."""
    save(draw_roc(evaluations, 9.5), path)


def draw_roc(evaluations: Sequence[Evaluation], width_in: float) -> Figure:
    """ROC curves of the pooled scores; the second panel is stretched at few false alarms.

    Parameters
    ----------
    evaluations : sequence of Evaluation
    width_in : float
        Inches; the panels stand above each other where it is narrow.
    """
    narrow = width_in < NARROW_IN
    height = 2 * width_in if narrow else 0.53 * width_in
    figure = Figure(figsize=(width_in, height + 0.2 * len(evaluations)), layout="constrained")
    whole, few = figure.subplots(2, 1) if narrow else figure.subplots(1, 2)
    for entry, colour in zip(evaluations, colours(len(evaluations))):
        area = entry.metrics["roc_auc"]
        low, high = area.pooled_ci95
        label = f"{short_name(entry)}: AUC {area.pooled:.3f} [{low:.3f}, {high:.3f}]"
        for axes, grid in ((whole, LINEAR), (few, LOGARITHMIC)):
            curve, below, above = _band(entry, grid)
            axes.plot(grid, curve, color=colour, label=label)
            axes.fill_between(grid, below, above, color=colour, alpha=0.15, linewidth=0)
    for axes, grid in ((whole, LINEAR), (few, LOGARITHMIC)):
        axes.plot(grid, grid, color=GREY, linestyle=":", linewidth=1)
        axes.set(xlabel="False alarms: share of real objects called bogus", ylim=(0, 1.005))
    whole.set(ylabel="Share of artefacts found", xlim=(0, 1))
    few.set(xscale="log", xlim=(LOWEST_RATE, 1))
    few.set_xticks([0.01, 0.05, 0.1, 1], ["1 %", "5 %", "10 %", "100 %"])
    few.grid(axis="x", color=GREY, alpha=0.3, linewidth=0.6)
    first = evaluations[0]
    figure.suptitle(
        f"{counted(first.n_objects, 'object')}, out of fold; bands: 95 % over fields", fontsize="medium"
    )
    if narrow:
        whole.set_ylabel("Share of artefacts found")
        few.set_ylabel("Share of artefacts found")
    _legend_below(figure, *whole.get_legend_handles_labels())
    return figure


def reliability(evaluations: Sequence[Evaluation], path: Path) -> None:
    """Write the reliability diagram."""
    save(draw_reliability(evaluations, 5.0), path)


def draw_reliability(evaluations: Sequence[Evaluation], width_in: float) -> Figure:
    """Share of artefacts against predicted probability, above a histogram of the scores.

    Bins of equal numbers of objects; bars are 95 % intervals of a binomial share (Wilson's).
    """
    figure = Figure(figsize=(width_in, 1.24 * width_in), layout="constrained")
    axes, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    for entry, colour in zip(evaluations, colours(len(evaluations))):
        scored = pool(list(entry.folds.values()))
        predicted, found, low, high = reliability_bins(scored)
        error = entry.metrics["ece"]
        label = f"{short_name(entry)}: ECE {error.pooled:.3f}"
        bars = np.stack([found - low, high - found])
        axes.errorbar(
            predicted,
            found,
            bars,
            color=colour,
            label=label,
            marker="o",
            markersize=4,
            linewidth=1,
            elinewidth=0.8,
        )
        below.hist(
            scored.scores, np.linspace(0, 1, 41).tolist(), histtype="step", color=colour, linewidth=1.2
        )
    axes.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1)
    axes.set(ylabel="Share of artefacts", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.set_title(
        f"{evaluations[0].n_objects} objects, {N_CALIBRATION_BINS} equal bins, 95 % intervals",
        fontsize="medium",
    )
    axes.legend(fontsize=8, loc="upper left", frameon=False)
    below.set(xlabel="Predicted probability of bogus", ylabel="Objects")
    return figure


def risk_coverage(evaluations: Sequence[Evaluation], path: Path) -> None:
    """Write the risk-coverage curves."""
    save(draw_risk_coverage(evaluations, 6.0), path)


def draw_risk_coverage(evaluations: Sequence[Evaluation], width_in: float) -> Figure:
    """Error rate among the surest objects, as their share grows (:mod:`rbztf.evaluation.coverage`)."""
    height = 0.72 * width_in + 0.2 * len(evaluations)
    figure = Figure(figsize=(width_in, height), layout="constrained")
    axes = figure.subplots()
    for entry, colour in zip(evaluations, colours(len(evaluations))):
        area = entry.tables["risk_coverage"]["aurc"]
        low, high = area["ci95"]
        label = f"{short_name(entry)}: area {area['value']:.3f} [{low:.3f}, {high:.3f}]"
        scored, weights = _resampled(entry)
        curve, below, above = _within(Accepted.of(scored, weights).error(COVERAGES))
        axes.plot(COVERAGES, curve, color=colour, label=label)
        axes.fill_between(COVERAGES, below, above, color=colour, alpha=0.15, linewidth=0)
    axes.set(xlabel="Coverage: share of the objects, the surest first", xlim=(0, 1), ylim=(0, None))
    axes.set_ylabel("Error rate among them, at the threshold")
    axes.set_xticks([0, 0.2, 0.4, 0.6, 0.8, 1], ["0", "20 %", "40 %", "60 %", "80 %", "100 %"])
    axes.set_title(
        f"{counted(evaluations[0].n_objects, 'object')}, out of fold; bands: 95 % over fields",
        fontsize="medium",
    )
    _legend_below(figure, *axes.get_legend_handles_labels())
    return figure


def draw_histogram(evaluations: Sequence[Evaluation], width_in: float) -> Figure:
    """Out-of-fold scores of real objects and of artefacts, a panel a model; the mean threshold is dotted.

    The number of objects is drawn on a logarithmic scale, since most scores lie at the ends.
    """
    height = 0.6 * width_in if width_in < NARROW_IN else 0.36 * width_in
    figure = Figure(figsize=(width_in, height * len(evaluations)), layout="constrained")
    panels = figure.subplots(len(evaluations), 1, sharex=True, squeeze=False)[:, 0]
    for axes, entry in zip(panels, evaluations):
        scored = pool(list(entry.folds.values()))
        for label, (name, colour) in enumerate(zip(("real", "artefact"), COLOURS)):
            values = scored.scores[scored.labels == label]
            axes.hist(values, SCORE_BINS, histtype="step", color=colour, label=f"{name} ({len(values)})")
        axes.axvline(
            float(np.mean(scored.threshold)), color=GREY, linestyle=":", linewidth=1, label="threshold"
        )
        axes.set(ylabel="Objects", yscale="log", ylim=(0.7, None), xlim=(0, 1))
        if len(evaluations) > 1:
            axes.set_title(short_name(entry), fontsize=8)
        axes.legend(frameon=False, loc="upper center", ncols=3)
    panels[-1].set_xlabel("Predicted probability of bogus, out of fold")
    return figure


def groups(evaluations: Sequence[Evaluation], path: Path) -> None:
    """Share of artefacts found by tag, and false alarms by class or tag, with 95 % intervals.

    Nothing is drawn if the labels have no tags.
    """
    found = _by_group([entry.by_tag for entry in evaluations], "recall")
    classes = [_real_classes(entry) for entry in evaluations]
    alarms = _by_group(classes, "false_alarms")
    if not found and not alarms:
        return
    rows = max(len(found), len(alarms))
    height = 1.5 + 0.2 * len(evaluations) + rows * (0.18 + 0.14 * len(evaluations))
    figure = Figure(figsize=(9, height), layout="constrained")
    panels = figure.subplots(1, 2)
    titles = ("Artefacts found, by tag", "False alarms on real objects, by class")
    for axes, table, title in zip(panels, (found, alarms), titles):
        _draw_groups(axes, table, [short_name(entry) for entry in evaluations])
        axes.set(xlim=(0, 1.01), xlabel="Share called bogus", title=title)
        axes.title.set_fontsize(10)
    handles, labels = panels[0].get_legend_handles_labels()
    if not handles:
        handles, labels = panels[1].get_legend_handles_labels()
    _legend_below(figure, handles, labels)
    save(figure, path)


def reliability_bins(scored: Scored) -> tuple[Array, Array, Array, Array]:
    """Points of a reliability diagram, (bins,) float64 each.

    Returns
    -------
    predicted : mean probability in each bin of equal size
    found : share of artefacts
    low, high : 95 % interval of that share, Wilson (1927), J. Am. Stat. Assoc. 22, 209
    """
    from astropy.stats import binom_conf_interval

    order = np.argsort(scored.scores, kind="stable")
    bins = [members for members in np.array_split(order, N_CALIBRATION_BINS) if len(members)]
    n = np.array([len(members) for members in bins])
    predicted = np.array([scored.scores[members].mean() for members in bins])
    hits = np.array([scored.labels[members].sum() for members in bins])
    found = hits / n
    low, high = binom_conf_interval(hits, n, confidence_level=0.95, interval="wilson")
    return predicted, found, np.minimum(low, found), np.maximum(high, found)


def short_name(entry: Evaluation) -> str:
    """Name of a model in a legend, cut at its start if it is long."""
    name = entry.variant
    return name if len(name) <= LONGEST_NAME else f"…{name[1 - LONGEST_NAME :]}"


def _legend_below(figure: Figure, handles: Sequence[Any], labels: Sequence[str]) -> None:
    columns = max(1, int(LEGEND_WIDTH * figure.get_figwidth() / max(map(len, labels))))
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, fontsize=8, frameon=False)


def _resampled(entry: Evaluation) -> tuple[Scored, Array]:
    """Pooled scores, and weights (1 + draws, n): of all objects once, then of resampled fields."""
    scored = pool(list(entry.folds.values()))
    (weights,) = field_weights([scored.fields], DRAWS)
    return scored, np.concatenate([np.ones((1, len(scored))), weights])


def _band(entry: Evaluation, grid: Array) -> tuple[Array, Array, Array]:
    """ROC curve at false-alarm rates ``grid``, and its 95 % band over fields."""
    with np.errstate(invalid="ignore", divide="ignore"):
        fpr, tpr = roc_curve(*_resampled(entry))
    return _within(np.array([np.interp(grid, x, y) for x, y in zip(fpr, tpr)]))


def _within(curves: Array) -> tuple[Array, Array, Array]:
    """The first curve, and what 95 % of the others lie between."""
    defined = curves[1:][np.isfinite(curves[1:]).all(axis=1)]
    if not len(defined):
        return curves[0], curves[0], curves[0]
    low, high = np.percentile(defined, [2.5, 97.5], axis=0)
    return curves[0], low, high


def _real_classes(entry: Evaluation) -> dict[str, dict[str, Any]]:
    table: dict[str, dict[str, Any]] = entry.tables.get("by_class", {})
    return {name: row for name, row in table.items() if row["false_alarms"] is not None}


def _by_group(tables: Sequence[dict[str, dict[str, Any]]], figure: str) -> dict[str, list[Any]]:
    """Groups with enough objects of the class in question, sorted by the first model's share."""
    shown: dict[str, list[Any]] = {}
    for name, row in tables[0].items():
        counted = row["artefacts"] if figure == "recall" else row["n"] - row["artefacts"]
        figures = [table.get(name, {}).get(figure) for table in tables]
        if counted >= 20 and all(value is not None for value in figures):
            shown[f"{name.replace('_', ' ')} ({counted})"] = figures
    ordered = sorted(shown.items(), key=lambda item: item[1][0]["value"])
    return dict(ordered[-SHOWN_GROUPS:])


def _draw_groups(axes: Any, table: dict[str, list[Any]], names: Sequence[str]) -> None:
    places = np.arange(len(table), dtype=float)
    width = 0.8 / len(names)
    for i, (name, colour) in enumerate(zip(names, colours(len(names)))):
        values = np.array([figures[i]["value"] for figures in table.values()])
        bounds = np.array([figures[i]["ci95"] for figures in table.values()]).reshape(-1, 2)
        bars: NDArray[np.float64] = np.abs(bounds.T - values)
        at = places + 0.4 - width * (i + 0.5)
        axes.barh(at, values, width * 0.9, color=colour, alpha=0.75, label=name)
        axes.errorbar(values, at, xerr=bars, fmt="none", ecolor="black", elinewidth=0.8, capsize=2)
    axes.set_yticks(places, list(table), fontsize=8)
