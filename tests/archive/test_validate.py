"""An answer is taken for a frame only if it is the frame that was asked for."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from rbztf.archive.images.quadrants import read_quadrant
from rbztf.archive.irsa import Exposure, exposure_of_name
from rbztf.archive.validate import check_frame
from rbztf.errors import UnsoundAnswer
from rbztf.stores.consistency import impossible_pixel, sky_jumps

EXPOSURE = Exposure(20200924431759, 655, "zr", 13, 3)
RA_DEG, DEC_DEG = 250.0, 37.0
PIXELS = 200 + np.arange(784, dtype=np.float32).reshape(28, 28) / 7

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


def with_sums(cards: fits.Header) -> bytes:
    hdu, stream = fits.PrimaryHDU(PIXELS, cards), io.BytesIO()
    hdu.add_checksum()
    hdu.writeto(stream)
    return stream.getvalue()


GOOD, SEALED = served(header()), with_sums(header())
PIXELS_AT = len(GOOD) - 2 * 2880


def without(content: bytes, keyword: bytes) -> bytes:
    """The same file with a comment in the place of a card, of another sum but for the header's own."""
    start = content.index(keyword)
    return content[:start] + b"COMMENT " + content[start + 8 :]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (GOOD + bytes(1), "not as long as"),
        (GOOD + bytes(2880), "not as long as"),
        (GOOD + GOOD, "not FITS follows"),
        (GOOD[:-1], "not as long as"),
        (GOOD[:-2880], "not as long as"),
        (GOOD[: PIXELS_AT + 3136], "not as long as"),
        (GOOD[:-1] + b"x", "longer than its headers say"),
        (GOOD[: PIXELS_AT + 9] + b"x" + GOOD[PIXELS_AT + 9 : -1], "longer than|a pixel of"),
        (GOOD[: PIXELS_AT + 9] + GOOD[PIXELS_AT + 10 :] + bytes(1), "a pixel of"),
        (GOOD[: PIXELS_AT + 8] + GOOD[PIXELS_AT + 12 :] + bytes(4), "last pixel"),
        (GOOD[: PIXELS_AT - 1] + b"x" + GOOD[PIXELS_AT:], "behind its END"),
        (GOOD[:PIXELS_AT] + b"\x7f\x80\0\0" + GOOD[PIXELS_AT + 4 :], "a pixel of inf"),
        (SEALED[:-5000] + b"\x01" + SEALED[-4999:], "DATASUM"),
        (without(SEALED, b"DATASUM "), "CHECKSUM"),
        (without(without(SEALED, b"CHECKSUM"), b"HIERARCH" if b"HIERARCH" in SEALED else b"SEEING  "), None),
        (without(SEALED, b"CHECKSUM")[:-5000] + b"\x01" + SEALED[-4999:], "DATASUM"),
    ],
)
def test_a_frame_is_whole_to_the_byte(content: bytes, what: str | None) -> None:
    at = place(header(), 13.5, 13.5)
    if what is None:
        check_frame(content, EXPOSURE, *at)
        return
    with pytest.raises(UnsoundAnswer, match=what):
        check_frame(content, EXPOSURE, *at)


@given(
    n=st.integers(1, 3),
    at=st.integers(0, 3000),
    sky=st.floats(90, 3000),
    lost=st.booleans(),
)
def test_a_shift_within_the_pixels_is_refused_or_looked_at_twice(
    n: int, at: int, sky: float, lost: bool
) -> None:
    """By a part of a pixel's four bytes; its fraction becomes its exponent, whatever the sky."""
    noise = np.random.default_rng(at).normal(0, np.sqrt(sky / 6), (28, 28))
    content = served(header(), (sky + noise).astype(np.float32))
    start = PIXELS_AT + at
    if lost:
        changed = content[:start] + content[start + n :] + bytes(n)
    else:
        changed = content[:start] + b"x" * n + content[start:-n]
    try:
        frame = check_frame(changed, EXPOSURE, *place(header(), 13.5, 13.5))
    except UnsoundAnswer:
        return
    assert sky_jumps(frame.pixels)


def test_a_dead_column_is_no_jump_of_the_sky() -> None:
    frame = PIXELS.copy()
    frame[3:25, 9:11] = 3.0
    assert not sky_jumps(frame)
    frame[27, 27] = 3.0
    assert sky_jumps(frame)


def test_every_real_frame_is_sound(shared_frames: Path) -> None:
    for path in sorted((shared_frames / "snad_artefacts").glob("*.fits")):
        with fits.open(path) as hdus:
            cards, pixels = hdus[0].header, hdus[0].data
            exposure = exposure_of_name(cards["URL"])
            assert exposure is not None
            frame = check_frame(path.read_bytes(), exposure, cards["OIDRA"], cards["OIDDEC"])
            assert np.array_equal(frame.pixels, pixels)
            assert frame.facts["seeing"] == cards["SEEING"]
            assert not sky_jumps(frame.pixels)


def test_real_pixels_are_possible_and_seldom_asked_for_twice(shared_frames: Path) -> None:
    """Cutouts of stars and galaxies, and of a whole quadrant: hardly any looks as if bytes were lost."""
    with np.load(shared_frames / "labelled_cutouts_20pix.npz") as stored:
        small = stored["science"][:, 4:24, 4:24]
    image = read_quadrant(shared_frames / "ztf_20200924431759_000655_zr_c13_o_q3_sciimg.fits.fz").pixels
    whole = image[:3080, :3052].reshape(110, 28, 109, 28).swapaxes(1, 2).reshape(-1, 28, 28)[::6]
    for frames in (small, whole):
        assert not impossible_pixel(frames)
        assert not (frames == 0).any()
        assert np.mean([sky_jumps(frame) for frame in frames]) < 0.002
