"""Sky background and noise of frames, the header values that matter, and what normalising removes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.float32]
Floats = NDArray[np.float32]
CLIP_SIGMA = 3.0
"""Pixels further from the first estimate of the sky than this do not enter the second."""
MAD_TO_SIGMA = 1.4826
LEAST_NOISE = 1e-4
"""Least noise as a share of the sky (and in DN), so that constant frames stay finite."""
REFERENCE_MAGZP = 26.2
"""Zero point to which fluxes are scaled, near the median of ZTF's r-band images (mag)."""
SIDE_CHANNELS = ("noise", "sky", "valid", "saturated")
"""Names of the columns of :func:`side_channels`."""


@dataclass(frozen=True)
class FrameFacts:
    """Header values of each frame, NaN where unknown; arrays (n,), float32.

    Attributes
    ----------
    gain : electrons per DN
    readnoise : electrons
    saturate : DN, the level at which pixels saturate
    magzp : mag, zero point
    """

    gain: Floats
    readnoise: Floats
    saturate: Floats
    magzp: Floats

    @classmethod
    def unknown(cls, n_frames: int) -> Self:
        """Facts of ``n_frames`` frames whose headers are not available."""
        return cls(*(np.full(n_frames, np.nan, np.float32) for _ in fields(cls)))

    @classmethod
    def joined(cls, parts: Sequence[FrameFacts]) -> Self:
        """Those of all ``parts``, in order."""
        return cls(*(np.concatenate([getattr(part, item.name) for part in parts]) for item in fields(cls)))

    def __getitem__(self, rows: slice | NDArray[np.bool_] | NDArray[np.int64]) -> FrameFacts:
        return FrameFacts(*(getattr(self, item.name)[rows] for item in fields(self)))


@dataclass(frozen=True)
class SkyLevel:
    """Sky and noise of each frame, (n,) float32 in DN."""

    sky_dn: Floats
    noise_dn: Floats


def usable_frames(frames: Frames) -> NDArray[np.bool_]:
    """Which frames have at least one pixel with data, (n,) bool."""
    usable: NDArray[np.bool_] = np.isfinite(frames[:, frames.shape[1] // 2, frames.shape[2] // 2])
    others = np.flatnonzero(~usable)  # nearly all have their middle, which is enough
    usable[others] = np.isfinite(frames[others]).any(axis=(1, 2))
    return usable


def sky_level(frames: Frames) -> SkyLevel:
    """Measure sky and noise of each frame, robustly.

    The noise is that of the differences of horizontal neighbours, by their median absolute
    value over sqrt(2), so that a ghost or a gradient does not pass for noise. The sky is the
    median of the pixels within :data:`CLIP_SIGMA` of the median of all.

    Parameters
    ----------
    frames : ndarray (n, height, width), float32
        Pixels in DN; not finite where there is no data.
    """
    n, size = len(frames), frames.shape[1] * frames.shape[2]
    pixels = np.where(np.isfinite(frames), frames, np.float32(np.nan))
    ordered = np.sort(pixels.reshape(n, size), axis=1)  # invalid pixels last
    first = _middle(ordered, np.zeros(n, np.int64), _n_finite(ordered))
    noise = _noise(pixels, first)
    reach = CLIP_SIGMA * noise
    low = (ordered < (first - reach)[:, None]).sum(axis=1)
    high = (ordered <= (first + reach)[:, None]).sum(axis=1)
    return SkyLevel(_middle(ordered, low, high), noise)


def _noise(frames: Frames, sky: Floats) -> Floats:
    n_steps = frames.shape[1] * (frames.shape[2] - 1)
    steps = (frames[:, :, 1:] - frames[:, :, :-1]).reshape(len(frames), n_steps)
    np.abs(steps, out=steps)
    steps.sort(axis=1)
    middle = _middle(steps, np.zeros(len(frames), np.int64), _n_finite(steps))
    floor = np.float32(LEAST_NOISE) * np.maximum(1, np.abs(sky))
    noise: Floats = np.maximum(np.float32(MAD_TO_SIGMA / np.sqrt(2)) * middle, floor).astype(np.float32)
    return noise


def _n_finite(ordered: Frames) -> NDArray[np.int64]:
    """How many numbers of each sorted row are finite, (n,); no row begins with infinity."""
    counts = np.full(len(ordered), ordered.shape[1], np.int64)
    cut = np.flatnonzero(~np.isfinite(ordered[:, -1]))
    counts[cut] = np.isfinite(ordered[cut]).sum(axis=1)
    return counts


def _middle(ordered: Frames, start: NDArray[np.int64], stop: NDArray[np.int64]) -> Floats:
    """Median of ``ordered[start:stop]`` of each row, (n,) float32; 0 where that is empty."""
    rows, last = np.arange(len(ordered)), np.maximum(stop - start - 1, 0)
    top = ordered.shape[1] - 1
    one, other = (ordered[rows, np.minimum(start + k, top)] for k in (last // 2, (last + 1) // 2))
    return np.where(stop > start, 0.5 * (one + other), 0).astype(np.float32)


def flux_scale(facts: FrameFacts) -> Floats:
    """DN of a frame for one DN at :data:`REFERENCE_MAGZP`, (n,) float32; 1 where unknown."""
    scale = 10 ** (0.4 * (facts.magzp - REFERENCE_MAGZP))
    return np.where(np.isfinite(scale), scale, 1).astype(np.float32)


def saturated_pixels(frames: Frames, facts: FrameFacts) -> NDArray[np.bool_]:
    """Pixels at or above the saturation level, (n, height, width); none where it is unknown."""
    level = np.nan_to_num(facts.saturate, nan=np.inf)[:, None, None]
    return np.asarray((frames >= level) & np.isfinite(frames))


def side_channels(frames: Frames, level: SkyLevel, facts: FrameFacts) -> Floats:
    """Properties of a frame that normalised pixels no longer show, one column each of :data:`SIDE_CHANNELS`.

    Returns
    -------
    ndarray (n, 4), float32
        log10 of the noise (DN at :data:`REFERENCE_MAGZP`); asinh(sky / 50 DN); the share of
        pixels with data; the share of them that is saturated.
    """
    finite = np.isfinite(frames)
    valid = finite.mean(axis=(1, 2))
    saturated = saturated_pixels(frames, facts).mean(axis=(1, 2)) / np.maximum(valid, 1e-6)
    noise = np.log10(level.noise_dn / flux_scale(facts))
    return np.stack([noise, np.arcsinh(level.sky_dn / 50), valid, saturated], axis=1).astype(np.float32)
