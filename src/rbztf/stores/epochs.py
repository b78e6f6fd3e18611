"""The table of epochs: one row per point of the light curve, with or without a frame."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from astropy.table import Table


class FrameStatus(StrEnum):
    """What became of the frame of one epoch."""

    OK = "ok"
    MISSING = "missing"
    """The archive has no such image today (HTTP 404); ask again another day."""
    OFF_CHIP = "off-chip"
    """The position is not on the image (HTTP 400)."""
    CORRUPT = "corrupt"
    """An answer came, but never a sound frame."""
    FAILED = "failed"
    """No usable answer within the time and tries allowed."""
    SKIPPED = "skipped"
    """Left out by a filter (band, flags, quality, --max-frames)."""


NO_FRAME = -1
"""``frame`` of an epoch without pixels."""
COLUMNS: dict[str, tuple[str, str, Any]] = {
    # name: (numpy dtype, unit, value where nothing is known)
    "mjd": ("f8", "d", np.nan),  # start of exposure
    "hjd": ("f8", "d", np.nan),  # heliocentric, middle of exposure
    "mag": ("f4", "mag", np.nan),
    "magerr": ("f4", "mag", np.nan),
    "catflags": ("i4", "", 0),
    "chi": ("f4", "", np.nan),
    "sharp": ("f4", "", np.nan),
    "expid": ("i8", "", -1),
    "filefracday": ("i8", "", -1),
    "field": ("i4", "", -1),
    "ccdid": ("i4", "", -1),
    "qid": ("i4", "", -1),
    "limitmag": ("f4", "mag", np.nan),
    "magzp": ("f4", "mag", np.nan),
    "magzprms": ("f4", "mag", np.nan),
    "clrcoeff": ("f4", "", np.nan),
    "clrcounc": ("f4", "", np.nan),
    "exptime": ("f4", "s", np.nan),
    "airmass": ("f4", "", np.nan),
    "programid": ("i4", "", -1),
    "seeing": ("f4", "pix", np.nan),  # FWHM, from the frame's header
    "maglimit": ("f4", "mag", np.nan),
    "infobits": ("i4", "", -1),
    "gain": ("f4", "", np.nan),  # electrons per DN (electrons are no FITS unit)
    "readnoise": ("f4", "", np.nan),  # electrons
    "saturate": ("f4", "adu", np.nan),
    "status": ("U8", "", FrameStatus.OK.value),
    "frame": ("i4", "", NO_FRAME),
    "url": ("U1", "", ""),
}
PHOTOMETRY = ("hjd", "mag", "magerr")
"""What is kept of a frame's epoch beside the frame's vector."""
HEADER_FACTS = {
    "seeing": "SEEING",
    "maglimit": "MAGLIM",
    "infobits": "INFOBITS",
    "gain": "GAIN",
    "readnoise": "READNOI",
    "saturate": "SATURATE",
    "magzp": "MAGZP",
    "magzprms": "MAGZPRMS",
    "clrcoeff": "CLRCOEFF",
    "airmass": "AIRMASS",
    "exptime": "EXPTIME",
    "expid": "EXPID",
    "programid": "PROGRMID",
    "field": "FIELDID",
    "ccdid": "CCDID",
    "qid": "QID",
    "mjd": "OBSMJD",
}
"""Columns that a ZTF science frame's own header can fill, and the keyword of each."""


def no_photometry(n_frames: int) -> NDArray[np.float64]:
    """:data:`PHOTOMETRY` of frames of which none is known, (n_frames, 3) float64."""
    return np.full((n_frames, len(PHOTOMETRY)), np.nan)


def epoch_table(columns: Mapping[str, Any], n_epochs: int) -> Table:
    """Build an epochs table from what is known; the rest gets its "unknown" value.

    Parameters
    ----------
    columns : mapping of str to array_like of shape (n_epochs,)
        Some of :data:`COLUMNS`.
    n_epochs : int
        Number of rows.

    Returns
    -------
    astropy.table.Table
        All of :data:`COLUMNS`, in order, with units.

    Raises
    ------
    KeyError
        If a column is not one of :data:`COLUMNS`.
    """
    from astropy.table import Column, Table

    unknown = set(columns) - set(COLUMNS)
    if unknown:
        raise KeyError(f"not columns of an epochs table: {', '.join(sorted(unknown))}")
    table = Table()
    for name, (dtype, unit, default) in COLUMNS.items():
        values = columns.get(name)
        if values is None:
            values = np.full(n_epochs, default, dtype)
        text = dtype.startswith("U")
        table[name] = Column(np.asarray(values, None if text else dtype), unit=unit or None)
    return table


def header_facts(header: Mapping[str, Any]) -> dict[str, float | int]:
    """The columns of :data:`HEADER_FACTS` that ``header`` (a FITS header) can fill.

    Values that are not finite numbers, or that the column cannot hold, are left out.
    """
    facts: dict[str, float | int] = {}
    for column, keyword in HEADER_FACTS.items():
        value = header.get(keyword)
        if can_hold(value, column):
            facts[column] = value
    return facts


def can_hold(value: object, column: str) -> TypeGuard[float | int]:
    """Whether ``value`` is a number that a column of an epochs table has room for."""
    dtype = np.dtype(COLUMNS[column][0])
    if isinstance(value, bool) or not isinstance(value, int | float) or dtype.kind not in "if":
        return False
    if dtype.kind == "i":
        integers = np.iinfo(dtype)
        return integers.min <= value <= integers.max and int(value) == value
    return abs(value) <= float(np.finfo(dtype).max)  # NaN is not


Columns = dict[str, NDArray[Any]]


def blank_columns(n_epochs: int) -> Columns:
    """All columns with nothing known yet; every frame counts as skipped until it is asked for."""
    columns: Columns = {}
    for name, (dtype, _, default) in COLUMNS.items():
        columns[name] = np.full(n_epochs, default, object if dtype.startswith("U") else dtype)
    columns["status"][:] = FrameStatus.SKIPPED.value
    columns["frame"][:] = NO_FRAME
    return columns


def columns_of(table: Any) -> Columns:
    """The columns of an epochs table, with texts as ``str`` objects that can grow."""
    columns = blank_columns(len(table))
    for name in columns:
        if name not in table.colnames:
            continue
        values = np.asarray(table[name])
        if values.dtype.kind == "S":
            values = np.char.decode(values, "ascii", "replace")
        columns[name] = values.astype(columns[name].dtype)
    return columns


def in_time_order(columns: Columns) -> Columns:
    """The same rows, sorted by the start of exposure."""
    order = np.lexsort((columns["filefracday"], columns["mjd"]))
    return {name: values[order] for name, values in columns.items()}
