"""The first table of a FITS file."""

from __future__ import annotations

from typing import BinaryIO

from rbztf.formats.column_file import ColumnFile


def read_fits(stream: BinaryIO, n_bytes: int, origin: str, next_step: str) -> ColumnFile:
    """Open the first table of a FITS file of ``n_bytes``.

    Raises
    ------
    Exception
        Of any kind, if the file is damaged; the caller says so in a sentence.
    """
    from astropy.io import fits
    from astropy.table import Table

    with fits.open(stream, memmap=False, disable_image_compression=True) as hdus:
        hdu = next((each for each in hdus if isinstance(each, fits.BinTableHDU | fits.TableHDU)), None)
        if hdu is None:
            raise ValueError("it holds no table")
        n_rows, width = hdu.header["NAXIS2"], hdu.header["NAXIS1"]
        if not (n_rows >= 0 and width > 0 and n_rows * width <= n_bytes):
            raise ValueError("it is shorter than its header says")
        table = Table.read(hdu, format="fits")
    meta = {key: str(value) for key, value in table.meta.items()}
    names = table.colnames
    return ColumnFile(origin, next_step, names, len(table), lambda place: table.columns[place], meta)
