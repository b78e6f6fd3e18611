"""Images of point sources and galaxies: Moffat profiles, and rings when out of focus."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

STAR_BETA = 3.0
"""Moffat exponent of ZTF's PSF wings (a common value for ground-based seeing)."""
GALAXY_BETA = 2.2
Image = NDArray[np.float64]


@dataclass(frozen=True)
class Seeing:
    """Shape of the PSF in one exposure."""

    fwhm_pix: float
    axis_ratio: float = 1.0
    angle_rad: float = 0.0
    donut_pix: float = 0.0
    """Radius of the ring that a defocused telescope makes of a star; 0 in focus."""


def grid(size_pix: int, x_pix: float, y_pix: float) -> tuple[Image, Image]:
    """Offsets of each pixel from (x_pix, y_pix), shapes (1, size) and (size, 1)."""
    axis = np.arange(size_pix, dtype=np.float64)
    return axis[None, :] - x_pix, axis[:, None] - y_pix


def moffat(
    dx_pix: Image,
    dy_pix: Image,
    fwhm_pix: float,
    axis_ratio: float = 1.0,
    angle_rad: float = 0.0,
    beta: float = STAR_BETA,
) -> Image:
    """Elliptical Moffat profile of unit flux, with full width ``fwhm_pix`` along the geometric mean axis."""
    alpha = fwhm_pix / (2 * np.sqrt(2 ** (1 / beta) - 1))
    cos, sin = np.cos(angle_rad), np.sin(angle_rad)
    major = (dx_pix * cos + dy_pix * sin) ** 2 * axis_ratio
    minor = (dy_pix * cos - dx_pix * sin) ** 2 / axis_ratio
    profile = 1 + (major + minor) / alpha**2
    if beta == STAR_BETA:  # a product is several times as fast as a power
        spread = 1 / (profile * profile * profile)
    else:
        spread = profile**-beta
    result: Image = spread * ((beta - 1) / (np.pi * alpha**2))
    return result


def star(dx_pix: Image, dy_pix: Image, seeing: Seeing) -> Image:
    """A point source of unit flux: a Moffat, or a ring when the telescope is out of focus."""
    if seeing.donut_pix <= 0:
        return moffat(dx_pix, dy_pix, seeing.fwhm_pix, seeing.axis_ratio, seeing.angle_rad)
    radius = np.hypot(dx_pix, dy_pix)
    softness = 0.6 + 0.25 * seeing.fwhm_pix
    outer = 1 / (1 + np.exp(np.clip((radius - seeing.donut_pix) / (0.5 * softness), -40, 40)))
    hole = 0.85 * np.exp(-0.5 * (radius / (0.42 * seeing.donut_pix)) ** 2)
    tilt = 1 + 0.35 * np.cos(np.arctan2(dy_pix, dx_pix) - seeing.angle_rad)
    ring = outer * (1 - hole) * tilt
    # the hole's flux, a Gaussian of weight 0.85, is taken off the disc's
    area = np.pi * seeing.donut_pix**2 * (1 + 0.8 * (softness / seeing.donut_pix) ** 2)
    area -= 0.85 * 2 * np.pi * (0.42 * seeing.donut_pix) ** 2
    result: Image = ring / area
    return result


def galaxy(
    dx_pix: Image, dy_pix: Image, seeing: Seeing, size_pix: float, axis_ratio: float, angle_rad: float
) -> Image:
    """A galaxy of unit flux: a wide elliptical Moffat broadened by the seeing."""
    width = float(np.hypot(size_pix, max(seeing.fwhm_pix, seeing.donut_pix)))
    return moffat(dx_pix, dy_pix, width, axis_ratio, angle_rad, GALAXY_BETA)
