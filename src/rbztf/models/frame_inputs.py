"""What a pooled network reads of each frame, and how feature rows are encoded for a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rbztf.features.image import frame_moments
from rbztf.frames.sky_units import MAD_TO_SIGMA

Floats = NDArray[np.float32]
SCALE_FLOOR = 0.1
"""Least robust deviation of a latent within an object, in its deviations over all frames."""
LARGEST_DEVIATION = 15.0
PARTS = 4
BINS = 24


@dataclass(frozen=True)
class FrameParts:
    """An object's frames as any network reads them, but for offset and scale.

    Attributes
    ----------
    values, deviation, step : ndarray (n_frames, k), float32
        Latents, their deviation from the object's median, the size of the step from the frame
        before.
    mad : ndarray (k,), float32
        Median absolute deviation over the object's frames.
    """

    values: Floats
    deviation: Floats
    step: Floats
    mad: Floats

    @classmethod
    def of(cls, sequence: Floats, latents: Sequence[int]) -> FrameParts:
        """The parts of ``sequence``, (n_frames, latent) float32, for some of its latents."""
        values = np.asarray(sequence, np.float32)[:, np.asarray(latents, np.int64)]
        if not len(values):
            return cls(values, values, values, np.zeros(values.shape[1], np.float32))
        deviation = np.asarray(values - np.median(values, axis=0), np.float32)
        step = np.abs(np.diff(values, axis=0, prepend=values[:1]))
        mad = np.asarray(np.median(np.abs(deviation), axis=0), np.float32)
        return cls(values, deviation, step, mad)


@dataclass(frozen=True)
class FrameScaling:
    """Offset and scale of each latent that a network reads.

    Attributes
    ----------
    mean, scale : ndarray (k,), float32
        Over all frames of the training objects.
    """

    mean: Floats
    scale: Floats

    @classmethod
    def fit(cls, objects: Sequence[FrameParts]) -> FrameScaling:
        """Mean and deviation over all frames."""
        mean, variance = frame_moments([parts.values for parts in objects])
        scale = np.maximum(np.sqrt(variance), 1e-12)
        return cls(np.asarray(mean, np.float32), np.asarray(scale, np.float32))

    @property
    def width(self) -> int:
        """Columns per frame of :meth:`inputs`."""
        return PARTS * len(self.mean)

    def inputs(self, parts: FrameParts) -> Floats:
        """What the network reads of an object's frames.

        Returns
        -------
        ndarray (n_frames, 4 k), float32
            Of each latent: its standardised value, its deviation from the object's median, the
            size of its step from the frame before, and the deviation in robust deviations of
            the object (clipped, a third).
        """
        k = len(self.mean)
        out = np.empty((len(parts.values), PARTS * k), np.float32)
        np.divide(parts.values - self.mean, self.scale, out=out[:, :k])
        np.divide(parts.deviation, self.scale, out=out[:, k : 2 * k])
        np.divide(parts.step, self.scale, out=out[:, 2 * k : 3 * k])
        robust = MAD_TO_SIGMA * parts.mad / self.scale + SCALE_FLOOR
        np.clip(out[:, k : 2 * k] / robust, -LARGEST_DEVIATION, LARGEST_DEVIATION, out=out[:, 3 * k :])
        out[:, 3 * k :] /= 3
        return out


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
