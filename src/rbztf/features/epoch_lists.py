"""Light curves of many objects in flat columns, as catalogs keep them: which epochs count, in which order."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbztf.features.lightcurve import Photometry

Column = NDArray[Any]


def usable_lists(
    offsets: NDArray[np.int64],
    hmjd: Column,
    mag: Column,
    magerr: Column,
    catflags: Column,
    *,
    mask: int,
    until_mjd: float | None = None,
) -> list[Photometry]:
    """The epochs that features are computed from; of each object as
    :func:`rbztf.features.lightcurve.usable_photometry` gives them.

    Parameters
    ----------
    offsets : ndarray (n + 1,), int64
        The epochs of object i are ``offsets[i]`` to ``offsets[i + 1]`` of the columns.
    hmjd, mag, magerr : ndarray (epochs,), float
        Heliocentric MJD (days), magnitudes and their errors; NaN where unknown.
    catflags : ndarray (epochs,), int
    mask : int
        Epochs with any of these bits are left out.
    until_mjd : float, optional
        Leave out what comes later, days.

    Returns
    -------
    list of ndarray (3, m), float64
        Time, magnitude, error, ascending in time, no time twice.
    """
    n = len(offsets) - 1
    start, stop = (int(offsets[0]), int(offsets[-1])) if n >= 0 else (0, 0)
    series = np.stack([np.asarray(column[start:stop], np.float64) for column in (hmjd, mag, magerr)])
    flags = np.nan_to_num(np.asarray(catflags[start:stop])).astype(np.int64)
    owner = np.repeat(np.arange(n), np.diff(offsets))
    good = np.isfinite(series).all(axis=0) & (series[2] > 0) & (flags & mask == 0)
    if until_mjd is not None:
        good &= series[0] <= until_mjd
    series, owner = series[:, good], owner[good]
    order = np.lexsort((series[0], owner))  # stable: of epochs at the same time the first stays first
    series, owner = series[:, order], owner[order]
    first = np.ones(len(owner), bool)
    first[1:] = (np.diff(series[0]) != 0) | (np.diff(owner) != 0)
    series, owner = series[:, first], owner[first]
    ends = np.searchsorted(owner, np.arange(1, n))
    return np.split(series, ends, axis=1) if n else []
