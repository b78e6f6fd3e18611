"""Whole images: what is cut from them is what is served."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import Cutout2D
from astropy.wcs import WCS

from rbztf.simulate.archive.fitsbytes import card, image_bytes
from rbztf.simulate.archive.quadrant import cut, epoch_of, quadrant_bytes
from rbztf.simulate.geometry import cutout_window
from rbztf.simulate.sky import SimulatedSky


def test_a_whole_image_holds_the_frames_of_its_objects(sky: SimulatedSky) -> None:
    oid = next(oid for oid in sky.oids if sky.object(oid).kind == "frame_edge")
    plan = sky.plan(oid)
    visit = int(plan.visits[0])
    content = io.BytesIO(quadrant_bytes(sky, plan.quadrant, visit))
    with warnings.catch_warnings(), fits.open(content) as hdus:
        warnings.simplefilter("ignore")
        header, image = hdus[0].header, np.array(hdus[0].data)
        wcs = WCS(header)
    assert image.shape == (3080, 3072)
    for other in sky.objects_in(plan.quadrant):
        epoch = epoch_of(sky.plan(other), visit)
        if epoch is None:
            continue
        entry = sky.object(other)
        x_pix, y_pix = (float(value) for value in wcs.all_world2pix([[entry.ra_deg, entry.dec_deg]], 0)[0])
        window = cutout_window(x_pix, y_pix)
        middle = (window.x_first + 13.5, window.y_first + 13.5)
        found = Cutout2D(image, middle, 28, mode="partial", fill_value=np.nan).data
        np.testing.assert_array_equal(found, sky.frames(other, [epoch])[0])


def test_a_part_equals_the_same_part_of_the_whole(sky: SimulatedSky) -> None:
    quadrant = sky.quadrants()[0]
    window = cutout_window(1500.4, 20.2, size_pix=60)
    part = cut(sky, quadrant, 3, window)
    whole = cut(sky, quadrant, 3)
    np.testing.assert_array_equal(part, whole[window.y0 : window.y1, window.x0 : window.x1])


def test_bytes_are_fits() -> None:
    pixels = np.arange(12, dtype=np.float32).reshape(3, 4)
    cards = {
        "NAME": "it's",
        "FLAG": True,
        "COUNT": 123456789,
        "VALUE": -2.809852433930e-04,
        "BIG": 2458323.8541088,
    }
    content = image_bytes(cards, pixels)
    assert len(content) % 2880 == 0
    with fits.open(io.BytesIO(content)) as hdus:
        hdus.verify("exception")
        np.testing.assert_array_equal(hdus[0].data, pixels)
        assert {name: hdus[0].header[name] for name in cards} == cards


def test_headers_hold_to_the_standard(sky: SimulatedSky) -> None:
    oid = sky.oids[0]
    content = image_bytes(sky.frame_header(oid, 0), sky.frames(oid, [0])[0])
    with fits.open(io.BytesIO(content)) as hdus:
        hdus.verify("exception")


def test_a_text_too_long_for_a_card_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        card("NAME", "x" * 80)
