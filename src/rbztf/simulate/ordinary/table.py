"""Light-curve features of simulated ordinary objects."""

from __future__ import annotations

import numpy as np

from rbztf.features import snad_set
from rbztf.features.lightcurve import Photometry
from rbztf.features.snad_set import ALL_FLAGS, FEATURE_NAMES
from rbztf.features.table import Definition, FeatureTable
from rbztf.progress import Progress, silent
from rbztf.simulate.ordinary.kinds import KINDS, OrdinaryKind
from rbztf.simulate.ordinary.observing import MAG, measure, visits
from rbztf.simulate.seeds import Stream, stream

FEWEST = 100
"""Usable epochs below which an object is drawn again, as SNAD's table has none."""
FIRST_OID = 245_201_100_000_000
PER_FIELD = 10


def light_curve(rng: np.random.Generator, kind: OrdinaryKind) -> Photometry:
    """A light curve of ``kind``: times (MJD), magnitudes and their errors, (3, n) float64."""
    series = np.empty((3, 0))
    while series.shape[1] < FEWEST:
        times = visits(rng)
        change = kind.change(rng, times)
        mean_mag = MAG[0] + (MAG[1] - MAG[0]) * rng.random() ** 0.6  # faint stars are many
        mag, magerr, detected = measure(rng, mean_mag + change - np.median(change))
        series = np.stack([times, mag, magerr])[:, detected]
    return series


def ordinary_features(n: int, seed: int, *, progress: Progress = silent) -> FeatureTable:
    """The 54 features of ``n`` ordinary objects; the first of them are the same for every ``n``.

    Their OIDs are made up.

    Raises
    ------
    UsageError
        If the package light-curve is not installed.
    """
    rows, span = [], (np.inf, -np.inf)
    shares = np.array([kind.share for kind in KINDS])
    for number in range(n):
        rng = stream(seed, Stream.ORDINARY, number)
        series = light_curve(rng, KINDS[rng.choice(len(KINDS), p=shares)])
        rows.append(snad_set.compute(*series))
        span = min(span[0], series[0, 0]), max(span[1], series[0, -1])
        progress("ordinary objects", number + 1, n)
    numbers = np.arange(n)
    oids = FIRST_OID + numbers // PER_FIELD * 10**12 + numbers % PER_FIELD
    definition = Definition(snad_set.source(), ALL_FLAGS, span if n else None)
    return FeatureTable(oids, FEATURE_NAMES, np.array(rows).reshape(n, len(FEATURE_NAMES)), definition)
