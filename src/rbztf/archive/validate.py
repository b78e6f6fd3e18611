"""Validate a cutout response: FITS structure, exposure, WCS and position."""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbztf.archive.irsa import Exposure, separation_deg
from rbztf.errors import UnsoundAnswer
from rbztf.stores import fastfits, irsa_cutouts
from rbztf.stores.consistency import impossible_pixel
from rbztf.stores.epochs import header_facts
from rbztf.times import mjd_of_filefracday
from rbztf.ztf import SIZE_PIX, Band

FRAME_FACTS = ("seeing", "maglimit", "infobits", "gain", "readnoise", "saturate")
"""Columns of an epoch that only the frame's own header knows."""
MAX_FRAME_BYTES = 4 * 2**20
"""Far more than a cutout (29 kB), far less than a whole image (38 MB)."""
TIME_TOLERANCE_DAYS = 2.5e-4
"""22 s: names and headers have been seen 13 s apart, two exposures of a field are 40 s apart at least."""
NAMED_TIME_TOLERANCE_DAYS = 300 / 86400
"""For frames whose header names the exposure: shutters have opened up to 118 s after the time in the name."""
_NAME = re.compile(r"ztf_(\d{14})_")
CENTRE_TOLERANCE_DEG = 45 / 3600
"""Half the diagonal of a cutout, 20 arcsec, and as much again for clipping and distortion."""
QUADRANT_CENTRE = (1536.5, 1540.5)
"""CRPIX1 and CRPIX2 of every whole image (3072 columns, 3080 rows), from which a cutout's differ."""
_WCS_NUMBERS = ("CRPIX1", "CRPIX2", "CRVAL1", "CRVAL2", "CD1_1", "CD1_2", "CD2_1", "CD2_2")


@dataclass(frozen=True)
class Frame:
    """A sound frame.

    Attributes
    ----------
    pixels : ndarray (rows, columns), float32
        DN, sky included; at most 28 x 28, as served.
    facts : dict
        :data:`FRAME_FACTS` as far as the header has them.
    content : bytes
        The file as served.
    edge_pix : float
        Pixels between the frame and the nearest edge of its chip.
    """

    pixels: NDArray[np.float32]
    facts: dict[str, float | int]
    content: bytes
    edge_pix: float

    def placed(self, ra_deg: float, dec_deg: float) -> NDArray[np.float32]:
        """All 28 x 28 pixels around a position; NaN where the chip has none.

        Not for several threads at once: astropy's warnings are silenced for the whole process.

        Raises
        ------
        DataError
            If the WCS does not say where the position is.
        """
        if self.pixels.shape == (SIZE_PIX, SIZE_PIX):
            return self.pixels
        from astropy.io import fits

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            header = fits.getheader(io.BytesIO(self.content))
            header["OIDRA"], header["OIDDEC"] = ra_deg, dec_deg
            return irsa_cutouts.place(self.pixels, header, clipped=True)


def check_frame(content: bytes, exposure: Exposure, ra_deg: float, dec_deg: float) -> Frame:
    """Read an answer of the cutout service and make sure that it is what was asked for.

    Parameters
    ----------
    content : bytes
        The body, gzip undone.
    exposure : Exposure
        The image asked for.
    ra_deg, dec_deg : float
        The position asked for (ICRS), in degrees.

    Raises
    ------
    UnsoundAnswer
        If it is not FITS, not as long as its header says, to the byte, of a wrong shape, without a
        finite WCS, of another field, filter, CCD, quadrant or time, of another place on the sky, or
        holds pixels that no image can have; where it has checksums, if they are wrong.
    """
    header, pixels = _read(content)
    if not 1 <= min(pixels.shape) <= max(pixels.shape) <= SIZE_PIX:
        raise UnsoundAnswer(f"The frame has the shape {pixels.shape}, not at most {SIZE_PIX} x {SIZE_PIX}.")
    if wrong := impossible_pixel(pixels):
        raise UnsoundAnswer(f"The frame holds {wrong}.")
    if pixels[-1, -1] == 0:  # no pixel of a real one is, and zeros fill the end where bytes are lost
        raise UnsoundAnswer("The last pixel of the frame is 0 DN: pixels were lost.")
    check_identity(header, exposure)
    check_wcs(header)
    _check_place(header, pixels.shape, ra_deg, dec_deg)
    facts = header_facts(header)
    kept = {name: facts[name] for name in FRAME_FACTS if name in facts}
    return Frame(pixels, kept, content, _edge_distance(header, pixels.shape))


