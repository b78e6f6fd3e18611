"""Cross-validation: train on all folds but one, score the one, for every fold and model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rbztf.archive.embeddings import Embeddings, open_embeddings
from rbztf.archive.labels import LabelTable
from rbztf.config import Config
from rbztf.engine import spread
from rbztf.errors import DataError, Problem, RbztfError
from rbztf.evaluation.folds import Split
from rbztf.evaluation.metrics import Scored
from rbztf.models.checkpoint import History
from rbztf.models.classifier_bundle import network_inputs
from rbztf.models.device import choose_device
from rbztf.models.fit_classifier import TrainingSet, fit_classifier
from rbztf.models.optimise import threads
from rbztf.progress import Progress, silent
from rbztf.sky import Oid


@dataclass(frozen=True)
class FoldTask:
    """One training and one scoring; small enough to send to another process."""

    config: Config
    embeddings: Path
    fold: int
    train: NDArray[np.int64]
    train_labels: NDArray[np.int64]
    test: NDArray[np.int64]
    test_labels: NDArray[np.int64]
    checkpoint: Path | None
    stage: str


@dataclass(frozen=True)
class FoldResult:
    """Scores of a test fold and how its training went."""

    fold: int
    scored: Scored
    history: History
    seconds: float


def read_training_set(
    embeddings: Embeddings, oids: Sequence[int], labels: NDArray[np.int64], uses_loss: bool
) -> TrainingSet:
    """The objects' network inputs, frames that are not finite left out."""
    sequences = []
    for oid in oids:
        inputs = network_inputs(embeddings, oid, embeddings.latent, uses_loss)
        sequences.append(inputs[np.isfinite(inputs).all(axis=1)])
    return TrainingSet(sequences, labels, np.asarray(oids, np.int64) // 10**12)


def usable_objects(
    embeddings: Embeddings, labels: LabelTable, least: int
) -> tuple[dict[Oid, int], list[Problem]]:
    """Labelled objects with at least ``least`` frames of finite vectors, and the others.

    Returns
    -------
    dict of Oid to int
        Frames of each usable object, in the order of the labels.
    list of Problem
        Labelled objects whose vectors cannot be used. Objects without vectors are not listed.
    """
    counts: dict[Oid, int] = {}
    problems = []
    for oid in labels:
        if oid not in embeddings:
            continue
        try:
            n = int(np.isfinite(embeddings.vectors(oid)).all(axis=1).sum())
        except RbztfError as error:
            problems.append(Problem(str(oid), str(error)))
            continue
        if n >= least:
            counts[oid] = n
        else:
            problems.append(
                Problem(str(oid), f"{n} usable frames; {least} are needed (classifier.min_frames).")
            )
    return counts, problems


def check_split(split: Split) -> None:
    """Refuse a split in which a fold is empty.

    Raises
    ------
    DataError
        Naming the fold.
    """
    if len(split.folds) < 2:
        raise DataError(f"The split {split.name} has fewer than two folds.", "Give a split with more.")
    for number, fold in split.folds.items():
        if not fold:
            raise DataError(
                f"Fold {number} of the split {split.name} has no object with vectors.", "Check the split."
            )


def check_labels(split: Split, labels: LabelTable) -> None:
    """Refuse a split in which a test fold has one class only: it has no ROC curve.

    Raises
    ------
    DataError
        Naming the fold.
    """
    for number, fold in split.folds.items():
        n_artefacts = int(labels.labels(fold).sum())
        if n_artefacts in (0, len(fold)):
            kind = "artefact" if n_artefacts == 0 else "real object"
            raise DataError(
                f"Fold {number} of the split {split.name} has no {kind} among its {len(fold)} test objects, "
                "so it has no ROC curve.",
                "Use fewer folds or another split.",
            )


def cross_validate(
    configs: Sequence[Config],
    embeddings: Path,
    labels: LabelTable,
    split: Split,
    *,
    checkpoints: Path | None = None,
    workers: int = 1,
    progress: Progress = silent,
) -> list[list[FoldResult]]:
    """Train and score every configuration on every fold.

    Nothing is fitted on a test fold: standardisation, number of epochs and threshold come
    from its training objects.

    Parameters
    ----------
    checkpoints : path, optional
        Folder for checkpoints; a finished fold is not trained again.
    workers : int
        Processes; 0 takes one a core. The result does not depend on it.

    Returns
    -------
    list of list of FoldResult
        One list a configuration.
    """
    tasks = []
    for number, config in enumerate(configs):
        for fold, test in split.folds.items():
            train = [oid for other, oids in split.folds.items() if other != fold for oid in oids]
            name = f"{number}-{config.name.replace('/', '-') or 'default'}-fold{fold}"
            tasks.append(
                FoldTask(
                    config,
                    embeddings,
                    fold,
                    np.array(train, np.int64),
                    labels.labels(train),
                    np.array(test, np.int64),
                    labels.labels(test),
                    checkpoints / f"{name}.safetensors" if checkpoints else None,
                    f"{config.name or 'default'}, fold {fold}",
                )
            )
    results = spread(run_fold, tasks, workers, progress)
    n_folds = len(split.folds)
    return [results[i * n_folds : (i + 1) * n_folds] for i in range(len(configs))]


def run_fold(task: FoldTask, progress: Progress = silent) -> FoldResult:
    """Train without a fold and score it."""
    vectors = open_embeddings(task.embeddings, task.config.vae.latent)
    uses_loss = task.config.classifier.inputs.endswith("+loss")
    device = choose_device(task.config.device)
    with threads(0 if device.type == "cuda" else 1):
        fitted = fit_classifier(
            read_training_set(vectors, task.train.tolist(), task.train_labels, uses_loss),
            task.config,
            device=device,
            checkpoint_path=task.checkpoint,
            progress=progress,
            stage=task.stage,
        )
        test = read_training_set(vectors, task.test.tolist(), task.test_labels, uses_loss)
        scores = fitted.bundle.probabilities(test.sequences, device)
    scored = Scored(task.test, task.test_labels, scores, fitted.bundle.threshold)
    return FoldResult(task.fold, scored, fitted.history, sum(row["seconds"] for row in fitted.history))
