"""Neighbours of an object: stars and galaxies in its frame and just outside it, and its host."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rbztf.simulate.psf import Image, Seeing, galaxy, grid, moffat, star
from rbztf.simulate.seeds import Stream, stream
from rbztf.ztf import SIZE_PIX

FAINTEST_MAG = 22.0
BRIGHTEST_MAG = 13.0
COUNT_SLOPE = 0.28
"""log10 N(<m) grows by this per magnitude (between 0.2 at low and 0.35 at high latitude)."""
REACH_PIX = SIZE_PIX / 2 + 6
"""Sources up to this far from the object (in x and y) are drawn, 6 pixels beyond the frame."""
GALAXY_SHARE = 0.18
NEAREST_PIX = 3.0
"""A source nearer than this would have been merged with the object in the catalogue."""


@dataclass(frozen=True)
class Scene:
    """Static sources around one object; arrays of shape (k,).

    Attributes
    ----------
    dx_pix, dy_pix : float64
        Offset from the object.
    mag : float64
    size_pix : float64
        Intrinsic full width at half maximum of galaxies, 0 for stars.
    axis_ratio, angle_rad : float64
    """

    dx_pix: NDArray[np.float64]
    dy_pix: NDArray[np.float64]
    mag: NDArray[np.float64]
    size_pix: NDArray[np.float64]
    axis_ratio: NDArray[np.float64]
    angle_rad: NDArray[np.float64]


@dataclass(frozen=True)
class Host:
    """The galaxy under a supernova or an active nucleus; ``mag`` 99 for none."""

    mag: float = 99.0
    dx_pix: float = 0.0
    dy_pix: float = 0.0
    size_pix: float = 0.0
    axis_ratio: float = 1.0
    angle_rad: float = 0.0


def field_density(seed: int, field: int) -> float:
    """Sources per frame-sized area down to :data:`FAINTEST_MAG` in a field, from empty to crowded."""
    return float(np.exp(stream(seed, Stream.FIELD, field).normal(1.15, 0.8)).clip(0.5, 18))


def draw_scene(seed: int, oid: int, density: float) -> Scene:
    """Neighbours of an object in a field of that many sources per frame."""
    rng = stream(seed, Stream.SCENE, oid)
    count = int(rng.poisson(density * (2 * REACH_PIX / SIZE_PIX) ** 2))
    dx_pix, dy_pix = rng.uniform(-REACH_PIX, REACH_PIX, (2, count))
    mag = FAINTEST_MAG + np.log10(np.maximum(rng.random(count), 1e-9)) / COUNT_SLOPE
    extended = rng.random(count) < GALAXY_SHARE
    size_pix = np.where(extended, rng.lognormal(0.9, 0.5, count), 0.0)
    axis_ratio, angle_rad = rng.uniform(0.35, 1, count), rng.uniform(0, np.pi, count)
    keep = (np.hypot(dx_pix, dy_pix) > NEAREST_PIX) & (mag > BRIGHTEST_MAG)
    return Scene(dx_pix[keep], dy_pix[keep], mag[keep], size_pix[keep], axis_ratio[keep], angle_rad[keep])


def draw_host(rng: np.random.Generator) -> Host:
    """A galaxy whose nucleus is within a few pixels of the object."""
    size_pix = float(rng.lognormal(1.2, 0.4))
    return Host(
        mag=float(rng.uniform(17.5, 20.0)),
        dx_pix=float(rng.normal(0, 0.4 * size_pix)),
        dy_pix=float(rng.normal(0, 0.4 * size_pix)),
        size_pix=size_pix,
        axis_ratio=float(rng.uniform(0.4, 1)),
        angle_rad=float(rng.uniform(0, np.pi)),
    )


def paint_scene(
    scene: Scene, host: Host, seeing: Seeing, magzp: float, x_pix: float, y_pix: float, size_pix: int
) -> Image:
    """Light of the neighbours and the host, (size, size) float64 DN, around an object at (x, y)."""
    dx, dy = grid(size_pix, x_pix, y_pix)
    image = np.zeros((size_pix, size_pix))
    for k in range(len(scene.mag)):
        flux = 10 ** (-0.4 * (scene.mag[k] - magzp))
        x, y = dx - scene.dx_pix[k], dy - scene.dy_pix[k]
        if scene.size_pix[k] > 0:
            shape = galaxy(x, y, seeing, scene.size_pix[k], scene.axis_ratio[k], scene.angle_rad[k])
        else:
            shape = star(x, y, seeing)
        image += flux * shape
    if host.mag < 90:
        flux = 10 ** (-0.4 * (host.mag - magzp))
        x, y = dx - host.dx_pix, dy - host.dy_pix
        image += flux * galaxy(x, y, seeing, host.size_pix, host.axis_ratio, host.angle_rad)
    return image


def psf_weights(seeing: Seeing, x_pix: float, y_pix: float, size_pix: int) -> Image:
    """Weights of PSF photometry: ``P / sum(P**2)``, for a telescope in focus."""
    dx, dy = grid(size_pix, x_pix, y_pix)
    profile = moffat(dx, dy, seeing.fwhm_pix, seeing.axis_ratio, seeing.angle_rad)
    weights: Image = profile / (profile * profile).sum()
    return weights
