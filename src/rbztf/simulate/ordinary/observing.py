"""When ZTF observes an object, and what it measures: cadence, errors, outliers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rbztf.simulate.exposures import FIRST_MJD_D

Floats = NDArray[np.float64]
SPAN_D = (1250.0, 1805.0)
"""First to last epoch; the upper end is that of data release 17."""
YEAR_D = 365.25
SEASON_D = (150.0, 290.0)
"""Days of a year in which a field can be observed at night."""
EPOCHS = (100, 1200)
"""Usable epochs of an object; the logarithm is uniform. 100 is the fewest of SNAD's table."""
REPEATS, SHARES_OF_REPEATS = (1.03, 1.15, 1.5, 4.0), (0.4, 0.35, 0.15, 0.1)
"""Mean number of exposures in a night in which there are any, and the share of objects with each."""
GAP_D = (0.00045, 0.04)
"""Between exposures of one night; the logarithm is uniform."""
FEWEST_NIGHTS = 20
MAG = (13.2, 20.6)
FLOOR_MAG = (0.010, 0.018)
"""Calibration error of bright stars, which IRSA's ``magerr`` holds."""
LIMIT_MAG = (20.2, 21.1)
"""Median magnitude at which an error is 0.2 mag; it scatters from epoch to epoch."""
SKY_SCATTER_MAG = 0.35
BRIGHT_MAG = 16.5
"""Brighter stars have noise of their own light more than of the sky."""
OUTLIER_SHARE = 0.006
SEEING_SCATTER = 0.2


def visits(rng: np.random.Generator) -> Floats:
    """Times of the usable epochs, (n,) float64, MJD in ascending order.

    Seasons of visibility, nights at random within them, and for some fields several exposures in a
    row in some of the nights.
    """
    wanted = int(np.exp(rng.uniform(*np.log(EPOCHS))))
    span_d, season_d, start = rng.uniform(*SPAN_D), rng.uniform(*SEASON_D), rng.uniform(0, YEAR_D)
    nights = np.arange(int(span_d))
    nights = nights[(nights + start) % YEAR_D < season_d]
    repeats = rng.choice(REPEATS, p=SHARES_OF_REPEATS)
    n_nights = max(FEWEST_NIGHTS, min(len(nights), int(wanted / repeats)))
    chosen = np.sort(rng.choice(nights, n_nights, replace=False)) + rng.uniform(0.15, 0.45, n_nights)
    counts = rng.geometric(min(1.0, n_nights / wanted), n_nights)
    gaps_d = np.exp(rng.uniform(*np.log(GAP_D))) * rng.uniform(1.0, 1.6, n_nights)
    within = np.concatenate([np.arange(count) * gap for count, gap in zip(counts, gaps_d)])
    return FIRST_MJD_D + np.unique(np.repeat(chosen, counts) + within)


def measure(rng: np.random.Generator, true_mag: Floats) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """What is measured of true magnitudes: magnitude, its error as ZTF tells it, and whether it is detected.

    The true scatter is not quite the error that is told: smaller for most, larger for some. A blended
    or badly centred star is measured a little fainter or brighter as the seeing changes. Few epochs are
    outliers (clouds, bad seeing).

    Parameters
    ----------
    true_mag : ndarray (n,), float64

    Returns
    -------
    mag, magerr : ndarray (n,), float64
    detected : ndarray (n,), bool
        Five times as bright as the noise or more.
    """
    n = len(true_mag)
    floor = rng.uniform(*FLOOR_MAG) * np.exp(rng.normal(0, 0.08, n))
    limit = rng.uniform(*LIMIT_MAG) - np.abs(rng.normal(0, SKY_SCATTER_MAG, n))
    own_light = 0.004 * 10 ** (0.2 * (true_mag - BRIGHT_MAG))
    magerr: Floats = np.sqrt(floor**2 + own_light**2 + (0.2 * 10 ** (0.4 * (true_mag - limit))) ** 2)
    scatter = magerr * np.exp(rng.normal(-0.2, 0.25))
    mag = true_mag + scatter * rng.normal(0, 1, n)
    seeing = rng.normal(0, SEEING_SCATTER, n)
    if rng.random() < 0.25:  # blended
        mag += rng.normal(0, 0.06) * seeing
    outliers = rng.random(n) < OUTLIER_SHARE * rng.exponential(1.0)
    mag += outliers * rng.normal(0.0, 1.0, n) * rng.uniform(2, 8, n) * magerr
    detected = magerr * np.exp(0.4 * (mag - true_mag)) < 0.217
    return mag.round(7), magerr.round(7), detected
