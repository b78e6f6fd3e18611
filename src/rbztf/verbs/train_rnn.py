"""``rbztf train-rnn``: a classifier from labelled objects."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import rbztf
from rbztf.archive.embeddings import Embeddings, open_embeddings
from rbztf.archive.labels import LabelTable
from rbztf.config import STANDARD_CLASSIFIER, Config, load_config
from rbztf.errors import DataError, Problem
from rbztf.evaluation.crossval import read_training_set, usable_objects
from rbztf.models.checkpoint import History
from rbztf.models.device import choose_device
from rbztf.models.encoder_bundle import EncoderBundle, load_encoder
from rbztf.models.fit_classifier import Fitted, fit_classifier
from rbztf.models.optimise import threads
from rbztf.progress import Progress, silent
from rbztf.verbs.inputs import labels_in_bands, locate_vectors
from rbztf.verbs.run_folder import write_history

DEFAULT_OUT = Path("models/classifier")


@dataclass(frozen=True)
class TrainResult:
    """What ``train-rnn`` or ``train-vae`` made."""

    out: Path
    n_objects: int
    n_frames: int
    epochs: int
    best_epoch: int
    history: History
    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As printed by ``--json``."""
        content = asdict(self)
        return {**content, "out": str(self.out)}


def train_rnn(
    config: Config | None = None,
    *,
    embeddings: Path | str | None = None,
    labels: Path | str | None = None,
    data: Path | str | None = None,
    out: Path | str | None = None,
    progress: Progress = silent,
) -> TrainResult:
    """Train a classifier on every labelled object that has vectors.

    Parameters
    ----------
    embeddings : path
        The encoder that lies in the store becomes part of the bundle.
    labels : path
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
    config = config or load_config(project_file=None, standard=STANDARD_CLASSIFIER)
    device = choose_device(config.device)
    target = Path(out) if out is not None else DEFAULT_OUT
    scratch = target.with_name(f"{target.name}.training")
    table = labels_in_bands(labels, config)
    path = locate_vectors(embeddings, data, config, scratch / "embeddings", progress)
    vectors = open_embeddings(path, config.vae.latent)
    counts, problems = usable_objects(vectors, table, config.classifier.min_frames)
    if not counts:
        raise DataError(
            f"None of the {len(table)} labelled objects has usable vectors in {path}.", "Check both."
        )
    encoder = _encoder_in(path)
    oids = list(counts)
    with threads(0 if device.type == "cuda" else 1):
        fitted = fit_classifier(
            read_training_set(vectors, oids, table.labels(oids), config.classifier.inputs.endswith("+loss")),
            config,
            device=device,
            checkpoint_path=scratch / "checkpoint.safetensors",
            progress=progress,
            stage="train-rnn",
        )
    bundle = replace(fitted.bundle, encoder=encoder, notes=_notes(fitted, table, oids, vectors))
    bundle.save(target)
    _write_curves(target, fitted.history)
    shutil.rmtree(scratch, ignore_errors=True)
    warnings = () if encoder else (f"{path} holds no encoder: the model can score vectors, not frames.",)
    return TrainResult(
        target,
        len(oids),
        sum(counts.values()),
        len(fitted.history),
        fitted.best_epoch,
        fitted.history,
        tuple(problems),
        warnings,
    )


def _encoder_in(path: Path) -> EncoderBundle | None:
    return load_encoder(path / "encoder") if (path / "encoder").is_dir() else None


def _notes(fitted: Fitted, labels: LabelTable, oids: Sequence[int], vectors: Embeddings) -> dict[str, Any]:
    n_artefacts = int(labels.labels(oids).sum())
    notes: dict[str, Any] = {
        "made by": f"rbztf {rbztf.__version__}, train-rnn",
        "trained on": f"{len(oids)} objects, {n_artefacts} of them artefacts",
        "epochs": fitted.best_epoch,
    }
    best = fitted.history[fitted.best_epoch - 1]
    if "inner_auc" in best:
        notes["mean AUC on the inner folds"] = (
            f"{best['inner_auc']:.3f} (it chose the epoch, so it flatters; rbztf cv gives honest figures)"
        )
    return notes


def _write_curves(folder: Path, history: History) -> None:
    from rbztf.report import plots

    write_history(folder / "history.csv", {"train-rnn": history})
    plots.losses({"train-rnn": history}, folder / "losses.png")
