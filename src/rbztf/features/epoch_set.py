"""The feature set "rbztf epochs 1": flags, PSF fit, gaps, the weight of single epochs, and flares.

It is computed from an epochs table alone, with NumPy, and stands beside the 54 features of
:mod:`rbztf.features.snad_set`: it reads what the archive serves of each epoch and those do not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rbztf.features.measured import column, times
from rbztf.features.snad_set import ALL_FLAGS, MIN_EPOCHS
from rbztf.ztf import BAD_EPOCH_FLAG

if TYPE_CHECKING:
    from astropy.table import Table

SET = "rbztf epochs 1"
"""Name of this recipe; another one must get another name."""
EPOCH_FEATURES = {
    "flagged_share_epochs": "share of the measured epochs with any bit of catflags set",
    "bad_share_epochs": "share of the measured epochs with bit 15 of catflags (32768, bad) set",
    "chi_median_epochs": "median of chi, the misfit of the PSF",
    "chi_spread_epochs": "spread of chi",
    "chi_max_epochs": "largest chi",
    "chi_deviation_epochs": "rank correlation of chi with the distance of the magnitude from its median",
    "chi_bright_epochs": "median chi of the brightest tenth less that of the others, in spreads of chi",
    "chi_faint_epochs": "median chi of the faintest tenth less that of the others, in spreads of chi",
    "sharp_median_epochs": "median of sharp: positive where the image is wider than the PSF",
    "sharp_spread_epochs": "spread of sharp",
    "sharp_max_epochs": "largest distance of sharp from 0",
    "sharp_deviation_epochs": "rank correlation of the distances of sharp and of the magnitude from their medians",
    "sharp_bright_epochs": "median sharp of the brightest tenth less that of the others, in spreads of sharp",
    "sharp_faint_epochs": "median sharp of the faintest tenth less that of the others, in spreads of sharp",
    "span_epochs": "time from the first epoch to the last, days",
    "gap_median_epochs": "median time between neighbouring epochs, days",
    "gap_max_epochs": "longest time between neighbouring epochs, days",
    "seasons_epochs": "number of stretches that more than 60 days without an epoch keep apart",
    "within_hour_epochs": "share of epochs with another one within an hour",
    "within_day_epochs": "share of epochs with another one within a day",
    "one_epoch_std_epochs": "share of the standard deviation that goes with the most extreme epoch",
    "one_epoch_skew_epochs": "skewness less that without the most extreme epoch",
    "one_epoch_amplitude_epochs": "share of the amplitude that goes with the most extreme epoch",
    "one_night_std_epochs": "share of the standard deviation that goes with the night of that epoch",
    "one_night_skew_epochs": "skewness less that without the night of that epoch",
    "one_night_amplitude_epochs": "share of the amplitude that goes with the night of that epoch",
    "resampled_std_epochs": "spread of the standard deviation over epochs drawn with replacement, as a share of it",
    "resampled_skew_epochs": "spread of the skewness over epochs drawn with replacement",
    "resampled_amplitude_epochs": "spread of the amplitude over epochs drawn with replacement, as a share of it",
    "flare_height_epochs": "largest brightening above the median, in errors of its epoch",
    "flare_run_3_epochs": "most epochs in a row that are brighter than the median by more than 3 errors",
    "flare_run_5_epochs": "most epochs in a row that are brighter than the median by more than 5 errors",
    "flare_rise_epochs": "time to that brightening since the last epoch with less than half of it, days",
    "flare_decay_epochs": "time from that brightening to the next epoch with less than half of it, days",
    "flare_night_epochs": "share of all brightening above the median that falls into one night",
    "night_scatter_epochs": "scatter within nights as a share of the scatter of the nights' means",
    "night_chi2_epochs": "reduced chi squared of epochs about the mean of their night",
}
"""Name and meaning of each feature. None changes if a constant is added to all magnitudes."""
EPOCH_NAMES = tuple(EPOCH_FEATURES)
SEASON_GAP_D = 60.0
HOUR_D = 1.0 / 24.0
RESAMPLED = 64
"""Draws with replacement."""
SEED = 17
"""Of the draws, the same for every object."""
EXTREME_SHARE = 0.1
"""Of epochs that count as the brightest, and as the faintest; one at least."""
FEWEST_CORRELATED = 5
FEWEST_MOMENTS = 3
NEGLIGIBLE = 1e-9
"""Scatter, as a share of the largest deviation, that comes from rounding."""
Floats = NDArray[np.float64]
Found = dict[str, float]


@dataclass(frozen=True)
class Epochs:
    """The usable epochs of an object in time order, (n,) float64 each.

    Attributes
    ----------
    time_d : ndarray
        Heliocentric MJD, days.
    faintness : ndarray
        Magnitude less its median; negative where brighter.
    magerr : ndarray
        mag.
    chi, sharp : ndarray
        Of the PSF fit; NaN where unknown.
    night : ndarray (n,), int64
        Number of the night of each epoch, from 0.
    """

    time_d: Floats
    faintness: Floats
    magerr: Floats
    chi: Floats
    sharp: Floats
    night: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.time_d)


def epoch_features(
    epochs: Table, *, until_mjd: float | None = None, catflags: int = ALL_FLAGS
) -> NDArray[np.float64]:
    """The features of one object; an object has the same in any company.

    Parameters
    ----------
    epochs : Table
        With the columns of :data:`rbztf.stores.epochs.COLUMNS`; the order of its rows does not matter.
        Features of a column that it lacks are NaN.
    until_mjd : float, optional
        Leave out what comes later, days.
    catflags : int
        Leave out epochs with any of these bits, except from the shares of flagged epochs.

    Returns
    -------
    ndarray (len(EPOCH_NAMES),), float64
        In the order of :data:`EPOCH_NAMES`; NaN where one is not defined, all NaN with fewer than
        :data:`~rbztf.features.snad_set.MIN_EPOCHS` usable epochs.
    """
    time_d, mag, magerr = times(epochs), column(epochs, "mag"), column(epochs, "magerr")
    measured = np.isfinite(time_d) & np.isfinite(mag) & np.isfinite(magerr) & (magerr > 0)
    if until_mjd is not None:
        measured &= time_d <= until_mjd
    bits = np.nan_to_num(column(epochs, "catflags")).astype(np.int64)
    rows = np.flatnonzero(measured & (bits & catflags == 0))
    rows = rows[np.lexsort((mag[rows], magerr[rows], time_d[rows]))]
    rows = rows[np.diff(time_d[rows], prepend=-np.inf) > 0]  # of those at the same time the most precise
    if len(rows) < MIN_EPOCHS:
        return np.full(len(EPOCH_NAMES), np.nan)
    night = np.unique(np.floor(time_d[rows]), return_inverse=True)[1]
    chi, sharp = column(epochs, "chi")[rows], column(epochs, "sharp")[rows]
    kept = Epochs(time_d[rows], mag[rows] - np.median(mag[rows]), magerr[rows], chi, sharp, night)
    found: Found = {}
    if "catflags" in epochs.colnames:
        found["flagged_share_epochs"] = float(np.mean(bits[measured] != 0))
        found["bad_share_epochs"] = float(np.mean(bits[measured] & BAD_EPOCH_FLAG != 0))
    with np.errstate(all="ignore"):
        for part in (_psf_fit, _gaps, _left_out, _resampled, _flare, _nights):
            found |= part(kept)
    values = np.array([found.get(name, np.nan) for name in EPOCH_NAMES])
    values[~np.isfinite(values)] = np.nan
    return values


def _psf_fit(epochs: Epochs) -> Found:
    found: Found = {}
    for name, values in (("chi", epochs.chi), ("sharp", epochs.sharp)):
        known = np.isfinite(values)
        if not known.any():
            continue
        values, faintness = values[known], epochs.faintness[known]
        low, median, high = np.quantile(values, (0.16, 0.5, 0.84)).tolist()
        spread, distance = (high - low) / 2, values if name == "chi" else np.abs(values - median)
        n_extreme = max(1, int(EXTREME_SHARE * len(values)))
        order = np.argsort(faintness, kind="stable")
        bright, faint = order[:n_extreme], order[-n_extreme:]
        found |= {
            f"{name}_median_epochs": median,
            f"{name}_spread_epochs": spread,
            f"{name}_max_epochs": float(np.abs(values).max()),
            f"{name}_deviation_epochs": _rank_correlation(distance, np.abs(faintness)),
            f"{name}_bright_epochs": _contrast(values, bright, spread),
            f"{name}_faint_epochs": _contrast(values, faint, spread),
        }
    return found


def _contrast(values: Floats, chosen: NDArray[np.int64], spread: float) -> float:
    """Median of the chosen values less that of the others, in spreads; NaN without others or spread."""
    if len(values) == len(chosen) or not spread > 0:
        return np.nan
    return float(np.median(values[chosen]) - np.median(np.delete(values, chosen))) / spread


def _rank_correlation(first: Floats, second: Floats) -> float:
    """Spearman's; NaN for few values, or where either is constant."""
    if len(first) < FEWEST_CORRELATED or np.ptp(first) == 0 or np.ptp(second) == 0:
        return np.nan
    a, b = _ranks(first), _ranks(second)
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def _ranks(values: Floats) -> Floats:
    """Ranks less their mean; those of equal values are the same."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return np.asarray(ranks - ranks.mean())


def _gaps(epochs: Epochs) -> Found:
    gaps = np.diff(epochs.time_d)
    nearest = np.minimum(np.append(np.inf, gaps), np.append(gaps, np.inf))
    return {
        "span_epochs": float(epochs.time_d[-1] - epochs.time_d[0]),
        "gap_median_epochs": float(np.median(gaps)),
        "gap_max_epochs": float(gaps.max()),
        "seasons_epochs": 1.0 + float((gaps > SEASON_GAP_D).sum()),
        "within_hour_epochs": float((nearest <= HOUR_D).mean()),
        "within_day_epochs": float((nearest <= 1.0).mean()),
    }


def _moments(values: Floats) -> tuple[Any, Any, Any]:
    """Standard deviation (n - 1), skewness G1 (0 of constants) and amplitude along the last axis."""
    n = values.shape[-1]
    off = values - values.mean(axis=-1, keepdims=True)
    square = off * off
    second, third = square.mean(axis=-1), (square * off).mean(axis=-1)
    constant = np.sqrt(second) <= NEGLIGIBLE * np.abs(values).max(axis=-1)
    skew = np.where(constant, 0.0, third / second**1.5 * np.sqrt(n * (n - 1)) / (n - 2))
    std = np.where(constant, 0.0, np.sqrt(second * n / (n - 1)))
    return std, skew, (values.max(axis=-1) - values.min(axis=-1)) / 2


def _left_out(epochs: Epochs) -> Found:
    """How much of the scatter one epoch, or its night, makes."""
    std, skew, amplitude = _moments(epochs.faintness)
    extreme = int(np.argmax(np.abs(epochs.faintness)))
    found: Found = {}
    for name, left_out in (
        ("one_epoch", np.arange(len(epochs)) == extreme),
        ("one_night", epochs.night == epochs.night[extreme]),
    ):
        rest = epochs.faintness[~left_out]
        if len(rest) < FEWEST_MOMENTS or not std > 0:
            continue
        less = _moments(rest)
        found |= {
            f"{name}_std_epochs": float(1 - less[0] / std),
            f"{name}_skew_epochs": float(skew - less[1]),
            f"{name}_amplitude_epochs": float(1 - less[2] / amplitude),
        }
    return found


def _resampled(epochs: Epochs) -> Found:
    """How much features change from draw to draw; the draws depend on the number of epochs alone."""
    std, _, amplitude = _moments(epochs.faintness)
    if not std > 0:
        return {}
    n = len(epochs)
    drawn = np.random.default_rng(SEED).integers(n, size=(RESAMPLED, n))
    stds, skews, amplitudes = _moments(epochs.faintness[drawn])
    return {
        "resampled_std_epochs": float(stds.std(ddof=1) / std),
        "resampled_skew_epochs": float(skews.std(ddof=1)),
        "resampled_amplitude_epochs": float(amplitudes.std(ddof=1) / amplitude),
    }


def _flare(epochs: Epochs) -> Found:
    """The highest brightening above the median, how it comes and goes."""
    brightening = -epochs.faintness
    in_errors = brightening / epochs.magerr
    peak = int(np.argmax(in_errors))
    found = {
        "flare_height_epochs": float(in_errors[peak]),
        "flare_run_3_epochs": _longest_run(in_errors > 3),
        "flare_run_5_epochs": _longest_run(in_errors > 5),
    }
    if brightening[peak] > 0:
        low = np.flatnonzero(brightening < brightening[peak] / 2)
        before, after = low[low < peak], low[low > peak]
        start, end = before[-1] if len(before) else 0, after[0] if len(after) else -1
        above = np.maximum(brightening, 0)
        found |= {
            "flare_rise_epochs": float(epochs.time_d[peak] - epochs.time_d[start]),
            "flare_decay_epochs": float(epochs.time_d[end] - epochs.time_d[peak]),
            "flare_night_epochs": float(np.bincount(epochs.night, above).max() / above.sum()),
        }
    return found


def _longest_run(hit: NDArray[np.bool_]) -> float:
    """Most true values in a row."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], hit, [False]]).astype(np.int8)))
    return float((edges[1::2] - edges[::2]).max(initial=0))


def _nights(epochs: Epochs) -> Found:
    """How well epochs of the same night agree."""
    counts = np.bincount(epochs.night)
    spare = len(epochs) - len(counts)
    if not spare:
        return {}
    faintness, weights = epochs.faintness, epochs.magerr**-2
    means = np.bincount(epochs.night, faintness) / counts
    weighted = np.bincount(epochs.night, faintness * weights) / np.bincount(epochs.night, weights)
    within = np.sqrt(((faintness - means[epochs.night]) ** 2).sum() / spare)
    misfit = ((faintness - weighted[epochs.night]) ** 2 * weights).sum() / spare
    between = means.std(ddof=1) if len(means) > 1 else np.nan
    return {"night_scatter_epochs": float(within / between), "night_chi2_epochs": float(misfit)}
