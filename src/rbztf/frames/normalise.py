"""Normalisers: frames in DN to the dimensionless numbers that an encoder reads.

To add one, write it here and name it in :data:`NORMALISERS`. Configurations accept its name
from then on, and training and augmentation read its properties from its entry.

The first five are those of the reference work. Each acts on one frame at a time and so
removes its flux; they differ in what they divide by. The ``asinh_*`` keep a physical unit: the
sky is subtracted, and a pixel of ``x`` DN becomes ``asinh((x - sky) / (SOFTENING * unit))``,
which is linear within a few units and logarithmic above (Lupton, Gunn & Szalay 1999, AJ 118,
1406, eq. 3).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from rbztf.frames.background import Floats, FrameFacts, Frames, SkyLevel, flux_scale, sky_level

SOFTENING = 3.0
"""Units at which the asinh stretch turns from linear to logarithmic."""
FLUX_UNIT_DN = 10.0
"""Unit of ``asinh_flux``: DN at the reference zero point, about the noise of a dark sky."""


class RawFrames:
    """Frames in DN and their header values. Their sky is measured once, when it is first needed.

    Parameters
    ----------
    pixels : ndarray (n, height, width), float32
        In DN; not finite where there is no data.
    facts : FrameFacts, optional
        Header values; all unknown if left out.
    """

    def __init__(self, pixels: Frames, facts: FrameFacts | None = None) -> None:
        self.pixels = pixels
        self.facts = facts if facts is not None else FrameFacts.unknown(len(pixels))

    @cached_property
    def level(self) -> SkyLevel:
        """Sky and noise of each frame."""
        return sky_level(self.pixels)


@dataclass(frozen=True, kw_only=True)
class Normaliser:
    """One way to scale frames.

    Attributes
    ----------
    apply : callable
        Takes :class:`RawFrames` and whether invalid pixels count as 0 DN; returns
        (n, height, width) float32, finite.
    in_noise_units : bool
        Whether values are ``asinh(x / SOFTENING)`` of ``x`` in units of the noise of the sky.
        Augmentation then knows how much noise a shift removes.
    needs_headers : bool
        Whether gain, read noise, saturation level and zero point are read for each frame: for
        the unit, and to mark saturated pixels.
    """

    apply: Callable[[RawFrames, bool], Frames]
    in_noise_units: bool
    needs_headers: bool


def normalise(raw: RawFrames, normaliser: str = "minmax", invalid: str = "zero") -> Frames:
    """Normalise frames.

    Parameters
    ----------
    raw : RawFrames
        n frames.
    normaliser : str
        One of :data:`NORMALISERS`.
    invalid : {"zero", "ignore", "mask"}
        ``zero`` counts pixels without data as 0 DN, as published. With ``ignore`` and ``mask``
        statistics are taken over the valid pixels alone; the others become 0, the level of the
        sky, with ``asinh_*``, and else the value of the darkest valid pixel.

    Returns
    -------
    ndarray (n, height, width), float32
        Dimensionless and finite. A frame without contrast (constant, empty) becomes zeros.

    Raises
    ------
    ValueError
        For an unknown ``normaliser`` or ``invalid``.
    """
    if normaliser not in NORMALISERS:
        raise ValueError(f"Unknown normaliser {normaliser!r}. Must be one of: {', '.join(NORMALISERS)}")
    if invalid not in ("zero", "ignore", "mask"):
        raise ValueError(
            f"Unknown treatment {invalid!r} of invalid pixels. Must be one of: zero, ignore, mask"
        )
    return NORMALISERS[normaliser].apply(raw, invalid == "zero")


_Statistics = Callable[[Frames], tuple[Floats, Floats]]
"""Offset and scale, (n,) each, of flattened frames (n, pixels)."""


def _each_frame(statistics: _Statistics, raw: RawFrames, as_zero: bool, *, clip: bool = False) -> Frames:
    """Subtract each frame's offset and divide by its scale; ``clip`` to 0..1."""
    frames = raw.pixels
    flat = frames.reshape(len(frames), frames.shape[1] * frames.shape[2])
    finite = np.isfinite(flat)
    if finite.all():
        return _rescale(statistics, flat, clip).reshape(frames.shape)
    if as_zero:
        return _rescale(statistics, np.where(finite, flat, np.float32(0)), clip).reshape(frames.shape)
    out = np.zeros_like(flat)
    whole = finite.all(axis=1)
    out[whole] = _rescale(statistics, flat[whole], clip)
    for row in np.flatnonzero(~whole):  # one by one: each has another number of valid pixels
        valid = finite[row]
        if valid.any():
            values = _rescale(statistics, flat[row, valid][None], clip)[0]
            out[row] = values.min()
            out[row, valid] = values
    return out.reshape(frames.shape)


