"""How the artefact of one object behaves from epoch to epoch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from rbztf.simulate.artefacts import Mark


@dataclass(frozen=True)
class Habit:
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


def draw_habit(rng: np.random.Generator, kind: str, edge: int = 0) -> Habit:
    """How an artefact of this kind behaves on one object; ``edge`` 0-3: left, right, bottom, top."""
    mark = Mark(
        kind, 0.0, angle_rad=float(rng.uniform(0, np.pi)), variant=edge, seed=int(rng.integers(2**31))
    )
    return _DRAWN[kind](rng, mark)


def _ghost(rng: np.random.Generator, mark: Mark) -> Habit:
    variant = int(rng.choice(4, p=[0.35, 0.15, 0.25, 0.25]))
    size = float(rng.uniform(9, 34) if variant < 2 else rng.uniform(12, 40))
    place = replace(mark, size_pix=size, variant=variant)
    return Habit("ghost", float(rng.uniform(0.2, 0.8)), _log(rng, 2, 40), place)


def _track(rng: np.random.Generator, mark: Mark) -> Habit:
    return Habit("track", float(rng.uniform(0.03, 0.12)), _log(rng, 6, 150), mark)


def _column(rng: np.random.Generator, mark: Mark) -> Habit:
    place = replace(
        mark,
        x_pix=float(rng.normal(0, 4)),
        size_pix=float(rng.integers(1, 4)),
        variant=int(rng.random() < 0.3),
    )
    sign = -1 if rng.random() < 0.4 else 1
    return Habit("column", float(rng.uniform(0.4, 1.0)), sign * _log(rng, 3, 80), place)


def _spike(rng: np.random.Generator, mark: Mark) -> Habit:
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
    return Habit("spike", float(rng.uniform(0.5, 1.0)), _log(rng, 3, 80), place)


def _bright_star(rng: np.random.Generator, mark: Mark) -> Habit:
    far_pix, turn = float(rng.uniform(7, 19)), float(rng.uniform(0, 2 * np.pi))
    place = replace(
        mark,
        x_pix=far_pix * np.cos(turn),
        y_pix=far_pix * np.sin(turn),
        size_pix=float(rng.uniform(1, 4)),
        variant=int(rng.random() < 0.45),
    )
    return Habit("bright_star", 1.0, _log(rng, 2e5, 8e6), place)


def _defocusing(rng: np.random.Generator, mark: Mark) -> Habit:
    return Habit("defocusing", float(rng.uniform(0.12, 0.6)), float(rng.uniform(2.5, 6.0)), mark)


def _frame_edge(rng: np.random.Generator, mark: Mark) -> Habit:
    return Habit("frame_edge", 1.0, _log(rng, 1, 30), replace(mark, size_pix=float(rng.uniform(1, 5))))


def _cosmic(rng: np.random.Generator, mark: Mark) -> Habit:
    return Habit("cosmic", float(rng.uniform(0.03, 0.12)), _log(rng, 30, 1500), mark)


def _log(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


_DRAWN: dict[str, Callable[[np.random.Generator, Mark], Habit]] = {
    "ghost": _ghost,
    "track": _track,
    "column": _column,
    "spike": _spike,
    "bright_star": _bright_star,
    "defocusing": _defocusing,
    "frame_edge": _frame_edge,
    "cosmic": _cosmic,
}
