"""Cut many objects out of one whole science image at once.

The pixels are those of ``astropy.nddata.Cutout2D(data, position, (28, 28), wcs,
mode="partial", fill_value=nan)``, one by one; only the work is shared: all positions go
through the WCS together, and all windows are taken from the image by one indexing.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbztf.archive.irsa import Exposure, exposure_of_name
from rbztf.archive.validate import check_identity, check_wcs
from rbztf.errors import DataError, InputError, Problem, UnsoundAnswer
from rbztf.files import reading
from rbztf.stores.fitsimages import files_below, science_image
from rbztf.ztf import SIZE_PIX

MAX_DISTANCE_DEG = 2.0
"""A quadrant is 0.9 degrees wide: what is farther from its reference point is not on it."""
NEAR_PIX = 500
MIN_SIDE_PIX = 256
"""Anything smaller is a cutout, not a quadrant."""
_AGAIN = "Download it again."
_NAMED_SO = re.compile(r"ztf_\d{14}_.*_sciimg", re.IGNORECASE)


@dataclass(frozen=True)
class Quadrant:
    """A whole science image in memory.

    Attributes
    ----------
    pixels : ndarray (rows, columns), float32
        DN, sky included.
    header : astropy.io.fits.Header
    """

    pixels: NDArray[np.float32]
    header: Any


def find_quadrants(folder: Path) -> tuple[list[tuple[Exposure, Path]], list[Problem]]:
    """Science images below ``folder``, named as the archive names them, in order of exposure.

    Links to folders are followed. Of several files of one exposure (``.fits``, ``.fits.fz``,
    ``.fits.gz``) one is taken.

    Returns
    -------
    images : list of (Exposure, Path)
    problems : list of Problem
        Science images that are not read because of their ending.

    Raises
    ------
    InputError
        If the folder is not there, or holds no such file.
    """
    if not folder.is_dir():
        raise InputError(f"There is no folder of images {folder}.", "Name the folder with --images.")
    found: dict[Exposure, Path] = {}
    problems = []
    with reading(folder, "cannot be read", "Check its permissions."):
        paths = sorted(files_below(folder))
    for path in paths:
        exposure = exposure_of_name(path.name)
        if exposure is not None:
            found.setdefault(exposure, path)
        elif _NAMED_SO.search(path.name) and not path.name.startswith("."):
            problems.append(
                Problem(str(path), "it is not read: images end with .fits, .fits.gz or .fits.fz.")
            )
    if not found:
        first = f" {problems[0]}" if problems else ""
        raise InputError(
            f"{folder} holds no science image.{first}",
            "Images keep the archive's names: ztf_YYYYMMDDffffff_FFFFFF_zr_cCC_o_qQ_sciimg.fits (.gz, .fz).",
        )
    return sorted(found.items(), key=lambda item: (item[0].filefracday, item[0].stem)), problems


def read_quadrant(path: Path) -> Quadrant:
    """Open a whole image: plain, gzipped or tile-compressed.

    Raises
    ------
    DataError
        If it is damaged, not a quadrant, without a WCS, or its header names another exposure than
        its name.
    """
    with reading(path, "cannot be read", _AGAIN):
        pixels, header = science_image(path)
    if min(pixels.shape) < MIN_SIDE_PIX:
        raise DataError(f"{path} has {pixels.shape} pixels: not a quadrant.", _AGAIN)
    exposure = exposure_of_name(path.name)
    try:
        if exposure is not None:
            check_identity(header, exposure, all_there=False)
        check_wcs(header)
    except UnsoundAnswer as error:
        raise DataError(f"{path} is not the image of its name: {error.message}", _AGAIN) from None
    if not str(header.get("CTYPE1", "")).startswith("RA"):
        raise DataError(f"{path} has no WCS (CTYPE1 {header.get('CTYPE1')}).", _AGAIN)
    return Quadrant(pixels, header)


def sky_to_pixel(
    header: Any, ra_deg: NDArray[np.float64], dec_deg: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Pixels of positions, through the full TPV WCS, all at once.

    Parameters
    ----------
    header : astropy.io.fits.Header
    ra_deg, dec_deg : ndarray (n,), float64
        Positions (ICRS) in degrees.

    Returns
    -------
    x_pix, y_pix : ndarray (n,), float64
        0-based; NaN for positions far off the image.
    """
    from astropy.coordinates import SkyCoord
    from astropy.wcs import WCS
    from astropy.wcs.utils import skycoord_to_pixel

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wcs = WCS(header)
    x_pix, y_pix = np.full((2, len(ra_deg)), np.nan)
    near = _near(wcs.wcs.crval, ra_deg, dec_deg)
    if near.any():
        places = SkyCoord(ra_deg[near], dec_deg[near], unit="deg")
        x_pix[near], y_pix[near] = skycoord_to_pixel(places, wcs, origin=0, mode="all")
    return x_pix, y_pix


