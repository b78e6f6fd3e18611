"""What a pooled network reads of each frame, and how feature rows are encoded for a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rbztf.features.latent_statistics import frame_moments, varying_latents
from rbztf.frames.background import MAD_TO_SIGMA

Floats = NDArray[np.float32]
SCALE_FLOOR = 0.1
"""Least robust deviation of a latent within an object, in its deviations over all frames."""
LARGEST_DEVIATION = 15.0
PARTS = 4
"""Columns that each latent has."""
PHOTOMETRY_COLUMNS = 7
"""Columns that time and magnitude have, where they are read; the last ones."""
MAG_FLOOR = 0.02
"""Least robust deviation of the magnitudes of an object."""
LARGEST_MAG = 3.0


@dataclass(frozen=True)
class FrameReader:
    """How the frames of an object become the columns that networks read.

    Attributes
    ----------
    latents : tuple of int
        Latent means that are read, k of them.
    mean, scale : ndarray (k,), float32
        Of each over all frames of the training objects.
    photometry : bool
        Whether time and magnitude are read.
    """

    latents: tuple[int, ...]
    mean: Floats
    scale: Floats
    photometry: bool

    @classmethod
    def fit(
        cls,
        sequences: Sequence[Floats],
        photometry: Sequence[NDArray[np.float64]],
        least_spread: float,
        *,
        with_photometry: bool = True,
    ) -> FrameReader:
        """Choose latents, and scale them, by the frames of the training objects.

        Parameters
        ----------
        sequences : sequence of ndarray (n_frames, latent), float32
        photometry : sequence of ndarray (n_frames, 3), float64
            Time (HJD, d), magnitude and its error; NaN where unknown.
        least_spread : float
            See :func:`rbztf.features.latent_statistics.varying_latents`.
        with_photometry : bool
            Whether to read time and magnitude, if the magnitude of any frame is known.
        """
        seen = [sequence for sequence in sequences if len(sequence)]
        if not seen:
            return cls((), np.empty(0, np.float32), np.empty(0, np.float32), False)
        mean, variance = frame_moments(seen)
        latents = varying_latents(variance, least_spread)
        mean, variance = mean[list(latents)], variance[list(latents)]
        known = with_photometry and any(np.isfinite(rows[:, 1]).any() for rows in photometry)
        scale = np.maximum(np.sqrt(variance), 1e-12)
        return cls(latents, mean.astype(np.float32), scale.astype(np.float32), known)

    @property
    def width(self) -> int:
        """Columns per frame of :meth:`inputs`."""
        return PARTS * len(self.latents) + PHOTOMETRY_COLUMNS * self.photometry

    def inputs(self, sequence: Floats, photometry: NDArray[np.float64]) -> Floats:
        """What networks read of an object's frames.

        Parameters
        ----------
        sequence : ndarray (n_frames, latent), float32
        photometry : ndarray (n_frames, 3), float64

        Returns
        -------
        ndarray (n_frames, width), float32
            Of each latent: its standardised value, its deviation from the object's median, the
            size of its step from the frame before, and the deviation in robust deviations of
            the object (clipped, a third). Then, where it is read, the :func:`photometry_columns`.
        """
        k = len(self.latents)
        out = np.empty((len(sequence), self.width), np.float32)
        if not len(sequence):
            return out
        values = np.asarray(sequence, np.float32)[:, list(self.latents)]
        deviation = np.asarray(values - np.median(values, axis=0), np.float32)
        mad = np.asarray(np.median(np.abs(deviation), axis=0), np.float32)
        np.divide(values - self.mean, self.scale, out=out[:, :k])
        np.divide(deviation, self.scale, out=out[:, k : 2 * k])
        steps = np.abs(np.diff(values, axis=0, prepend=values[:1]))
        np.divide(steps, self.scale, out=out[:, 2 * k : 3 * k])
        robust = out[:, 3 * k : 4 * k]
        np.divide(out[:, k : 2 * k], MAD_TO_SIGMA * mad / self.scale + SCALE_FLOOR, out=robust)
        np.clip(robust, -LARGEST_DEVIATION, LARGEST_DEVIATION, out=robust)
        robust /= 3
        if self.photometry:
            out[:, 4 * k :] = photometry_columns(photometry)
        return out

    def tensors(self) -> dict[str, Tensor]:
        """All arrays, for a bundle."""
        return {
            "reader.latents": torch.tensor(self.latents, dtype=torch.int64),
            "reader.mean": torch.from_numpy(self.mean),
            "reader.scale": torch.from_numpy(self.scale),
            "reader.photometry": torch.tensor(self.photometry),
        }

    @classmethod
    def restore(cls, tensors: Mapping[str, Tensor]) -> FrameReader:
        """A reader from its :meth:`tensors`.

        Raises
        ------
        KeyError
            If one is missing.
        """
        latents = tuple(tensors["reader.latents"].tolist())
        mean, scale = (tensors[f"reader.{name}"].numpy() for name in ("mean", "scale"))
        return cls(latents, mean, scale, bool(tensors["reader.photometry"]))


def photometry_columns(photometry: NDArray[np.float64]) -> Floats:
    """Time and magnitude of an object's frames as a network reads them.

    Parameters
    ----------
    photometry : ndarray (n_frames, 3), float64
        Time (HJD, d), magnitude and its error; NaN where unknown.

    Returns
    -------
    ndarray (n_frames, 7), float32
        1 where the magnitude is known; its deviation from the object's median, in magnitudes and in robust
        deviations of the object (clipped, a third); the size of its step from the frame before;
        the log of its error over the median one; log10(1 + days) since the frame before and
        to the next. 0 where unknown.
    """
    time, mag, error = np.where(np.isfinite(photometry), photometry, np.nan).T
    columns = np.zeros((PHOTOMETRY_COLUMNS, len(time)))
    known = np.isfinite(mag)
    columns[0] = known
    if known.any():
        deviation = mag - np.median(mag[known])
        spread = MAD_TO_SIGMA * np.median(np.abs(deviation[known])) + MAG_FLOOR
        columns[1] = np.clip(deviation, -LARGEST_MAG, LARGEST_MAG)
        columns[2] = np.clip(deviation / spread, -LARGEST_DEVIATION, LARGEST_DEVIATION) / 3
        columns[3] = np.clip(np.abs(np.diff(mag, prepend=mag[:1])), 0, LARGEST_MAG)
    sure = error > 0
    if sure.any():
        ratio = np.where(sure, error, np.nan) / np.median(error[sure])
        columns[4] = np.clip(np.log(ratio), -LARGEST_MAG, LARGEST_MAG)
    gaps = np.log10(1 + np.abs(np.diff(time)))
    columns[5, 1:], columns[6, :-1] = gaps, gaps
    return np.asarray(np.nan_to_num(columns.T, nan=0.0), np.float32)
