"""Kinds of ordinary objects and how often each occurs: change of magnitude at given times."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rbztf.simulate.variability import Times, active_nucleus, eclipsing, rr_lyrae

Change = Callable[[np.random.Generator, Times], Times]
YEAR_D = 365.25


@dataclass(frozen=True)
class OrdinaryKind:
    """A kind of ordinary object.

    Attributes
    ----------
    name : str
    share : float
        Share of the ordinary objects.
    change : callable
        Magnitudes (n,) at times (n,) in days; only their differences count.
    """

    name: str
    share: float
    change: Change


def quiet(rng: np.random.Generator, t_d: Times) -> Times:
    """A star that does not change."""
    return np.zeros(len(t_d))


def trend(rng: np.random.Generator, t_d: Times) -> Times:
    """A slow, smooth change over years."""
    x = (t_d - t_d[0]) / YEAR_D
    return np.asarray(rng.normal(0, 0.04) * x + rng.normal(0, 0.006) * x**2)


def rotation(rng: np.random.Generator, t_d: Times) -> Times:
    """Spots on a rotating star: nearly a sine, its height changing from year to year."""
    period_d = np.exp(rng.uniform(np.log(0.3), np.log(60.0)))
    height = rng.uniform(0.01, 0.1) * (1 + 0.3 * np.sin(2 * np.pi * (t_d / (3 * YEAR_D) + rng.random())))
    return np.asarray(height * np.sin(2 * np.pi * (t_d / period_d + rng.random())))


def long_period(rng: np.random.Generator, t_d: Times) -> Times:
    """A pulsating giant: two long periods and some slow wandering."""
    period_d = np.exp(rng.uniform(np.log(40.0), np.log(450.0)))
    height = np.exp(rng.uniform(np.log(0.05), np.log(1.2)))
    first = np.sin(2 * np.pi * (t_d / period_d + rng.random()))
    second = np.sin(2 * np.pi * (t_d / (period_d * rng.uniform(0.4, 0.7)) + rng.random()))
    return np.asarray(height * (first + rng.uniform(0, 0.5) * second))


def pulsating(rng: np.random.Generator, t_d: Times) -> Times:
    """A delta Scuti star: one short period, a small height."""
    period_d = rng.uniform(0.04, 0.25)
    return np.asarray(rng.uniform(0.02, 0.25) * np.sin(2 * np.pi * (t_d / period_d + rng.random())))


KINDS = (
    OrdinaryKind("quiet star", 0.62, quiet),
    OrdinaryKind("trend", 0.06, trend),
    OrdinaryKind("rotating star", 0.08, rotation),
    OrdinaryKind("eclipsing binary", 0.08, eclipsing),
    OrdinaryKind("RR Lyrae", 0.04, rr_lyrae),
    OrdinaryKind("delta Scuti star", 0.02, pulsating),
    OrdinaryKind("long-period variable", 0.05, long_period),
    OrdinaryKind("AGN", 0.05, active_nucleus),
)
