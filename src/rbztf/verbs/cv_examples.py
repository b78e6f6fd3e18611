"""Pictures of artefacts that a cross-validated model finds and misses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rbztf.archive.cutouts import open_cutouts
from rbztf.config import Config
from rbztf.evaluation.summary import Evaluation
from rbztf.sky import Oid

EXAMPLES = 16
"""Artefacts of either kind, found and missed, that are shown as pictures."""


def plot_examples(path: Path, evaluation: Evaluation, config: Config) -> None:
    """Artefacts found most surely and artefacts missed, if the configuration names their cutouts."""
    from rbztf.report import plots

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
        plots.examples(frames, path)


def _brightest(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """The frame with the widest range of pixels, where an artefact shows best."""
    with np.errstate(invalid="ignore"):
        spread = np.nanmax(frames, axis=(1, 2)) - np.nanmin(frames, axis=(1, 2))
    return np.asarray(frames[int(np.nanargmax(spread))])
