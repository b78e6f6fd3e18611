"""Geometry: the WCS of each quadrant, and the pixel window of a cutout."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbztf.simulate.seeds import Stream, stream
from rbztf.ztf import SIZE_PIX

N_COLUMNS = 3072
N_ROWS = 3080
PIXEL_DEG = 2.8116e-4  # 1.012 arcsec
FIELD_STEP_DEG = 1.87  # between CCDs
QUADRANT_STEP_DEG = 0.8665
CENTRE_PIX = SIZE_PIX // 2 - 1
"""An object lies between this 0-based pixel of its cutout and the next, as in IRSA's answers."""
_PV_TERMS = (4, 5, 6, 7, 8, 9, 10, 12, 13, 14, 15, 16)  # as SCAMP writes them for ZTF
_PV_SCATTER = 2e-4


@dataclass(frozen=True)
class Quadrant:
    """One readout channel of one field at nominal pointing; its WCS is TPV, as in ZTF.

    An exposure's own WCS has CRPIX shifted by its pointing, so an object's pixel in an
    exposure is its nominal pixel plus the shift, exactly.
    """

    seed: int
    field: int
    ccd: int
    qid: int

    @cached_property
    def cards(self) -> dict[str, Any]:
        """The WCS cards of the nominal pointing."""
        rng = stream(self.seed, Stream.QUADRANT, self.field, self.ccd, self.qid)
        ra_deg, dec_deg = quadrant_centre_deg(self.field, self.ccd, self.qid)
        turn, skew = rng.normal(0, 0.025), rng.normal(0, 3e-5)
        cards: dict[str, Any] = {
            "WCSVERS": "2.1",
            "WCSAXES": 2,
            "WCSNAME": "ZTF",
            "RADESYS": "ICRS",
            "CTYPE1": "RA---TPV",
            "CTYPE2": "DEC--TPV",
            "CRPIX1": 1536.5,
            "CRPIX2": 1540.5,
            "CRVAL1": ra_deg,
            "CRVAL2": dec_deg,
            "CUNIT1": "deg",
            "CUNIT2": "deg",
            "CD1_1": -PIXEL_DEG * math.cos(turn) * (1 + skew),
            "CD1_2": -PIXEL_DEG * math.sin(turn),
            "CD2_1": PIXEL_DEG * math.sin(turn),
            "CD2_2": -PIXEL_DEG * math.cos(turn) * (1 - skew),
        }
        for axis in (1, 2):
            cards[f"PV{axis}_0"] = float(rng.normal(0, 3e-5))
            cards[f"PV{axis}_1"] = 1 + float(rng.normal(0, 3e-5))
            cards[f"PV{axis}_2"] = float(rng.normal(0, 8e-5))
            cards.update({f"PV{axis}_{term}": float(rng.normal(0, _PV_SCATTER)) for term in _PV_TERMS})
        return cards

    @cached_property
    def electronics(self) -> tuple[float, float, float]:
        """Gain (electrons per DN), read noise (electrons) and saturation (DN) of the amplifier."""
        rng = stream(self.seed, Stream.QUADRANT, self.ccd, self.qid)
        return (
            round(6.2 + float(rng.normal(0, 0.08)), 2),
            round(10 + float(rng.normal(0, 0.5)), 1),
            round(48500 + float(rng.normal(0, 900)), 3),
        )

    @cached_property
    def wcs(self) -> Any:
        """astropy WCS of the nominal pointing."""
        from astropy.io import fits
        from astropy.wcs import WCS

        header = fits.Header()
        header["NAXIS"], header["NAXIS1"], header["NAXIS2"] = 2, N_COLUMNS, N_ROWS
        header.update(self.cards)
        return WCS(header)

    def pixel_to_sky(
        self, x_pix: NDArray[np.float64], y_pix: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """ICRS degrees of 0-based pixels at nominal pointing, arrays (n,)."""
        ra_deg, dec_deg = self.wcs.all_pix2world(x_pix, y_pix, 0)
        return np.asarray(ra_deg), np.asarray(dec_deg)

    def sky_to_pixel(self, ra_deg: float, dec_deg: float) -> tuple[float, float]:
        """0-based pixel of a position at nominal pointing (NaN where the projection has none)."""
        x_pix, y_pix = self.wcs.wcs_world2pix([[ra_deg, dec_deg]], 0)[0]
        return float(x_pix), float(y_pix)


@lru_cache(maxsize=4096)
def quadrant_of(seed: int, field: int, ccd: int, qid: int) -> Quadrant:
    """The one :class:`Quadrant` of that place, so that its WCS is made once."""
    return Quadrant(seed, field, ccd, qid)


def quadrant_centre_deg(field: int, ccd: int, qid: int) -> tuple[float, float]:
    """Sky position of a quadrant's centre; the grid is not ZTF's, but no two fields overlap."""
    field_ra = field * 137.50776 % 360.0
    field_dec = -20 + 85.0 * (field * 0.61803399 % 1.0)
    row, column = divmod(ccd - 1, 4)
    x_deg = (column - 1.5) * FIELD_STEP_DEG + (0.5 if qid in (1, 4) else -0.5) * QUADRANT_STEP_DEG
    y_deg = (row - 1.5) * FIELD_STEP_DEG + (0.5 if qid in (1, 2) else -0.5) * QUADRANT_STEP_DEG
    dec_deg = field_dec + y_deg
    return (field_ra + x_deg / math.cos(math.radians(dec_deg))) % 360.0, dec_deg


@dataclass(frozen=True)
class Window:
    """The pixels of a quadrant that a cutout takes: ``image[y0:y1, x0:x1]`` after clipping."""

    x0: int
    x1: int
    y0: int
    y1: int
    x_first: int
    """Column of the quadrant at which the unclipped cutout begins."""
    y_first: int

    @property
    def empty(self) -> bool:
        """Whether the cutout has no pixel on the chip."""
        return self.x1 <= self.x0 or self.y1 <= self.y0

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns after clipping."""
        return max(self.y1 - self.y0, 0), max(self.x1 - self.x0, 0)

    @property
    def inside(self) -> tuple[slice, slice]:
        """The part of the unclipped cutout that is on the chip, as (rows, columns)."""
        return (
            slice(self.y0 - self.y_first, self.y1 - self.y_first),
            slice(self.x0 - self.x_first, self.x1 - self.x_first),
        )


def cutout_window(
    x_pix: float, y_pix: float, shape: tuple[int, int] = (N_ROWS, N_COLUMNS), size_pix: int = SIZE_PIX
) -> Window:
    """The cutout of ``size_pix`` pixels a side around a 0-based pixel of a chip of ``shape``."""
    half = size_pix // 2 - 1
    x_first, y_first = math.floor(x_pix) - half, math.floor(y_pix) - half
    return Window(
        x0=max(x_first, 0),
        x1=min(x_first + size_pix, shape[1]),
        y0=max(y_first, 0),
        y1=min(y_first + size_pix, shape[0]),
        x_first=x_first,
        y_first=y_first,
    )
