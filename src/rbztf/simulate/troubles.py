"""Which epochs of an object an artefact spoils, and how its marks look there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rbztf.simulate.artefacts import Mark
from rbztf.simulate.habits import Habit, draw_habit
from rbztf.simulate.seeds import Stream, stream

BAD_FRAME_RATE = 0.01
"""Share of frames that go wrong for any object, real or not."""
BAD_FRAME_KINDS = ("track", "cosmic", "ghost", "defocusing")
EDGE_REACH_PIX = 14.0
"""An object nearer than this to the chip's edge has missing pixels in its frame."""
COLUMN_REACH_PIX = 13.0

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Setting:
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


def marks_of(seed: int, oid: int, habit: Habit | None, setting: Setting) -> tuple[Mark | None, ...]:
    """The mark of each epoch, None where the frame is clean; ``habit`` is None for a real object."""
    rng = stream(seed, Stream.TROUBLE, oid)
    n = len(setting)
    hit = np.zeros(n, bool) if habit is None else affected_epochs(rng, habit, setting)
    accidents = rng.random(n) < BAD_FRAME_RATE
    marks: list[Mark | None] = [None] * n
    for k in np.flatnonzero(hit | accidents):
        epoch_rng = stream(seed, Stream.TROUBLE, oid, int(k))
        own = habit if hit[k] else None
        cause = own or draw_habit(epoch_rng, str(epoch_rng.choice(BAD_FRAME_KINDS)))
        marks[k] = _IN_EPOCH[cause.kind](epoch_rng, cause, setting, int(k))
    return tuple(marks)


def affected_epochs(rng: np.random.Generator, habit: Habit, setting: Setting) -> Bools:
    """Epochs in which the artefact is in the frame, (n,) bool; at least one."""
    n = len(setting)
    hit: Bools = rng.random(n) < habit.share
    if habit.kind == "frame_edge":
        hit = setting.edge_pix < EDGE_REACH_PIX
    elif habit.kind == "column":  # a place on the chip, to which the object moves relatively
        hit &= np.abs(habit.mark.x_pix - setting.dx_pix) < COLUMN_REACH_PIX
    elif habit.kind in ("track", "cosmic"):
        count = min(n, max(1, int(rng.poisson(habit.share * n))))
        hit = np.isin(np.arange(n), rng.choice(n, count, replace=False))
    if not hit.any():
        hit[rng.integers(n)] = True
    return hit


def _ghost(rng: np.random.Generator, habit: Habit, setting: Setting, k: int) -> Mark:
    """A ghost whose edge passes near the object, somewhere else in each exposure."""
    mark, turn = habit.mark, rng.uniform(0, 2 * np.pi)
    if mark.variant >= 2:  # a bar: its end lies beside the object
        x_pix = (1 if mark.variant == 2 else -1) * rng.uniform(-3, 12)
        y_pix = rng.normal(0, mark.size_pix / 10)
    else:
        reach_pix = mark.size_pix + rng.normal(0, 4)
        x_pix, y_pix = reach_pix * np.cos(turn), reach_pix * np.sin(turn)
    return replace(mark, level_dn=_level_dn(rng, habit, setting, k), x_pix=float(x_pix), y_pix=float(y_pix))


def _track(rng: np.random.Generator, habit: Habit, setting: Setting, k: int) -> Mark:
    return replace(
        habit.mark,
        level_dn=_level_dn(rng, habit, setting, k),
        angle_rad=float(rng.uniform(0, np.pi)),
        x_pix=float(rng.normal(0, 1.6)),
        y_pix=float(rng.normal(0, 1.6)),
        size_pix=float(rng.uniform(0.8, 1.8)),
        variant=int(rng.choice(3, p=[0.7, 0.18, 0.12])),
    )


def _column(rng: np.random.Generator, habit: Habit, setting: Setting, k: int) -> Mark:
    x_pix = habit.mark.x_pix - float(setting.dx_pix[k])
    return replace(habit.mark, level_dn=_level_dn(rng, habit, setting, k), x_pix=x_pix)


def _spike(rng: np.random.Generator, habit: Habit, setting: Setting, k: int) -> Mark:
    return replace(
        habit.mark,
        level_dn=_level_dn(rng, habit, setting, k),
        x_pix=habit.mark.x_pix + float(rng.normal(0, 0.7)),
        y_pix=habit.mark.y_pix + float(rng.normal(0, 0.7)),
    )


def _bright_star(rng: np.random.Generator, habit: Habit, setting: Setting, k: int) -> Mark:
    return replace(habit.mark, level_dn=habit.strength * float(np.exp(rng.normal(0, 0.05))))


def _defocusing(rng: np.random.Generator, habit: Habit, setting: Setting, k: int) -> Mark:
    return replace(
        habit.mark,
        size_pix=habit.strength * float(rng.uniform(0.75, 1.25)),
        angle_rad=float(rng.uniform(0, 2 * np.pi)),
    )


def _frame_edge(rng: np.random.Generator, habit: Habit, setting: Setting, k: int) -> Mark:
    edge_pix = float(setting.edge_pix[k])
    towards = ((-1, 0), (1, 0), (0, -1), (0, 1))[habit.mark.variant]
    return replace(
        habit.mark,
        level_dn=_level_dn(rng, habit, setting, k),
        x_pix=towards[0] * edge_pix,
        y_pix=towards[1] * edge_pix,
    )


def _cosmic(rng: np.random.Generator, habit: Habit, setting: Setting, k: int) -> Mark:
    return replace(
        habit.mark,
        level_dn=_level_dn(rng, habit, setting, k),
        angle_rad=float(rng.uniform(0, 2 * np.pi)),
        x_pix=float(rng.normal(0, 1.2)),
        y_pix=float(rng.normal(0, 1.2)),
        size_pix=float(1 + rng.exponential(2.5)),
        seed=int(rng.integers(2**31)),
    )


def _level_dn(rng: np.random.Generator, habit: Habit, setting: Setting, k: int) -> float:
    return habit.strength * float(setting.noise_dn[k]) * float(np.exp(rng.normal(0, 0.3)))


_IN_EPOCH: dict[str, Callable[[np.random.Generator, Habit, Setting, int], Mark]] = {
    "ghost": _ghost,
    "track": _track,
    "column": _column,
    "spike": _spike,
    "bright_star": _bright_star,
    "defocusing": _defocusing,
    "frame_edge": _frame_edge,
    "cosmic": _cosmic,
}
