"""A table read by columns: FITS, VOTable, Parquet and JSON behind one face, within limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbztf.csvfiles import MAX_COLUMNS, SHOWN
from rbztf.errors import InputError
from rbztf.wording import counted
from rbztf.ztf import Oid

LARGEST_BYTES = 2**29
"""Of a file that is not text."""
MOST_ROWS = 2**25
MOST_CELLS = 2**28


def too_large(origin: str, n_rows: int, n_columns: int) -> InputError:
    """The error that says that a table is larger than is read."""
    size = f"{counted(n_rows, 'row')}, {counted(n_columns, 'column')}"
    return InputError(f"{origin} is too large ({size}).", "Split it into parts.")


class ColumnRow:
    """A row of a :class:`ColumnFile`, as :class:`rbztf.csvfiles.Row` is of a CSV file."""

    __slots__ = ("_file", "number")

    def __init__(self, file: ColumnFile, number: int) -> None:
        self._file, self.number = file, number

    @property
    def place(self) -> str:
        """Where it is in the file."""
        return f"row {self.number + 1}"

    def oid(self) -> Oid:
        """The column ``oid``."""
        try:
            return Oid(self._file.oid_text(self.number))
        except InputError as error:
            raise InputError(f"{self._where()}: {error.message}", error.next_step) from None

    def wrong(self, what: str, next_step: str = "") -> InputError:
        """The error that says what is wrong with this row."""
        return InputError(f"{self._where()}: {what}.", next_step or self._file.next_step)

    def _where(self) -> str:
        return f"{self._file.origin}, {self.place}"


class ColumnFile:
    """The columns of a table.

    Parameters
    ----------
    origin : str
        What messages call it, such as ``The feature table a.fits``.
    next_step : str
        What to do about a wrong file.
    header : sequence of str
        Names of the columns.
    n_rows : int
    column : callable
        Reads a column by its place: a NumPy array, perhaps masked, or a list of values and None.
    meta : mapping of str to str
        What the table says of itself; keys in lower case.

    Raises
    ------
    InputError
        If it is larger than allowed, or lacks the column ``oid``; on reading, for damaged columns.
    """

    def __init__(
        self,
        origin: str,
        next_step: str,
        header: Sequence[str],
        n_rows: int,
        column: Callable[[int], Any],
        meta: Mapping[str, str],
    ) -> None:
        self.origin, self.next_step, self.header = origin, next_step, [name.strip() for name in header]
        self.meta = {key.lower(): value for key, value in meta.items()}
        self._n_rows, self._column = n_rows, column
        if len(self.header) > MAX_COLUMNS or n_rows > MOST_ROWS or n_rows * len(self.header) > MOST_CELLS:
            raise too_large(origin, n_rows, len(self.header))
        found = [place for place, name in enumerate(self.header) if name.lower() == "oid"]
        if len(found) != 1:
            wrong = "lacks the column 'oid'" if not found else "has the column 'oid' twice"
            names = ", ".join(self.header)[: 2 * SHOWN] or "nothing"
            raise InputError(f"{origin} {wrong} (its columns: {names}).", next_step)
        self._oid_place = found[0]
        self._oids: Any = None

    def numbered(self, places: Sequence[int]) -> Iterator[tuple[ColumnRow, NDArray[np.float64]]]:
        """Each row, and the numbers in some of its columns; NaN where one is unknown or infinite."""
        self._oids = self._known_oids()
        columns = [self._numbers(place) for place in places]
        values = np.stack(columns, axis=1) if columns else np.empty((self._n_rows, 0))
        for number in range(self._n_rows):
            yield ColumnRow(self, number), values[number]

    def oid_text(self, number: int) -> str:
        """The column ``oid`` in a row, as text; empty if it is unknown."""
        value = self._oids[number]
        if value is None or value is np.ma.masked:
            return ""
        return value.decode("ascii", "replace").strip() if isinstance(value, bytes) else str(value).strip()

    def _known_oids(self) -> Any:
        oids = self._checked(self._oid_place)
        kind = getattr(oids, "dtype", np.dtype(object))
        if kind.kind == "f" and kind.itemsize < 8:
            raise InputError(
                f"{self.origin} holds its OIDs as {kind}, which loses their last digits.",
                "Write them as int64.",
            )
        return oids

    def _numbers(self, place: int) -> NDArray[np.float64]:
        column = self._checked(place)
        try:
            if isinstance(column, list):
                column = [np.nan if value is None or value == "" else value for value in column]
            elif column.dtype.kind not in "biuf":
                raise ValueError
            values = np.ma.asarray(column, np.float64).filled(np.nan)
            if values.shape != (self._n_rows,):
                raise ValueError
        except (ValueError, TypeError, OverflowError):
            name = self.header[place][:SHOWN]
            raise InputError(
                f"{self.origin}: the column {name!r} holds something else than numbers.",
                "Take it out, or write numbers.",
            ) from None
        return np.where(np.isfinite(values), values, np.nan)

    def _checked(self, place: int) -> Any:
        """A column of as many single values as there are rows."""
        column = self._column(place)
        if len(column) != self._n_rows or getattr(column, "ndim", 1) != 1:
            name = self.header[place][:SHOWN]
            raise InputError(f"{self.origin}: the column {name!r} is not one value a row.", self.next_step)
        return column
