"""The variational autoencoder of RB_ZTF: encoder and decoder of 28 x 28-pixel frames.

Layers, initialisation and state-dict keys follow Semenikhin (2024), Systems and Means of
Informatics 34(1), 70-79, and the repository semtim/RB_ZTF, so its weights load unchanged.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

ENCODER_CHANNELS = (32, 64, 128, 256)
DECODER_CHANNELS = (256, 128, 64, 32)
BOTTLENECK = 512
FLAT = BOTTLENECK * 2 * 2


def _down(inputs: int, outputs: int) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.LeakyReLU())


def _up(inputs: int, outputs: int) -> nn.Sequential:
    convolution = nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=1)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.LeakyReLU())


class Encoder(nn.Module):
    """Frames to latent means and log variances.

    Parameters
    ----------
    latent : int
        Number of latent means.
    """

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.latent = latent
        sizes = (1, *ENCODER_CHANNELS)
        pointwise = nn.Conv2d(sizes[-1], BOTTLENECK, 1, bias=False)
        self.encoder = nn.Sequential(
            *(_down(*pair) for pair in pairwise(sizes)),
            nn.Sequential(pointwise, nn.BatchNorm2d(BOTTLENECK), nn.LeakyReLU()),
            nn.Flatten(),
            nn.Linear(FLAT, 2 * latent),
        )

    def forward(self, frames: Tensor) -> Tensor:
        """Encode ``frames`` (batch, 1, 28, 28); returns (batch, 2 * latent): means, log variances."""
        encoded: Tensor = self.encoder(frames)
        return encoded


class Decoder(nn.Module):
    """Latent vectors to frames; the output is non-negative.

    Parameters
    ----------
    latent : int
        Number of latent means.
    """

    def __init__(self, latent: int) -> None:
        super().__init__()
        sizes = (BOTTLENECK, *DECODER_CHANNELS)
        self.decoder = nn.Sequential(
            nn.Linear(latent, BOTTLENECK),
            nn.Unflatten(1, (BOTTLENECK, 1, 1)),
            *(_up(*pair) for pair in pairwise(sizes)),
            nn.ConvTranspose2d(sizes[-1], sizes[-1], 3, stride=2, padding=1, output_padding=1),
            nn.BatchNorm2d(sizes[-1]),
            nn.LeakyReLU(),
            nn.Conv2d(sizes[-1], 1, 7, padding=1),
            nn.ReLU(),
        )

    def forward(self, latents: Tensor) -> Tensor:
        """Decode ``latents`` (batch, latent); returns (batch, 1, 28, 28)."""
        decoded: Tensor = self.decoder(latents)
        return decoded


class Vae(nn.Module):
    """Encoder, sampling and decoder.

    Parameters
    ----------
    latent : int
        Number of latent means.
    """

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.encoder = Encoder(latent)
        self.decoder = Decoder(latent)

    def forward(
        self, frames: Tensor, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Encode, draw one latent vector a frame, decode.

        Parameters
        ----------
        frames : Tensor (batch, 1, 28, 28)
        generator : torch.Generator, optional
            Source of the draw, on the device of ``frames``.

        Returns
        -------
        reconstruction : Tensor (batch, 1, 28, 28)
        mean, log_variance : Tensor (batch, latent)
        """
        mean, log_variance = self.encoder(frames).chunk(2, dim=1)
        noise = torch.empty_like(mean).normal_(generator=generator)
        return self.decoder(mean + noise * torch.exp(0.5 * log_variance)), mean, log_variance
