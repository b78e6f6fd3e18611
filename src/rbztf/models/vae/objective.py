"""Training loss of the autoencoder: augmentation, reconstruction, KL divergence, auxiliary heads."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from rbztf.config import Config
from rbztf.frames.normalise import NORMALISERS
from rbztf.models.training import autocast
from rbztf.models.vae.augment import augment
from rbztf.models.vae.batches import Loaded
from rbztf.models.vae.encoder_inputs import GOOD, NO_DATA
from rbztf.models.vae.heads import Heads
from rbztf.models.vae.losses import free_bits_kl, vae_loss
from rbztf.models.vae.network import make_vae
from rbztf.ztf import SIZE_PIX

CENTRE_WIDTH_PIX = 5.0
"""Standard deviation of the Gaussian by which central pixels count more."""


class Terms(NamedTuple):
    """The loss of a batch and its terms, scalars; ``mean`` (batch, latent) are the latent means."""

    loss: Tensor
    reconstruction: Tensor
    kl: Tensor
    measures: Tensor
    artefacts: Tensor
    mean: Tensor


class Objective(nn.Module):
    """An autoencoder, the auxiliary heads it is trained with, and the loss of both.

    Parameters
    ----------
    config : Config
        Its ``frames``, ``vae`` and ``training`` sections.
    """

    centre: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.vae = make_vae(config.frames, config.vae)
        with_heads = config.vae.measure_weight or config.vae.artefact_weight
        self.heads = Heads(config.vae.latent) if with_heads else None
        self.register_buffer("centre", _centre(config.vae.centre_weight), persistent=False)

    def forward(self, batch: Loaded, done: float) -> Terms:
        """Loss of ``batch``; ``done`` is the share of the training that is over, 0 to 1."""
        section, masked = self.config.vae, self.config.frames.invalid == "mask"
        stretched = NORMALISERS[self.config.frames.normaliser].in_noise_units
        values, states = augment(batch.values, batch.states, section, stretched=stretched)
        inputs = with_mask(values, states) if masked else values
        with autocast(values.device, self.config.training):
            outputs = self.vae(inputs.contiguous(memory_format=torch.channels_last))
        reconstruction, mean, log_variance = (output.float() for output in outputs)
        weights = self.centre * (states == GOOD) if masked or section.centre_weight else None
        _, error, kl = vae_loss(values, reconstruction, mean, log_variance, section.kl_weight, weights)
        cost = free_bits_kl(mean, log_variance, section.free_bits) if section.free_bits else kl.mean()
        loss = error.mean() + section.kl_weight * _risen(done, section.kl_warm_up) * cost
        measures = artefacts = loss.new_zeros(())
        if self.heads is not None:
            measures, artefacts = self.heads(mean, values, batch.kinds, section, stretched=stretched)
            loss = loss + section.measure_weight * measures + section.artefact_weight * artefacts
        return Terms(loss, error.mean(), kl.mean(), measures, artefacts, mean)


def with_mask(values: Tensor, states: Tensor) -> Tensor:
    """Two channels, (batch, 2, 28, 28): pixels, and 1 where they hold data."""
    return torch.cat([values, (states != NO_DATA).to(values.dtype)], dim=1)


def _risen(done: float, warm_up: float) -> float:
    return min(1.0, done / warm_up) if warm_up else 1.0


def _centre(weight: float) -> Tensor:
    """Weight of each pixel, (28, 28), 1 far from the centre and 1 + ``weight`` in it."""
    offset = (torch.arange(SIZE_PIX) - (SIZE_PIX - 1) / 2).square()
    near = torch.exp(-(offset[:, None] + offset[None, :]) / (2 * CENTRE_WIDTH_PIX**2))
    return 1 + weight * near
