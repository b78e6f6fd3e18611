"""The columns of a Parquet file."""

from __future__ import annotations

from typing import Any, BinaryIO

import numpy as np

from rbztf.errors import InputError
from rbztf.formats.column_file import ColumnFile

NUMBERS_AT_ONCE = 65536
TEXTS_AT_ONCE = 1024
"""Rows read in one go: a few bytes can stand for very many long texts."""
LONGEST_TEXT = 40


def read_parquet(stream: BinaryIO, n_bytes: int, origin: str, next_step: str) -> ColumnFile:
    """Open a Parquet file; columns are read when they are asked for.

    Raises
    ------
    Exception
        Of any kind, if the file is damaged; the caller says so in a sentence.
    """
    try:
        from pyarrow import parquet
    except ImportError:
        raise InputError(
            f"Reading {origin[0].lower()}{origin[1:]} needs pyarrow.",
            'Install it: pip install "rbztf[parquet]".',
        ) from None
    file = parquet.ParquetFile(stream)
    schema = file.schema_arrow
    meta = {
        key.decode("utf-8", "replace"): value.decode("utf-8", "replace")
        for key, value in (schema.metadata or {}).items()
    }
    n_rows = file.metadata.num_rows
    return ColumnFile(
        origin, next_step, schema.names, n_rows, lambda place: _column(file, place, n_rows), meta
    )


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
