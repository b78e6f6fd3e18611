"""Defocusing: epochs in which all stars are rings. It changes the PSF and adds no light of its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rbztf.simulate.artefacts import ArtefactKind, ArtefactTraits, EpochConditions, Mark, nothing
from rbztf.simulate.psf import Image, Seeing


class Defocusing(ArtefactKind):
    """A telescope out of focus; the size of its mark is the radius of the rings."""

    share = 0.12
    accident = 4

    def draw(self, rng: np.random.Generator, mark: Mark) -> ArtefactTraits:
        return ArtefactTraits(float(rng.uniform(0.12, 0.6)), float(rng.uniform(2.5, 6.0)), mark)

    def in_epoch(
        self, rng: np.random.Generator, traits: ArtefactTraits, conditions: EpochConditions, k: int
    ) -> Mark:
        return replace(
            traits.mark,
            size_pix=traits.strength * float(rng.uniform(0.75, 1.25)),
            angle_rad=float(rng.uniform(0, 2 * np.pi)),
        )

    def paint(self, mark: Mark, dx: Image, dy: Image, seeing: Seeing) -> Image:
        return nothing()

    def seeing(self, mark: Mark, seeing: Seeing) -> Seeing:
        return replace(seeing, angle_rad=mark.angle_rad, donut_pix=mark.size_pix)


KIND = Defocusing()
