"""The columns of a Parquet file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from rbztf.errors import InputError
from rbztf.formats.column_file import MOST_CELLS, ColumnFile, too_large

NUMBERS_AT_ONCE = 65536
TEXTS_AT_ONCE = 1024
"""Rows read in one go: a few bytes can stand for very many long texts."""
MOST_RECORDS = 2**18
"""Rows that are read as records."""
LONGEST_TEXT, LONGEST_REMARK = 40, 10_000
"""Characters of a text that are read in a column, and in a record."""


def read_parquet(stream: BinaryIO, n_bytes: int, origin: str, next_step: str) -> ColumnFile:
    """Open a Parquet file; columns are read when they are asked for.

    Raises
    ------
    Exception
        Of any kind, if the file is damaged; the caller says so in a sentence.
    """
    file = _open(stream, origin)
    schema = file.schema_arrow
    meta = {
        key.decode("utf-8", "replace"): value.decode("utf-8", "replace")
        for key, value in (schema.metadata or {}).items()
    }
    n_rows = file.metadata.num_rows
    return ColumnFile(
        origin, next_step, schema.names, n_rows, lambda place: _column(file, place, n_rows), meta
    )


def read_records(path: Path, origin: str, next_step: str) -> list[dict[str, Any]]:
    """Every row of a Parquet file by the names of its columns, for tables of a few columns of all kinds.

    Raises
    ------
    InputError
        For more rows than :data:`MOST_RECORDS`, too many cells, or without pyarrow.
    Exception
        Of any kind, if the file is damaged; the caller says so in a sentence.
    """
    with path.open("rb") as stream:
        file = _open(stream, origin)
        n_rows, n_columns = file.metadata.num_rows, file.metadata.num_columns
        if n_rows > MOST_RECORDS or n_rows * n_columns > MOST_CELLS:
            raise too_large(origin, n_rows, n_columns)
        records: list[dict[str, Any]] = []
        for batch in file.iter_batches(TEXTS_AT_ONCE):
            records += [{name: _short(value) for name, value in row.items()} for row in batch.to_pylist()]
            if len(records) > n_rows:
                raise ValueError("it has more rows than it says")
        return records


def _open(stream: BinaryIO, origin: str) -> Any:
    try:
        from pyarrow import parquet
    except ImportError:
        raise InputError(
            f"Reading {origin[0].lower()}{origin[1:]} needs pyarrow.",
            'Install it: pip install "rbztf[parquet]".',
        ) from None
    return parquet.ParquetFile(stream)


def _short(value: Any) -> Any:
    return value[:LONGEST_REMARK] if isinstance(value, str) else value


def _column(file: Any, place: int, n_rows: int) -> Any:
    """A column as a masked array of numbers, or a list of short texts."""
    from pyarrow import types

    field = file.schema_arrow.field(place)
    if types.is_integer(field.type) or types.is_boolean(field.type):
        parts = [_masked(batch) for batch in _batches(file, field.name, NUMBERS_AT_ONCE, n_rows)]
        values = np.concatenate([part for part, _ in parts]) if parts else np.empty(0, np.int64)
        unknown = np.concatenate([part for _, part in parts]) if parts else False
        return np.ma.masked_array(values, unknown)
    if types.is_floating(field.type) or types.is_null(field.type):
        batches = _batches(file, field.name, NUMBERS_AT_ONCE, n_rows)
        numbers = [batch.to_numpy(zero_copy_only=False) for batch in batches]
        return np.concatenate(numbers) if numbers else np.empty(0)
    texts: list[Any] = []
    if types.is_string(field.type) or types.is_large_string(field.type) or types.is_dictionary(field.type):
        for batch in _batches(file, field.name, TEXTS_AT_ONCE, n_rows):
            texts += [text if text is None else str(text)[:LONGEST_TEXT] for text in batch.to_pylist()]
        return texts
    raise ValueError(f"the column {field.name[:LONGEST_TEXT]!r} holds {str(field.type)[:LONGEST_TEXT]}")


def _batches(file: Any, name: str, size: int, n_rows: int) -> Any:
    seen = 0
    for batch in file.iter_batches(size, columns=[name]):
        seen += len(batch)
        if seen > n_rows:
            raise ValueError("it has more rows than it says")
        yield batch.column(0)


def _masked(column: Any) -> tuple[Any, Any]:
    """Values, and where they are unknown."""
    unknown = column.is_null().to_numpy(zero_copy_only=False)
    nothing = False if column.type == "bool" else 0
    return column.fill_null(nothing).to_numpy(zero_copy_only=False), unknown
