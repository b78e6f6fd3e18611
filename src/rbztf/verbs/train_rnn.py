"""``rbztf train-rnn``: train a classifier on labelled objects."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from rbztf._version import __version__
from rbztf.config import DEFAULT_CLASSIFIER, Config, load_config
from rbztf.errors import DataError
from rbztf.models.bundle import new_bundle
from rbztf.models.checkpoint import History
from rbztf.models.ensemble.bundle import save_ensemble
from rbztf.models.ensemble.fit import fit_ensemble
from rbztf.models.objects.object_set import LabelledSet
from rbztf.models.objects.ranges import fit_ranges
from rbztf.models.objects.read import FrameSelection, read_labelled, scores_curves_alone, usable_objects
from rbztf.models.rnn.fit import fit_classifier
from rbztf.models.training import choose_device, threads
from rbztf.models.vae.bundle import EncoderBundle, encoder_in, seen_labels
from rbztf.progress import Progress, silent
from rbztf.stores.embeddings import open_embeddings
from rbztf.verbs.paths import labels_in_bands
from rbztf.verbs.run_folder import TrainResult, write_history
from rbztf.verbs.training_inputs import (
    fit_to_vectors,
    left_out,
    left_out_warnings,
    locate_inputs,
    read_checked,
    read_ordinary,
    rule_warnings,
    simulate_frames,
)
from rbztf.wording import counted

DEFAULT_OUT = Path("models/classifier")


def train_rnn(
    config: Config | None = None,
    *,
    embeddings: Path | str | None = None,
    labels: Path | str | None = None,
    features: Path | str | None = None,
    ordinary: Path | str | None = None,
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
    ordinary : path
        CSV of the same features of ordinary objects, which nobody picked and nearly all of which are
        real; trees train on them too (``ordinary_weight``).
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
    everything = labels_in_bands(labels, config)
    table = everything.by_rule(config.data.label_rule)
    inputs = locate_inputs([config], embeddings, features, ordinary, data, scratch / "embeddings", progress)
    config, path = inputs.configs[0], inputs.embeddings
    device = choose_device(config.device)
    vectors = open_embeddings(path, config.vae.latent) if path else None
    encoder = encoder_in(path) if path else None
    config, warnings = fit_to_vectors(config, vectors, encoder)
    known, warned = read_checked(inputs.features, table)
    nobody_picked, told = read_ordinary(inputs.ordinary, known, table)
    selection = FrameSelection.of(config, vectors.latent if vectors is not None else 0)
    alone = known if scores_curves_alone(config) else None
    counts, problems = usable_objects(vectors, table, selection, alone)
    if not counts:
        where = path or inputs.features
        raise DataError(f"None of the {len(table)} labelled objects can be used with {where}.", "Check both.")
    (simulated,) = simulate_frames([config], encoder, device, progress)
    labelled = read_labelled(table.only(counts), vectors, known, config, nobody_picked, simulated)
    run = _Run(labelled, encoder, target, scratch, progress)
    train = _train_network if config.ensemble is None else _train_ensemble
    with threads(0 if device.type == "cuda" else 1):
        result = train(run, config, device)
    shutil.rmtree(scratch, ignore_errors=True)
    missed = left_out(table, counts, problems, ambiguous=len(everything) - len(table))
    warnings += [
        *rule_warnings(everything, config.data.label_rule),
        *warned,
        *told,
        *inputs.warnings,
        *left_out_warnings(everything, missed),
        *seen_labels(encoder),
    ]
    if path and not encoder:
        warnings.append(
            f"{path} does not hold the encoder of its vectors: the model can score vectors, not frames."
        )
    return replace(result, problems=tuple(problems), warnings=tuple(warnings), left_out=missed)


@dataclass(frozen=True)
class _Run:
    """What a model is trained on, and where it and its checkpoints go."""

    data: LabelledSet
    encoder: EncoderBundle | None
    target: Path
    scratch: Path
    progress: Progress

    @property
    def n_frames(self) -> int:
        return sum(map(len, self.data.objects.sequences))

    @property
    def notes(self) -> dict[str, Any]:
        """For the model's card."""
        n_ordinary = len(self.data.ordinary)
        beside = f", and {n_ordinary} ordinary objects" if n_ordinary else ""
        return {
            "made by": f"rbztf {__version__}, train-rnn",
            "trained on": f"{counted(len(self.data), 'object')}, {self.data.labels.sum()} of them artefacts{beside}",
        }


def _train_network(run: _Run, config: Config, device: torch.device) -> TrainResult:
    fitted = fit_classifier(
        run.data,
        config,
        device=device,
        checkpoint_path=run.scratch / "checkpoint.safetensors",
        progress=run.progress,
        stage="train-rnn",
    )
    notes = {**run.notes, "epochs": fitted.best_epoch}
    best = fitted.history[fitted.best_epoch - 1]
    if "inner_auc" in best:
        notes["mean AUC on the inner folds"] = (
            f"{best['inner_auc']:.3f} (it chose the epoch, so it flatters; rbztf cv gives honest figures)"
        )
    with new_bundle(run.target) as part:
        ranges = fit_ranges(run.data, fitted.bundle.modalities, config.seed)
        replace(fitted.bundle, encoder=run.encoder, notes=notes, ranges=ranges).write_into(part)
        _write_curves(part, fitted.history)
    n_epochs, n_objects = len(fitted.history), len(run.data)
    return TrainResult(run.target, n_objects, run.n_frames, n_epochs, fitted.best_epoch, fitted.history)


def _train_ensemble(run: _Run, config: Config, device: torch.device) -> TrainResult:
    started = time.perf_counter()
    assert config.ensemble is not None
    model = fit_ensemble(
        run.data,
        config,
        device=device,
        scratch=run.scratch / "members",
        progress=run.progress,
        stage="train-rnn",
    )
    ranges = fit_ranges(run.data, model.modalities, config.seed)
    save_ensemble(replace(model, encoder=run.encoder, notes=run.notes, ranges=ranges), run.target)
    inner_auc = {" + ".join(have): area for have, area in model.inner_auc.items()}
    result = TrainResult(run.target, len(run.data), run.n_frames, config.ensemble.folds, 0, [])
    return replace(result, seconds=time.perf_counter() - started, inner_auc=inner_auc)


def _write_curves(folder: Path, history: History) -> None:
    from rbztf.plots import common

    write_history(folder / "history.csv", {"train-rnn": history})
    common.losses({"train-rnn": history}, folder / "losses.png")
