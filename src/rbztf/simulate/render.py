"""Draw the frame of one epoch: neighbours, object, artefact, noise, the edge of the chip."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rbztf.simulate.artefacts import Mark
from rbztf.simulate.geometry import CENTRE_PIX
from rbztf.simulate.kinds.registry import KINDS
from rbztf.simulate.object_plan import Plan
from rbztf.simulate.psf import Image, Seeing, grid, star
from rbztf.simulate.scene import paint_scene
from rbztf.simulate.seeds import Stream, stream
from rbztf.ztf import SIZE_PIX

SATURATION_HEADROOM = 1.2
"""Pixels clip at this times SATURATE, as in real frames of bright stars."""


def place_in_frame(plan: Plan, epoch: int) -> tuple[float, float]:
    """0-based pixel of the object within its unclipped frame."""
    return CENTRE_PIX + float(plan.x_pix[epoch]) % 1.0, CENTRE_PIX + float(plan.y_pix[epoch]) % 1.0


def seeing_of(plan: Plan, epoch: int, mark: Mark | None) -> Seeing:
    """The PSF of an epoch, with or without an artefact; some kinds of artefacts change it."""
    visit, exposures = plan.visits[epoch], plan.exposures
    seeing = Seeing(
        fwhm_pix=float(exposures.fwhm_pix[visit]),
        axis_ratio=float(exposures.axis_ratio[visit]),
        angle_rad=float(exposures.angle_rad[visit]),
    )
    return seeing if mark is None else KINDS[mark.kind].seeing(mark, seeing)


def paint(mark: Mark, seeing: Seeing, x_pix: float, y_pix: float) -> Image:
    """DN that ``mark`` adds to the frame of an object at 0-based pixel (x, y), (28, 28) float64."""
    dx, dy = grid(SIZE_PIX, x_pix, y_pix)
    return KINDS[mark.kind].paint(mark, dx - mark.x_pix, dy - mark.y_pix, seeing)


def light(plan: Plan, epoch: int, mark: Mark | None) -> Image:
    """Noiseless light above the sky, (28, 28) float64 DN, with or without an artefact."""
    x_pix, y_pix = place_in_frame(plan, epoch)
    seeing = seeing_of(plan, epoch, mark)
    magzp = float(plan.exposures.magzp[plan.visits[epoch]])
    flux = 10 ** (-0.4 * (float(plan.mag[epoch]) - magzp))
    image = paint_scene(plan.scene, plan.host, seeing, magzp, x_pix, y_pix, SIZE_PIX)
    image += flux * star(*grid(SIZE_PIX, x_pix, y_pix), seeing)
    if mark is not None:
        image += paint(mark, seeing, x_pix, y_pix)
    return image


def frame(plan: Plan, epoch: int) -> NDArray[np.float32]:
    """The frame of an epoch, (28, 28) float32 DN, NaN where the chip has no pixel."""
    gain, readnoise, saturate = plan.quadrant.electronics
    sky_dn = float(plan.exposures.sky_dn[plan.visits[epoch]])
    signal = np.maximum(sky_dn + light(plan, epoch, plan.marks[epoch]), 0)
    rng = stream(plan.quadrant.seed, Stream.NOISE, plan.entry.oid, epoch)
    noise = rng.standard_normal((SIZE_PIX, SIZE_PIX), np.float32)
    signal += noise * np.sqrt(signal / gain + (readnoise / gain) ** 2)
    np.minimum(signal, SATURATION_HEADROOM * saturate, out=signal)
    pixels = signal.astype(np.float32)
    window = plan.window(epoch)
    if window.shape == pixels.shape:
        return pixels
    clipped = np.full_like(pixels, np.nan)
    clipped[window.inside] = pixels[window.inside]
    return clipped
