"""Compute light-curve features from the epochs of a cutout store; no frame is read."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rbztf.errors import DataError, Problem, RbztfError, UsageError
from rbztf.features import snad_set
from rbztf.features.epoch_set import EPOCH_NAMES, epoch_features
from rbztf.features.measured import column, times
from rbztf.features.sets import FeatureSet
from rbztf.features.snad_set import ALL_FLAGS, FEATURE_NAMES, MIN_EPOCHS
from rbztf.features.table import Definition, FeatureTable
from rbztf.parallel.processes import available_cores
from rbztf.progress import Progress, silent
from rbztf.stores.cutouts import CutoutStore
from rbztf.times import MJD_TO_JD

if TYPE_CHECKING:
    from astropy.table import Table

LARGEST_MJD = 1e6
AT_ONCE = 256
"""Light curves whose features are computed side by side."""
Photometry = NDArray[np.float64]
"""Rows of time (days), magnitude and its error, (3, n) float64."""


def usable_photometry(
    epochs: Table, *, until_mjd: float | None = None, catflags: int = ALL_FLAGS
) -> Photometry:
    """The epochs that features are computed from.

    Parameters
    ----------
    epochs : Table
        With the columns mag, magerr (mag), catflags, and hjd or mjd (days), as in a cutout store.
    until_mjd : float, optional
        Leave out what comes later, days.
    catflags : int
        Leave out epochs with any of these bits.

    Returns
    -------
    ndarray (3, n), float64
        Time, magnitude, error. The time is the heliocentric MJD (``hjd`` - 2400000.5, days),
        or ``mjd`` of an epoch whose ``hjd`` is unknown; ascending, the first epoch of
        those at the same time. No NaN, no error of 0 or less.
    """
    series = np.stack([times(epochs), column(epochs, "mag"), column(epochs, "magerr")])
    flags = np.nan_to_num(column(epochs, "catflags")).astype(np.int64)
    good = np.isfinite(series).all(axis=0) & (series[2] > 0) & (flags & catflags == 0)
    if until_mjd is not None:
        good &= series[0] <= until_mjd
    series = series[:, good]
    _, first = np.unique(series[0], return_index=True)
    return series[:, first]


def light_curve_features(
    epochs: Table, *, until_mjd: float | None = None, catflags: int = ALL_FLAGS
) -> NDArray[np.float64]:
    """The 54 features of one object.

    Flux features are computed from 10**(-0.4 (mag - 8.9)), see :func:`rbztf.features.snad_set.compute`.

    Parameters
    ----------
    epochs, until_mjd, catflags
        See :func:`usable_photometry`.

    Returns
    -------
    ndarray (54,), float64
        In the order of :data:`FEATURE_NAMES`; NaN where one is not defined, all NaN with
        fewer than :data:`MIN_EPOCHS` usable epochs.

    Raises
    ------
    UsageError
        If the package light-curve is not installed, or ``until_mjd`` is not an MJD.
    """
    check_until(until_mjd)
    return photometry_features(usable_photometry(epochs, until_mjd=until_mjd, catflags=catflags))


def photometry_features(series: Photometry) -> NDArray[np.float64]:
    """The 54 features of what :func:`usable_photometry` gives, (54,) float64; see :func:`light_curve_features`."""
    return np.asarray(features_of([series])[0])


def features_of(curves: Sequence[Photometry], n_threads: int = 1) -> NDArray[np.float64]:
    """The 54 features of each of some light curves, (n, 54) float64; all NaN where epochs are too few."""
    snad_set.package()
    values = np.full((len(curves), len(FEATURE_NAMES)), np.nan)
    long = [row for row, series in enumerate(curves) if series.shape[1] >= MIN_EPOCHS]
    if long:
        values[long] = snad_set.compute_many([tuple(curves[row]) for row in long], n_threads)
    return values


def check_until(until_mjd: float | None) -> None:
    """Refuse a time that cannot be an MJD.

    Raises
    ------
    UsageError
        If it is NaN, infinite, negative, or a Julian date.
    """
    if until_mjd is None or 0 <= until_mjd < LARGEST_MJD:
        return
    hint = f" (MJD {until_mjd - MJD_TO_JD:g}?)" if math.isfinite(until_mjd) and until_mjd > MJD_TO_JD else ""
    raise UsageError(
        f"{until_mjd:.12g} is not a modified Julian date{hint}.", "Give days such as 58849 (1 January 2020)."
    )


def features_of_epochs(
    tables: Sequence[Table],
    which: FeatureSet,
    *,
    until_mjd: float | None = None,
    catflags: int = ALL_FLAGS,
    n_threads: int = 1,
) -> tuple[NDArray[np.float64], list[Photometry]]:
    """The features of some objects, and the epochs that they rest on.

    Parameters
    ----------
    tables : sequence of Table
        The epochs of each object; see :func:`usable_photometry`.
    which : FeatureSet

    Returns
    -------
    ndarray (len(tables), len(which.names)), float64
        All NaN where epochs are too few.
    list of ndarray (3, n_i), float64
        Of :func:`usable_photometry`.
    """
    curves = [usable_photometry(epochs, until_mjd=until_mjd, catflags=catflags) for epochs in tables]
    parts = [features_of(curves, n_threads)] if which.has_snad else []
    if which.has_epochs:
        rows = [epoch_features(epochs, until_mjd=until_mjd, catflags=catflags) for epochs in tables]
        parts.append(np.array(rows).reshape(len(tables), len(EPOCH_NAMES)))
    return np.concatenate(parts, axis=1), curves


def features_from_cutouts(
    store: CutoutStore,
    oids: Iterable[int] | None = None,
    *,
    feature_set: FeatureSet = FeatureSet.SNAD,
    until_mjd: float | None = None,
    catflags: int = ALL_FLAGS,
    n_threads: int = 0,
    progress: Progress = silent,
    problems: list[Problem] | None = None,
) -> FeatureTable:
    """The features of the objects of a cutout store, from their epochs.

    Parameters
    ----------
    store : CutoutStore
        From :func:`rbztf.stores.cutouts.open_cutouts`.
    oids : iterable of int, optional
        Objects, in the order of the answer; all of the store if left out.
    feature_set : FeatureSet
        SNAD's 54 if left out.
    until_mjd, catflags
        See :func:`usable_photometry`.
    n_threads : int
        0 takes one a core.
    problems : list of Problem, optional
        Gets the objects that are damaged or not in the store, which the table lacks, and
        those with too few usable epochs, whose row is all NaN.

    Returns
    -------
    FeatureTable
        With its definition: packages and recipes, ``catflags``, span of the epochs used.

    Raises
    ------
    UsageError
        If SNAD's are wanted and the package light-curve is not installed, or ``until_mjd`` is not an MJD.
    """
    check_until(until_mjd)
    source = feature_set.source()
    problems = [] if problems is None else problems
    wanted = list(store if oids is None else dict.fromkeys(oids))
    kept: list[int] = []
    rows: list[NDArray[np.float64]] = []
    spans: list[float] = []
    for start in range(0, len(wanted), AT_ONCE):
        progress("features", start, len(wanted), "objects")
        tables = {}
        for oid in wanted[start : start + AT_ONCE]:
            try:
                tables[int(oid)] = _read(store, oid)
            except RbztfError as error:
                problems.append(Problem(str(int(oid)), str(error)))
        values, curves = features_of_epochs(
            list(tables.values()),
            feature_set,
            until_mjd=until_mjd,
            catflags=catflags,
            n_threads=n_threads or available_cores(),
        )
        for oid, series in zip(tables, curves):
            if series.shape[1] < MIN_EPOCHS:
                what = f"{series.shape[1]} usable epochs are too few for features ({MIN_EPOCHS} are needed)."
                problems.append(Problem(str(oid), what))
            else:
                spans += [series[0, 0], series[0, -1]]
        kept += tables
        rows.append(values)
    progress("features", len(wanted), len(wanted), "objects")
    names = feature_set.names
    span = (float(min(spans)), float(max(spans))) if spans else None
    found = np.concatenate(rows) if rows else np.empty((0, len(names)))
    return FeatureTable(np.array(kept, np.int64), names, found, Definition(source, catflags, span))


def _read(store: CutoutStore, oid: int) -> Table:
    if oid not in store:
        raise DataError(f"It is not in {store.folder}.", "Fetch it first.")
    return store.epochs(oid)
