"""Losses of the autoencoder: reconstruction, KL divergence, free bits."""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor


def log_cosh(residual: Tensor) -> Tensor:
    """``log(cosh(residual))``, elementwise, without overflow for large residuals."""
    magnitude = residual.abs()
    return magnitude + F.softplus(-2 * magnitude) - math.log(2)


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Divergence of N(mean, exp(log_variance)) from N(0, 1), summed over latents.

    Kingma & Welling (2014), "Auto-Encoding Variational Bayes", appendix B.

    Parameters
    ----------
    mean, log_variance : Tensor (batch, latent)

    Returns
    -------
    Tensor (batch,), in nats
    """
    return -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(dim=1)


def vae_loss(
    frames: Tensor,
    reconstruction: Tensor,
    mean: Tensor,
    log_variance: Tensor,
    kl_weight: float,
    weights: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Loss of RB_ZTF per frame: mean log cosh of the residual + ``kl_weight`` x KL.

    Parameters
    ----------
    frames, reconstruction : Tensor (batch, 1, 28, 28)
    mean, log_variance : Tensor (batch, latent)
    weights : Tensor (batch, 1, 28, 28), optional
        How much each pixel counts in the mean, 0 for one without data; all alike if left out.

    Returns
    -------
    loss, reconstruction, kl : Tensor (batch,)
        The loss and its two parts, the second unweighted.
    """
    error = log_cosh(frames - reconstruction)
    if weights is None:
        error = error.mean(dim=(1, 2, 3))
    else:
        error = (error * weights).sum(dim=(1, 2, 3)) / weights.sum(dim=(1, 2, 3)).clamp(min=1)
    kl = kl_divergence(mean, log_variance)
    return error + kl_weight * kl, error, kl


def free_bits_kl(mean: Tensor, log_variance: Tensor, free: float) -> Tensor:
    """KL per latent, averaged over the batch, at least ``free`` nats each, summed; a scalar.

    Below ``free`` a latent costs nothing, which prevents posterior collapse.
    Kingma et al. (2016), arXiv:1606.04934, appendix C.8, eq. 15, for groups of one latent.
    """
    each = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).mean(dim=0)
    return each.clamp(min=free).sum()
