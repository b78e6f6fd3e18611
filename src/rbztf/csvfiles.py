"""CSV files: rows read with limits, each fault with its line; rows written."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, TextIO

from rbztf.errors import InputError
from rbztf.files import write_text
from rbztf.textfiles import open_text
from rbztf.wording import counted
from rbztf.yamltext import parse_yaml
from rbztf.ztf import Oid

MAX_COLUMNS = 10_000
MAX_LINE = 4 * 2**20
"""Characters of a line; the csv module limits a cell to 131,072."""
SHOWN = 40
"""Characters of a wrong cell that a message repeats."""


class Row:
    """A row of a :class:`CsvFile`.

    Attributes
    ----------
    line : int
        Where it ends in the file, from 1.
    cells : list of str
        Without blanks around them; as many as the header has, or fewer.
    """

    __slots__ = ("_file", "cells", "line")

    def __init__(self, file: CsvFile, line: int, cells: list[str]) -> None:
        self._file, self.line, self.cells = file, line, cells

    def get(self, name: str) -> str:
        """The cell of a column, whatever the case of its name; empty where there is none."""
        place = self._file.places.get(name.lower(), len(self.cells))
        return self.cells[place] if place < len(self.cells) else ""

    @property
    def place(self) -> str:
        """Where it is in the file."""
        return f"line {self.line}"

    def oid(self) -> Oid:
        """The column ``oid``."""
        try:
            return Oid(self.get("oid"))
        except InputError as error:
            raise InputError(f"{self._where()}: {error.message}", error.next_step) from None

    def number(self, name: str) -> float:
        """A column's finite number."""
        try:
            value = _number(self.get(name))
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise self.wrong(f"{name} is {self.get(name)[:SHOWN]!r}, which is not a finite number")
        return value

    def number_at(self, place: int) -> float:
        """The number in a cell; NaN where it is empty or infinite."""
        text = self.cells[place]
        try:
            value = _number(text) if text else math.nan
        except ValueError:
            what = f"{self._file.header[place]} is {text[:SHOWN]!r}, which is not a number"
            raise self.wrong(what, "Write a number, or leave the cell empty where it is unknown.") from None
        return value if math.isfinite(value) else math.nan

    def whole(self, name: str) -> int:
        """A column's whole number, 0 or more."""
        text = self.get(name)
        if not (text.isascii() and text.isdecimal() and len(text) < 19):
            raise self.wrong(f"{name} is {text[:SHOWN]!r}, which is not a whole number of 0 or more")
        return int(text)

    def choice(self, name: str, choices: Sequence[str]) -> str:
        """A column's word, one of ``choices``."""
        text = self.get(name)
        if text not in choices:
            raise self.wrong(f"{name} is {text[:SHOWN]!r}, not one of {', '.join(choices)}")
        return text

    def wrong(self, what: str, next_step: str = "") -> InputError:
        """The error that says what is wrong with this row."""
        return InputError(f"{self._where()}: {what}.", next_step or self._file.next_step)

    def _where(self) -> str:
        return f"{self._file.origin}, {self.place}"


def _number(text: str) -> float:
    return float(text.replace("_", "?"))  # Python alone takes 1_000 for a number


