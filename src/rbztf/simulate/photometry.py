"""Simulated PSF photometry of the frames, artefacts included: the light curve of an object."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rbztf.simulate.artefacts import Mark
from rbztf.simulate.kinds.registry import KINDS
from rbztf.simulate.object_plan import Plan
from rbztf.simulate.psf import Image, grid
from rbztf.simulate.render import light, place_in_frame, seeing_of
from rbztf.simulate.scene import Scene, paint_scene, psf_weights
from rbztf.simulate.seeds import Stream, stream
from rbztf.ztf import BAD_EPOCH_FLAG, SIZE_PIX

MAG_PER_SNR = 1.0857
FLOOR_MAG = 0.013
"""Calibration noise of one exposure."""
DETECTION_SNR = 3.5
BACKGROUND_RING_PIX = (6.0, 12.0)
FLAG_SHARE, FALSE_FLAG_SHARE = 0.3, 0.008
"""Share of affected epochs that the pipeline flags, and of clean epochs."""
CORE = slice(SIZE_PIX // 2 - 4, SIZE_PIX // 2 + 4)
"""Pixels, along either axis, that a star covers."""
_NO_NEIGHBOURS = Scene(*(np.zeros(0) for _ in range(6)))
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Photometry:
    """Measured values per epoch; arrays of shape (n,)."""

    mag: Floats
    magerr: Floats
    catflags: NDArray[np.int64]
    chi: Floats
    sharp: Floats
    limitmag: Floats


def measure(plan: Plan) -> Photometry:
    """Measure every epoch of an object."""
    seed, oid, n = plan.quadrant.seed, plan.entry.oid, len(plan)
    rng = stream(seed, Stream.PHOTOMETRY, oid)
    gain = plan.quadrant.electronics[0]
    magzp = plan.exposures.magzp[plan.visits]
    excess, roughness, n_eff = _excess(plan)
    own = 10 ** (-0.4 * (plan.mag - magzp))
    sigma = np.sqrt(np.maximum(own + excess, 0) / gain + n_eff * plan.noise_dn**2)
    flux = np.maximum(own + excess + rng.normal(0, 1, n) * sigma, DETECTION_SNR * sigma)
    magerr: Floats = np.hypot(MAG_PER_SNR * sigma / flux, np.full(n, FLOOR_MAG))
    touched = np.array([mark is not None for mark in plan.marks], bool)
    scatter = np.array([_scatter_mag(mark) for mark in plan.marks])
    mag = magzp - 2.5 * np.log10(flux) + rng.normal(0, 1, n) * scatter
    noticed = rng.random(n) < np.where(touched, FLAG_SHARE, FALSE_FLAG_SHARE)
    return Photometry(
        mag=np.round(mag, 7),
        magerr=np.round(magerr, 10),
        catflags=np.where(noticed, BAD_EPOCH_FLAG, 0).astype(np.int64),
        chi=np.round(rng.lognormal(-0.7, 0.35, n) * (1 + np.log1p(roughness)), 3),
        sharp=np.round(rng.normal(0, 0.04, n) * (1 + np.log1p(roughness)), 3),
        limitmag=np.round(magzp - 2.5 * np.log10(5 * np.sqrt(n_eff) * plan.noise_dn), 3),
    )


def _scatter_mag(mark: Mark | None) -> float:
    """Calibration noise of an epoch."""
    own = None if mark is None else KINDS[mark.kind].scatter_mag
    return FLOOR_MAG if own is None else own


def _excess(plan: Plan) -> tuple[Floats, Floats, Floats]:
    """Flux (DN) that is not the object's, its roughness in units of the noise, and the PSF's area, (n,) each."""
    n = len(plan)
    excess, roughness, n_eff = np.zeros(n), np.zeros(n), np.empty(n)
    for k in range(n):
        x_pix, y_pix = place_in_frame(plan, k)
        clean = seeing_of(plan, k, None)
        weights = psf_weights(clean, x_pix, y_pix, SIZE_PIX)
        n_eff[k] = (weights * weights).sum()  # = 1 / sum(P**2)
        if plan.host.mag < 90:
            magzp = float(plan.exposures.magzp[plan.visits[k]])
            host = paint_scene(_NO_NEIGHBOURS, plan.host, clean, magzp, x_pix, y_pix, SIZE_PIX)
            excess[k] += (weights * _above_background(host, x_pix, y_pix)).sum()
        mark = plan.marks[k]
        if mark is not None:
            change = light(plan, k, mark) - light(plan, k, None)
            np.minimum(change, plan.quadrant.electronics[2], out=change)
            change = _above_background(change, x_pix, y_pix)
            excess[k] += (weights * change).sum()
            roughness[k] = np.abs(change[CORE, CORE]).mean() / plan.noise_dn[k]
    return excess, roughness, n_eff


def _above_background(image: Image, x_pix: float, y_pix: float) -> Image:
    """Subtract the median of a ring around the object, as aperture photometry does for the sky."""
    dx, dy = grid(SIZE_PIX, x_pix, y_pix)
    radius = np.hypot(dx, dy)
    ring = (radius > BACKGROUND_RING_PIX[0]) & (radius < BACKGROUND_RING_PIX[1])
    above: Image = image - np.median(image[ring])
    return above
