"""Bright stars close by: their glow, and charge that bleeds along the columns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rbztf.simulate.artefacts import (
    ArtefactKind,
    ArtefactTraits,
    EpochConditions,
    Mark,
    log_uniform,
    soft_edge,
)
from rbztf.simulate.psf import Image, Seeing, moffat

BLEEDING = 1
"""Variant whose charge bleeds."""
BLEED_DN = 6e4
BLEED_LENGTH_PIX = 32


class BrightStar(ArtefactKind):
    """A star 7 to 19 pixels from the object, in every epoch; its level is its flux in DN."""

    share = 0.12

    def draw(self, rng: np.random.Generator, mark: Mark) -> ArtefactTraits:
        far_pix, turn = float(rng.uniform(7, 19)), float(rng.uniform(0, 2 * np.pi))
        place = replace(
            mark,
            x_pix=far_pix * np.cos(turn),
            y_pix=far_pix * np.sin(turn),
            size_pix=float(rng.uniform(1, 4)),
            variant=int(rng.random() < 0.45),
        )
        return ArtefactTraits(1.0, log_uniform(rng, 2e5, 8e6), place)

    def in_epoch(
        self, rng: np.random.Generator, traits: ArtefactTraits, conditions: EpochConditions, k: int
    ) -> Mark:
        return replace(traits.mark, level_dn=traits.strength * float(np.exp(rng.normal(0, 0.05))))

    def paint(self, mark: Mark, dx: Image, dy: Image, seeing: Seeing) -> Image:
        glow = 0.97 * moffat(dx, dy, seeing.fwhm_pix, seeing.axis_ratio, seeing.angle_rad)
        glow = glow + 0.03 * moffat(dx, dy, 5 * seeing.fwhm_pix, beta=1.6)
        image = mark.level_dn * glow
        if mark.variant == BLEEDING:  # along the columns, tapering to a tip
            taper = np.clip(mark.size_pix * (1 - np.abs(dy) / BLEED_LENGTH_PIX), 0, None)
            image = image + BLEED_DN * soft_edge(np.abs(dx) - taper, 0.25) * (np.abs(dy) < BLEED_LENGTH_PIX)
        return image


KIND = BrightStar()
