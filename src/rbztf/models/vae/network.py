"""The variational autoencoder of RB_ZTF: encoder and decoder of 28 x 28-pixel frames.

Layers, initialisation and state-dict keys follow Semenikhin (2024), Systems and Means of
Informatics 34(1), 70-79, and the repository semtim/RB_ZTF, so its weights load unchanged.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from rbztf.config import FramesSection, VaeSection
from rbztf.ztf import SIZE_PIX

ENCODER_CHANNELS = (32, 64, 128, 256)
DECODER_CHANNELS = (256, 128, 64, 32)
BOTTLENECK = 512
ENCODED_PIX = -(-SIZE_PIX // 2 ** len(ENCODER_CHANNELS))
"""Side of a frame after the encoder's convolutions, each of which halves it."""
COMPACT_CHANNELS = 64
COMPACT_BLOCK_PIX = 4
COMPACT_PIX = SIZE_PIX // COMPACT_BLOCK_PIX
"""Side of a frame in the compact decoder, which lays out blocks of pixels at its end."""
LARGEST_LOG_VARIANCE = 6.0
"""Without a limit, the exponential of one bright frame can spoil the first steps of a training.
Trained encoders, the published ones among them, stay far below."""


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
    channels : int
        1 for the pixels alone, 2 with a channel that says which of them hold data.
    """

    def __init__(self, latent: int, channels: int = 1) -> None:
        super().__init__()
        self.latent, self.channels = latent, channels
        sizes = (channels, *ENCODER_CHANNELS)
        pointwise = nn.Conv2d(sizes[-1], BOTTLENECK, 1, bias=False)
        self.encoder = nn.Sequential(
            *(_down(*pair) for pair in pairwise(sizes)),
            nn.Sequential(pointwise, nn.BatchNorm2d(BOTTLENECK), nn.LeakyReLU()),
            nn.Flatten(),
            nn.Linear(BOTTLENECK * ENCODED_PIX**2, 2 * latent),
        )

    def forward(self, frames: Tensor) -> Tensor:
        """Encode ``frames`` (batch, channels, 28, 28); returns (batch, 2 * latent): means, log variances."""
        encoded: Tensor = self.encoder(frames)
        return encoded


class Decoder(nn.Module):
    """Latent vectors to frames of 28 x 28 pixels, as published; the output is non-negative.

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


class CompactDecoder(nn.Module):
    """Latent vectors to frames of either sign, with all convolutions at a quarter of the size.

    A convolution at 7 x 7 pixels with 16 channels out, laid out as blocks of 4 x 4 pixels
    (sub-pixel convolution, Shi et al. 2016, arXiv:1609.05158), takes the place of the
    reference's layers at full size, which take three quarters of its time.

    Parameters
    ----------
    latent : int
        Number of latent means.
    """

    def __init__(self, latent: int) -> None:
        super().__init__()
        width = COMPACT_CHANNELS
        self.decoder = nn.Sequential(
            nn.Linear(latent, BOTTLENECK),
            nn.LeakyReLU(),
            nn.Linear(BOTTLENECK, width * COMPACT_PIX**2),
            nn.Unflatten(1, (width, COMPACT_PIX, COMPACT_PIX)),
            nn.BatchNorm2d(width),
            nn.LeakyReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.LeakyReLU(),
            nn.Conv2d(width, COMPACT_BLOCK_PIX**2, 3, padding=1),
            nn.PixelShuffle(COMPACT_BLOCK_PIX),
        )

    def forward(self, latents: Tensor) -> Tensor:
        """Decode ``latents`` (batch, latent); returns (batch, 1, 28, 28)."""
        decoded: Tensor = self.decoder(latents)
        return decoded


AnyDecoder = Decoder | CompactDecoder
DECODERS: dict[str, type[Decoder] | type[CompactDecoder]] = {"reference": Decoder, "compact": CompactDecoder}
"""By the name in ``vae.decoder``."""


class Vae(nn.Module):
    """Encoder, sampling and decoder.

    Parameters
    ----------
    encoder : Encoder
    decoder : Decoder or CompactDecoder
    """

    def __init__(self, encoder: Encoder, decoder: AnyDecoder) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(
        self, frames: Tensor, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Encode, draw one latent vector a frame, decode.

        Parameters
        ----------
        frames : Tensor (batch, channels, 28, 28)
        generator : torch.Generator, optional
            Source of the draw, on the device of ``frames``.

        Returns
        -------
        reconstruction : Tensor (batch, 1, 28, 28)
        mean, log_variance : Tensor (batch, latent)
        """
        mean, log_variance = self.encoder(frames).chunk(2, dim=1)
        log_variance = log_variance.clamp(max=LARGEST_LOG_VARIANCE)
        noise = torch.empty_like(mean).normal_(generator=generator)
        return self.decoder(mean + noise * torch.exp(0.5 * log_variance)), mean, log_variance


def make_encoder(frames: FramesSection, section: VaeSection) -> Encoder:
    """The untrained encoder that a configuration describes."""
    return Encoder(section.latent, 2 if frames.invalid == "mask" else 1)


def make_decoder(section: VaeSection) -> AnyDecoder:
    """The untrained decoder that a configuration describes."""
    return DECODERS[section.decoder](section.latent)


def make_vae(frames: FramesSection, section: VaeSection) -> Vae:
    """The untrained autoencoder that a configuration describes."""
    return Vae(make_encoder(frames, section), make_decoder(section))
