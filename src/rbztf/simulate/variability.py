"""Light curves of real objects, by class: magnitudes at given times."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.float64]
Curve = Callable[[np.random.Generator, Times], Times]


@dataclass(frozen=True)
class RealKind:
    """A class of real object.

    Attributes
    ----------
    name : str
    tags : tuple of str
        As in the SNAD knowledge base.
    share : float
        Share of the real objects.
    curve : callable
        Magnitudes (n,) at times (n,) in days.
    hosted : bool
        Whether it sits in a galaxy.
    """

    name: str
    tags: tuple[str, ...]
    share: float
    curve: Curve
    hosted: bool = False


def supernova(rng: np.random.Generator, t_d: Times) -> Times:
    """Rise in two weeks, exponential decline with a shoulder; far below the host otherwise."""
    peak_mag = rng.uniform(16.8, 19.8)
    rise_d, fall_d = rng.uniform(5, 12), rng.uniform(18, 45)
    peak_d = rng.choice(t_d) - rng.uniform(-5, 15)
    x = t_d - peak_d
    light = 2 * np.exp(-np.clip(x, -500, 900) / fall_d) / (1 + np.exp(-np.clip(x, -500, 900) / rise_d * 2.2))
    mag: Times = peak_mag - 2.5 * np.log10(np.maximum(light, 1e-6))
    return mag


def flare(rng: np.random.Generator, t_d: Times) -> Times:
    """A quiet red dwarf, bright in one to three of its exposures."""
    mag = np.full(len(t_d), rng.uniform(17.0, 20.5))
    count = min(int(rng.integers(1, 4)), len(t_d))
    mag[rng.choice(len(t_d), count, replace=False)] -= rng.uniform(0.3, 3.0) * rng.uniform(0.4, 1.0, count)
    return mag


def rr_lyrae(rng: np.random.Generator, t_d: Times) -> Times:
    """A sawtooth with a period of half a day."""
    phase = _phase(rng, t_d, rng.uniform(0.42, 0.75))
    rise = rng.uniform(0.12, 0.25)
    height = np.where(phase < rise, phase / rise, (1 - phase) / (1 - rise))
    return rng.uniform(15.0, 19.8) - rng.uniform(0.4, 1.2) * (height - 0.35)


def eclipsing(rng: np.random.Generator, t_d: Times) -> Times:
    """Two eclipses per period, the second shallower."""
    phase = _phase(rng, t_d, np.exp(rng.uniform(np.log(0.25), np.log(4.0))))
    width, depth = rng.uniform(0.03, 0.09), rng.uniform(0.2, 1.3)
    first = np.exp(-0.5 * (np.minimum(phase, 1 - phase) / width) ** 2)
    second = np.exp(-0.5 * ((phase - 0.5) / width) ** 2)
    return rng.uniform(15.0, 19.5) + depth * (first + rng.uniform(0.1, 0.9) * second)


def active_nucleus(rng: np.random.Generator, t_d: Times) -> Times:
    """A damped random walk, as quasars do."""
    tau_d, scatter = rng.uniform(80, 400), rng.uniform(0.12, 0.4)
    mag = np.empty(len(t_d))
    mag[0] = rng.normal(0, scatter)
    for k in range(1, len(t_d)):
        memory = np.exp(-(t_d[k] - t_d[k - 1]) / tau_d)
        mag[k] = mag[k - 1] * memory + rng.normal(0, scatter * np.sqrt(1 - memory**2))
    return rng.uniform(17.0, 20.0) + mag


def constant(rng: np.random.Generator, t_d: Times) -> Times:
    """A star that does not change."""
    return np.full(len(t_d), rng.uniform(15.0, 20.3))


def _phase(rng: np.random.Generator, t_d: Times, period_d: float) -> Times:
    phase: Times = (t_d / period_d + rng.random()) % 1.0
    return phase


REAL_KINDS = (
    RealKind("SN", ("SN",), 0.22, supernova, hosted=True),
    RealKind("M-dwarf flare", ("M", "M_dwarf_flare"), 0.2, flare),
    RealKind("RR Lyrae", ("VAR", "Pulsating", "RR", "RRAB"), 0.14, rr_lyrae),
    RealKind("eclipsing binary", ("VAR", "Eclipsing", "EA"), 0.14, eclipsing),
    RealKind("AGN", ("AGN", "QSO"), 0.18, active_nucleus, hosted=True),
    RealKind("constant", ("STAR",), 0.12, constant),
)
