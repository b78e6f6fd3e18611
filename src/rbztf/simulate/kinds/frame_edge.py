"""Objects at the edge of the chip: pixels are missing, and the rows next to the edge are bright."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rbztf.simulate.artefacts import (
    ArtefactKind,
    ArtefactTraits,
    Bools,
    EpochConditions,
    Mark,
    level_dn,
    log_uniform,
)
from rbztf.simulate.psf import Image, Seeing
from rbztf.ztf import SIZE_PIX

REACH_PIX = SIZE_PIX / 2
"""An object nearer than this to the chip's edge has missing pixels in its frame."""
TOWARDS = ((-1, 0), (1, 0), (0, -1), (0, 1))
"""Direction (x, y) of the edge by variant: left, right, bottom, top."""


class FrameEdge(ArtefactKind):
    """A glow that fades with the distance from the edge, in the epochs that reach it."""

    share = 0.07
    near_edge = True
    scatter_mag = 0.15

    def draw(self, rng: np.random.Generator, mark: Mark) -> ArtefactTraits:
        strength = log_uniform(rng, 1, 30)
        return ArtefactTraits(1.0, strength, replace(mark, size_pix=float(rng.uniform(1, 5))))

    def affected(
        self, rng: np.random.Generator, traits: ArtefactTraits, conditions: EpochConditions, hit: Bools
    ) -> Bools:
        reached: Bools = conditions.edge_pix < REACH_PIX
        return reached

    def in_epoch(
        self, rng: np.random.Generator, traits: ArtefactTraits, conditions: EpochConditions, k: int
    ) -> Mark:
        edge_pix = float(conditions.edge_pix[k])
        x_sign, y_sign = TOWARDS[traits.mark.variant]
        level = level_dn(rng, traits, conditions, k)
        return replace(traits.mark, level_dn=level, x_pix=x_sign * edge_pix, y_pix=y_sign * edge_pix)

    def paint(self, mark: Mark, dx: Image, dy: Image, seeing: Seeing) -> Image:
        along_x = TOWARDS[mark.variant][0] != 0
        distance = np.abs(dx + 0 * dy) if along_x else np.abs(dy + 0 * dx)
        return mark.level_dn * np.exp(-distance / mark.size_pix)


KIND = FrameEdge()
