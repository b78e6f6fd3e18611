"""Score trained classifier bundles fold by fold: model ``k`` on the objects of fold ``k``."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rbztf.errors import InputError
from rbztf.evaluation.folds import Split
from rbztf.evaluation.metrics import METRICS
from rbztf.evaluation.scores import Array, Scored
from rbztf.evaluation.summary import Evaluation, summarise
from rbztf.models.decision.thresholds import best_f1_threshold
from rbztf.models.model import check_vectors
from rbztf.models.objects.read import read_sequences
from rbztf.models.rnn.bundle import ClassifierBundle
from rbztf.progress import Progress, silent
from rbztf.stores.embeddings import Embeddings
from rbztf.stores.labels import LabelTable

PADDINGS = ("reference", "masked")


def find_families(folder: Path) -> dict[str, dict[int, Path]]:
    """Families of bundles below ``folder``: name, then fold number, then path.

    ``folder/NAME/K`` gives the family NAME; a folder with ``K`` directly in it is a family
    of its own.

    Raises
    ------
    InputError
        If there is none.
    """
    if not folder.is_dir():
        raise InputError(f"There is no folder of models {folder}.", "Make one with rbztf import.")
    families = {folder.name: _numbered(folder)}
    families |= {path.name: _numbered(path) for path in sorted(folder.iterdir()) if path.is_dir()}
    found = {name: members for name, members in families.items() if members}
    if not found:
        raise InputError(f"{folder} holds no NAME/0, NAME/1 … with models.", "Make them with rbztf import.")
    return found


def _numbered(folder: Path) -> dict[int, Path]:
    return {
        int(path.name): path
        for path in sorted(folder.iterdir())
        if path.name.isdigit() and (path / "model.yaml").is_file()
    }


def evaluate_family(
    name: str,
    members: Mapping[int, ClassifierBundle],
    split: Split,
    embeddings: Embeddings,
    labels: LabelTable,
    *,
    paddings: Sequence[str] = PADDINGS,
    draws: int = 1000,
    device: torch.device | None = None,
    progress: Progress = silent,
) -> tuple[list[Evaluation], list[str]]:
    """Score one family, once for each way with padding.

    Parameters
    ----------
    members : mapping of int to ClassifierBundle
        The model that was trained without each fold.

    Returns
    -------
    evaluations : list of Evaluation
        One for each of ``paddings``; ``extra`` holds the padding, and accuracy and F1 by the
        article's protocol (threshold chosen on the test fold itself).
    warnings : list of str

    Raises
    ------
    InputError
        If no model belongs to a fold, or the vectors are not the models' own.
    """
    numbers = [k for k in split.folds if k in members and split.folds[k]]
    if not numbers:
        raise InputError(
            f"No model of {name} (folds {sorted(members)}) has objects in the split {split.name}.",
            "Check the split.",
        )
    warnings: list[str] = []
    started = time.perf_counter()
    scored: dict[str, dict[int, Scored]] = {padding: {} for padding in paddings}
    for done, k in enumerate(numbers):
        progress(name, done, len(numbers), f"fold {k}")
        model = members[k]
        warnings += check_vectors(model, embeddings, "the embeddings")
        sequences = read_sequences(embeddings, split.folds[k], model.selection)
        for padding in paddings:
            scored[padding][k] = _score(model.with_padding(padding), split, k, sequences, labels, device)
    progress(name, len(numbers), len(numbers))
    seconds = time.perf_counter() - started
    return [
        summarise(name, split.name, folds, labels, draws=draws, seconds=seconds, extra=_extra(padding, folds))
        for padding, folds in scored.items()
    ], list(dict.fromkeys(warnings))


def _score(
    model: ClassifierBundle,
    split: Split,
    k: int,
    sequences: list[NDArray[np.float32]],
    labels: LabelTable,
    device: torch.device | None,
) -> Scored:
    oids = split.folds[k]
    probabilities = model.probabilities(sequences, device)
    return Scored(
        np.array(oids, np.int64),
        labels.labels(oids),
        probabilities,
        model.threshold,
        n_frames=np.array(list(map(len, sequences)), np.int64),
    )


def _extra(padding: str, folds: dict[int, Scored]) -> dict[str, Any]:
    ones = [np.ones((1, len(fold))) for fold in folds.values()]
    tuned = [replace(fold, threshold=best_f1_threshold(fold.labels, fold.scores)) for fold in folds.values()]
    protocol = {}
    for name in ("accuracy", "f1"):
        values: Array = np.array([METRICS[name](fold, weight)[0] for fold, weight in zip(tuned, ones)])
        protocol[name] = {"mean": float(values.mean()), "std": float(values.std())}
    return {"padding": padding, "article_protocol": protocol}


@dataclass(frozen=True)
class ArticleRow:
    """One classifier of the article."""

    title: str
    roc_auc: str
    accuracy: str
    f1: str


ARTICLE = {
    "baseline": ArticleRow("GRU", "0.84±0.01", "0.78±0.02", "0.79±0.01"),
    "wd_2dir": ArticleRow("BiGRU + L2", "0.86±0.01", "0.80±0.02", "0.80±0.01"),
    "tversky": ArticleRow("GRU + Tversky", "0.84±0.02", "0.79±0.02", "0.79±0.02"),
    "lstm": ArticleRow("LSTM", "0.76±0.04", "0.76±0.03", "0.77±0.02"),
}
"""By the name of the published folder."""