def _near(
    centre_deg: NDArray[np.float64], ra_deg: NDArray[np.float64], dec_deg: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Positions within :data:`MAX_DISTANCE_DEG` of the reference point, (n,) bool."""
    ra, dec = np.radians(ra_deg), np.radians(dec_deg)
    ra0, dec0 = np.radians(centre_deg[0]), np.radians(centre_deg[1])
    cosine = np.sin(dec) * np.sin(dec0) + np.cos(dec) * np.cos(dec0) * np.cos(ra - ra0)
    near: NDArray[np.bool_] = cosine >= np.cos(np.radians(MAX_DISTANCE_DEG))
    return near


def cut(
    pixels: NDArray[np.float32], x_pix: NDArray[np.float64], y_pix: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Cut 28 x 28 pixels around each position.

    Parameters
    ----------
    pixels : ndarray (rows, columns), float32
    x_pix, y_pix : ndarray (n,), float64
        0-based pixel of each position.

    Returns
    -------
    frames : ndarray (n, 28, 28), float32
        NaN beyond the edges.
    on_chip : ndarray (n,), bool
        Whether any pixel lies on the image.
    """
    n_rows, n_columns = pixels.shape
    known = np.isfinite(x_pix) & np.isfinite(y_pix)
    left, top = _lower_edge(x_pix, known), _lower_edge(y_pix, known)
    on_chip = known & (left + SIZE_PIX > 0) & (left < n_columns) & (top + SIZE_PIX > 0) & (top < n_rows)
    frames = np.full((len(left), SIZE_PIX, SIZE_PIX), np.nan, np.float32)
    inside = (left >= 0) & (left <= n_columns - SIZE_PIX) & (top >= 0) & (top <= n_rows - SIZE_PIX) & known
    windows = np.lib.stride_tricks.sliding_window_view(pixels, (SIZE_PIX, SIZE_PIX))
    frames[inside] = windows[top[inside], left[inside]]
    for index in np.flatnonzero(on_chip & ~inside):
        _cut_at_edge(pixels, int(top[index]), int(left[index]), frames[index])
    return frames, on_chip


def is_near(
    shape: tuple[int, ...], x_pix: NDArray[np.float64], y_pix: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Whether pixels (0-based, NaN where unknown) are on an image of ``shape`` or not far from it, (n,) bool.

    Exposures of a field point at places that differ by less than :data:`NEAR_PIX`, so whatever is
    farther away from one is in none.
    """
    near: NDArray[np.bool_] = (np.abs(x_pix - shape[1] / 2) < shape[1] / 2 + NEAR_PIX) & (
        np.abs(y_pix - shape[0] / 2) < shape[0] / 2 + NEAR_PIX
    )
    return near


def _lower_edge(centre_pix: NDArray[np.float64], known: NDArray[np.bool_]) -> NDArray[np.int64]:
    """First pixel of each window along one axis, by Cutout2D's rounding."""
    limit = 10.0**9
    edge = np.ceil(np.where(known, centre_pix, -limit) - SIZE_PIX / 2)
    return np.clip(edge, -limit, limit).astype(np.int64)


def _cut_at_edge(pixels: NDArray[np.float32], top: int, left: int, frame: NDArray[np.float32]) -> None:
    rows = slice(max(top, 0), min(top + SIZE_PIX, pixels.shape[0]))
    columns = slice(max(left, 0), min(left + SIZE_PIX, pixels.shape[1]))
    frame[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = pixels[
        rows, columns
    ]
