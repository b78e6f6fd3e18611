"""Frames in layouts that are not ours: one FITS file per frame, as IRSA serves it."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbztf.errors import DataError, InputError, Problem
from rbztf.files import reading
from rbztf.stores.epochs import HEADER_FACTS, epoch_table, header_facts
from rbztf.stores.fitsimages import READ_ENDINGS, fits_like, science_image, stem_of
from rbztf.stores.object_file import ObjectCutouts
from rbztf.times import MJD_TO_JD
from rbztf.ztf import SIZE_PIX, Oid

_Taken = tuple[float, NDArray[np.float32], dict[str, Any], Path]
_CD = ("CD1_1", "CD1_2", "CD2_1", "CD2_2")
_KEPT = (*HEADER_FACTS.values(), *_CD, "PIXSCALE", "OIDRA", "OIDDEC", "HMJD", "URL", "FILENAME")
_NAME = re.compile(r"ztf_(\d{14})_")
_TIME = re.compile(r"\d+(?:\.\d+)?")
_STARTS_AS_TIME = re.compile(r"\d{5,7}\.\d")
FIRST_MJD, LAST_MJD = 10000.0, 200000.0
"""Times that the name of a frame can mean, 1886 to 2406: a Julian date is far beyond."""
SAME_TIME_DAYS = 1e-5
"""0.9 s: no two exposures of a field are so near to each other."""
MAX_CUTOUT_PIX = 255
SERVED_OFF_MIDDLE_PIX = 0.6
"""How far from the middle of the 28 pixels, which is 13.5, IRSA puts an object: 12.97 to 14.04 in 48 frames."""


def read_frame(path: Path) -> tuple[NDArray[np.float32], dict[str, Any]]:
    """Read one cutout: as IRSA serves it, or of another size or type of numbers.

    Returns
    -------
    frame : ndarray (28, 28), float32
        DN; a cutout of another size is placed by :func:`place`, NaN around it.
    cards : dict
        What its header says of the frame and the object.

    Raises
    ------
    DataError
        If it is damaged, or holds no image that can be placed.
    """
    with reading(path):
        pixels, header = science_image(path)
        cards = {keyword: header[keyword] for keyword in _KEPT if keyword in header}
        try:
            return place(pixels, header), cards
        except DataError as error:
            raise DataError(f"{path} cannot be placed: {error.message}", error.next_step) from None


def place(pixels: NDArray[np.float32], header: Any, *, clipped: bool = False) -> NDArray[np.float32]:
    """Put a cutout of any size into 28 x 28 pixels, the object in the middle; NaN where it has none.

    IRSA clips a cutout that reaches over the edge of the chip. A chip is far wider than a cutout,
    so on each axis the frame lost pixels on one side only: the rest lies flush with the other side,
    if that puts the object (header OIDRA, OIDDEC, through the TPV WCS) in the middle. Any other
    cutout is shifted so that the object is there; a square one without a position was cut around it.

    Parameters
    ----------
    clipped : bool
        It is known to be a frame of 28 x 28 pixels that was clipped.

    Raises
    ------
    DataError
        If nothing says where the object is in it, or it is not on it.
    """
    if pixels.shape == (SIZE_PIX, SIZE_PIX):
        return pixels
    if max(pixels.shape) > MAX_CUTOUT_PIX:
        raise DataError(
            f"it has {pixels.shape[0]} x {pixels.shape[1]} pixels, which is no cutout.",
            "Cut whole images with rbztf fetch --images.",
        )
    x_pix, y_pix = _object_pixel(header)
    top, left = (
        _offset(pixel, length, clipped=clipped) for pixel, length in zip((y_pix, x_pix), pixels.shape)
    )
    if top is None or left is None:
        top, left = _offsets_without_position(pixels.shape)
    canvas = np.full((SIZE_PIX, SIZE_PIX), np.nan, np.float32)
    rows, columns = _overlap(top, pixels.shape[0]), _overlap(left, pixels.shape[1])
    canvas[rows, columns] = pixels[
        rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
    ]
    return canvas


def _overlap(offset: int, length: int) -> slice:
    """Where the canvas has pixels of a frame."""
    return slice(max(offset, 0), min(offset + length, SIZE_PIX))


def _object_pixel(header: Any) -> tuple[float, float]:
    """0-based pixel (x, y) of the object in the cutout, NaN where it cannot be known."""
    from astropy.wcs import WCS, NoConvergence

    ra_deg, dec_deg = header.get("OIDRA"), header.get("OIDDEC")
    if ra_deg is None or dec_deg is None or "CRPIX1" not in header:
        return np.nan, np.nan
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            x_pix, y_pix = WCS(header).all_world2pix([[float(ra_deg), float(dec_deg)]], 0)[0]
    except (ValueError, ArithmeticError, NoConvergence):
        return np.nan, np.nan
    return float(x_pix), float(y_pix)


def _offset(pixel: float, length: int, *, clipped: bool) -> int | None:
    """What to add to a pixel of a frame for its pixel in 28, along one axis; None if nobody knows.

    Raises
    ------
    DataError
        If the object is not on the frame.
    """
    if not np.isfinite(pixel):
        return None
    middle = (SIZE_PIX - 1) / 2
    flush = min((0, SIZE_PIX - length), key=lambda offset: abs(pixel + offset - middle))
    if clipped or (length <= SIZE_PIX and abs(pixel + flush - middle) < SERVED_OFF_MIDDLE_PIX):
        return flush
    if not -0.5 <= pixel <= length - 0.5:
        raise DataError(
            "the position in its header (OIDRA, OIDDEC) is not on it.", "Check the position and its WCS."
        )
    return _centred(pixel)


def _centred(pixel: float) -> int:
    """The offset that brings a pixel to the middle, rounded as astropy's Cutout2D does."""
    return -math.ceil(pixel - SIZE_PIX / 2)


