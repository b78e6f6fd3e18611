"""``rbztf train-rnn``: train a classifier on labelled objects."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rbztf._version import __version__
from rbztf.config import DEFAULT_CLASSIFIER, Config, load_config
from rbztf.errors import DataError
from rbztf.features.files import read_features
from rbztf.models.checkpoint import History
from rbztf.models.ensemble.bundle import save_ensemble
from rbztf.models.ensemble.fit import fit_ensemble
from rbztf.models.objects.object_set import label_objects
from rbztf.models.objects.read import (
    FrameSelection,
    read_objects,
    read_training_set,
    scores_curves_alone,
    usable_objects,
)
from rbztf.models.rnn.fit import Fitted, fit_classifier
from rbztf.models.training import choose_device, threads
from rbztf.models.vae.bundle import encoder_in, seen_labels
from rbztf.progress import Progress, silent
from rbztf.stores.embeddings import open_embeddings
from rbztf.stores.labels import LabelTable
from rbztf.verbs.paths import labels_in_bands
from rbztf.verbs.run_folder import TrainResult, write_history
from rbztf.verbs.training_inputs import Inputs, locate_inputs
from rbztf.ztf import Oid

DEFAULT_OUT = Path("models/classifier")


def train_rnn(
    config: Config | None = None,
    *,
    embeddings: Path | str | None = None,
    labels: Path | str | None = None,
    features: Path | str | None = None,
    data: Path | str | None = None,
    out: Path | str | None = None,
    progress: Progress = silent,
) -> TrainResult:
    """Train a classifier on every labelled object that has vectors, or light-curve features where those suffice.

    Parameters
    ----------
    embeddings : path
        The encoder that lies in the store becomes part of the bundle.
    labels : path
    features : path
        CSV of light-curve features, for an ensemble that reads them.
    data : path
        Cutouts, where ``classifier.inputs`` are frames; the encoder is then ``data.model``.
    out : path
        The bundle to write. Until it is whole, checkpoints lie beside it in ``OUT.training``,
        and the same command goes on from there.

    Raises
    ------
    UsageError, InputError, DataError
        For missing paths, or too few objects.
    """
    config = config or load_config(project_file=None, default=DEFAULT_CLASSIFIER)
    target = Path(out) if out is not None else DEFAULT_OUT
    scratch = target.with_name(f"{target.name}.training")
    table = labels_in_bands(labels, config)
    inputs = locate_inputs([config], embeddings, features, data, scratch / "embeddings", progress)
    train = _train_network if config.ensemble is None else _train_ensemble
    result = train(inputs, table, target, scratch, progress)
    shutil.rmtree(scratch, ignore_errors=True)
    return result


def _train_network(
    inputs: Inputs, table: LabelTable, target: Path, scratch: Path, progress: Progress
) -> TrainResult:
    config, path = inputs.configs[0], inputs.embeddings
    assert path is not None  # locate_inputs sees to it
    device = choose_device(config.device)
    vectors = open_embeddings(path, config.vae.latent)
    counts, problems = usable_objects(vectors, table, FrameSelection.of(config, vectors.latent))
    _check_some(counts, table, path)
    encoder = encoder_in(path)
    oids = list(counts)
    with threads(0 if device.type == "cuda" else 1):
        fitted = fit_classifier(
            read_training_set(vectors, oids, table.labels(oids), config),
            config,
            device=device,
            checkpoint_path=scratch / "checkpoint.safetensors",
            progress=progress,
            stage="train-rnn",
        )
    bundle = replace(fitted.bundle, encoder=encoder, notes=_notes(fitted, table, oids))
    bundle.save(target)
    _write_curves(target, fitted.history)
    warnings = seen_labels(encoder)
    if not encoder:
        warnings.append(
            f"{path} does not hold the encoder of its vectors: the model can score vectors, not frames."
        )
    return TrainResult(
        target,
        len(oids),
        sum(counts.values()),
        len(fitted.history),
        fitted.best_epoch,
        fitted.history,
        tuple(problems),
        tuple(warnings),
    )


def _train_ensemble(
    inputs: Inputs, table: LabelTable, target: Path, scratch: Path, progress: Progress
) -> TrainResult:
    config, path = inputs.configs[0], inputs.embeddings
    assert config.ensemble is not None
    started = time.perf_counter()
    device = choose_device(config.device)
    vectors = open_embeddings(path, config.vae.latent) if path else None
    features = read_features(inputs.features) if inputs.features else None
    alone = features if scores_curves_alone(config) else None
    selection = FrameSelection.of(config, vectors.latent if vectors is not None else 0)
    counts, problems = usable_objects(vectors, table, selection, alone)
    _check_some(counts, table, path or inputs.features)
    objects = read_objects(list(counts), vectors, features, config)
    with threads(0 if device.type == "cuda" else 1):
        model = fit_ensemble(
            label_objects(objects, table, config.ensemble.uncertain_weight),
            config,
            device=device,
            scratch=scratch / "members",
            progress=progress,
            stage="train-rnn",
        )
    encoder = encoder_in(path) if path else None
    model = replace(model, encoder=encoder, notes=_trained_on(table, list(counts)))
    save_ensemble(model, target)
    warnings = [*inputs.warnings, *seen_labels(encoder)]
    if path and not encoder:
        warnings.append(
            f"{path} does not hold the encoder of its vectors: the model can score vectors, not frames."
        )
    return TrainResult(
        target,
        len(counts),
        sum(counts.values()),
        config.ensemble.folds,
        0,
        [],
        tuple(problems),
        tuple(warnings),
        seconds=time.perf_counter() - started,
        inner_auc={" + ".join(have): area for have, area in model.inner_auc.items()},
    )


def _check_some(counts: Mapping[Oid, int], table: LabelTable, path: Path | None) -> None:
    if not counts:
        raise DataError(f"None of the {len(table)} labelled objects can be used with {path}.", "Check both.")


def _trained_on(labels: LabelTable, oids: Sequence[int]) -> dict[str, Any]:
    n_artefacts = int(labels.labels(oids).sum())
    return {
        "made by": f"rbztf {__version__}, train-rnn",
        "trained on": f"{len(oids)} objects, {n_artefacts} of them artefacts",
    }


def _notes(fitted: Fitted, labels: LabelTable, oids: Sequence[int]) -> dict[str, Any]:
    notes = {**_trained_on(labels, oids), "epochs": fitted.best_epoch}
    best = fitted.history[fitted.best_epoch - 1]
    if "inner_auc" in best:
        notes["mean AUC on the inner folds"] = (
            f"{best['inner_auc']:.3f} (it chose the epoch, so it flatters; rbztf cv gives honest figures)"
        )
    return notes


def _write_curves(folder: Path, history: History) -> None:
    from rbztf.plots import common

    write_history(folder / "history.csv", {"train-rnn": history})
    common.losses({"train-rnn": history}, folder / "losses.png")
