"""Auxiliary heads: linear predictions from the latent means, trained with the autoencoder.

Most of a reconstruction error comes from sky and noise, little from a sharp pixel or a missing
star. Two heads predict such things directly: simple measures of the frame, known for every
frame, and the artefact, known for simulated and labelled ones. They are linear, so that a
linear classifier can use the same information. They are dropped after training.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from rbztf.config import VaeSection
from rbztf.frames.normalise import SOFTENING
from rbztf.models.vae.training_frames import UNKNOWN_KIND
from rbztf.ztf import FRAME_KINDS, SIZE_PIX

WIDTHS_PIX = (0.0, 0.7, 1.2, 2.0, 3.5, 6.0)
"""Standard deviations of the Gaussians that frames are smoothed with before measuring."""
CENTRE_PIX = 10
CENTRE = slice((SIZE_PIX - CENTRE_PIX) // 2, (SIZE_PIX + CENTRE_PIX) // 2)
"""Pixels, along either axis, around the object."""
INNER = slice(3, 7)
PEAK = slice(4, 6)
"""The same within ``CENTRE``."""
BRIGHTEST = (2, 4, 9)
"""Pixels compared with the brightest one, by rank: few are bright in a cosmic ray, many in a star."""
LEAST_PEAK = 3.0
N_MEASURES = 7 * len(WIDTHS_PIX) - 1 + len(BRIGHTEST)


class Measures(nn.Module):
    """Simple measures of frames, each standardised over the training frames."""

    smoothing: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("smoothing", torch.from_numpy(_smoothing()), persistent=False)
        self.scale = nn.BatchNorm1d(N_MEASURES, affine=False)

    @torch.no_grad()
    def forward(self, values: Tensor, *, stretched: bool) -> Tensor:
        """Measure ``values`` (batch, 1, 28, 28); returns (batch, N_MEASURES), standardised.

        At each width: highest, lowest and mean of the centre, its spread, highest and lowest
        of the frame; then how much of the peak each wider Gaussian leaves, and how steeply the
        brightest pixels fall. All through asinh.
        """
        frames = SOFTENING * torch.sinh(values[:, 0]) if stretched else values[:, 0]
        smooth = self.smoothing @ frames[:, None] @ self.smoothing.transpose(1, 2)
        centre = smooth[:, :, CENTRE, CENTRE]
        inner, peak = centre[:, :, INNER, INNER].flatten(2), centre[:, :, PEAK, PEAK].flatten(2)
        centre, whole = centre.flatten(2), smooth.flatten(2)
        parts = [centre.amax(2), centre.amin(2), peak.mean(2), inner.std(2), whole.amax(2), whole.amin(2)]
        left = LEAST_PEAK * parts[2][:, 1:] / parts[2][:, :-1].clamp(min=LEAST_PEAK)
        ordered = frames[:, CENTRE, CENTRE].flatten(1).topk(max(BRIGHTEST), dim=1).values
        top = ordered[:, :1].clamp(min=LEAST_PEAK)
        steepness = LEAST_PEAK * ordered[:, [rank - 1 for rank in BRIGHTEST]] / top
        measured = torch.cat([*parts, left, steepness], dim=1)
        scaled: Tensor = self.scale(torch.asinh(measured))
        return scaled


def _smoothing() -> NDArray[np.float32]:
    """Matrices that smooth along one axis, (widths, 28, 28), their rows adding up to 1."""
    distance = np.arange(SIZE_PIX)[:, None] - np.arange(SIZE_PIX)[None, :]
    matrices = [np.exp(-0.5 * (distance / width) ** 2) if width else np.eye(SIZE_PIX) for width in WIDTHS_PIX]
    stack = np.stack(matrices)
    return np.asarray(stack / stack.sum(axis=2, keepdims=True), np.float32)


class Heads(nn.Module):
    """The auxiliary heads and their losses.

    Parameters
    ----------
    latent : int
        Number of latent means.
    """

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.measures = Measures()
        self.measure = nn.Linear(latent, N_MEASURES)
        self.artefact = nn.Linear(latent, 1 + len(FRAME_KINDS))  # clean, or one of them

    def forward(
        self, mean: Tensor, values: Tensor, kinds: Tensor, section: VaeSection, *, stretched: bool
    ) -> tuple[Tensor, Tensor]:
        """Losses of both heads, scalars; 0 where the weight is 0 or no kind is known.

        Parameters
        ----------
        mean : Tensor (batch, latent)
        values : Tensor (batch, 1, 28, 28)
        kinds : Tensor (batch,), int64
        """
        measured = known = mean.new_zeros(())
        if section.measure_weight:
            measured = F.smooth_l1_loss(self.measure(mean), self.measures(values, stretched=stretched))
        rows = kinds != UNKNOWN_KIND
        if section.artefact_weight and rows.any():
            known = F.cross_entropy(self.artefact(mean[rows]), kinds[rows])
        return measured, known
