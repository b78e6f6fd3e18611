"""Whether frames can be images of a survey at all: pixels that vary, a sky above 0, something seen that lasts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rbztf.frames.background import MAD_TO_SIGMA, Frames

MOST_FRAMES = 50
"""Of an object that are looked at, evenly chosen."""
LEAST_FRAMES = 10
"""Below which a faint object in noise is not told from noise."""
LEAST_CORRELATION = 0.06
"""Of neighbouring pixels in the mean of an object's frames: of 300 means of 10 frames of white noise 1 % exceed it."""
CLIP_SIGMA = 5.0
MOST_SHARE = 0.5
"""Of the frames of an object that may be constant, or have no sky, before it is held against the object."""


def frames_fault(frames: Frames) -> str:
    """Why the frames of an object are no images of the sky; empty if they may be.

    Parameters
    ----------
    frames : ndarray (n, 28, 28), float32
        Usable ones, in DN; not finite where there is no data.
    """
    n = len(frames)
    if not n:
        return ""
    some = frames[np.linspace(0, n - 1, min(n, MOST_FRAMES)).astype(int)].astype(np.float64)
    pixels = np.where(np.isfinite(some), some, np.nan).reshape(len(some), -1)
    share = np.mean(np.nanmax(pixels, axis=1) == np.nanmin(pixels, axis=1))
    if share > MOST_SHARE:
        return f"{share:.0%} of its frames are constant"
    sky = np.nanmedian(pixels, axis=1)
    share = np.mean(sky <= 0)
    if share > MOST_SHARE:
        return f"{share:.0%} of its frames have a sky of 0 DN or less; those of ZTF have it above 0"
    if n < LEAST_FRAMES:
        return ""
    found = _correlation(_mean_image(pixels, sky).reshape(frames.shape[1:]))
    if found < LEAST_CORRELATION:
        return f"its frames together are noise (correlation of neighbouring pixels {found:.2f})"
    return ""


def _mean_image(pixels: NDArray[np.float64], sky: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over frames of the deviation from the sky, in deviations of the frame, clipped; 0 where unknown."""
    deviation = pixels - sky[:, None]
    sigma = MAD_TO_SIGMA * np.nanmedian(np.abs(deviation), axis=1)
    scaled = np.clip(deviation / np.maximum(sigma, 1e-9)[:, None], -CLIP_SIGMA, CLIP_SIGMA)
    known = np.isfinite(scaled)
    return np.asarray(np.where(known, scaled, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1))


def _correlation(image: NDArray[np.float64]) -> float:
    """Of neighbouring pixels."""
    centred = image - image.mean()
    spread = float(np.mean(centred**2))
    along = np.mean(centred[1:] * centred[:-1]) + np.mean(centred[:, 1:] * centred[:, :-1])
    return float(along / 2 / spread) if spread > 0 else 1.0
