"""Tracks of satellites and aircraft: lines that cross a frame once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rbztf.simulate.artefacts import (
    ArtefactKind,
    ArtefactTraits,
    Bools,
    EpochConditions,
    Mark,
    along_and_across,
    few_epochs,
    level_dn,
    log_uniform,
)
from rbztf.simulate.psf import Image, Seeing

STEADY, TUMBLING, TWO_LIGHTS = range(3)
"""Variants."""


class Track(ArtefactKind):
    """A line as wide as the PSF, through the object, in few epochs."""

    share = 0.13
    accident = 1

    def draw(self, rng: np.random.Generator, mark: Mark) -> ArtefactTraits:
        return ArtefactTraits(float(rng.uniform(0.03, 0.12)), log_uniform(rng, 6, 150), mark)

    def affected(
        self, rng: np.random.Generator, traits: ArtefactTraits, conditions: EpochConditions, hit: Bools
    ) -> Bools:
        return few_epochs(rng, traits, len(conditions))

    def in_epoch(
        self, rng: np.random.Generator, traits: ArtefactTraits, conditions: EpochConditions, k: int
    ) -> Mark:
        return replace(
            traits.mark,
            level_dn=level_dn(rng, traits, conditions, k),
            angle_rad=float(rng.uniform(0, np.pi)),
            x_pix=float(rng.normal(0, 1.6)),
            y_pix=float(rng.normal(0, 1.6)),
            size_pix=float(rng.uniform(0.8, 1.8)),
            variant=int(rng.choice(3, p=[0.7, 0.18, 0.12])),
        )

    def paint(self, mark: Mark, dx: Image, dy: Image, seeing: Seeing) -> Image:
        along, across = along_and_across(mark, dx, dy)
        width = seeing.fwhm_pix / 2.355 * mark.size_pix
        line = np.exp(-0.5 * (across / width) ** 2)
        if mark.variant == TUMBLING:
            line = line * (0.55 + 0.45 * np.sin(along / 5 + mark.seed % 7))
        if mark.variant == TWO_LIGHTS:  # an aircraft
            line = line + 0.7 * np.exp(-0.5 * ((across - 6.5) / width) ** 2)
        return mark.level_dn * line


KIND = Track()
