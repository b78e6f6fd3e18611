"""FITS files of others: their names, their content with compression undone, and the image in them."""

from __future__ import annotations

import gzip
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbztf.errors import DataError
from rbztf.files import regular
from rbztf.stores import fastfits
from rbztf.stores.consistency import impossible_pixel

READ_ENDINGS = ".fits, .fit or .fts, also with .gz or .fz"
MAX_BYTES = 512 * 2**20
"""Of a file, compression undone; a whole image has 38 MB."""
GZIP_MAGIC = b"\x1f\x8b"
_READ = re.compile(r"(.+)\.(?:fits|fit|fts)(?:\.gz|\.fz)?", re.IGNORECASE)
_FITS_LIKE = re.compile(r"(.+?)\.(?:fits|fit|fts|fz)(?:[.\-_~].*)?", re.IGNORECASE)
_NO_SCIENCE = re.compile(
    r"mask|msk|\bdq|flag|weight|wht|\berr|unc|sigma|var|rms|bkg|background", re.IGNORECASE
)


def stem_of(name: str) -> str | None:
    """What stands before the ending of a FITS file that is read; None for another file."""
    match = _READ.fullmatch(name)
    return match[1] if match else None


def fits_like(name: str) -> str | None:
    """As :func:`stem_of`, also for endings that are not read, such as ``.fits.xz``."""
    match = _FITS_LIKE.fullmatch(name)
    return match[1] if match else None


def fits_content(path: Path) -> bytes:
    """The bytes of a file; of a gzip file those in it, to its end, where its checksum is.

    Raises
    ------
    DataError
        If that is more than :data:`MAX_BYTES`.
    OSError, EOFError, zlib.error
        If it cannot be read, or is damaged.
    """
    with regular(path).open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size  # room for the most that is read takes longer than reading
        content = stream.read(min(size, MAX_BYTES) + 1)
    if content.startswith(GZIP_MAGIC):
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as unpacked:
            content = unpacked.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise DataError(f"{path} holds more than {MAX_BYTES >> 20} MB.", "Give images of one quadrant.")
    return content


def science_image(path: Path) -> tuple[NDArray[np.float32], Any]:
    """The image in a FITS file, wherever it is in it, and its header.

    Empty headers, masks, weights and the like are passed over. Cards of the first header count for
    an image behind it that lacks them.

    Returns
    -------
    pixels : ndarray (rows, columns), float32
        DN, scaling undone; NaN where there is no value.
    header : astropy.io.fits.Header

    Raises
    ------
    DataError
        If it holds no such image, is not whole, or has pixels that cannot be.
    Exception
        Of many kinds, if it is damaged; to be used within :func:`rbztf.files.reading`.
    """
    from astropy.io import fits

    content = fits_content(path)
    try:
        fastfits.whole_parts(content)
    except fastfits.Damaged as error:
        raise DataError(f"{path} is not a whole FITS file: {error}.", "Get it again.") from None
    with fits.open(io.BytesIO(content), memmap=False) as hdus:
        images = [hdu for hdu in hdus if hdu.is_image and hdu.header.get("NAXIS", 0) > 0]
        science = [hdu for hdu in images if not _is_mask(hdu.header)]
        if not science:
            found = "a mask, but no image" if images else "no image"
            raise DataError(f"{path} holds {found}.", "Give a science image.")
        counted = [hdu for hdu in science if hdu.header.get("BITPIX", 0) < 0]
        chosen = (counted or science)[0]
        if chosen.header["NAXIS"] != 2 or not chosen.data.size:
            raise DataError(f"{path} holds an image of shape {chosen.shape}, not of rows and columns.")
        header = chosen.header.copy()
        if chosen is not hdus[0]:
            header.extend(hdus[0].header, strip=True, unique=True)
        with np.errstate(over="ignore"):
            pixels = np.asarray(chosen.data).astype(np.float32)
    if wrong := impossible_pixel(pixels):
        raise DataError(f"{path} holds {wrong}, which no image has.", "Get it again.")
    return pixels, header


def _is_mask(header: Any) -> bool:
    """Whether an image says that its pixels are something else than light."""
    names = (str(header.get(keyword, "")) for keyword in ("EXTNAME", "IMGTYPE", "PRODTYPE"))
    ztf_mask = header.get("BITPIX", 0) > 0 and "BIT00" in header and "TRACK" in header.comments["BIT00"]
    return any(map(_NO_SCIENCE.search, names)) or ztf_mask


def files_below(folder: Path) -> Iterator[Path]:
    """All files below a folder, by name; links to folders are followed, each folder entered once."""
    seen: set[tuple[int, int]] = set()
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        status = here.stat()
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        for path in sorted(here.iterdir()):
            if path.is_dir():
                waiting.append(path)
            else:
                yield path
