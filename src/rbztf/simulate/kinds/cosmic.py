"""Cosmic rays: chains of sharp pixels in single epochs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rbztf.simulate.artefacts import (
    ArtefactKind,
    ArtefactTraits,
    Bools,
    EpochConditions,
    Mark,
    few_epochs,
    level_dn,
    log_uniform,
    nothing,
)
from rbztf.simulate.psf import Image, Seeing
from rbztf.ztf import SIZE_PIX


class Cosmic(ArtefactKind):
    """A particle's path, no wider than one or two pixels, in few epochs."""

    share = 0.07
    accident = 2

    def draw(self, rng: np.random.Generator, mark: Mark) -> ArtefactTraits:
        return ArtefactTraits(float(rng.uniform(0.03, 0.12)), log_uniform(rng, 30, 1500), mark)

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
            angle_rad=float(rng.uniform(0, 2 * np.pi)),
            x_pix=float(rng.normal(0, 1.2)),
            y_pix=float(rng.normal(0, 1.2)),
            size_pix=float(1 + rng.exponential(2.5)),
            seed=int(rng.integers(2**31)),
        )

    def paint(self, mark: Mark, dx: Image, dy: Image, seeing: Seeing) -> Image:
        rng = np.random.default_rng(mark.seed)
        image = nothing()
        steps = np.arange(max(round(mark.size_pix), 1) * 2) / 2
        column0, row0 = -float(dx[0, 0]), -float(dy[0, 0])
        columns = np.round(column0 + steps * np.cos(mark.angle_rad)).astype(int)
        rows = np.round(row0 + steps * np.sin(mark.angle_rad)).astype(int)
        on = (columns >= 0) & (columns < SIZE_PIX) & (rows >= 0) & (rows < SIZE_PIX)
        image[rows[on], columns[on]] = mark.level_dn * rng.uniform(0.35, 1.0, int(on.sum()))
        return image


KIND = Cosmic()
