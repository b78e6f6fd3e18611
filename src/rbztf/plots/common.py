"""Figures of a run: losses, frames per object, example frames; colours and style of all figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from rbztf.config import Config
from rbztf.evaluation.summary import Evaluation
from rbztf.figures.style import COLOURS
from rbztf.files import whole
from rbztf.models.checkpoint import History
from rbztf.plots import montage
from rbztf.stores.cutouts import open_cutouts
from rbztf.ztf import Oid

matplotlib.use("Agg")
DPI = 150


def losses(histories: Mapping[str, History], path: Path) -> None:
    """Loss of each training run per epoch and, where there is one, the inner AUC.

    Runs called ``MODEL, fold K`` share the colour of their model.
    """
    with_auc = any("inner_auc" in row for history in histories.values() for row in history)
    figure = Figure(figsize=(9 if with_auc else 5.5, 4), layout="constrained")
    panels = figure.subplots(1, 2 if with_auc else 1, squeeze=False)[0]
    models = list(dict.fromkeys(name.partition(", fold")[0] for name in histories))
    colour_of = dict(zip(models, colours(len(models))))
    for axes, column in zip(panels, ("loss", "inner_auc")):
        for name, history in histories.items():
            if history and column in history[0]:
                values = [row[column] for row in history]
                axes.plot(
                    [row["epoch"] for row in history],
                    values,
                    color=colour_of[name.partition(", fold")[0]],
                    linewidth=1,
                )
    panels[0].set(xlabel="Epoch", ylabel="Training loss")
    if with_auc:
        panels[1].set(xlabel="Epoch", ylabel="Mean AUC on the inner folds")
    handles = [panels[0].plot([], [], color=colour_of[model], label=model)[0] for model in models]
    figure.legend(
        handles=handles, loc="outside upper center", ncols=min(len(models), 6), frameon=False, fontsize=9
    )
    save(figure, path)


def frames_per_object(counts: Mapping[str, Sequence[int]], path: Path) -> None:
    """How many frames the objects of each kind have."""
    figure = Figure(figsize=(5.5, 4), layout="constrained")
    axes = figure.subplots()
    largest = max(max(values, default=1) for values in counts.values())
    edges = np.linspace(0, largest, 31).tolist()
    for (name, values), colour in zip(counts.items(), COLOURS):
        axes.hist(
            values, edges, histtype="step", linewidth=1.5, color=colour, label=f"{name} ({len(values)})"
        )
    axes.set(xlabel="Frames", ylabel="Objects")
    axes.legend()
    save(figure, path)


def examples(frames: Sequence[tuple[str, NDArray[np.float32]]], path: Path, columns: int = 8) -> None:
    """A grid of frames, (28, 28) each, stretched by percentile, with a caption each."""
    tiles = [
        montage.tile(frame, valid, montage.stretch(frame, valid, 99.5))
        for frame, valid in ((frame, np.isfinite(frame)) for _, frame in frames)
    ]
    rows = range(0, len(frames), columns)
    figure = Figure(figsize=(1.35 * columns, 1.75 * len(rows)), layout="constrained")
    montage.draw(
        figure.subplots(),
        [tiles[start : start + columns] for start in rows],
        [[caption for caption, _ in frames[start : start + columns]] for start in rows],
        caption_size=6.5,
        caption_lines=2,
    )
    write_png(figure, path)


def colours(count: int) -> list[Any]:
    """Colours of ``count`` models."""
    return [COLOURS[i % len(COLOURS)] for i in range(count)]


def save(figure: Figure, path: Path) -> None:
    """Write a figure in the common style; folders are made."""
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    write_png(figure, path)


def write_png(figure: Figure, path: Path) -> None:
    """Write a figure as it is; the file appears whole or not at all."""
    with whole(path) as part:
        figure.savefig(part, dpi=DPI, format="png")


EXAMPLES = 16
"""Examples of artefacts found, and as many of artefacts missed."""


def plot_examples(path: Path, evaluation: Evaluation, config: Config) -> None:
    """Artefacts with the highest and the lowest scores, if the configuration names their cutouts."""
    if config.data.cutouts is None or not config.data.cutouts.is_dir():
        return
    store = open_cutouts(config.data.cutouts)
    scored = [
        (float(score), Oid(oid))
        for fold in evaluation.folds.values()
        if fold.draw == 0
        for oid, label, score in zip(fold.oids.tolist(), fold.labels, fold.scores)
        if label and Oid(oid) in store
    ]
    scored.sort(reverse=True)
    shown = [*scored[:EXAMPLES], *scored[EXAMPLES:][-EXAMPLES:]]
    frames = [(f"{oid}\nP(bogus) {score:.2f}", _brightest(store[oid].frames)) for score, oid in shown]
    if frames:
        examples(frames, path)


def _brightest(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """The frame with the widest range of pixel values, which usually shows the artefact best."""
    with np.errstate(invalid="ignore"):
        spread = np.nanmax(frames, axis=(1, 2)) - np.nanmin(frames, axis=(1, 2))
    return np.asarray(frames[int(np.nanargmax(spread))])
