"""Encode, decode and compute the loss of frames, batch by batch."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from rbztf.models.vae.encoder_inputs import GOOD, Inputs
from rbztf.models.vae.losses import vae_loss
from rbztf.models.vae.network import Encoder, Vae
from rbztf.models.vae.objective import with_mask
from rbztf.ztf import SIZE_PIX

BATCH = 256
"""Most frames of a batch: what is made of them on the way stays in a core's cache."""
GPU_BATCH = 4096
"""On a GPU, which small batches leave idle: at 256 it embeds two thirds as many frames a second, or fewer."""
LEAST_BATCH = 16
"""A smaller batch is filled up. A CPU adds up the products of fewer frames in another order,
so that a vector would depend, in its last bits, on how many frames are encoded with it."""


def batches(n_frames: int, device: torch.device) -> Iterator[slice]:
    """Rows of frames in batches of at most :data:`BATCH` (:data:`GPU_BATCH`), as equal as can be."""
    most = BATCH if device.type == "cpu" else GPU_BATCH
    bounds = np.linspace(0, n_frames, -(-n_frames // most) + 1).astype(int).tolist()
    return (slice(start, stop) for start, stop in pairwise(bounds))


def folded(encoder: Encoder) -> nn.Sequential:
    """The same function with each batch normalisation multiplied into the convolution before it.

    Equal up to rounding (1e-6). With the weights laid out channels last a CPU runs it 1.3 to
    1.6 times as fast as the layers one by one (``benchmarks/embedding_speed.py``).

    Parameters
    ----------
    encoder : Encoder
        In evaluation mode; it is left as it is.
    """
    own: Any = copy.deepcopy(encoder.encoder)
    layers: list[nn.Module] = []
    for convolution, normalisation, activation in own[:-2]:
        activation.inplace = True
        layers += [fuse_conv_bn_eval(convolution, normalisation), activation]
    network = nn.Sequential(*layers, *own[-2:]).eval()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


@torch.inference_mode()
def encode(network: nn.Sequential, inputs: Inputs, device: torch.device) -> NDArray[np.float32]:
    """Encode normalised frames.

    Parameters
    ----------
    network : Sequential
        From :func:`folded`, on ``device``.
    inputs : Inputs
        n frames.

    Returns
    -------
    ndarray (n, 2 * latent), float32
        Latent means, then log variances; those of a frame are the same whatever is encoded with it.
    """
    first: Any
    last: Any
    first, last = network[0], network[-1]
    out = np.empty((len(inputs), last.out_features), np.float32)
    for rows in batches(len(inputs), device):
        batch = encoder_input(inputs[rows], first.in_channels, device)
        n = len(batch)
        if n < LEAST_BATCH:
            batch = F.pad(batch, (0, 0, 0, 0, 0, 0, 0, LEAST_BATCH - n))
        out[rows] = network(batch)[:n].float().cpu().numpy()
    return out


def encoder_input(inputs: Inputs, channels: int, device: torch.device) -> Tensor:
    """Input of an encoder, (n, channels, 28, 28), channels last, on ``device``."""
    values = torch.from_numpy(np.ascontiguousarray(inputs.values))[:, None].to(device)
    if channels > 1:
        states = torch.from_numpy(np.ascontiguousarray(inputs.states))[:, None].to(device)
        values = with_mask(values, states)
    return values.contiguous(memory_format=torch.channels_last)


@torch.inference_mode()
def frame_losses(
    vae: Vae, inputs: Inputs, encoded: NDArray[np.float32], kl_weight: float, device: torch.device
) -> NDArray[np.float32]:
    """VAE loss of each frame, decoded from its latent means (no draw, so it is repeatable).

    Parameters
    ----------
    vae : Vae
        In evaluation mode, on ``device``.
    inputs : Inputs
        n frames.
    encoded : ndarray (n, 2 * latent), float32
        As :func:`encode` gives them.

    Returns
    -------
    ndarray (n,), float32
    """
    out = np.empty(len(inputs), np.float32)
    for rows in batches(len(inputs), device):
        part = inputs[rows]
        values = torch.from_numpy(np.ascontiguousarray(part.values))[:, None].to(device)
        mean, log_variance = torch.from_numpy(encoded[rows]).to(device).chunk(2, dim=1)
        weights = None
        if vae.encoder.channels > 1:
            weights = torch.from_numpy((part.states == GOOD).astype(np.float32))[:, None].to(device)
        loss, _, _ = vae_loss(values, vae.decoder(mean), mean, log_variance, kl_weight, weights)
        out[rows] = loss.cpu().numpy()
    return out


@torch.inference_mode()
def reconstruct(vae: Vae, encoded: NDArray[np.float32], device: torch.device) -> NDArray[np.float32]:
    """Decode latent means; (n, 2 * latent) as from :func:`encode` to (n, 28, 28), normalised."""
    out = [
        vae.decoder(torch.from_numpy(encoded[rows, : vae.encoder.latent]).to(device))[:, 0]
        for rows in batches(len(encoded), device)
    ]
    return torch.cat(out).cpu().numpy() if out else np.empty((0, SIZE_PIX, SIZE_PIX), np.float32)
