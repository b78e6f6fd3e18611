"""``rbztf train-vae``: an encoder of frames from frames."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

import rbztf
from rbztf.archive.cutouts import open_cutouts
from rbztf.config import STANDARD_VAE, Config, load_config
from rbztf.frames.dataset import prepare_frames
from rbztf.models.checkpoint import History
from rbztf.models.device import choose_device
from rbztf.models.fit_vae import fit_vae
from rbztf.progress import Progress, silent
from rbztf.verbs.inputs import locate
from rbztf.verbs.run_folder import write_history
from rbztf.verbs.train_rnn import TrainResult

DEFAULT_OUT = Path("models/encoder")


def train_vae(
    config: Config | None = None,
    *,
    data: Path | str | None = None,
    out: Path | str | None = None,
    progress: Progress = silent,
) -> TrainResult:
    """Train an autoencoder on all frames of a cutout folder.

    Parameters
    ----------
    data : path
        A cutout store or one of the foreign layouts; labels are not needed.
    out : path
        The encoder bundle to write. Until it is whole, the normalised frames and the
        checkpoint lie beside it in ``OUT.training``, and the same command goes on from there.

    Raises
    ------
    UsageError, InputError, DataError
        For missing paths, or no usable frame.
    """
    config = config or load_config(project_file=None, standard=STANDARD_VAE)
    device = choose_device(config.device)
    target = Path(out) if out is not None else DEFAULT_OUT
    scratch = target.with_name(f"{target.name}.training")
    store = open_cutouts(locate("cutouts", data, config))
    frames, problems = prepare_frames(store, config.frames, scratch / "frames.bin", progress=progress)
    fitted = fit_vae(
        frames, config, device=device, checkpoint_path=scratch / "checkpoint.safetensors", progress=progress
    )
    n_objects = len(np.unique(frames.objects))
    notes = {
        "made by": f"rbztf {rbztf.__version__}, train-vae",
        "trained on": f"{len(frames)} frames of {n_objects} objects, unlabelled",
        "epochs": len(fitted.history),
        "last training loss": f"{fitted.history[-1]['loss']:.6f}",
    }
    replace(fitted.bundle, notes=notes).save(target)
    _write_curves(target, fitted.history)
    n_frames = len(frames)
    del frames
    shutil.rmtree(scratch, ignore_errors=True)
    n_epochs = len(fitted.history)
    return TrainResult(target, n_objects, n_frames, n_epochs, n_epochs, fitted.history, tuple(problems))


def _write_curves(folder: Path, history: History) -> None:
    from rbztf.report import plots

    write_history(folder / "history.csv", {"train-vae": history})
    plots.vae_losses(history, folder / "losses.png")
