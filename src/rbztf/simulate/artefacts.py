"""Base of all kinds of artefacts: the description of one artefact, and the interface of a kind.

Each kind is a module in :mod:`rbztf.simulate.kinds`. The shapes follow real frames of each
kind: ghosts with edges and charge-spill bars with rounded ends, bleeding columns that taper to
a tip, and so on.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from rbztf.simulate.psf import Image, Seeing
from rbztf.ztf import SIZE_PIX

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Mark:
    """One artefact in one frame.

    Attributes
    ----------
    kind : str
        A name in :data:`rbztf.ztf.FRAME_KINDS`.
    level_dn : float
        Brightness per pixel where it is brightest; negative for a dark column.
    x_pix, y_pix : float
        Position of its centre relative to the object.
    angle_rad : float
        Its direction.
    size_pix : float
        Its extent: radius, width or length by kind.
    variant : int
        Which of the kind's shapes.
    seed : int
        For its fine structure.
    """

    kind: str
    level_dn: float
    x_pix: float = 0.0
    y_pix: float = 0.0
    angle_rad: float = 0.0
    size_pix: float = 1.0
    variant: int = 0
    seed: int = 0


@dataclass(frozen=True)
class ArtefactTraits:
    """What the artefact of one object keeps from epoch to epoch.

    Attributes
    ----------
    share : float
        Share of epochs affected, where the geometry does not decide.
    strength : float
        Brightness in units of the sky noise; of a bright star its flux in DN, of
        defocusing the radius of the ring in pixels.
    mark : Mark
        The artefact at nominal pointing.
    """

    share: float
    strength: float
    mark: Mark

    @property
    def kind(self) -> str:
        """Name of the kind."""
        return self.mark.kind


@dataclass(frozen=True)
class EpochConditions:
    """Properties of the exposures that matter to artefacts; arrays of shape (n,), one value per epoch.

    Attributes
    ----------
    noise_dn : float64
        Noise of a sky pixel.
    dx_pix, dy_pix : float64
        Pointing offset: the object's pixel minus its nominal one.
    edge_pix : float64
        Distance of the object from the nearest edge of the chip (negative outside).
    """

    noise_dn: NDArray[np.float64]
    dx_pix: NDArray[np.float64]
    dy_pix: NDArray[np.float64]
    edge_pix: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.noise_dn)


class ArtefactKind(ABC):
    """A kind of artefact: how often it occurs, how it changes from epoch to epoch, how it looks.

    Every method draws from the generator it is given alone, in a fixed order, so the sky of a
    seed never changes.
    """

    share: ClassVar[float]
    """Of the artefact objects, roughly as in the SNAD knowledge base; rare kinds made less rare."""
    near_edge: ClassVar[bool] = False
    """Whether its objects lie near the edge of the chip."""
    accident: ClassVar[int] = 0
    """Rank among the kinds that can spoil a frame of any object; 0 for kinds that do not.
    The order of the ranks is part of what a seed means."""
    scatter_mag: ClassVar[float | None] = None
    """Calibration noise of the epochs it affects, where it differs from that of all epochs."""

    @abstractmethod
    def draw(self, rng: np.random.Generator, mark: Mark) -> ArtefactTraits:
        """Traits of one object's artefact, from a ``mark`` with direction, edge (variant) and seed."""

    @abstractmethod
    def in_epoch(
        self, rng: np.random.Generator, traits: ArtefactTraits, conditions: EpochConditions, k: int
    ) -> Mark:
        """The artefact in the frame of epoch ``k``."""

    @abstractmethod
    def paint(self, mark: Mark, dx: Image, dy: Image, seeing: Seeing) -> Image:
        """DN to add to a frame, (28, 28); ``dx`` and ``dy`` are offsets of the pixels from the mark."""

    def affected(
        self, rng: np.random.Generator, traits: ArtefactTraits, conditions: EpochConditions, hit: Bools
    ) -> Bools:
        """Epochs whose frames show it, (n,) bool; ``hit`` is true for a share ``traits.share`` of them."""
        return hit

    def seeing(self, mark: Mark, seeing: Seeing) -> Seeing:
        """The PSF of a frame with this artefact."""
        return seeing


def few_epochs(rng: np.random.Generator, traits: ArtefactTraits, n: int) -> Bools:
    """A few of ``n`` epochs, at least one: for what passes by rather than stays, (n,) bool."""
    count = min(n, max(1, int(rng.poisson(traits.share * n))))
    return np.isin(np.arange(n), rng.choice(n, count, replace=False))


def level_dn(rng: np.random.Generator, traits: ArtefactTraits, conditions: EpochConditions, k: int) -> float:
    """Brightness in epoch ``k``, 30 % around ``traits.strength`` times the noise of the sky."""
    return traits.strength * float(conditions.noise_dn[k]) * float(np.exp(rng.normal(0, 0.3)))


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """A number whose logarithm is uniform between those of ``low`` and ``high``."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def nothing() -> Image:
    """An empty frame."""
    return np.zeros((SIZE_PIX, SIZE_PIX))


def soft_edge(distance_pix: Image, softness_pix: float) -> Image:
    """1 inside (negative distance), 0 outside."""
    result: Image = 1 / (1 + np.exp(np.clip(distance_pix / softness_pix, -40, 40)))
    return result


def along_and_across(mark: Mark, dx: Image, dy: Image) -> tuple[Image, Image]:
    """Coordinates along and across the mark's direction."""
    cos, sin = np.cos(mark.angle_rad), np.sin(mark.angle_rad)
    return dx * cos + dy * sin, dy * cos - dx * sin
