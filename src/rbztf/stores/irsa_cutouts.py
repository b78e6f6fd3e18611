"""Frames in layouts that are not ours: one FITS file per frame, as IRSA serves it."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbztf.errors import DataError, Problem
from rbztf.files import reading
from rbztf.stores.epochs import HEADER_FACTS, epoch_table, header_facts
from rbztf.stores.object_file import ObjectCutouts
from rbztf.times import MJD_TO_JD
from rbztf.ztf import SIZE_PIX, Oid

_Taken = tuple[float, NDArray[np.float32], dict[str, Any]]
_KEPT = (*HEADER_FACTS.values(), "OIDRA", "OIDDEC", "HMJD", "URL", "FILENAME")
_NAME = re.compile(r"ztf_(\d{14})_")


def read_frame(path: Path) -> tuple[NDArray[np.float32], dict[str, Any]]:
    """Read one cutout served by IRSA.

    Returns
    -------
    frame : ndarray (28, 28), float32
        DN; a cutout clipped by the chip edge is placed by its WCS, NaN around it.
    cards : dict
        What its header says of the frame and the object.

    Raises
    ------
    DataError
        If it is not a FITS image of at most 28 x 28 pixels.
    """
    from astropy.io import fits

    with reading(path):
        with fits.open(path, memmap=False) as hdus:
            header, pixels = hdus[0].header, hdus[0].data
        if pixels is None or pixels.ndim != 2 or max(pixels.shape) > SIZE_PIX:
            shape = "no image" if pixels is None else "an image of shape " + str(pixels.shape)
            raise DataError(
                f"{path} holds {shape}, not a cutout of {SIZE_PIX} x {SIZE_PIX} pixels.", "Fetch it again."
            )
        cards = {keyword: header[keyword] for keyword in _KEPT if keyword in header}
        return place(np.asarray(pixels, np.float32), header), cards


def place(pixels: NDArray[np.float32], header: Any) -> NDArray[np.float32]:
    """Put a cutout clipped by the chip edge where it belongs in a 28 x 28 canvas of NaN.

    IRSA clips a cutout that reaches over the edge. A chip is far wider than a cutout, so on
    each axis the frame lost pixels on one side only: the rest lies flush with the other
    side, and the object's position (header OIDRA, OIDDEC, through the TPV WCS) tells which.
    Without a position the rest is put in the lower left corner.
    """
    if pixels.shape == (SIZE_PIX, SIZE_PIX):
        return pixels
    rows, columns = pixels.shape
    x_pix, y_pix = _object_pixel(header)
    top, left = _flush_offset(y_pix, rows), _flush_offset(x_pix, columns)
    canvas = np.full((SIZE_PIX, SIZE_PIX), np.nan, np.float32)
    canvas[top : top + rows, left : left + columns] = pixels
    return canvas


def _object_pixel(header: Any) -> tuple[float, float]:
    """0-based pixel (x, y) of the object in the cutout, NaN where it cannot be known."""
    from astropy.wcs import WCS, NoConvergence

    ra_deg, dec_deg = header.get("OIDRA"), header.get("OIDDEC")
    if ra_deg is None or dec_deg is None:
        return np.nan, np.nan
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            x_pix, y_pix = WCS(header).all_world2pix([[float(ra_deg), float(dec_deg)]], 0)[0]
    except (ValueError, ArithmeticError, NoConvergence):
        return np.nan, np.nan
    return float(x_pix), float(y_pix)


def _flush_offset(pixel: float, length: int) -> int:
    """0 (flush with the lower side) or ``28 - length``: whichever centres the object better."""
    middle = (SIZE_PIX - 1) / 2
    far = SIZE_PIX - length
    return far if abs(pixel + far - middle) < abs(pixel - middle) else 0


def read_folder(folder: Path) -> ObjectCutouts:
    """Read an object of the reference's layout, ``OID/HMJD.fits``; bad frames become problems.

    Raises
    ------
    DataError
        If not one frame can be read.
    """
    problems: list[Problem] = []
    taken: list[_Taken] = []
    for path in folder.glob("*.fits"):
        try:
            hmjd = float(path.stem)
            taken.append((hmjd, *read_frame(path)))
        except ValueError:
            problems.append(Problem(str(path), "its name is not a time (HMJD.fits)."))
        except DataError as error:
            problems.append(Problem(str(path), error.message))
    if not taken:
        raise DataError(
            f"{folder} holds no readable frame ({len(problems)} tried).", "Fetch the object again."
        )
    taken.sort(key=lambda item: item[0])
    with reading(folder, "has a frame whose header makes no sense"):
        return _assemble(folder, taken, tuple(problems))


def read_single(path: Path) -> ObjectCutouts:
    """Read one cutout ``OID.fits`` as an object of one frame.

    Raises
    ------
    DataError
        If the file is neither a cutout nor an object of the store.
    """
    frame, cards = read_frame(path)
    hmjd = _number(cards, "HMJD" if "HMJD" in cards else "OBSMJD")
    with reading(path, "has a header that makes no sense"):
        return _assemble(path, [(hmjd, frame, cards)], ())


def _assemble(path: Path, taken: list[_Taken], problems: tuple[Problem, ...]) -> ObjectCutouts:
    headers = [header for _, _, header in taken]
    columns: dict[str, Any] = {
        "hjd": [hmjd + MJD_TO_JD for hmjd, _, _ in taken],
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
        oid=Oid(path.stem),
        frames=np.stack([frame for _, frame, _ in taken]),
        path=path,
        ra_deg=_number(headers[0], "OIDRA"),
        dec_deg=_number(headers[0], "OIDDEC"),
        problems=problems,
        _epochs=epoch_table(columns, len(taken)),
    )


def _number(cards: Mapping[str, Any], keyword: str) -> float:
    value = cards.get(keyword)
    return float(value) if isinstance(value, (int, float)) else float("nan")


def _filefracday(header: Any) -> int:
    """The archive's name of the exposure (YYYYMMDDffffff), from the image's own file name; 0 if unknown."""
    match = _NAME.match(str(header.get("FILENAME", "")))
    return int(match[1]) if match else 0
