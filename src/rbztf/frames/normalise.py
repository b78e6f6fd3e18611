"""Normalisers: frames in DN to the numbers an encoder was trained on.

The five of the reference work each act on one frame at a time, so they remove its flux;
they differ in what they divide by. With ``invalid="zero"`` a pixel without data counts as
0 DN, as published; with ``"ignore"`` the statistics run over the valid pixels alone and
the others get the value that the darkest valid pixel has afterwards.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.float32]
_Statistics = tuple[Frames, Frames]


def valid_pixels(frames: Frames) -> NDArray[np.bool_]:
    """Which pixels hold data, (n, 28, 28) bool: False where the chip has none (NaN, inf)."""
    return np.isfinite(frames)


def usable_frames(frames: Frames) -> NDArray[np.bool_]:
    """Which frames have at least one pixel with data, (n,) bool."""
    return np.asarray(valid_pixels(frames).any(axis=(1, 2)))


def normalise(frames: Frames, normaliser: str = "minmax", invalid: str = "zero") -> Frames:
    """Normalise each frame.

    Parameters
    ----------
    frames : ndarray (n, height, width), float32
        Pixels in DN; not finite where there is no data.
    normaliser : str
        One of :data:`NORMALISERS`.
    invalid : {"zero", "ignore"}
        What to do with pixels that hold no data.

    Returns
    -------
    ndarray (n, height, width), float32
        Dimensionless and finite. A frame whose scale is zero (constant, empty) becomes zeros.

    Raises
    ------
    ValueError
        For an unknown ``normaliser`` or ``invalid``.
    """
    if normaliser not in NORMALISERS:
        raise ValueError(f"Unknown normaliser {normaliser!r}. Must be one of: {', '.join(NORMALISERS)}")
    if invalid not in ("zero", "ignore"):
        raise ValueError(f"Unknown way with invalid pixels {invalid!r}. Must be one of: zero, ignore")
    flat = frames.reshape(len(frames), frames.shape[1] * frames.shape[2])
    finite = np.isfinite(flat)
    if finite.all():
        normalised = _apply(normaliser, flat)
    elif invalid == "zero":
        normalised = _apply(normaliser, np.where(finite, flat, np.float32(0)))
    else:
        normalised = _ignoring_invalid(normaliser, flat, finite)
    return normalised.reshape(frames.shape)


def _apply(normaliser: str, pixels: Frames) -> Frames:
    offset, scale = NORMALISERS[normaliser](pixels)
    return _rescale(normaliser, pixels, offset, scale)


def _rescale(normaliser: str, pixels: Frames, offset: Frames, scale: Frames) -> Frames:
    usable = np.isfinite(scale) & (scale != 0)
    # Dividing (not multiplying by the inverse) gives the very bits of the reference's code.
    divisor = np.where(usable, scale, np.float32(1))[:, None]
    rescaled: Frames = ((pixels - offset[:, None]) / divisor).astype(np.float32, copy=False)
    rescaled[~usable] = 0
    return np.clip(rescaled, 0, 1, out=rescaled) if normaliser == "three_sigma" else rescaled


def _ignoring_invalid(normaliser: str, pixels: Frames, finite: NDArray[np.bool_]) -> Frames:
    """Statistics of the valid pixels alone; frames are few per object, clipped ones fewer."""
    out = np.zeros_like(pixels)
    for row, valid in enumerate(finite):
        if valid.any():
            values = _apply(normaliser, pixels[row, valid][None])[0]
            out[row] = values.min()
            out[row, valid] = values
    return out


def _min_max(pixels: Frames) -> _Statistics:
    low = pixels.min(axis=1)
    return low, pixels.max(axis=1) - low


def _l2(pixels: Frames) -> _Statistics:
    scale = np.sqrt(np.einsum("np,np->n", pixels, pixels, dtype=np.float64))
    return np.zeros(len(pixels), np.float32), scale.astype(np.float32)


def _max(pixels: Frames) -> _Statistics:
    return np.zeros(len(pixels), np.float32), pixels.max(axis=1)


def _standard(pixels: Frames) -> _Statistics:
    mean = pixels.mean(axis=1, dtype=np.float64)
    return mean.astype(np.float32), pixels.std(axis=1, dtype=np.float64).astype(np.float32)


def _three_sigma(pixels: Frames) -> _Statistics:
    mean, sigma = _standard(pixels)
    return mean - 3 * sigma, 6 * sigma


NORMALISERS: dict[str, Callable[[Frames], _Statistics]] = {
    "minmax": _min_max,  # lowest pixel to 0, highest to 1 (the published choice)
    "l2": _l2,  # Euclidean norm to 1
    "max": _max,  # highest pixel to 1
    "standard": _standard,  # mean to 0, standard deviation to 1
    "three_sigma": _three_sigma,  # mean ± 3 standard deviations to 0..1, clipped
}
"""Offset and scale of each frame, (n,) each, by name."""
