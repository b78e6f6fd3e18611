"""Ghosts: reflections, pupil rings and charge-spill bars whose edge passes near the object."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rbztf.simulate.artefacts import (
    ArtefactKind,
    ArtefactTraits,
    EpochConditions,
    Mark,
    level_dn,
    log_uniform,
    soft_edge,
)
from rbztf.simulate.psf import Image, Seeing

DISC, RING, BAR_RIGHT, BAR_LEFT = range(4)
"""Variants."""


class Ghost(ArtefactKind):
    """A wide shape with an edge, somewhere else in each exposure."""

    share = 0.24
    accident = 3

    def draw(self, rng: np.random.Generator, mark: Mark) -> ArtefactTraits:
        variant = int(rng.choice(4, p=[0.35, 0.15, 0.25, 0.25]))
        size = float(rng.uniform(9, 34) if variant in (DISC, RING) else rng.uniform(12, 40))
        place = replace(mark, size_pix=size, variant=variant)
        return ArtefactTraits(float(rng.uniform(0.2, 0.8)), log_uniform(rng, 2, 40), place)

    def in_epoch(
        self, rng: np.random.Generator, traits: ArtefactTraits, conditions: EpochConditions, k: int
    ) -> Mark:
        mark, turn = traits.mark, rng.uniform(0, 2 * np.pi)
        if mark.variant in (BAR_RIGHT, BAR_LEFT):  # its end lies next to the object
            x_pix = (1 if mark.variant == BAR_RIGHT else -1) * rng.uniform(-3, 12)
            y_pix = rng.normal(0, mark.size_pix / 10)
        else:
            reach_pix = mark.size_pix + rng.normal(0, 4)
            x_pix, y_pix = reach_pix * np.cos(turn), reach_pix * np.sin(turn)
        return replace(
            mark, level_dn=level_dn(rng, traits, conditions, k), x_pix=float(x_pix), y_pix=float(y_pix)
        )

    def paint(self, mark: Mark, dx: Image, dy: Image, seeing: Seeing) -> Image:
        radius = np.hypot(dx, dy)
        if mark.variant == DISC:  # a reflection: a wide disc, darker towards its middle
            disc = soft_edge(radius - mark.size_pix, 1.2)
            return mark.level_dn * disc * (0.55 + 0.45 * np.minimum(radius / mark.size_pix, 1) ** 2)
        if mark.variant == RING:  # the pupil
            hole = soft_edge(radius - 0.45 * mark.size_pix, 1.0)
            return mark.level_dn * soft_edge(radius - mark.size_pix, 1.0) * (1 - 0.85 * hole)
        # a charge-spill bar along the rows, with a rounded end and a brighter line
        along = dx if mark.variant == BAR_RIGHT else -dx
        half = max(mark.size_pix / 6, 1.5)
        bar = soft_edge(np.hypot(np.maximum(along, 0), dy) - half, 0.5)
        line = 0.3 * np.exp(-0.5 * (dy / 0.8) ** 2) * soft_edge(along, 1.0)
        return mark.level_dn * (bar + line)


KIND = Ghost()
