"""Diffraction spikes of bright stars outside the frame."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rbztf.simulate.artefacts import (
    ArtefactKind,
    ArtefactTraits,
    EpochConditions,
    Mark,
    along_and_across,
    level_dn,
    log_uniform,
)
from rbztf.simulate.psf import Image, Seeing


class Spike(ArtefactKind):
    """An arm of the cross of a bright star, nearly along rows or columns."""

    share = 0.11

    def draw(self, rng: np.random.Generator, mark: Mark) -> ArtefactTraits:
        far_pix = float(rng.uniform(16, 60))
        turn = float(rng.choice([0.0, np.pi / 2]) + rng.normal(0, 0.08))
        turn += np.pi / 4 if rng.random() < 0.3 else 0.0
        place = replace(
            mark,
            angle_rad=turn,
            x_pix=-far_pix * np.cos(turn) + float(rng.normal(0, 1.5)),
            y_pix=-far_pix * np.sin(turn) + float(rng.normal(0, 1.5)),
            size_pix=30.0,
        )
        return ArtefactTraits(float(rng.uniform(0.5, 1.0)), log_uniform(rng, 3, 80), place)

    def in_epoch(
        self, rng: np.random.Generator, traits: ArtefactTraits, conditions: EpochConditions, k: int
    ) -> Mark:
        return replace(
            traits.mark,
            level_dn=level_dn(rng, traits, conditions, k),
            x_pix=traits.mark.x_pix + float(rng.normal(0, 0.7)),
            y_pix=traits.mark.y_pix + float(rng.normal(0, 0.7)),
        )

    def paint(self, mark: Mark, dx: Image, dy: Image, seeing: Seeing) -> Image:
        along, across = along_and_across(mark, dx, dy)
        width = 0.5 + 0.35 * seeing.fwhm_pix
        fade = mark.size_pix / (mark.size_pix + np.abs(along))
        ripple = 1 + 0.2 * np.sin(along * 0.9 + mark.seed % 11)
        return mark.level_dn * fade * ripple * np.exp(-0.5 * (across / width) ** 2)


KIND = Spike()
