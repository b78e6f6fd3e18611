"""The 54 light-curve features of the SNAD table: their names, and how each is computed.

The recipe is that of SNAD's feature service (https://github.com/snad-space/web-light-curve-features),
computed with the package ``light-curve`` (https://github.com/light-curve/light-curve-python),
whose own documentation defines each feature. It agrees with the extractor that SNAD publishes;
the grid of the periodogram was read off the published table (see ``docs/features.md``).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from functools import cache, lru_cache
from importlib.metadata import version
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbztf.errors import DataError, UsageError
from rbztf.features.table import Definition

SET = "rbztf set 1"
"""Name of this recipe; another one must get another name."""
ALL_FLAGS = 0xFFFF
"""Any of the 16 bits of ``catflags``: SNAD keeps the epochs with ``catflags = 0`` alone. (IRSA
calls bit 15, 32768, bad; the other bits warn.)"""
SNAD_TABLE = Definition(f"light-curve 0.13, {SET}", ALL_FLAGS, (58194.0, 60002.0))
"""Of SNAD's table (data release 17), compared with this recipe by a test. The span is from the start
of the survey over the longest light curve of the table, 1,808 days by the periods in it."""
MIN_EPOCHS = 5
"""Fewest usable epochs; the package needs 4 (kurtosis, Anderson-Darling), SNAD's service asks for 5."""
PEAKS = 5
RESOLUTION = 10.0
"""Steps of the frequency grid within one over the time span."""
MAX_FREQUENCY = 48.0
"""End of the frequency grid, rad/day: twice a fixed Nyquist frequency of 24 rad/day."""
MAX_GRID = 20
"""Largest grid computed, as a power of two (37 years)."""
_PEAK_NAMES = tuple(f"{what}_{peak}" for peak in range(PEAKS) for what in ("period", "period_s_to_n"))
_BEFORE = (
    "amplitude",
    "anderson_darling_normal",
    "beyond_1_std",
    "beyond_2_std",
    "cusum",
    "eta_e",
    "inter_percentile_range_2",
    "inter_percentile_range_10",
    "inter_percentile_range_25",
    "kurtosis",
    "linear_fit_slope",
    "linear_fit_slope_sigma",
    "linear_fit_reduced_chi2",
    "linear_trend",
    "linear_trend_sigma",
    "linear_trend_noise",
    "magnitude_percentage_ratio_40_5",
    "magnitude_percentage_ratio_20_5",
    "maximum_slope",
    "mean",
    "median_absolute_deviation",
    "median_buffer_range_percentage_10",
    "median_buffer_range_percentage_20",
    "percent_amplitude",
    "percent_difference_magnitude_percentile_5",
    "percent_difference_magnitude_percentile_10",
)
_SPECTRUM = (
    *_PEAK_NAMES,
    "periodogram_amplitude",
    "periodogram_beyond_2_std",
    "periodogram_beyond_3_std",
    "periodogram_standard_deviation",
)
_AFTER = ("chi2", "skew", "standard_deviation", "stetson_K", "weighted_mean")
_FLUX = (
    "anderson_darling_normal",
    "cusum",
    "eta_e",
    "excess_variance",
    "kurtosis",
    "mean_variance",
    "chi2",
    "skew",
    "stetson_K",
)
PACKAGE_NAMES = {
    **{f"{name}_magn_r": name for name in _BEFORE},
    **{f"{name}_magn_r": f"periodogram_{name}" for name in _PEAK_NAMES},
    **{f"{name}_magn_r": name for name in (*_SPECTRUM[len(_PEAK_NAMES) :], *_AFTER)},
    **{f"{name}_flux_r": name for name in _FLUX},
}
"""Our name (that of the SNAD table) of each feature, and what the package calls it."""
Curve = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
"""Times (days), magnitudes and their errors."""
FEATURE_NAMES = tuple(PACKAGE_NAMES)
"""The 54 columns in the order of the SNAD table. The ending ``_r`` is historical: the names are
the same for objects of every band, so that objects of different bands can be compared."""


def package() -> ModuleType:
    """The package ``light_curve``.

    Raises
    ------
    UsageError
        If it is not installed.
    """
    try:
        import light_curve
    except ImportError:
        raise UsageError(
            "Light-curve features need the package light-curve.",
            "Install it: pip install 'rbztf[lightcurve]'.",
        ) from None
    module: ModuleType = light_curve
    return module


def can_compute() -> bool:
    """Whether the package that computes light-curve features is installed."""
    try:
        package()
    except UsageError:
        return False
    return True


def source() -> str:
    """Recipe and minor version of the package, for :class:`rbztf.features.table.Definition`."""
    package()
    return f"light-curve {'.'.join(version('light-curve').split('.')[:2])}, {SET}"


def known_definition(names: Collection[str], made: Definition) -> Definition:
    """``made``, or SNAD's own of a table that does not say how it was made and has exactly SNAD's columns."""
    return SNAD_TABLE if not made.source and set(names) == set(FEATURE_NAMES) else made


