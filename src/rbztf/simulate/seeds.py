"""Random generators, one for each purpose and object, so results do not depend on the order of drawing."""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """What a random stream is for; the numbers are part of the seed, so they never change."""

    CATALOGUE = 1
    FIELD = 2
    EXPOSURES = 3
    QUADRANT = 4
    OBJECT = 5
    SCENE = 6
    VARIABILITY = 7
    TROUBLE = 8
    PHOTOMETRY = 9
    NOISE = 10
    TILE = 12
    ORDINARY = 13


def stream(seed: int, purpose: Stream, *keys: int) -> np.random.Generator:
    """A generator for ``purpose`` that only ``seed`` and ``keys`` (non-negative integers) decide."""
    return np.random.default_rng([seed, int(purpose), *(int(key) for key in keys)])
