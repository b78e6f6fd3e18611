"""Bad columns of the chip, bright or dark, and traps that spoil one side of a row only."""

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

REACH_PIX = SIZE_PIX / 2 - 1
"""A column further than this from the object is outside its frame."""
TRAP = 1
"""Variant of which only one side of a row is bad."""


class Column(ArtefactKind):
    """One to three columns at a fixed place on the chip, to which the object moves relatively."""

    share = 0.14

    def draw(self, rng: np.random.Generator, mark: Mark) -> ArtefactTraits:
        place = replace(
            mark,
            x_pix=float(rng.normal(0, 4)),
            size_pix=float(rng.integers(1, 4)),
            variant=int(rng.random() < 0.3),
        )
        sign = -1 if rng.random() < 0.4 else 1
        return ArtefactTraits(float(rng.uniform(0.4, 1.0)), sign * log_uniform(rng, 3, 80), place)

    def affected(
        self, rng: np.random.Generator, traits: ArtefactTraits, conditions: EpochConditions, hit: Bools
    ) -> Bools:
        near: Bools = np.abs(traits.mark.x_pix - conditions.dx_pix) < REACH_PIX
        return hit & near

    def in_epoch(
        self, rng: np.random.Generator, traits: ArtefactTraits, conditions: EpochConditions, k: int
    ) -> Mark:
        x_pix = traits.mark.x_pix - float(conditions.dx_pix[k])
        return replace(traits.mark, level_dn=level_dn(rng, traits, conditions, k), x_pix=x_pix)

    def paint(self, mark: Mark, dx: Image, dy: Image, seeing: Seeing) -> Image:
        width = max(round(mark.size_pix), 1)
        first = np.floor(dx + 0.5)
        inside = (first >= 0) & (first < width)
        rows = np.ones((SIZE_PIX, 1))
        if mark.variant == TRAP:
            rows = np.broadcast_to((dy > mark.seed % 9 - 4).astype(float), (SIZE_PIX, 1))
        return mark.level_dn * inside * rows


KIND = Column()