def compute(
    time_d: NDArray[np.float64], mag: NDArray[np.float64], magerr: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The features of one light curve; see :func:`compute_many`."""
    return np.asarray(compute_many([(time_d, mag, magerr)])[0])


def compute_many(curves: Sequence[Curve], n_threads: int = 1) -> NDArray[np.float64]:
    """The features of light curves, computed in native threads; each is the same in any company.

    Flux is 10**(-0.4 (mag - 8.9)), in Jy if the magnitudes are AB, and its error
    0.4 ln(10) flux magerr; no flux feature depends on the zero point.

    Parameters
    ----------
    curves : sequence of (ndarray (n,), ndarray (n,), ndarray (n,)), float64
        Of each the times in days, ascending, no two the same, n at least :data:`MIN_EPOCHS`; magnitudes
        and their errors, finite, errors positive.
    n_threads : int

    Returns
    -------
    ndarray (len(curves), 54), float64
        In the order of :data:`FEATURE_NAMES`; NaN where one is not defined, such as the
        skewness of a constant.
    """
    shape, flux_shape = _extractors()
    fluxes = []
    for time_d, mag, magerr in curves:
        flux = 10.0 ** (-0.4 * (mag - 8.9))
        fluxes.append((time_d, flux, 0.4 * math.log(10.0) * flux * magerr))
    found = {f"{name}/magn": values for name, values in _named(shape, curves, n_threads).items()}
    found |= {f"{name}/magn": values for name, values in _spectra(curves, n_threads).items()}
    found |= {f"{name}/flux": values for name, values in _named(flux_shape, fluxes, n_threads).items()}
    try:
        ordered = [found[f"{PACKAGE_NAMES[name]}/{name[-6:-2]}"] for name in FEATURE_NAMES]
    except KeyError as error:
        raise DataError(
            f"This light-curve ({version('light-curve')}) calls a feature otherwise: no {error} among its names.",
            "Install light-curve 0.13.",
        ) from None
    values = np.stack(ordered, axis=1)
    values[~np.isfinite(values)] = np.nan
    return values


def _named(extractor: Any, curves: Sequence[Curve], n_threads: int) -> dict[str, NDArray[np.float64]]:
    """Each feature of all curves, (n,) float64, by the package's name."""
    if not curves:
        return dict.fromkeys(extractor.names, np.empty(0))
    rows = extractor.many(list(curves), sorted=True, check=False, fill_value=np.nan, n_jobs=n_threads)
    return dict(zip(extractor.names, rows.T))


@cache
def _extractors() -> tuple[Any, Any]:
    """Of magnitudes, without the periodogram, and of fluxes."""
    lc = package()
    shape = lc.Extractor(
        lc.Amplitude(),
        lc.AndersonDarlingNormal(),
        lc.BeyondNStd(1.0),
        lc.BeyondNStd(2.0),
        lc.Cusum(),
        lc.EtaE(),
        lc.InterPercentileRange(0.02),
        lc.InterPercentileRange(0.1),
        lc.InterPercentileRange(0.25),
        lc.Kurtosis(),
        lc.LinearFit(),
        lc.LinearTrend(),
        lc.MagnitudePercentageRatio(0.4, 0.05),
        lc.MagnitudePercentageRatio(0.2, 0.05),
        lc.MaximumSlope(),
        lc.Mean(),
        lc.MedianAbsoluteDeviation(),
        lc.MedianBufferRangePercentage(0.1),
        lc.MedianBufferRangePercentage(0.2),
        lc.PercentAmplitude(),
        lc.PercentDifferenceMagnitudePercentile(0.05),
        lc.PercentDifferenceMagnitudePercentile(0.1),
        lc.ReducedChi2(),
        lc.Skew(),
        lc.StandardDeviation(),
        lc.StetsonK(),
        lc.WeightedMean(),
    )
    flux_shape = lc.Extractor(
        lc.AndersonDarlingNormal(),
        lc.Cusum(),
        lc.EtaE(),
        lc.ExcessVariance(),
        lc.Kurtosis(),
        lc.MeanVariance(),
        lc.ReducedChi2(),
        lc.Skew(),
        lc.StetsonK(),
    )
    return shape, flux_shape


def _spectra(curves: Sequence[Curve], n_threads: int) -> dict[str, NDArray[np.float64]]:
    """Periodograms on grids of whole steps, their size the next power of two, as the package makes its own."""
    steps, powers = np.empty(len(curves)), np.empty(len(curves), np.int64)
    for row, (time_d, _, _) in enumerate(curves):
        n, span_d = len(time_d), time_d[-1] - time_d[0]
        steps[row] = 2 * math.pi * (n - 1) / (n * RESOLUTION * span_d)  # rad/day
        powers[row] = max(1, math.ceil(math.log2(max(1, math.ceil(MAX_FREQUENCY / steps[row])))))
    names = [PACKAGE_NAMES[f"{name}_magn_r"] for name in _SPECTRUM]
    found = {name: np.full(len(curves), math.nan) for name in names}
    for power in np.unique(powers[powers <= MAX_GRID]).tolist():
        # In units of the step the grid is the same for all light curves, and its plan is made once.
        rows = np.flatnonzero(powers == power)
        scaled = []
        for row in rows.tolist():
            time_d, mag, magerr = curves[row]
            scaled.append(((time_d - time_d[0]) * steps[row], mag, magerr))
        for name, values in _named(_periodogram(power), scaled, n_threads).items():
            found[name][rows] = values / steps[rows] if _is_period(name) else values
    return found


def _is_period(name: str) -> bool:
    return name.removeprefix("periodogram_period_").isdigit()


@lru_cache(maxsize=8)
def _periodogram(power: int) -> Any:
    lc = package()
    spectrum = [lc.Amplitude(), lc.BeyondNStd(2.0), lc.BeyondNStd(3.0), lc.StandardDeviation()]
    grid = np.linspace(0.0, 2.0**power, 2**power + 1)
    return lc.Extractor(lc.Periodogram(peaks=PEAKS, freqs=grid, fast=True, features=spectrum))
