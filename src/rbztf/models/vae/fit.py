"""Train the variational autoencoder on normalised frames."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rbztf.config import Config
from rbztf.errors import DataError
from rbztf.models import checkpoint
from rbztf.models.training import learning_rate, make_optimiser, seed_epoch, take_step
from rbztf.models.vae.batches import loaded
from rbztf.models.vae.bundle import EncoderBundle
from rbztf.models.vae.fast_decoder import fast_on_cpu
from rbztf.models.vae.objective import Objective, Terms
from rbztf.models.vae.training_frames import FrameSet
from rbztf.progress import Progress, silent
from rbztf.wording import counted

LEAST_FRAMES = 2
"""Batch normalisation needs two frames a batch."""
ACTIVE_VARIANCE = 0.01
"""A latent is active if its mean varies more than this over frames (Burda et al. 2016, arXiv:1509.00519, §5.2)."""


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
        raise DataError(f"{counted(len(data), 'frame')} is not enough to train on.", "Fetch more objects.")
    section = config.training
    torch.manual_seed(config.seed)
    model = _as_stored(Objective(config).to(device), torch.channels_last)  # faster on a CPU too
    optimiser = make_optimiser(model, section)
    mark = checkpoint.fingerprint(config, [data.objects, _sample(data.frames), *_kinds(data)])
    state = checkpoint.State()
    if checkpoint_path:
        state = checkpoint.load(checkpoint_path, model, optimiser, mark)
    while not state.done:
        with fast_on_cpu(model.vae, device):
            row = _epoch(model, optimiser, data, state.epoch, device, progress)
        state.epoch += 1
        state.history.append(row)
        state.done = state.epoch >= section.epochs
        due = section.checkpoint_every and state.epoch % section.checkpoint_every == 0
        if checkpoint_path and (due or state.done):
            checkpoint.save(checkpoint_path, state, model, optimiser, mark)
        progress("train-vae", state.epoch, section.epochs, f"loss {row['loss']:.5f}")
    vae = _as_stored(model.cpu(), torch.contiguous_format).eval().vae
    return FittedVae(EncoderBundle(vae.encoder, vae.decoder, config), state.history)


def _epoch(
    model: Objective,
    optimiser: torch.optim.Optimizer,
    data: FrameSet,
    epoch: int,
    device: torch.device,
    progress: Progress,
) -> dict[str, float]:
    section, seed = model.config.training, model.config.seed
    started = time.perf_counter()
    seed_epoch(seed, epoch)
    model.train()
    n_batches = math.ceil(len(data) / section.batch_size)
    totals = _Totals()
    rate = section.learning_rate
    for number, batch in enumerate(loaded(data, section.batch_size, seed, epoch, device)):
        if len(batch.values) < LEAST_FRAMES:
            break
        step, n_steps = epoch * n_batches + number, section.epochs * n_batches
        rate = learning_rate(section, step, n_steps)
        terms = model(batch, step / n_steps)
        take_step(model, optimiser, terms.loss, rate, section.clip_norm)
        totals.add(terms)
        progress("epoch", totals.count, len(data), f"frames of epoch {epoch + 1}")
    seconds = time.perf_counter() - started
    timing = {"rate": rate, "seconds": seconds, "frames_per_s": totals.count / seconds}
    return {"epoch": epoch + 1, **totals.row(), **timing}


class _Totals:
    """Sums over the frames of an epoch, kept on the device, so that nothing waits for them."""

    def __init__(self) -> None:
        self.count = 0
        self._terms: list[Tensor] = []
        self._moments: list[Tensor] = []

    def add(self, terms: Terms) -> None:
        mean, n = terms.mean.detach().double(), len(terms.mean)
        self._terms.append(n * torch.stack(terms[:-1]).detach())
        self._moments.append(torch.stack([mean.sum(0), mean.square().sum(0)]))
        self.count += n

    def row(self) -> dict[str, float]:
        """Means of the terms, and how many latents are active."""
        means = (torch.stack(self._terms).sum(dim=0) / self.count).tolist()
        average, square = torch.stack(self._moments).sum(dim=0) / self.count
        active = int((square - average.square() > ACTIVE_VARIANCE).sum())
        return {**dict(zip(Terms._fields[:-1], means)), "active": active}


def _as_stored(model: Objective, memory_format: torch.memory_format) -> Objective:
    """The same network with its tensors laid out in ``memory_format``."""
    model.to(memory_format=memory_format)  # type: ignore[call-overload]
    return model


def _kinds(data: FrameSet) -> list[NDArray[np.int64]]:
    return [] if data.kinds is None else [data.kinds]


def _sample(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """A few frames that stand for all when a checkpoint asks whether its data are the same."""
    return np.ascontiguousarray(frames[:: max(1, len(frames) // 64)])