def _rescale(statistics: _Statistics, pixels: Frames, clip: bool) -> Frames:
    offset, scale = statistics(pixels)
    usable = np.isfinite(scale) & (scale != 0)
    # Dividing (not multiplying by the inverse) gives the very bits of the reference's code.
    divisor = np.where(usable, scale, np.float32(1))[:, None]
    rescaled: Frames = ((pixels - offset[:, None]) / divisor).astype(np.float32, copy=False)
    rescaled[~usable] = 0
    return np.clip(rescaled, 0, 1, out=rescaled) if clip else rescaled


def _min_max(pixels: Frames) -> tuple[Floats, Floats]:
    low = pixels.min(axis=1)
    return low, pixels.max(axis=1) - low


def _l2(pixels: Frames) -> tuple[Floats, Floats]:
    scale = np.sqrt(np.einsum("np,np->n", pixels, pixels, dtype=np.float64))
    return np.zeros(len(pixels), np.float32), scale.astype(np.float32)


def _max(pixels: Frames) -> tuple[Floats, Floats]:
    return np.zeros(len(pixels), np.float32), pixels.max(axis=1)


def _standard(pixels: Frames) -> tuple[Floats, Floats]:
    mean = pixels.mean(axis=1, dtype=np.float64)
    return mean.astype(np.float32), pixels.std(axis=1, dtype=np.float64).astype(np.float32)


def _three_sigma(pixels: Frames) -> tuple[Floats, Floats]:
    mean, sigma = _standard(pixels)
    return mean - 3 * sigma, 6 * sigma


def _above_sky(unit_dn: Callable[[RawFrames], Floats], raw: RawFrames, as_zero: bool) -> Frames:
    """Subtract the sky and stretch; ``unit_dn`` gives the unit of each frame, (n,) float32 in DN."""
    frames = np.where(np.isfinite(raw.pixels), raw.pixels, 0) if as_zero else raw.pixels
    sky_dn, unit = raw.level.sky_dn, unit_dn(raw)
    scaled = frames - sky_dn[:, None, None]
    scaled /= SOFTENING * unit[:, None, None]
    np.arcsinh(scaled, out=scaled)
    np.copyto(scaled, 0, where=~np.isfinite(scaled))
    return scaled.astype(np.float32, copy=False)


def measured_noise_dn(raw: RawFrames) -> Floats:
    """The measured noise of the sky, (n,) float32 in DN."""
    return raw.level.noise_dn


def ccd_noise_dn(raw: RawFrames) -> Floats:
    """The noise expected from the electronics, ``sqrt(sky / gain + (readnoise / gain)^2)``, (n,) in DN.

    The measured one where gain or read noise is unknown or the sky was subtracted.
    """
    level, facts = raw.level, raw.facts
    variance = level.sky_dn / facts.gain + (facts.readnoise / facts.gain) ** 2
    usable = np.isfinite(variance) & (variance > 0) & (level.sky_dn > 0)
    return np.where(usable, np.sqrt(np.where(usable, variance, 1)), level.noise_dn).astype(np.float32)


def fixed_flux_dn(raw: RawFrames) -> Floats:
    """:data:`FLUX_UNIT_DN` scaled by the zero point, (n,) float32 in DN."""
    return np.asarray(FLUX_UNIT_DN * flux_scale(raw.facts), np.float32)


def _published(statistics: _Statistics, *, clip: bool = False) -> Normaliser:
    apply = partial(_each_frame, statistics, clip=clip)
    return Normaliser(apply=apply, in_noise_units=False, needs_headers=False)


def _physical(unit_dn: Callable[[RawFrames], Floats], *, in_noise_units: bool) -> Normaliser:
    return Normaliser(apply=partial(_above_sky, unit_dn), in_noise_units=in_noise_units, needs_headers=True)


NORMALISERS: dict[str, Normaliser] = {
    "minmax": _published(_min_max),  # lowest pixel to 0, highest to 1 (the published choice)
    "l2": _published(_l2),  # Euclidean norm to 1
    "max": _published(_max),  # highest pixel to 1
    "standard": _published(_standard),  # mean to 0, standard deviation to 1
    "three_sigma": _published(_three_sigma, clip=True),  # mean ± 3 standard deviations to 0..1
    "asinh_noise": _physical(measured_noise_dn, in_noise_units=True),
    "asinh_ccd": _physical(ccd_noise_dn, in_noise_units=True),
    "asinh_flux": _physical(fixed_flux_dn, in_noise_units=False),
}
"""By the name in ``frames.normaliser``."""
