"""Run an encoder over frames."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from rbztf.models.losses import vae_loss
from rbztf.models.vae import Encoder, Vae

BATCH = 1024


@torch.inference_mode()
def encode(encoder: Encoder, frames: NDArray[np.float32], device: torch.device) -> NDArray[np.float32]:
    """Encode normalised frames.

    Parameters
    ----------
    encoder : Encoder
        In evaluation mode, on ``device``.
    frames : ndarray (n, 28, 28), float32
        Normalised, finite.

    Returns
    -------
    ndarray (n, 2 * latent), float32
        Latent means, then log variances.
    """
    out = np.empty((len(frames), 2 * encoder.latent), np.float32)
    for start in range(0, len(frames), BATCH):
        batch = torch.from_numpy(np.ascontiguousarray(frames[start : start + BATCH]))
        out[start : start + BATCH] = encoder(batch[:, None].to(device)).cpu().numpy()
    return out


@torch.inference_mode()
def frame_losses(
    vae: Vae, frames: NDArray[np.float32], kl_weight: float, device: torch.device
) -> NDArray[np.float32]:
    """VAE loss of each frame, decoded from its latent means (no draw, so it is repeatable).

    Parameters
    ----------
    vae : Vae
        In evaluation mode, on ``device``.
    frames : ndarray (n, 28, 28), float32
        Normalised, finite.

    Returns
    -------
    ndarray (n,), float32
    """
    out = np.empty(len(frames), np.float32)
    for start in range(0, len(frames), BATCH):
        batch = torch.from_numpy(np.ascontiguousarray(frames[start : start + BATCH]))[:, None].to(device)
        mean, log_variance = vae.encoder(batch).chunk(2, dim=1)
        loss, _, _ = vae_loss(batch, vae.decoder(mean), mean, log_variance, kl_weight)
        out[start : start + BATCH] = loss.cpu().numpy()
    return out
