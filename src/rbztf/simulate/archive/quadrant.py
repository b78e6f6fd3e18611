"""Whole quadrant images of the simulated sky, and cutouts of any size out of them.

The background of a row depends on the seed, the image and the row alone, and every object
detected in the exposure is pasted in as its frame, so a cutout around an object, served or
cut from the whole image, equals :meth:`SimulatedSky.frames`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rbztf.simulate.archive.fitsbytes import image_bytes
from rbztf.simulate.geometry import N_COLUMNS, N_ROWS, Quadrant, Window
from rbztf.simulate.headers import cutout_cards, exposure_cards
from rbztf.simulate.object_plan import Plan
from rbztf.simulate.seeds import Stream, stream
from rbztf.simulate.sky import SimulatedSky

WHOLE = Window(x0=0, x1=N_COLUMNS, y0=0, y1=N_ROWS, x_first=0, y_first=0)


def epoch_of(plan: Plan, visit: int) -> int | None:
    """Row of an object's light curve for a visit of its field, None where it was not detected."""
    row = int(np.searchsorted(plan.visits, visit))
    return row if row < len(plan) and plan.visits[row] == visit else None


def cut(sky: SimulatedSky, quadrant: Quadrant, visit: int, window: Window = WHOLE) -> NDArray[np.float32]:
    """Pixels of one exposure of a quadrant within ``window``, (rows, columns) float32 DN."""
    image = _background(sky, quadrant, visit, window)
    for oid in sky.objects_in(quadrant):
        epoch = epoch_of(sky.plan(oid), visit)
        if epoch is None:
            continue
        spot = sky.window(oid, epoch)
        x0, x1 = max(spot.x0, window.x0), min(spot.x1, window.x1)
        y0, y1 = max(spot.y0, window.y0), min(spot.y1, window.y1)
        if x0 < x1 and y0 < y1:
            frame = sky.frames(oid, [epoch])[0]
            rows = slice(y0 - spot.y_first, y1 - spot.y_first)
            columns = slice(x0 - spot.x_first, x1 - spot.x_first)
            image[y0 - window.y0 : y1 - window.y0, x0 - window.x0 : x1 - window.x0] = frame[rows, columns]
    return image


def quadrant_bytes(sky: SimulatedSky, quadrant: Quadrant, visit: int, window: Window = WHOLE) -> bytes:
    """A FITS file of the pixels in ``window``, with the header that IRSA would give it."""
    cards = cutout_cards(exposure_cards(quadrant, sky.exposures(quadrant.field), visit), window)
    return image_bytes(cards, cut(sky, quadrant, visit, window))


def _background(sky: SimulatedSky, quadrant: Quadrant, visit: int, window: Window) -> NDArray[np.float32]:
    exposures = sky.exposures(quadrant.field)
    gain, readnoise, _ = quadrant.electronics
    sky_dn, expid = float(exposures.sky_dn[visit]), int(exposures.expid[visit])
    noise_dn = np.float32(np.sqrt(sky_dn / gain + (readnoise / gain) ** 2))
    image = np.empty((window.y1 - window.y0, window.x1 - window.x0), np.float32)
    for y in range(window.y0, window.y1):
        rng = stream(sky.seed, Stream.TILE, quadrant.field, quadrant.ccd, quadrant.qid, expid, y)
        image[y - window.y0] = rng.standard_normal(window.x1, np.float32)[window.x0 :]
    image *= noise_dn
    image += np.float32(sky_dn)
    return image
