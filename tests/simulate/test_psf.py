"""Shapes of stars and galaxies."""

from __future__ import annotations

import numpy as np
import pytest

from rbztf.simulate.psf import Seeing, galaxy, grid, star

SEEING = Seeing(fwhm_pix=2.2)


@pytest.mark.parametrize("seeing", [Seeing(1.6), Seeing(2.5, 0.8, 0.7), Seeing(3.5)])
def test_a_star_has_unit_flux_and_the_width_asked_for(seeing: Seeing) -> None:
    image = star(*grid(201, 100.0, 100.0), seeing)
    assert image.sum() == pytest.approx(1, abs=0.01)
    above = (star(*(np.array(axis) / 20 for axis in grid(401, 200.0, 200.0)), seeing) > image.max() / 2).sum()
    assert 2 * np.sqrt(above / 400 / np.pi) == pytest.approx(seeing.fwhm_pix, rel=0.02)


@pytest.mark.parametrize("donut_pix", [2.0, 3.5, 6.5])
def test_a_defocused_star_keeps_its_flux_but_not_its_peak(donut_pix: float) -> None:
    image = star(*grid(101, 50.0, 50.0), Seeing(2.2, donut_pix=donut_pix))
    assert image.sum() == pytest.approx(1, abs=0.12)
    assert image.max() < 0.5 * star(*grid(101, 50.0, 50.0), SEEING).max()


def test_a_galaxy_is_wider_than_a_star() -> None:
    offsets = grid(301, 150.0, 150.0)
    image = galaxy(*offsets, SEEING, size_pix=4.0, axis_ratio=0.5, angle_rad=1.0)
    assert image.sum() == pytest.approx(1, abs=0.03)
    assert image.max() < star(*offsets, SEEING).max()