def _offsets_without_position(shape: tuple[int, ...]) -> tuple[int, int]:
    """Offsets of the rows and columns of a frame whose header does not say where its object is."""
    if shape[0] != shape[1]:
        raise DataError(
            f"it has {shape[0]} x {shape[1]} pixels, and its header does not say where its object is.",
            "Give it OIDRA, OIDDEC and a WCS, or fetch it again.",
        )
    offset = _centred((shape[0] - 1) / 2)
    return offset, offset


def read_folder(folder: Path) -> ObjectCutouts:
    """Read an object of the reference's layout, ``OID/HMJD.fits``; bad frames become problems.

    Raises
    ------
    DataError
        If not one frame can be read.
    """
    problems: list[Problem] = []
    taken: list[_Taken] = []
    for path in sorted(folder.iterdir()):
        if not _may_be_frame(path):
            continue
        try:
            hmjd = _time_of_name(path)
            taken.append((hmjd, *read_frame(path), path))
        except DataError as error:
            problems.append(Problem(str(path), error.message))
    taken = list(_once_each(sorted(taken, key=lambda item: item[0]), problems))
    if not taken:
        first = f" First: {problems[0].what}" if problems else ""
        raise DataError(
            f"{folder} holds no readable frame ({len(problems)} tried).{first}", "Fetch the object again."
        )
    with reading(folder, "has a frame whose header makes no sense"):
        return _assemble(folder, taken, tuple(problems))


def _may_be_frame(path: Path) -> bool:
    """Whether a file of a folder of frames is meant as one: by its ending, or its name is a time."""
    if path.name.startswith("."):
        return False
    return fits_like(path.name) is not None or bool(_STARTS_AS_TIME.match(path.name))


def _time_of_name(path: Path) -> float:
    """The heliocentric MJD that is the name of a frame; a Julian date is understood.

    Raises
    ------
    DataError
        If it is another name, or an ending that is not read.
    """
    stem = stem_of(path.name)
    if stem is None:
        raise DataError(f"{path} is not read: frames end with {READ_ENDINGS}.")
    number = float(stem) if _TIME.fullmatch(stem) else math.nan
    for hmjd in (number, number - MJD_TO_JD):
        if FIRST_MJD <= hmjd <= LAST_MJD:
            return hmjd
    raise DataError(f"{path}: its name is not a time (HMJD.fits).")


def _once_each(taken: list[_Taken], problems: list[Problem]) -> Iterator[_Taken]:
    """Frames in time order without those whose time another one has, which become problems."""
    before: _Taken | None = None
    for frame in taken:
        if before is not None and frame[0] - before[0] < SAME_TIME_DAYS:
            problems.append(Problem(str(frame[3]), f"it has the time of {before[3].name}, which is read."))
            continue
        before = frame
        yield frame


def read_single(path: Path) -> ObjectCutouts:
    """Read one cutout ``OID.fits`` as an object of one frame.

    Raises
    ------
    DataError
        If the file is neither a cutout nor an object of the store.
    """
    if stem_of(path.name) is None:
        raise DataError(f"{path} is not read: cutouts end with {READ_ENDINGS}.", "Unpack or rename it.")
    frame, cards = read_frame(path)
    hmjd = _number(cards, "HMJD" if "HMJD" in cards else "OBSMJD")
    with reading(path, "has a header that makes no sense"):
        return _assemble(path, [(hmjd, frame, cards, path)], ())


def _oid_of(path: Path) -> Oid:
    try:
        return Oid(stem_of(path.name) or path.name)
    except InputError as error:
        raise DataError(f"{path} is not named after an object: {error.message}", error.next_step) from None


def _assemble(path: Path, taken: list[_Taken], problems: tuple[Problem, ...]) -> ObjectCutouts:
    headers = [header for _, _, header, _ in taken]
    columns: dict[str, Any] = {
        "hjd": [hmjd + MJD_TO_JD for hmjd, _, _, _ in taken],
        "frame": np.arange(len(taken)),
        "url": [str(header.get("URL", "")) for header in headers],
    }
    facts = [header_facts(header) for header in headers]
    for name in HEADER_FACTS:
        if all(name in row for row in facts):
            columns[name] = [row[name] for row in facts]
    days = [_filefracday(header) for header in headers]
    if all(days):
        columns["filefracday"] = days
    return ObjectCutouts(
        oid=_oid_of(path),
        frames=np.stack([frame for _, frame, _, _ in taken]),
        path=path,
        ra_deg=_number(headers[0], "OIDRA"),
        dec_deg=_number(headers[0], "OIDDEC"),
        problems=problems,
        pixel_scale_arcsec=float(np.median([_pixel_scale(header) for header in headers])),
        _epochs=epoch_table(columns, len(taken)),
    )


def _number(cards: Mapping[str, Any], keyword: str) -> float:
    value = cards.get(keyword)
    return float(value) if isinstance(value, (int, float)) else float("nan")


def _pixel_scale(cards: Mapping[str, Any]) -> float:
    """Arcsec, of the WCS or, without one, as the header says; NaN where it says nothing."""
    a, b, c, d = (_number(cards, keyword) for keyword in _CD)
    scale = 3600 * math.sqrt(abs(a * d - b * c))
    return scale if math.isfinite(scale) else _number(cards, "PIXSCALE")


def _filefracday(header: Any) -> int:
    """The archive's name of the exposure (YYYYMMDDffffff), from the image's own file name; 0 if unknown."""
    match = _NAME.match(str(header.get("FILENAME", "")))
    return int(match[1]) if match else 0
