"""Train the variational autoencoder on normalised frames."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

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
BLOCK_PIX = 4
"""Side of the blocks of output pixels that the last layer computes together on a CPU."""


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
        with _quicker(vae, device):
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
        progress("epoch", done, len(data), f"frames of epoch {epoch + 1}")
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


@contextmanager
def _quicker(vae: Vae, device: torch.device) -> Iterator[None]:
    """Compute the same network in a way that suits a CPU: 1.3 to 1.4 times the training rate.

    Two layers of the decoder are awkward for the convolutions of a CPU; both are written as
    plainer products of the same weights, equal up to rounding. Activations overwrite their input.
    """
    if device.type != "cpu":
        yield
        return
    layers: Any = vae.decoder.decoder
    first, last = layers[2][0], layers[-2]
    activations = [layer for layer in vae.modules() if isinstance(layer, (nn.LeakyReLU, nn.ReLU))]
    first.forward, last.forward = partial(_from_one_pixel, first), partial(_in_blocks, last)
    for layer in activations:
        layer.inplace = True
    try:
        yield
    finally:
        del first.forward, last.forward
        for layer in activations:
            layer.inplace = False


def _from_one_pixel(layer: nn.ConvTranspose2d, inputs: Tensor) -> Tensor:
    """The first ``layer`` of the decoder: from one pixel to 2 x 2 only four of its nine taps count.

    Parameters
    ----------
    inputs : Tensor (batch, channels, 1, 1)
    """
    taps = layer.weight[:, :, 1:, 1:].permute(0, 2, 3, 1).flatten(1)
    outputs = (inputs.flatten(1) @ taps).view(-1, 2, 2, layer.out_channels).permute(0, 3, 1, 2)
    return outputs if layer.bias is None else outputs + layer.bias[:, None, None]


def _in_blocks(layer: nn.Conv2d, inputs: Tensor) -> Tensor:
    """The last ``layer`` of the decoder, which has one channel out: a block of pixels at a time.

    Its kernel, shifted to each pixel of a block, makes as many kernels as the block has
    pixels; a convolution that steps from block to block then has that many channels out.

    Parameters
    ----------
    inputs : Tensor (batch, channels, 32, 32)
    """
    spare, side = BLOCK_PIX - 1, range(BLOCK_PIX)
    shifted = [F.pad(layer.weight[0], (x, spare - x, y, spare - y)) for y in side for x in side]
    bias = None if layer.bias is None else layer.bias.expand(BLOCK_PIX**2)
    blocks = F.conv2d(inputs, torch.stack(shifted), bias, stride=BLOCK_PIX, padding=1)
    return F.pixel_shuffle(blocks, BLOCK_PIX)


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
