"""Grey scales of frames: from pixels in DN to 8 bits, many frames at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.float32]
"""Pixels in DN, (n, 28, 28), NaN where the chip has none."""
Limits = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Values of black and of white of each frame, (n,) each, DN."""

CONTRAST = 0.25
REJECTED_SIGMA = 2.5
FITS = 5
LEAST_KEPT = 0.5
GROWN = 0.01
"""Of zscale, as IRAF and astropy have them: slope, clipping, fits, share to be kept, share beside a rejected one."""
SOFTENING = 0.1
"""Of asinh: share of the range above which the scale is logarithmic."""


def zscale_limits(frames: Frames) -> Limits:
    """Limits of IRAF's zscale, as :class:`astropy.visualization.ZScaleInterval` finds them, for all frames at once.

    Parameters
    ----------
    frames : ndarray (n, rows, columns), float32
        DN, all finite.
    """
    values = np.sort(frames.reshape(len(frames), -1).astype(np.float64), axis=1)
    n = values.shape[1]
    low, high = values[:, 0].copy(), values[:, -1].copy()
    kept, slope = _clipped_slope(values)
    enough = kept >= max(5, int(n * LEAST_KEPT))
    slope, centre, median = slope / CONTRAST, (n - 1) // 2, np.median(values, axis=1)
    low[enough] = np.maximum(low, median - (centre - 1) * slope)[enough]
    high[enough] = np.minimum(high, median + (n - centre) * slope)[enough]
    return low, high


def _clipped_slope(values: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Pixels kept in each frame, and the slope of a line through them in order of brightness."""
    n_frames, n = values.shape
    x = np.arange(n, dtype=float)
    good = np.ones((n_frames, n), bool)
    kept = np.full(n_frames, n, np.int64)
    last, slope = np.full(n_frames, n + 1), np.zeros(n_frames)
    least, width = max(5, int(n * LEAST_KEPT)), max(1, int(n * GROWN))
    going = np.ones(n_frames, bool)
    for _ in range(FITS):
        going &= (kept < last) & (kept >= least)
        if not going.any():
            break
        part, mask = values[going], good[going]
        count = mask.sum(axis=1)
        mean_x = (mask * x).sum(axis=1) / count
        mean_y = (mask * part).sum(axis=1) / count
        from_mean = x - mean_x[:, None]
        fitted = (mask * from_mean * (part - mean_y[:, None])).sum(axis=1) / (mask * from_mean**2).sum(axis=1)
        flat = part - (fitted[:, None] * from_mean + mean_y[:, None])
        mean = (mask * flat).sum(axis=1) / count
        spread = np.sqrt((mask * (flat - mean[:, None]) ** 2).sum(axis=1) / count)
        bad = ~mask | (np.abs(flat) > REJECTED_SIGMA * spread[:, None])
        good[going] = ~_grown(bad, width)
        slope[going], last[going] = fitted, kept[going]
        kept[going] = good[going].sum(axis=1)
    return kept, slope


def _grown(bad: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
    """Also what lies within ``width`` pixels, as a convolution with that many ones gives it."""
    n = bad.shape[1]
    sums = np.concatenate([np.zeros((len(bad), 1), int), np.cumsum(bad, axis=1)], axis=1)
    first = np.arange(n) - width // 2
    last = np.minimum(first + width, n)
    return np.asarray(sums[:, last] > sums[:, np.maximum(first, 0)])


def full_limits(frames: Frames) -> Limits:
    """The faintest and the brightest pixel of each frame."""
    flat = frames.reshape(len(frames), -1).astype(np.float64)
    return flat.min(axis=1), flat.max(axis=1)


def linear(share: Frames) -> Frames:
    """Brightness as it is."""
    return share


def asinh(share: Frames) -> Frames:
    """Linear where faint, logarithmic where bright."""
    bent: Frames = np.arcsinh(share / np.float32(SOFTENING)) / np.float32(np.arcsinh(1 / SOFTENING))
    return bent


STRETCHES: dict[str, tuple[Callable[[Frames], Limits], Callable[[Frames], Frames]]] = {
    "zscale": (zscale_limits, linear),
    "asinh": (full_limits, asinh),
    "minmax": (full_limits, linear),
}
"""Name of each stretch: where black and white are, and the scale between them."""


def stretched(frames: Frames, name: str) -> NDArray[np.uint8]:
    """Frames in grey, (n, 28, 28) uint8; pixels without data are taken for sky.

    Raises
    ------
    KeyError
        For a stretch that is none of :data:`STRETCHES`.
    """
    limits_of, scale = STRETCHES[name]
    filled = _filled(frames)
    if not len(filled):
        return np.zeros(frames.shape, np.uint8)
    low, high = (limit.astype(np.float32)[:, None, None] for limit in limits_of(filled))
    share = np.clip((filled - low) / np.maximum(high - low, np.float32(1e-6)), 0, 1)
    return (scale(share) * np.float32(255) + np.float32(0.5)).astype(np.uint8)


def _filled(frames: Frames) -> Frames:
    """Every frame with its median where it has no data; 0 where it has none at all."""
    known = np.isfinite(frames)
    if known.all():
        return frames
    filled = frames.copy()
    for number in np.flatnonzero(~known.all(axis=(1, 2))):
        inside = known[number]
        filled[number][~inside] = np.median(frames[number][inside]) if inside.any() else 0.0
    return filled
