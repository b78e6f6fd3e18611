"""Tables of features too large to hold: read unit by unit, from Parquet or SNAD's pairs of binary files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbztf.errors import InputError
from rbztf.features.binary_files import BinaryFiles
from rbztf.features.columns import canonical, is_feature
from rbztf.features.files import check_names, definition_in, read_features
from rbztf.features.snad_set import known_definition
from rbztf.features.table import Definition, FeatureTable
from rbztf.ztf import are_oids

CHUNK = 32768
"""Rows that are held at once."""
UNIT = 262144
"""Rows of a unit of work, more or less."""
COMPARED_AT_ONCE = 20_000_000
"""OIDs among which one given twice is looked for in one go."""
_HELP = "Give a table with the column oid and a column for each feature."
Unit = tuple[int, int]
"""First row, and the row after the last."""


@dataclass(frozen=True)
class FeatureRows(ABC):
    """A table of features on disk.

    Attributes
    ----------
    path : Path
    """

    path: Path

    @abstractmethod
    def __len__(self) -> int: ...

    @property
    @abstractmethod
    def header(self) -> Sequence[str]:
        """Names of all columns but the OIDs."""

    @property
    @abstractmethod
    def definition(self) -> Definition:
        """How the features were made."""

    @abstractmethod
    def units(self) -> list[Unit]:
        """All rows in units of about :data:`UNIT`, in order."""

    @abstractmethod
    def _blocks(self, unit: Unit) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
        """OIDs (n,) and the columns that are features (n, k) of the rows of a unit, in order."""

    @abstractmethod
    def _oids(self) -> Iterator[NDArray[np.int64]]:
        """The OIDs of all rows, in order."""

    @cached_property
    def _places(self) -> list[int]:
        return [place for place, name in enumerate(self.header) if is_feature(name)]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Of the features.

        Raises
        ------
        InputError
            If there is none, or one twice.
        """
        names = [canonical(self.header[place]) for place in self._places]
        check_names(self.path, names)
        return tuple(names)

    def read(self, unit: Unit) -> Iterator[FeatureTable]:
        """The rows of a unit, at most :data:`CHUNK` at once.

        Raises
        ------
        InputError
            If the file is damaged, or a number is no OID.
        """
        first = unit[0]
        for oids, values in self._blocks(unit):
            numbers = oids.astype(np.int64)
            wrong = np.flatnonzero(~are_oids(numbers))
            if len(wrong):
                row = int(wrong[0])
                raise InputError(
                    f"Row {first + row + 1} of {self.path} has {oids[row]}, which is not a ZTF OID.", _HELP
                )
            first += len(numbers)
            yield FeatureTable(numbers, self.names, np.asarray(values, np.float64), self.definition)

    def check_distinct(self) -> None:
        """Refuse a table that has an object twice.

        Raises
        ------
        InputError
            Naming the first.
        """
        passes = -(-len(self) // COMPARED_AT_ONCE)
        for number in range(passes):
            parts = [part[part % passes == number] for part in self._oids()]
            oids = np.sort(np.concatenate(parts)) if parts else np.empty(0, np.int64)
            twice = np.flatnonzero(oids[1:] == oids[:-1])
            if len(twice):
                raise InputError(f"{self.path} has {oids[twice[0]]} twice.", "Keep one of the two.")


@dataclass(frozen=True)
class BinaryRows(FeatureRows):
    """SNAD's pair of files; see :class:`BinaryFiles`."""

    files: BinaryFiles

    def __len__(self) -> int:
        return len(self.files.oids)

    @property
    def header(self) -> Sequence[str]:
        """As the file of names has them."""
        return self.files.names

    @cached_property
    def definition(self) -> Definition:
        """SNAD's, if it has exactly SNAD's columns."""
        return known_definition(self.names, Definition())

    def units(self) -> list[Unit]:
        """Of equal size."""
        return [(start, min(start + UNIT, len(self))) for start in range(0, len(self), UNIT)]

    def _blocks(self, unit: Unit) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
        every = len(self._places) == len(self.header)
        for start in range(*unit, CHUNK):
            rows = slice(start, min(start + CHUNK, unit[1]))
            values = self.files.values[rows]
            yield np.asarray(self.files.oids[rows]), values if every else values[:, self._places]

    def _oids(self) -> Iterator[NDArray[np.int64]]:
        for start, stop in self.units():
            yield np.asarray(self.files.oids[start:stop]).astype(np.int64)


@dataclass(frozen=True)
class ParquetRows(FeatureRows):
    """A Parquet file; its units are whole row groups."""

    def __post_init__(self) -> None:
        if self._file.metadata.num_rows and "oid" not in self._lower:
            raise InputError(f"{self.path} has no column oid.", _HELP)

    @cached_property
    def _file(self) -> Any:
        try:
            from pyarrow import parquet
        except ImportError:
            raise InputError(
                f"Reading {self.path} needs pyarrow.", 'Install it: pip install "rbztf[parquet]".'
            ) from None
        with self._sound():
            return parquet.ParquetFile(self.path, memory_map=True)

    def _sound(self) -> Any:
        from rbztf.formats.read import damage

        return damage(f"The feature table {self.path}", "Parquet", _HELP)

    def __len__(self) -> int:
        return int(self._file.metadata.num_rows)

    @cached_property
    def _lower(self) -> list[str]:
        return [name.lower() for name in self._file.schema_arrow.names]

    @property
    def _oid_name(self) -> str:
        return str(self._file.schema_arrow.names[self._lower.index("oid")])

    @cached_property
    def header(self) -> Sequence[str]:
        """All columns but ``oid``."""
        return [name for name in self._file.schema_arrow.names if name.lower() != "oid"]

    @cached_property
    def definition(self) -> Definition:
        """As its metadata say."""
        meta = {
            key.decode("utf-8", "replace").lower(): value.decode("utf-8", "replace")
            for key, value in (self._file.schema_arrow.metadata or {}).items()
        }
        return known_definition(self.names, definition_in(self.path, meta))

    @cached_property
    def _starts(self) -> list[int]:
        """First row of each row group, and the number of rows."""
        groups = (
            self._file.metadata.row_group(number).num_rows
            for number in range(self._file.metadata.num_row_groups)
        )
        return [0, *np.cumsum(list(groups)).tolist()]

    def units(self) -> list[Unit]:
        """Row groups, small ones together."""
        units: list[Unit] = []
        for start, stop in zip(self._starts, self._starts[1:]):
            if units and stop - units[-1][0] <= UNIT:
                units[-1] = units[-1][0], stop
            elif stop > start:
                units.append((start, stop))
        return units

    def _blocks(self, unit: Unit) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
        for oids, *columns in self._batches(unit, [self.header[place] for place in self._places]):
            yield oids, np.stack(columns, axis=1)

    def _oids(self) -> Iterator[NDArray[np.int64]]:
        for unit in self.units():
            for (oids,) in self._batches(unit, []):
                yield oids

    def _batches(self, unit: Unit, names: Sequence[str]) -> Iterator[list[NDArray[Any]]]:
        """OIDs, then the columns ``names``, of some rows at a time."""
        first, last = (self._starts.index(row) for row in unit)
        with self._sound():
            columns = [self._oid_name, *names]
            n_rows = 0
            for batch in self._file.iter_batches(CHUNK, row_groups=list(range(first, last)), columns=columns):
                n_rows += len(batch)
                yield [
                    _whole_numbers(batch.column(columns[0])),
                    *(_numbers(batch.column(name)) for name in names),
                ]
            if n_rows != unit[1] - unit[0]:
                raise ValueError("it has other rows than it says")


@dataclass(frozen=True)
class TableRows(FeatureRows):
    """A table of another format, which is held as a whole."""

    table: FeatureTable

    def __len__(self) -> int:
        return len(self.table)

    @property
    def header(self) -> Sequence[str]:
        """Its features."""
        return self.table.names

    @property
    def definition(self) -> Definition:
        """As it was read."""
        return self.table.definition

    def units(self) -> list[Unit]:
        """Of equal size."""
        return [(start, min(start + UNIT, len(self))) for start in range(0, len(self), UNIT)]

    def _blocks(self, unit: Unit) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
        for start in range(*unit, CHUNK):
            rows = slice(start, min(start + CHUNK, unit[1]))
            yield self.table.oids[rows], self.table.values[rows]

    def _oids(self) -> Iterator[NDArray[np.int64]]:
        yield self.table.oids


def _whole_numbers(column: Any) -> NDArray[np.int64]:
    from pyarrow import int64

    if column.null_count:
        raise ValueError("a row has no oid")
    return np.asarray(column.cast(int64()).to_numpy(zero_copy_only=False))


def _numbers(column: Any) -> NDArray[Any]:
    from pyarrow import float64, types

    if not (types.is_floating(column.type) or types.is_integer(column.type) or types.is_null(column.type)):
        raise ValueError(f"a column of features holds {str(column.type)[:40]}")
    return np.asarray(column.cast(float64()).to_numpy(zero_copy_only=False))


def open_rows(path: Path | str) -> FeatureRows:
    """A table of features that is read unit by unit; of formats other than Parquet and SNAD's it is held as a whole.

    Raises
    ------
    InputError
        If it is missing or damaged, has no OIDs or no feature.
    """
    path = Path(path)
    if BinaryFiles.named(path):
        return BinaryRows(path, BinaryFiles.open(path))
    if path.suffix == ".parquet" and path.is_file():
        return ParquetRows(path)
    return TableRows(path, read_features(path))
