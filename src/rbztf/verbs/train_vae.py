"""``rbztf train-vae``: train an encoder on frames."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rbztf._version import __version__
from rbztf.config import DEFAULT_VAE, Config, load_config
from rbztf.errors import DataError, UsageError
from rbztf.models.bundle import new_bundle
from rbztf.models.training import choose_device
from rbztf.models.vae.bundle import LABELLED, EncoderBundle
from rbztf.models.vae.drift import VectorStatistics
from rbztf.models.vae.encoder_inputs import NO_DATA, Inputs
from rbztf.models.vae.fit import FittedVae, fit_vae
from rbztf.models.vae.known_frames import known_frames, labelled_kinds
from rbztf.models.vae.losses import log_cosh
from rbztf.models.vae.training_frames import NO_OBJECT, UNKNOWN_KIND, FrameSet, prepare_frames
from rbztf.plots import vae
from rbztf.progress import Progress, silent
from rbztf.stores.cutouts import CutoutStore, open_cutouts
from rbztf.stores.labels import LabelTable, read_labels
from rbztf.verbs.paths import locate
from rbztf.verbs.run_folder import TrainResult, write_history
from rbztf.wording import counted
from rbztf.ztf import Oid

DEFAULT_OUT = Path("models/encoder")
STATISTICS_FRAMES = 20_000
"""Frames from which the distribution of the vectors is taken."""
PLOT_FRAMES = 2_000
"""Frames among which the figures choose."""


def train_vae(
    config: Config | None = None,
    *,
    data: Path | str | None = None,
    labels: Path | str | None = None,
    out: Path | str | None = None,
    progress: Progress = silent,
) -> TrainResult:
    """Train an autoencoder on all frames of a cutout folder.

    Parameters
    ----------
    data : path
        A cutout store, or cutouts in another layout (docs/formats.md).
    labels : path, optional
        Objects whose labels train the artefact head. Classifiers on the vectors of such an
        encoder must be evaluated on other objects.
    out : path
        The encoder bundle to write. Until the training is complete, the normalised frames and
        the checkpoint are kept in ``OUT.training``, and the same command resumes from there.

    Raises
    ------
    UsageError, InputError, DataError
        For missing paths, no usable frame, labels without ``vae.artefact_weight``, or labels of
        other objects only.
    """
    config = config or load_config(project_file=None, default=DEFAULT_VAE)
    device = choose_device(config.device)
    target = Path(out) if out is not None else DEFAULT_OUT
    scratch = target.with_name(f"{target.name}.training")
    store = open_cutouts(locate("cutouts", data, config))
    kinds: dict[Oid, int] | None = None
    warnings: list[str] = []
    if labels is not None:
        if not config.vae.artefact_weight:
            raise UsageError(
                "--labels train the artefact head, but its weight is 0.",
                "Set it: --set vae.artefact_weight=0.02.",
            )
        kinds, warnings = _kinds_of(store, read_labels(labels), str(labels))
    known = None
    if config.vae.simulated_frames:
        known = known_frames(config.vae.simulated_frames, config.frames, config.seed, progress=progress)
    frames, problems = prepare_frames(
        store, config.frames, scratch, known=known, kinds=kinds, progress=progress
    )
    fitted = fit_vae(
        frames, config, device=device, checkpoint_path=scratch / "checkpoint.safetensors", progress=progress
    )
    n_objects, n_own = _save(target, fitted, frames, device)
    n_epochs = len(fitted.history)
    frames.release()
    del frames
    shutil.rmtree(scratch, ignore_errors=True)
    return TrainResult(
        target, n_objects, n_own, n_epochs, n_epochs, fitted.history, tuple(problems), tuple(warnings)
    )


def _kinds_of(store: CutoutStore, labels: LabelTable, path: str) -> tuple[dict[Oid, int], list[str]]:
    """Kind of the frames of each labelled object of the store, and a warning if none is an artefact."""
    kinds = {oid: kind for oid, kind in labelled_kinds(labels).items() if oid in store}
    if not kinds:
        raise DataError(
            f"{path} has no label of an object in {store.folder}.", "Check that both are of the same objects."
        )
    if not any(kinds.values()):
        return kinds, [
            f"{path} names no kinds of artefacts (a CSV has no tags): only clean frames are learned from it."
        ]
    return kinds, []


def _save(target: Path, fitted: FittedVae, frames: FrameSet, device: torch.device) -> tuple[int, int]:
    """Write the bundle with its statistics and figures; returns how many objects and frames it learned from."""
    own = np.flatnonzero(frames.objects != NO_OBJECT)
    n_objects = len(np.unique(frames.objects[own]))
    rows = _spread(own, STATISTICS_FRAMES)
    sample = frames.inputs(rows)
    vectors = fitted.bundle.embed_inputs(sample, device)
    labelled = own if frames.kinds is None else own[frames.kinds[own] != UNKNOWN_KIND]
    n_labelled = len(np.unique(frames.objects[labelled]))
    notes = _notes(fitted, len(own), n_objects, n_labelled, len(frames) - len(own))
    statistics = VectorStatistics.of(fitted.bundle.checked(vectors)) if len(sample) > 1 else None
    bundle = replace(fitted.bundle, notes=notes, statistics=statistics)
    few = slice(PLOT_FRAMES)
    with new_bundle(target) as part:  # with its pictures: of two writers one is there, whole
        bundle.write_into(part)
        write_history(part / "history.csv", {"train-vae": fitted.history})
        vae.training(fitted.history, bundle.encoder.latent, part / "losses.png")
        _draw_pictures(part, bundle, sample[few], vectors[few], frames.objects[rows[few]], device)
    return n_objects, len(own)


def _notes(
    fitted: FittedVae, n_frames: int, n_objects: int, n_labelled: int, n_simulated: int
) -> dict[str, Any]:
    last = fitted.history[-1]
    added = f", and {n_simulated} simulated frames of known artefacts" if n_simulated else ""
    seen = f"{n_labelled} of them labelled" if n_labelled else "unlabelled"
    return {
        "made by": f"rbztf {__version__}, train-vae",
        "trained on": f"{counted(n_frames, 'frame')} of {n_objects} objects, {seen}{added}",
        **({LABELLED: n_labelled} if n_labelled else {}),
        "epochs": len(fitted.history),
        "last training loss": f"{last['loss']:.6f}",
        "active latents": f"{last['active']} of {fitted.bundle.encoder.latent}",
    }


def _spread(rows: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Up to ``count`` of ``rows``, drawn with a fixed seed, in random order."""
    return np.random.default_rng(0).permutation(rows)[:count]


def _draw_pictures(
    folder: Path,
    bundle: EncoderBundle,
    sample: Inputs,
    vectors: NDArray[np.float32],
    objects: NDArray[np.int64],
    device: torch.device,
) -> None:
    """Figures of training frames, their reconstructions and nearest neighbours."""
    valid = sample.states != NO_DATA
    rebuilt = bundle.reconstruct(sample, device)
    error = log_cosh(torch.from_numpy(sample.values - rebuilt)).numpy()
    error = (error * valid).sum(axis=(1, 2)) / np.maximum(valid.sum(axis=(1, 2)), 1)
    vae.reconstructions(sample.values, rebuilt, valid, error, objects, folder / "reconstructions.png")
    vae.neighbours(sample.values, valid, vectors[:, : bundle.encoder.latent], folder / "neighbours.png")
