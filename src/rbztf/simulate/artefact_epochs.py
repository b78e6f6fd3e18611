"""How the artefact of one object behaves from epoch to epoch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rbztf.simulate.artefacts import Mark
from rbztf.simulate.seeds import Stream, stream

BAD_FRAME_RATE = 0.01
"""Share of frames that go wrong for any object, real or not."""
BAD_FRAME_KINDS = ("track", "cosmic", "ghost", "defocusing")
EDGE_REACH_PIX = 14.0
"""An object nearer than this to the chip's edge has missing pixels in its frame."""
COLUMN_REACH_PIX = 13.0
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class EpochConditions:
    """What of the exposures matters to artefacts; arrays of shape (n,), one value per epoch.

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


def marks_of(
    seed: int, oid: int, traits: ArtefactTraits | None, conditions: EpochConditions
) -> tuple[Mark | None, ...]:
    """The mark of each epoch, None where the frame is clean; ``traits`` is None for a real object."""
    rng = stream(seed, Stream.TROUBLE, oid)
    n = len(conditions)
    hit = np.zeros(n, bool) if traits is None else affected_epochs(rng, traits, conditions)
    accidents = rng.random(n) < BAD_FRAME_RATE
    marks: list[Mark | None] = [None] * n
    for k in np.flatnonzero(hit | accidents):
        epoch_rng = stream(seed, Stream.TROUBLE, oid, int(k))
        own = traits if hit[k] else None
        cause = own or draw_traits(epoch_rng, str(epoch_rng.choice(BAD_FRAME_KINDS)))
        marks[k] = _IN_EPOCH[cause.kind](epoch_rng, cause, conditions, int(k))
    return tuple(marks)


def affected_epochs(rng: np.random.Generator, traits: ArtefactTraits, conditions: EpochConditions) -> Bools:
    """Epochs in which the artefact is in the frame, (n,) bool; at least one."""
    n = len(conditions)
    hit: Bools = rng.random(n) < traits.share
    if traits.kind == "frame_edge":
        hit = conditions.edge_pix < EDGE_REACH_PIX
    elif traits.kind == "column":  # a place on the chip, to which the object moves relatively
        hit &= np.abs(traits.mark.x_pix - conditions.dx_pix) < COLUMN_REACH_PIX
    elif traits.kind in ("track", "cosmic"):
        count = min(n, max(1, int(rng.poisson(traits.share * n))))
        hit = np.isin(np.arange(n), rng.choice(n, count, replace=False))
    if not hit.any():
        hit[rng.integers(n)] = True
    return hit


def _ghost_in_epoch(
    rng: np.random.Generator, traits: ArtefactTraits, conditions: EpochConditions, k: int
) -> Mark:
    """A ghost whose edge passes near the object, somewhere else in each exposure."""
    mark, turn = traits.mark, rng.uniform(0, 2 * np.pi)
    if mark.variant >= 2:  # a bar: its end lies beside the object
        x_pix = (1 if mark.variant == 2 else -1) * rng.uniform(-3, 12)
        y_pix = rng.normal(0, mark.size_pix / 10)
    else:
        reach_pix = mark.size_pix + rng.normal(0, 4)
        x_pix, y_pix = reach_pix * np.cos(turn), reach_pix * np.sin(turn)
    return replace(
        mark, level_dn=_level_dn(rng, traits, conditions, k), x_pix=float(x_pix), y_pix=float(y_pix)
    )


def _track_in_epoch(
    rng: np.random.Generator, traits: ArtefactTraits, conditions: EpochConditions, k: int
) -> Mark:
    return replace(
        traits.mark,
        level_dn=_level_dn(rng, traits, conditions, k),
        angle_rad=float(rng.uniform(0, np.pi)),
        x_pix=float(rng.normal(0, 1.6)),
        y_pix=float(rng.normal(0, 1.6)),
        size_pix=float(rng.uniform(0.8, 1.8)),
        variant=int(rng.choice(3, p=[0.7, 0.18, 0.12])),
    )


def _column_in_epoch(
    rng: np.random.Generator, traits: ArtefactTraits, conditions: EpochConditions, k: int
) -> Mark:
    x_pix = traits.mark.x_pix - float(conditions.dx_pix[k])
    return replace(traits.mark, level_dn=_level_dn(rng, traits, conditions, k), x_pix=x_pix)


def _spike_in_epoch(
    rng: np.random.Generator, traits: ArtefactTraits, conditions: EpochConditions, k: int
) -> Mark:
    return replace(
        traits.mark,
        level_dn=_level_dn(rng, traits, conditions, k),
        x_pix=traits.mark.x_pix + float(rng.normal(0, 0.7)),
        y_pix=traits.mark.y_pix + float(rng.normal(0, 0.7)),
    )


def _bright_star_in_epoch(
    rng: np.random.Generator, traits: ArtefactTraits, conditions: EpochConditions, k: int
) -> Mark:
    return replace(traits.mark, level_dn=traits.strength * float(np.exp(rng.normal(0, 0.05))))


def _defocusing_in_epoch(
    rng: np.random.Generator, traits: ArtefactTraits, conditions: EpochConditions, k: int
) -> Mark:
    return replace(
        traits.mark,
        size_pix=traits.strength * float(rng.uniform(0.75, 1.25)),
        angle_rad=float(rng.uniform(0, 2 * np.pi)),
    )


def _frame_edge_in_epoch(
    rng: np.random.Generator, traits: ArtefactTraits, conditions: EpochConditions, k: int
) -> Mark:
    edge_pix = float(conditions.edge_pix[k])
    towards = ((-1, 0), (1, 0), (0, -1), (0, 1))[traits.mark.variant]
    return replace(
        traits.mark,
        level_dn=_level_dn(rng, traits, conditions, k),
        x_pix=towards[0] * edge_pix,
        y_pix=towards[1] * edge_pix,
    )


def _cosmic_in_epoch(
    rng: np.random.Generator, traits: ArtefactTraits, conditions: EpochConditions, k: int
) -> Mark:
    return replace(
        traits.mark,
        level_dn=_level_dn(rng, traits, conditions, k),
        angle_rad=float(rng.uniform(0, 2 * np.pi)),
        x_pix=float(rng.normal(0, 1.2)),
        y_pix=float(rng.normal(0, 1.2)),
        size_pix=float(1 + rng.exponential(2.5)),
        seed=int(rng.integers(2**31)),
    )


def _level_dn(rng: np.random.Generator, traits: ArtefactTraits, conditions: EpochConditions, k: int) -> float:
    return traits.strength * float(conditions.noise_dn[k]) * float(np.exp(rng.normal(0, 0.3)))


_IN_EPOCH: dict[str, Callable[[np.random.Generator, ArtefactTraits, EpochConditions, int], Mark]] = {
    "ghost": _ghost_in_epoch,
    "track": _track_in_epoch,
    "column": _column_in_epoch,
    "spike": _spike_in_epoch,
    "bright_star": _bright_star_in_epoch,
    "defocusing": _defocusing_in_epoch,
    "frame_edge": _frame_edge_in_epoch,
    "cosmic": _cosmic_in_epoch,
}


@dataclass(frozen=True)
class ArtefactTraits:
    """What the artefact of one object keeps from epoch to epoch.

    Attributes
    ----------
    kind : str
    share : float
        Share of epochs affected, where the geometry does not decide.
    strength : float
        Brightness in units of the sky noise; of a bright star its flux in DN, of
        defocusing the radius of the ring in pixels.
    mark : Mark
        The artefact at nominal pointing.
    """

    kind: str
    share: float
    strength: float
    mark: Mark


def draw_traits(rng: np.random.Generator, kind: str, edge: int = 0) -> ArtefactTraits:
    """How an artefact of this kind behaves on one object; ``edge`` 0-3: left, right, bottom, top."""
    mark = Mark(
        kind, 0.0, angle_rad=float(rng.uniform(0, np.pi)), variant=edge, seed=int(rng.integers(2**31))
    )
    return _DRAWN[kind](rng, mark)


def _draw_ghost(rng: np.random.Generator, mark: Mark) -> ArtefactTraits:
    variant = int(rng.choice(4, p=[0.35, 0.15, 0.25, 0.25]))
    size = float(rng.uniform(9, 34) if variant < 2 else rng.uniform(12, 40))
    place = replace(mark, size_pix=size, variant=variant)
    return ArtefactTraits("ghost", float(rng.uniform(0.2, 0.8)), _log(rng, 2, 40), place)


def _draw_track(rng: np.random.Generator, mark: Mark) -> ArtefactTraits:
    return ArtefactTraits("track", float(rng.uniform(0.03, 0.12)), _log(rng, 6, 150), mark)


def _draw_column(rng: np.random.Generator, mark: Mark) -> ArtefactTraits:
    place = replace(
        mark,
        x_pix=float(rng.normal(0, 4)),
        size_pix=float(rng.integers(1, 4)),
        variant=int(rng.random() < 0.3),
    )
    sign = -1 if rng.random() < 0.4 else 1
    return ArtefactTraits("column", float(rng.uniform(0.4, 1.0)), sign * _log(rng, 3, 80), place)


def _draw_spike(rng: np.random.Generator, mark: Mark) -> ArtefactTraits:
    """An arm of the cross of a bright star outside the frame, nearly along rows or columns."""
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
    return ArtefactTraits("spike", float(rng.uniform(0.5, 1.0)), _log(rng, 3, 80), place)


def _draw_bright_star(rng: np.random.Generator, mark: Mark) -> ArtefactTraits:
    far_pix, turn = float(rng.uniform(7, 19)), float(rng.uniform(0, 2 * np.pi))
    place = replace(
        mark,
        x_pix=far_pix * np.cos(turn),
        y_pix=far_pix * np.sin(turn),
        size_pix=float(rng.uniform(1, 4)),
        variant=int(rng.random() < 0.45),
    )
    return ArtefactTraits("bright_star", 1.0, _log(rng, 2e5, 8e6), place)


def _draw_defocusing(rng: np.random.Generator, mark: Mark) -> ArtefactTraits:
    return ArtefactTraits("defocusing", float(rng.uniform(0.12, 0.6)), float(rng.uniform(2.5, 6.0)), mark)


def _draw_frame_edge(rng: np.random.Generator, mark: Mark) -> ArtefactTraits:
    return ArtefactTraits(
        "frame_edge", 1.0, _log(rng, 1, 30), replace(mark, size_pix=float(rng.uniform(1, 5)))
    )


def _draw_cosmic(rng: np.random.Generator, mark: Mark) -> ArtefactTraits:
    return ArtefactTraits("cosmic", float(rng.uniform(0.03, 0.12)), _log(rng, 30, 1500), mark)


def _log(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


_DRAWN: dict[str, Callable[[np.random.Generator, Mark], ArtefactTraits]] = {
    "ghost": _draw_ghost,
    "track": _draw_track,
    "column": _draw_column,
    "spike": _draw_spike,
    "bright_star": _draw_bright_star,
    "defocusing": _draw_defocusing,
    "frame_edge": _draw_frame_edge,
    "cosmic": _draw_cosmic,
}
