"""An answer is taken for a frame only if it is the frame that was asked for."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from rbztf.archive.irsa import Exposure, exposure_of_name
from rbztf.archive.validate import check_frame
from rbztf.errors import UnsoundAnswer

EXPOSURE = Exposure(20200924431759, 655, "zr", 13, 3)
RA_DEG, DEC_DEG = 250.0, 37.0
PIXELS = np.arange(784, dtype=np.float32).reshape(28, 28)

Change = Callable[[fits.Header], None]


def header() -> fits.Header:
    """A header with all that the check looks at."""
    cards = fits.Header()
    cards["FIELDID"], cards["CCDID"], cards["QID"], cards["FILTERID"] = 655, 13, 3, 2
    cards["OBSMJD"], cards["SEEING"], cards["INFOBITS"] = 59116.4317593, 2.1, 0
    cards["CTYPE1"], cards["CTYPE2"] = "RA---TPV", "DEC--TPV"
    cards["CRPIX1"], cards["CRPIX2"] = -600.0, 800.0
    cards["CRVAL1"], cards["CRVAL2"] = RA_DEG, DEC_DEG
    cards["CD1_1"], cards["CD1_2"], cards["CD2_1"], cards["CD2_2"] = -2.8e-4, -1e-6, 1e-6, -2.8e-4
    cards["PV1_1"], cards["PV2_1"] = 1.0, 1.0
    return cards


def place(cards: fits.Header, x_pix: float, y_pix: float) -> tuple[float, float]:
    """Position of a pixel by astropy."""
    from astropy.wcs import WCS

    ra_deg, dec_deg = WCS(cards).all_pix2world([[x_pix, y_pix]], 0)[0]
    return float(ra_deg), float(dec_deg)


def served(cards: fits.Header, pixels: np.ndarray = PIXELS) -> bytes:
    stream = io.BytesIO()
    fits.PrimaryHDU(pixels, cards).writeto(stream)
    return stream.getvalue()


def test_a_sound_frame() -> None:
    at = place(header(), 13.5, 13.5)
    frame = check_frame(served(header()), EXPOSURE, *at)
    assert np.array_equal(frame.placed(*at), PIXELS)
    assert frame.facts["seeing"] == 2.1
    assert frame.facts["infobits"] == 0


@pytest.mark.parametrize(
    ("rows", "columns", "at"), [(27, 28, (13.5, 12.5)), (28, 9, (13.5, 13.5)), (3, 4, (20, 15))]
)
def test_a_clipped_frame_is_placed(rows: int, columns: int, at: tuple[float, float]) -> None:
    """Rows and columns are lost at the lower edges: the object lies lower in what is left."""
    pixels = PIXELS[28 - rows :, 28 - columns :]
    cards = header()
    ra_deg, dec_deg = place(cards, at[0] - (28 - columns), at[1] - (28 - rows))
    placed = check_frame(served(cards, pixels), EXPOSURE, ra_deg, dec_deg).placed(ra_deg, dec_deg)
    assert np.array_equal(placed[28 - rows :, 28 - columns :], pixels)
    assert np.isnan(placed).sum() == 784 - rows * columns


def spoil(**values: object) -> Change:
    def change(cards: fits.Header) -> None:
        for keyword, value in values.items():
            if value is None:
                del cards[keyword]
            else:
                cards[keyword] = value

    return change


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (spoil(FIELDID=656), "FIELDID 656"),
        (spoil(CCDID=12), "CCDID 12"),
        (spoil(QID=None), "QID None"),
        (spoil(FILTERID=1), "FILTERID 1"),
        (spoil(OBSMJD=59116.4322), "MJD 59116.4322"),
        (spoil(OBSMJD="NaN"), "MJD NaN"),
        (spoil(CRPIX1=None), "CRPIX1"),
        (spoil(CD1_1="nan"), "CD1_1"),
        (spoil(PV1_1="inf"), "PV1_1"),
        (spoil(CD1_1=0.0, CD1_2=0.0), "singular"),
        (spoil(CRVAL1=RA_DEG + 0.03), "lies around"),
        (spoil(CRVAL2=DEC_DEG - 0.03), "lies around"),
    ],
)
def test_another_frame_is_refused(change: Change, what: str) -> None:
    at = place(header(), 13.5, 13.5)
    cards = header()
    change(cards)
    with pytest.raises(UnsoundAnswer, match=what):
        check_frame(served(cards), EXPOSURE, *at)


def test_the_name_in_a_header_says_which_exposure_it_is() -> None:
    """Shutters opened up to 118 s after the time in the name of an exposure (2 % by more than 22 s)."""
    at = place(header(), 13.5, 13.5)
    cards = header()
    cards["OBSMJD"] += 118 / 86400
    with pytest.raises(UnsoundAnswer, match="taken at MJD"):
        check_frame(served(cards), EXPOSURE, *at)
    cards["FILENAME"] = "ztf_20200924431759_000655_zr_c13_o.fits"
    assert check_frame(served(cards), EXPOSURE, *at).facts["seeing"] == 2.1
    cards["FILENAME"] = "ztf_20200924431999_000655_zr_c13_o.fits"
    with pytest.raises(UnsoundAnswer, match="exposure 20200924431999"):
        check_frame(served(cards), EXPOSURE, *at)


@pytest.mark.parametrize(
    ("card", "fact"),
    [
        ("GAIN    = 1E400", "gain"),
        ("INFOBITS= 99999999999999999999", "infobits"),
        ("SEEING  = 0x1F", "seeing"),
    ],
)
def test_values_that_no_column_can_hold_are_unknown(card: str, fact: str) -> None:
    content = served(header())
    name = card[:8].encode()
    start = content.find(name) if name in content else content.find(b"INFOBITS")
    changed = content[:start] + card.ljust(80).encode() + content[start + 80 :]
    frame = check_frame(changed, EXPOSURE, *place(header(), 13.5, 13.5))
    assert fact not in frame.facts


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "not a FITS file"),
        (b"<!DOCTYPE html><html>Service maintenance", "not a FITS file"),
        (served(header())[:4000], "cut short"),
        (served(header())[: 2880 * 2], "cut short"),
        (served(header(), PIXELS.astype(np.int16)), "plain float32"),
        (served(header(), np.zeros((2, 28, 28), np.float32)), "plain float32"),
        (served(header(), np.zeros((29, 28), np.float32)), "shape"),
    ],
)
def test_other_content_is_refused(content: bytes, what: str) -> None:
    with pytest.raises(UnsoundAnswer, match=what):
        check_frame(content, EXPOSURE, RA_DEG, DEC_DEG)


def test_every_real_frame_is_sound(shared_frames: Path) -> None:
    for path in sorted((shared_frames / "snad_artefacts").glob("*.fits")):
        with fits.open(path) as hdus:
            cards, pixels = hdus[0].header, hdus[0].data
            exposure = exposure_of_name(cards["URL"])
            assert exposure is not None
            frame = check_frame(path.read_bytes(), exposure, cards["OIDRA"], cards["OIDDEC"])
            assert np.array_equal(frame.pixels, pixels)
            assert frame.facts["seeing"] == cards["SEEING"]
