"""Checksums of the store's files: a CHECKSUM and a DATASUM for every header and its data."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rbztf.errors import DataError
from rbztf.files import reading, write_bytes
from rbztf.stores import fastfits

if TYPE_CHECKING:
    from astropy.io import fits

AGAIN = "Remove it, then fetch it again."
COMMENT = "ones-complement sum, see FITS 4.0"
"""Beside the checksums, in place of astropy's time: the same object gives the same bytes."""


def sealed_bytes(hdus: fits.HDUList) -> bytes:
    """A FITS file with checksums, as bytes."""
    hdus.update_extend()  # writing would, when the checksums are made
    for hdu in hdus:
        hdu.add_checksum(when=COMMENT)
    stream = io.BytesIO()
    hdus.writeto(stream)
    return stream.getvalue()


def seal_file(path: Path) -> bool:
    """Give a file of the store the checksums it lacks; pixels and epochs stay bit for bit.

    Returns
    -------
    bool
        Whether it lacked any.

    Raises
    ------
    DataError
        If it is damaged.
    WriteError, UsageError
        If it cannot be written.
    """
    from astropy.io import fits

    with reading(path):
        content = path.read_bytes()
        if has_checksums(path, content, parts_of(path, content)):
            return False
        with fits.open(io.BytesIO(content), memmap=False) as hdus:
            sealed = sealed_bytes(hdus)
    write_bytes(path, sealed, tidy=False)
    return True


def parts_of(path: Path, content: bytes) -> list[fastfits.Hdu]:
    """The headers and data of a file of the store.

    Raises
    ------
    DataError
        If it is not a whole FITS file.
    """
    try:
        return list(fastfits.hdus(content))
    except fastfits.NotPlain:
        raise DataError(
            f"{path} is damaged: it is cut short, or its headers cannot be read.", AGAIN
        ) from None


def has_checksums(path: Path, content: bytes, parts: Sequence[fastfits.Hdu]) -> bool:
    """Whether a file of the store has checksums, which are right.

    Raises
    ------
    DataError
        If they are wrong.
    """
    try:
        return fastfits.check_sums(content, parts)
    except fastfits.Damaged as error:
        raise DataError(f"{path} is damaged: {error}.", AGAIN) from None
