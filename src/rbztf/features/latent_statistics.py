"""Statistics of an object's frame vectors: the distribution of each latent over its frames."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rbztf.features.table import Definition, FeatureTable

QUANTILES = (0.02, 0.10, 0.25, 0.50, 0.75, 0.90, 0.98)
STATISTICS = (
    "mean",
    "std",
    *(f"q{round(100 * share):02d}" for share in QUANTILES),
    "min",
    "max",
    "step_mean",  # mean |difference| of successive frames
    "skew",
    "kurtosis",
    "mad",  # median |deviation from the median|
    "mad_std",  # mad / std
    "step_median_std",  # median |difference| / std
    "von_neumann",  # mean squared difference / variance (von Neumann 1941)
    "autocorrelation",  # of successive frames
    "step_max",
    "peak_up",  # (max - median) / std
    "peak_down",  # (median - min) / std
)
"""Per latent, in this order."""
LENGTH = "log_n_frames"
DEFINITION = Definition("embedding statistics 1")
_TINY = 1e-6


def latent_statistics(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """The :data:`STATISTICS` of each latent over the frames of one object.

    Parameters
    ----------
    vectors : ndarray (n_frames, latent), float32
        In time order, finite, at least one frame.

    Returns
    -------
    ndarray (len(STATISTICS), latent), float64
        Steps and autocorrelation of a single frame are 0.
    """
    x = np.asarray(vectors, np.float64)
    ordered = np.sort(x, axis=0)
    mean, std = x.mean(axis=0), x.std(axis=0)
    scale = std + _TINY
    quantiles = _quantiles(ordered)
    median = quantiles[QUANTILES.index(0.50)]
    deviation = x - mean
    mad = np.median(np.abs(x - median), axis=0)
    steps = np.abs(np.diff(x, axis=0)) if len(x) > 1 else np.zeros((1, x.shape[1]))
    products = deviation[1:] * deviation[:-1] if len(x) > 1 else np.zeros((1, x.shape[1]))
    return np.stack(
        [
            mean,
            std,
            *quantiles,
            ordered[0],
            ordered[-1],
            steps.mean(axis=0),
            (deviation**3).mean(axis=0) / scale**3,
            (deviation**4).mean(axis=0) / scale**4 - 3,
            mad,
            mad / scale,
            np.median(steps, axis=0) / scale,
            (steps**2).mean(axis=0) / scale**2,
            products.mean(axis=0) / scale**2,
            steps.max(axis=0),
            (ordered[-1] - median) / scale,
            (median - ordered[0]) / scale,
        ]
    )


def frame_moments(
    sequences: Sequence[NDArray[np.float32]],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and variance of each column over the frames of all objects, (columns,) float64 each.

    Parameters
    ----------
    sequences : sequence of ndarray (n_frames, columns), float32
        At least one frame in all.
    """
    count = sum(len(sequence) for sequence in sequences)
    mean = sum(sequence.sum(axis=0, dtype=np.float64) for sequence in sequences) / count
    variance = sum(np.square(sequence - mean).sum(axis=0) for sequence in sequences) / count
    return np.asarray(mean), np.asarray(variance)


def varying_latents(variance: NDArray[np.float64], least_spread: float) -> tuple[int, ...]:
    """Latents whose deviation over all frames is at least ``least_spread`` times the largest one's.

    The reference's encoder leaves 28 of its 36 latents all but constant.

    Parameters
    ----------
    variance : ndarray (latent,), float64
        Of each latent over all frames; see :func:`frame_moments`.
    """
    spread = np.sqrt(variance)
    return tuple(np.flatnonzero(spread >= max(least_spread * spread.max(), _TINY)).tolist())


def image_features(
    oids: Sequence[int] | NDArray[np.int64],
    sequences: Sequence[NDArray[np.float32]],
    latents: Sequence[int],
) -> FeatureTable:
    """The table of :func:`latent_statistics` and the log number of frames.

    Parameters
    ----------
    oids : sequence of int, (n,)
    sequences : sequence of ndarray (n_frames, latent), float32
        Of each object; an empty one gives a row of NaN.
    latents : sequence of int
        Latents to describe.
    """
    columns = np.asarray(latents, np.int64)
    values = np.full((len(sequences), len(STATISTICS) * len(columns) + 1), np.nan)
    for row, sequence in enumerate(sequences):
        if len(sequence):
            values[row, :-1] = latent_statistics(sequence[:, columns]).ravel()
            values[row, -1] = np.log(len(sequence))
    names = (*(f"{name}_{k}" for name in STATISTICS for k in latents), LENGTH)
    return FeatureTable(np.asarray(oids, np.int64), names, values, DEFINITION)


def _quantiles(ordered: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Linear-interpolated :data:`QUANTILES` of sorted columns (numpy's default definition)."""
    out = []
    for share in QUANTILES:
        place = share * (len(ordered) - 1)
        low = int(place)
        high = min(low + 1, len(ordered) - 1)
        out.append(ordered[low] + (place - low) * (ordered[high] - ordered[low]))
    return out
