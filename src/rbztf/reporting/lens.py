"""What the encoder makes of frames: vectors, and reconstructions with what they leave."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from rbztf.frames.background import usable_frames
from rbztf.models.vae.bundle import EncoderBundle
from rbztf.models.vae.encoder_inputs import usable_facts
from rbztf.reporting.sprites import sheet, webp
from rbztf.stores.object_file import ObjectCutouts

RECONSTRUCTED = 8
"""Frames of an object that are shown as the autoencoder sees them."""


@dataclass(frozen=True)
class Lens:
    """An encoder, and where it runs."""

    encoder: EncoderBundle
    device: torch.device

    @cached_property
    def reconstructs(self) -> bool:
        """Whether it has a decoder."""
        return self.encoder.decoder is not None

    def vectors(self, cutouts: ObjectCutouts) -> NDArray[np.float32]:
        """Latent means and side channels of the usable frames, (n, latent) float32."""
        frames = cutouts.frames[usable_frames(cutouts.frames)]
        if not len(frames):
            return np.empty((0, self.encoder.latent), np.float32)
        facts = usable_facts(cutouts, self.encoder.config.frames)
        return self.encoder.embed(frames, self.device, facts)[:, : self.encoder.latent]

    def picture(self, cutouts: ObjectCutouts, numbers: list[int]) -> tuple[list[int], bytes]:
        """Frames as the encoder is given them, their reconstructions, and the difference, one row each.

        Parameters
        ----------
        numbers : list of int
            Frames, the most interesting first.

        Returns
        -------
        list of int
            Those that are in the picture, one column each; empty frames cannot be reconstructed.
        bytes
            WebP. The first two rows have one grey scale in each column; in the third grey is no difference.
        """
        usable = usable_frames(cutouts.frames)
        places = np.cumsum(usable) - 1
        numbers = [number for number in numbers if usable[number]][:RECONSTRUCTED]
        if not numbers:
            return [], b""
        chosen = places[numbers]
        facts = usable_facts(cutouts, self.encoder.config.frames)
        inputs = self.encoder.inputs(
            cutouts.frames[usable][chosen], facts[chosen] if facts is not None else None
        )
        given = np.asarray(inputs.values, np.float32).reshape(len(numbers), *cutouts.frames.shape[1:])
        made = self.encoder.reconstruct(inputs, self.device).reshape(given.shape)
        return numbers, webp(
            sheet(*_painted(given, made, ~np.isfinite(cutouts.frames[numbers])), len(numbers))
        )


def _painted(
    given: NDArray[np.float32], made: NDArray[np.float32], no_data: NDArray[np.bool_]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Three rows of tiles in grey, and which pixels have no data."""
    low, high = (np.percentile(given, q, axis=(1, 2))[:, None, None] for q in (1, 99.7))
    span = np.maximum(high - low, 1e-6)
    shares = [(given - low) / span, (made - low) / span, (given - made) / span / 2 + 0.5]
    tiles = np.clip(np.concatenate(shares), 0, 1) * 255
    empty = np.zeros_like(no_data)
    return tiles.astype(np.uint8), np.concatenate([no_data, empty, no_data])
