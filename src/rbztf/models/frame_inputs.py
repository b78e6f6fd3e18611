"""What a pooled network reads of each frame, and how feature rows are encoded for a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
MAD_TO_SIGMA = 1.4826
"""Of a normal distribution: 1 / quantile(3/4)."""
SCALE_FLOOR = 0.1
"""Least robust deviation of a latent within an object, in its deviations over all frames."""
LARGEST_DEVIATION = 15.0
PARTS = 4
BINS = 12


@dataclass(frozen=True)
class FrameScaling:
    """Which latents a network reads, with offset and scale of each.

    Attributes
    ----------
    latents : ndarray (k,), int64
    mean, scale : ndarray (k,), float32
        Over all frames of the training objects.
    """

    latents: NDArray[np.int64]
    mean: Floats
    scale: Floats

    @classmethod
    def fit(cls, sequences: Sequence[Floats], latents: Sequence[int]) -> FrameScaling:
        """Offset and scale of ``latents``, of which none is constant."""
        count = sum(len(sequence) for sequence in sequences)
        mean = sum(sequence.sum(axis=0, dtype=np.float64) for sequence in sequences) / count
        variance = sum(np.square(sequence - mean).sum(axis=0) for sequence in sequences) / count
        index = np.asarray(latents, np.int64)
        scale = np.maximum(np.sqrt(variance), 1e-12)
        return cls(index, mean[index].astype(np.float32), scale[index].astype(np.float32))

    @property
    def width(self) -> int:
        """Columns per frame of :meth:`inputs`."""
        return PARTS * len(self.latents)

    def inputs(self, sequence: Floats) -> Floats:
        """What the network reads of an object's frames.

        Parameters
        ----------
        sequence : ndarray (n_frames, latent), float32

        Returns
        -------
        ndarray (n_frames, 4 k), float32
            Of each latent kept: its standardised value, its deviation from the object's
            median, the size of its step from the frame before, and the deviation in robust
            deviations of the object (clipped, a third).
        """
        values = (sequence[:, self.latents] - self.mean) / self.scale
        deviation = values - np.median(values, axis=0)
        step = np.abs(np.diff(values, axis=0, prepend=values[:1]))
        robust = MAD_TO_SIGMA * np.median(np.abs(deviation), axis=0) + SCALE_FLOOR
        unusual = np.clip(deviation / robust, -LARGEST_DEVIATION, LARGEST_DEVIATION) / 3
        return np.concatenate([values, deviation, step, unusual], axis=1, dtype=np.float32)


@dataclass(frozen=True)
class RowEncoding:
    """Piecewise-linear encoding of feature rows (Gorishniy et al. 2022, arXiv:2203.05556, section 3.1).

    Attributes
    ----------
    edges : ndarray (k, BINS + 1), float64
        Quantiles of each feature over the training objects, rising.
    median : ndarray (k,), float64
        Stands in for an unknown value.
    """

    edges: NDArray[np.float64]
    median: NDArray[np.float64]

    @classmethod
    def fit(cls, values: NDArray[np.float64]) -> RowEncoding:
        """Edges at equal shares of the training values, (n, k) with NaN where unknown."""
        known = np.where(np.isfinite(values), values, np.nan)
        known[:, ~np.isfinite(known).any(axis=0)] = 0.0
        edges = np.nanquantile(known, np.linspace(0, 1, BINS + 1), axis=0).T
        return cls(np.ascontiguousarray(edges), np.nanmedian(known, axis=0))

    @property
    def width(self) -> int:
        """Columns of an encoded row."""
        return int(self.edges.shape[0] * (self.edges.shape[1] - 1))

    def __call__(self, values: NDArray[np.float64]) -> Floats:
        """Encode rows, (n, k) → (n, k * BINS) float32: how much of each bin a value has passed, less a half."""
        filled = np.where(np.isfinite(values), values, self.median)[:, :, None]
        low, high = self.edges[:, :-1], self.edges[:, 1:]
        width = high - low
        passed = np.where(width > 0, (filled - low) / np.where(width > 0, width, 1), filled > low)
        return np.asarray(np.clip(passed, 0, 1).reshape(len(values), self.width) - 0.5, np.float32)
