"""Train the variational autoencoder on normalised frames."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from rbztf.config import Config
from rbztf.errors import DataError
from rbztf.frames.dataset import FrameSet
from rbztf.models import checkpoint
from rbztf.models.encoder_bundle import EncoderBundle
from rbztf.models.losses import vae_loss
from rbztf.models.optimise import autocast, learning_rate, make_optimiser, seed_epoch, take_step
from rbztf.models.vae import Vae
from rbztf.progress import Progress, silent

LEAST_FRAMES = 2
"""Batch normalisation needs two frames a batch."""


@dataclass(frozen=True)
class FittedVae:
    """A trained autoencoder and how the training went, one row an epoch."""

    bundle: EncoderBundle
    history: checkpoint.History


def fit_vae(
    data: FrameSet,
    config: Config,
    *,
    device: torch.device,
    checkpoint_path: Path | None = None,
    progress: Progress = silent,
) -> FittedVae:
    """Train the autoencoder that ``config`` describes.

    Parameters
    ----------
    checkpoint_path : Path, optional
        Written after each ``training.checkpoint_every`` epochs, and resumed from.

    Raises
    ------
    DataError
        If there are fewer than two frames.
    """
    if len(data) < LEAST_FRAMES:
        raise DataError(f"{len(data)} frames are too few to train on.", "Fetch more objects.")
    section = config.training
    torch.manual_seed(config.seed)
    vae = _as_stored(Vae(config.vae.latent).to(device), torch.channels_last)  # faster on a CPU too
    optimiser = make_optimiser(vae, section)
    mark = checkpoint.fingerprint(config, [data.objects, _sample(data.frames)])
    state = checkpoint.State()
    if checkpoint_path:
        state = checkpoint.load(checkpoint_path, vae, optimiser, mark)
    while not state.done:
        row = _epoch(vae, optimiser, data, config, state.epoch, device, progress)
        state.epoch += 1
        state.history.append(row)
        state.done = state.epoch >= section.epochs
        due = section.checkpoint_every and state.epoch % section.checkpoint_every == 0
        if checkpoint_path and (due or state.done):
            checkpoint.save(checkpoint_path, state, vae, optimiser, mark)
        progress("train-vae", state.epoch, section.epochs, f"loss {row['loss']:.5f}")
    _as_stored(vae.cpu(), torch.contiguous_format).eval()
    return FittedVae(EncoderBundle(vae.encoder, vae.decoder, config), state.history)


def _epoch(
    vae: Vae,
    optimiser: torch.optim.Optimizer,
    data: FrameSet,
    config: Config,
    epoch: int,
    device: torch.device,
    progress: Progress,
) -> dict[str, float]:
    section = config.training
    started = time.perf_counter()
    seed_epoch(config.seed, epoch)
    vae.train()
    n_batches = math.ceil(len(data) / section.batch_size)
    totals = torch.zeros(3, device=device)
    done, rate = 0, section.learning_rate
    for number, frames in enumerate(data.batches(section.batch_size, config.seed, epoch)):
        if len(frames) < LEAST_FRAMES:
            break
        rate = learning_rate(section, epoch * n_batches + number, section.epochs * n_batches)
        batch = _augment(
            torch.from_numpy(frames)[:, None].to(device, memory_format=torch.channels_last), config
        )
        with autocast(device, section):
            reconstruction, mean, log_variance = vae(batch)
        parts = vae_loss(
            batch, reconstruction.float(), mean.float(), log_variance.float(), config.vae.kl_weight
        )
        take_step(vae, optimiser, parts[0].mean(), rate, section.clip_norm)
        totals += torch.stack([part.detach().sum() for part in parts])
        done += len(frames)
        progress(f"epoch {epoch + 1}", done, len(data), "frames")
    seconds = time.perf_counter() - started
    loss, error, kl = (totals / done).tolist()
    return {
        "epoch": epoch + 1,
        "loss": loss,
        "reconstruction": error,
        "kl": kl,
        "rate": rate,
        "seconds": seconds,
        "frames_per_s": done / seconds,
    }


def _as_stored(vae: Vae, memory_format: torch.memory_format) -> Vae:
    """The same network with its tensors laid out in ``memory_format``."""
    vae.to(memory_format=memory_format)  # type: ignore[call-overload]
    return vae


def _augment(frames: Tensor, config: Config) -> Tensor:
    if not config.vae.rotation_deg:
        return frames
    angles = (2 * torch.rand(len(frames)) - 1) * math.radians(config.vae.rotation_deg)
    return rotate(frames, angles.to(frames.device))


def rotate(frames: Tensor, angles_rad: Tensor) -> Tensor:
    """Turn frames about their centre, bilinearly, zeros coming in at the corners.

    Parameters
    ----------
    frames : Tensor (batch, 1, 28, 28)
    angles_rad : Tensor (batch,)
    """
    cosine, sine, zero = torch.cos(angles_rad), torch.sin(angles_rad), torch.zeros_like(angles_rad)
    rows = [torch.stack([cosine, -sine, zero], dim=1), torch.stack([sine, cosine, zero], dim=1)]
    grid = F.affine_grid(torch.stack(rows, dim=1), list(frames.shape), align_corners=False)
    return F.grid_sample(frames, grid, align_corners=False)


def _sample(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """A few frames that stand for all when a checkpoint asks whether its data are the same."""
    return np.ascontiguousarray(frames[:: max(1, len(frames) // 64)])