def _edge_distance(header: Mapping[str, Any], shape: tuple[int, ...]) -> float:
    """Pixels between a cutout and the nearest edge of its chip."""
    distances = []
    for keyword, centre, length in zip(("CRPIX1", "CRPIX2"), QUADRANT_CENTRE, reversed(shape)):
        start = centre - float(header[keyword])
        distances += [start, 2 * centre - 1 - start - length]
    return min(distances)


def _read(content: bytes) -> tuple[Mapping[str, Any], NDArray[np.float32]]:
    if not content.startswith(b"SIMPLE"):
        start = " ".join(content[:60].decode("ascii", "replace").split())
        raise UnsoundAnswer(f"The answer is not a FITS file; it starts with {start[:40]!r}.")
    try:
        first = fastfits.whole_parts(content)[0]
        return fastfits.read_primary(content)
    except fastfits.Damaged as error:
        raise UnsoundAnswer(f"The answer is a damaged FITS file: {error}.") from None
    except fastfits.NotPlain:
        axes, bits = first.cards.get("NAXIS"), first.cards.get("BITPIX")
        found = f"it begins with {axes} axes of {bits} bits"
        raise UnsoundAnswer(f"The answer is not a plain float32 image ({found}).") from None


def check_identity(header: Mapping[str, Any], exposure: Exposure, *, all_there: bool = True) -> None:
    """Make sure that a header is that of an exposure.

    Parameters
    ----------
    all_there : bool
        Whether cards that are missing are wrong, too.

    Raises
    ------
    UnsoundAnswer
        If it names another field, CCD, quadrant, filter or time.
    """
    band_id = Band(exposure.filter_code[1:]).filter_id
    wanted = {"FIELDID": exposure.field, "CCDID": exposure.ccd, "QID": exposure.quadrant, "FILTERID": band_id}
    for keyword, value in wanted.items():
        found = header.get(keyword)
        if found != value and (all_there or found is not None):
            raise UnsoundAnswer(f"The frame has {keyword} {found}, not {value}.")
    named = _NAME.match(str(header.get("FILENAME", "")))
    if named is not None and int(named[1]) != exposure.filefracday:
        raise UnsoundAnswer(f"The frame is of exposure {named[1]}, not {exposure.filefracday}.")
    tolerance_days = TIME_TOLERANCE_DAYS if named is None else NAMED_TIME_TOLERANCE_DAYS
    found = header.get("OBSMJD")
    if found is None and not all_there:
        return
    wanted_mjd = mjd_of_filefracday(exposure.filefracday)
    if not isinstance(found, int | float) or not abs(found - wanted_mjd) <= tolerance_days:
        raise UnsoundAnswer(f"The frame was taken at MJD {found}, not {wanted_mjd:.6f}.")


def check_wcs(header: Mapping[str, Any]) -> None:
    """Make sure that a header has a WCS of finite numbers.

    Raises
    ------
    UnsoundAnswer
        If it has none.
    """
    for keyword in (*_WCS_NUMBERS, *(name for name in header if name.startswith("PV"))):
        value = header.get(keyword)
        if not isinstance(value, int | float) or not math.isfinite(value):
            raise UnsoundAnswer(f"The frame's WCS has {keyword} {value}.")
    if header["CD1_1"] * header["CD2_2"] == header["CD1_2"] * header["CD2_1"]:
        raise UnsoundAnswer("The frame's WCS has a singular matrix.")


def _check_place(header: Mapping[str, Any], shape: tuple[int, ...], ra_deg: float, dec_deg: float) -> None:
    """The frame's middle must be near the position; a plain tangent plane is good to some arcsec."""
    x = (shape[1] + 1) / 2 - header["CRPIX1"]
    y = (shape[0] + 1) / 2 - header["CRPIX2"]
    xi = math.radians(header["CD1_1"] * x + header["CD1_2"] * y)
    eta = math.radians(header["CD2_1"] * x + header["CD2_2"] * y)
    dec0 = math.radians(header["CRVAL2"])
    towards = math.cos(dec0) - eta * math.sin(dec0)
    ra = math.radians(header["CRVAL1"]) + math.atan2(xi, towards)
    dec = math.atan2(math.sin(dec0) + eta * math.cos(dec0), math.hypot(xi, towards))
    if separation_deg(math.degrees(ra), math.degrees(dec), ra_deg, dec_deg) > CENTRE_TOLERANCE_DEG:
        place = f"{math.degrees(ra) % 360:.4f}, {math.degrees(dec):.4f}"
        raise UnsoundAnswer(f"The frame lies around {place}, not {ra_deg:.4f}, {dec_deg:.4f}.")
