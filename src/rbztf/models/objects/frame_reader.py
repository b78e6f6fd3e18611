"""How the latent means of an object's frames become the columns that networks of an ensemble read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rbztf.features.latent_statistics import frame_moments, varying_latents
from rbztf.frames.background import MAD_TO_SIGMA
from rbztf.models.bundle import array_in
from rbztf.models.objects.frame_kinds import FrameKinds, SimulatedVectors

Floats = NDArray[np.float32]
SCALE_FLOOR = 0.1
"""Least robust deviation of a latent within an object, in its deviations over all frames."""
LARGEST_DEVIATION = 15.0
MOST_FRAMES = 200_000
"""Real frames that tell the network of kinds where real ones lie."""
PARTS = 4
"""Columns that each latent has."""


@dataclass(frozen=True)
class FrameReader:
    """How the frames of an object become the columns that networks read.

    Attributes
    ----------
    latents : tuple of int
        Columns of :meth:`read` that are read, k of them.
    mean, scale : ndarray (k,), float32
        Of each over all frames of the training objects.
    kinds : FrameKinds or None
        A network whose answers follow the columns of a frame's vector.
    """

    latents: tuple[int, ...]
    mean: Floats
    scale: Floats
    kinds: FrameKinds | None = None

    @classmethod
    def fit(
        cls,
        sequences: Sequence[Floats],
        least_spread: float,
        simulated: SimulatedVectors | None = None,
        seed: int = 0,
    ) -> FrameReader:
        """Choose latents, and scale them, by the frames of the training objects.

        Parameters
        ----------
        sequences : sequence of ndarray (n_frames, latent), float32
        least_spread : float
            See :func:`rbztf.features.latent_statistics.varying_latents`.
        simulated : SimulatedVectors, optional
            From which a network learns kinds; a fixed share of the real frames tells it where real ones lie.
        """
        seen = [sequence for sequence in sequences if len(sequence)]
        if not seen:
            return cls((), np.empty(0, np.float32), np.empty(0, np.float32))
        mean, variance = frame_moments(seen)
        latents = varying_latents(variance, least_spread)
        kinds = None
        if simulated is not None and latents:
            kinds = FrameKinds.fit(_some(seen), simulated, latents, seed)
            told = [kinds.read(sequence) for sequence in seen]
            more_mean, more_variance = frame_moments(told)
            latents = (*latents, *range(len(mean), len(mean) + len(kinds)))
            mean, variance = np.append(mean, more_mean), np.append(variance, more_variance)
        mean, variance = mean[list(latents)], variance[list(latents)]
        scale = np.maximum(np.sqrt(variance), 1e-12)
        return cls(latents, mean.astype(np.float32), scale.astype(np.float32), kinds)

    @property
    def width(self) -> int:
        """Columns per frame of :meth:`inputs`."""
        return PARTS * len(self.latents)

    def read(self, sequence: Floats) -> Floats:
        """The columns of an object's frames, and what the network of kinds says of each, (n_frames, …) float32."""
        if self.kinds is None:
            return sequence
        return np.concatenate([sequence, self.kinds.read(sequence)], axis=1)

    def inputs(self, sequence: Floats) -> Floats:
        """What networks read of an object's frames.

        Parameters
        ----------
        sequence : ndarray (n_frames, latent), float32

        Returns
        -------
        ndarray (n_frames, width), float32
            Of each latent: its standardised value, its deviation from the object's median, the
            size of its step from the frame before, and the deviation in robust deviations of
            the object (clipped, a third).
        """
        k = len(self.latents)
        out = np.empty((len(sequence), self.width), np.float32)
        if not len(sequence):
            return out
        values = np.asarray(self.read(sequence), np.float32)[:, list(self.latents)]
        deviation = np.asarray(values - np.median(values, axis=0), np.float32)
        mad = np.asarray(np.median(np.abs(deviation), axis=0), np.float32)
        np.divide(values - self.mean, self.scale, out=out[:, :k])
        np.divide(deviation, self.scale, out=out[:, k : 2 * k])
        steps = np.abs(np.diff(values, axis=0, prepend=values[:1]))
        np.divide(steps, self.scale, out=out[:, 2 * k : 3 * k])
        robust = out[:, 3 * k :]
        np.divide(out[:, k : 2 * k], MAD_TO_SIGMA * mad / self.scale + SCALE_FLOOR, out=robust)
        np.clip(robust, -LARGEST_DEVIATION, LARGEST_DEVIATION, out=robust)
        robust /= 3
        return out

    def tensors(self) -> dict[str, Tensor]:
        """All arrays, for a bundle."""
        return {
            "reader.latents": torch.tensor(self.latents, dtype=torch.int64),
            "reader.mean": torch.from_numpy(self.mean),
            "reader.scale": torch.from_numpy(self.scale),
            **(self.kinds.tensors() if self.kinds is not None else {}),
        }

    @classmethod
    def restore(cls, tensors: Mapping[str, Tensor]) -> FrameReader:
        """A reader from its :meth:`tensors`.

        Raises
        ------
        KeyError, ValueError
            If one is missing or not sound, or they are of different lengths.
        """
        latents = array_in(tensors, "reader.latents", torch.int64)
        mean, scale = (array_in(tensors, f"reader.{name}", torch.float32) for name in ("mean", "scale"))
        if latents.ndim != 1 or not mean.shape == scale.shape == latents.shape:
            raise ValueError("a mean and a scale of each latent")
        if (latents < 0).any() or len(np.unique(latents)) < len(latents):
            raise ValueError("latents that differ from each other")
        if not (scale > 0).all():
            raise ValueError("a reader.scale above 0")
        return cls(tuple(latents.tolist()), mean, scale, FrameKinds.restore(tensors))


def _some(sequences: Sequence[Floats]) -> Floats:
    """Frames of all objects, evenly chosen, at most :data:`MOST_FRAMES`."""
    frames = np.concatenate(sequences)
    return frames[:: -(-len(frames) // MOST_FRAMES)]