class CsvFile:
    """The rows of a CSV text, one after another.

    Lines above the header that start with ``#`` are comments (but ``# oid,label`` is taken for the
    header). Blank rows are passed over; blanks around names and cells do not count, nor does the
    case of the names of columns. ECSV is read as well: its comments are YAML.

    Parameters
    ----------
    stream : text stream
        Read once, from its start to its end.
    origin : str
        What messages call it, such as ``The label file a.csv``.
    needed : sequence of str
        Columns that have to be there.
    next_step : str
        What to do about a wrong file.

    Attributes
    ----------
    header : list of str
        Names of the columns.
    places : dict of str to int
        The place of each column, by its name in lower case.
    comments : list of str
    meta : dict of str to str
        What the comments say of the table, keys in lower case: ``# key: value``, or the ``meta`` of ECSV.

    Raises
    ------
    InputError
        For a column that lacks or is there twice, or too many of them; in the course of the rows,
        for one that is not CSV, has more cells than the header, or is too long.
    """

    def __init__(self, stream: TextIO, origin: str, needed: Sequence[str], next_step: str) -> None:
        self.origin, self.next_step = origin, next_step
        self.comments: list[str] = []
        self._stream, self._lines_above = stream, 0
        self._reader = csv.reader(())
        lines = self._lines(needed)
        first = next(lines, "")  # the comments are read then
        self.meta, delimiter = self._described()
        self._reader = csv.reader(
            chain([first], lines), strict=True, skipinitialspace=True, delimiter=delimiter
        )
        self.header = next(self._cells(), [])
        self._check_header(needed)
        self.places = {name.lower(): place for place, name in reversed([*enumerate(self.header)])}

    def __iter__(self) -> Iterator[Row]:
        for cells in self._cells():
            row = Row(self, self._line, cells)
            if any(cells[len(self.header) :]):
                raise row.wrong(f"it has {counted(len(cells), 'cell')}; the header has {len(self.header)}")
            yield row

    def numbered(self, places: Sequence[int]) -> Iterator[tuple[Row, list[float]]]:
        """Each row, and the numbers in some of its columns; NaN where one is unknown or infinite.

        Raises
        ------
        InputError
            For a row that has fewer cells than the header.
        """
        for row in self:
            if places and len(row.cells) < len(self.header):
                raise row.wrong(
                    f"it has {counted(len(row.cells), 'cell')}; the header has {len(self.header)}"
                )
            yield row, [row.number_at(place) for place in places]

    def _described(self) -> tuple[dict[str, str], str]:
        """What the comments say of the table, and what is between cells."""
        lines = [line.removeprefix("#").removeprefix(" ") for line in self.comments]
        if not (lines and lines[0].startswith("%ECSV")):
            pairs = [line.lstrip("#").partition(":")[::2] for line in lines]
            return {key.strip().lower(): value.strip() for key, value in pairs}, ","
        content = parse_yaml("\n".join(lines[1:]), f"The header of {self.origin}", advice=self.next_step)
        content = content if isinstance(content, dict) else {}
        meta = content.get("meta")
        entries = meta.items() if isinstance(meta, dict) else meta if isinstance(meta, list) else ()
        found = [entry for entry in entries if isinstance(entry, tuple) and len(entry) == 2]
        delimiter = "," if content.get("delimiter") == "," else " "
        return {str(key).lower(): str(value) for key, value in found}, delimiter

    @property
    def _line(self) -> int:
        return self._lines_above + self._reader.line_num

    def _cells(self) -> Iterator[list[str]]:
        """Rows with anything in them."""
        while True:
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise InputError(
                    f"{self.origin} is not CSV (line {self._line}: {error}).", self.next_step
                ) from None
            cells = [cell.strip() for cell in cells]
            if any(cells):
                yield cells

    def _lines(self, needed: Sequence[str]) -> Iterator[str]:
        """Lines from the header on."""
        in_header = True
        while line := self._stream.readline(MAX_LINE + 1):
            if len(line) > MAX_LINE:
                raise InputError(
                    f"{self.origin}, line {self._line + 1}: it has more than {MAX_LINE} characters.",
                    self.next_step,
                )
            if in_header and line.startswith("#"):
                names = {name.strip().lower() for name in line.lstrip("#").split(",")}
                if not names >= set(needed):
                    self.comments.append(line.rstrip("\r\n"))
                    self._lines_above += 1
                    continue
                line = line.lstrip("# ")
            in_header = in_header and not line.strip()
            yield line

    def _check_header(self, needed: Sequence[str]) -> None:
        if len(self.header) > MAX_COLUMNS:
            raise InputError(
                f"{self.origin} has {counted(len(self.header), 'column')}; at most {MAX_COLUMNS} are read.",
                self.next_step,
            )
        names = {name.lower() for name in self.header}
        lacking = [name for name in needed if name not in names]
        if lacking:
            found = ", ".join(self.header)[: 2 * SHOWN] or "nothing"
            raise InputError(
                f"{self.origin} lacks the column {' and '.join(map(repr, lacking))} (its first line: {found}).",
                self.next_step,
            )
        counts = Counter(name.lower() if name.lower() in needed else name for name in self.header)
        twice = [name for name, count in counts.items() if name and count > 1]
        if twice:
            raise InputError(f"{self.origin} has the column {twice[0][:SHOWN]!r} twice.", "Rename one.")


@contextmanager
def open_csv(path: Path, what: str, needed: Sequence[str], next_step: str) -> Iterator[CsvFile]:
    """Open the CSV file ``path``; ``what`` is what messages call it, such as ``The label file``.

    Raises
    ------
    InputError
        If it cannot be read, or as :class:`CsvFile`.
    """
    with open_text(path, what, next_step) as stream:
        yield CsvFile(stream, f"{what} {path}", needed, next_step)


def csv_rows(text: str, origin: str, needed: Sequence[str], next_step: str) -> CsvFile:
    """The rows of a text that has been read already."""
    return CsvFile(io.StringIO(text, newline=""), origin, needed, next_step)


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]], first: Sequence[str] = ()) -> None:
    """Write rows with all columns that any of them has, in the order in which they appear.

    Parameters
    ----------
    first : sequence of str
        Columns to begin with, there even where no row is.

    Raises
    ------
    WriteError, UsageError
        If it cannot be written; the file appears whole or not at all.
    """
    columns = dict.fromkeys([*first, *(name for row in rows for name in row)])
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(columns), restval="")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())
