"""Tables of named columns as CSV, Parquet, ECSV, FITS or VOTable, by the file's ending."""

from __future__ import annotations

import csv
import io
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from rbztf.errors import UsageError
from rbztf.files import whole, write_text

if TYPE_CHECKING:
    from astropy.table import Table

Kind = Literal["int", "float", "bool", "text"]
Cell = int | float | bool | str | None
ASTROPY_FORMATS = {".ecsv": "ascii.ecsv", ".fits": "fits", ".vot": "votable"}
TABLE_ENDINGS = (".csv", ".parquet", *ASTROPY_FORMATS)
_DTYPES: dict[Kind, type] = {"int": np.int64, "float": np.float64, "bool": np.bool_, "text": np.str_}
_EMPTY: dict[Kind, Cell] = {"int": -1, "float": float("nan"), "bool": False, "text": ""}


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    name : str
    kind : str
        ``int`` (int64), ``float`` (float64), ``bool`` or ``text``.
    unit : str
        As astropy spells it; empty for none.
    description : str
    decimals : int or None
        Of a float in CSV; None for as many as bring the same number back.
    """

    name: str
    kind: Kind
    unit: str = ""
    description: str = ""
    decimals: int | None = None


def check_table_ending(path: Path, *more: str) -> None:
    """Refuse a file whose ending names no format, before work is spent on it.

    Parameters
    ----------
    more : str
        Endings that the caller writes itself.

    Raises
    ------
    UsageError
        For another ending, or Parquet without pyarrow.
    """
    if path.suffix not in (*TABLE_ENDINGS, *more):
        raise UsageError(
            f"{path} does not end in a known format.", f"End it in {', '.join((*TABLE_ENDINGS, *more))}."
        )
    if path.suffix == ".parquet":
        try:
            import pyarrow  # noqa: F401
        except ImportError:
            raise UsageError(
                f"Writing {path} needs pyarrow.", 'Install it: pip install "rbztf[parquet]".'
            ) from None


def write_table(
    path: Path,
    columns: Sequence[Column],
    rows: Sequence[Sequence[Cell]],
    meta: Mapping[str, str] | None = None,
) -> None:
    """Write a table; the file appears whole or not at all.

    Parameters
    ----------
    rows : sequence of sequences
        One cell a column; None where there is no value: an empty cell, a null, or a masked value.
    meta : dict of str to str
        Of the table as a whole; CSV has no room for it.

    Raises
    ------
    WriteError, UsageError
        If it cannot be written.
    """
    check_table_ending(path)
    if path.suffix == ".csv":
        write_text(path, csv_text(columns, rows))
    elif path.suffix == ".parquet":
        with whole(path) as part:
            _write_parquet(part, columns, rows, meta or {})
    else:
        table = astropy_table(columns, rows, meta)
        if path.suffix == ".fits":
            _check_fits_names(path, columns)
            table = _for_fits(table)
        with whole(path) as part:
            if path.suffix == ".vot":
                _write_votable(part, table)
            else:
                table.write(part, format=ASTROPY_FORMATS[path.suffix], overwrite=True)


def _check_fits_names(path: Path, columns: Sequence[Column]) -> None:
    names = [column.name for column in columns]
    for name in names:
        if not name.isascii():
            raise UsageError(
                f"FITS cannot hold the column name {name!r} ({path}).", "Choose .ecsv or .parquet."
            )
    lower = [name.lower() for name in names]
    twice = [name for name in names if lower.count(name.lower()) > 1]
    if twice:
        raise UsageError(
            f"FITS cannot tell the columns {twice[0]!r} and {twice[1]!r} apart ({path}).",
            "Choose .ecsv or .parquet.",
        )


def csv_text(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> str:
    """The table as CSV with a header."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([column.name for column in columns])
    writer.writerows([[_csv_cell(*pair) for pair in zip(columns, row)] for row in rows])
    return text.getvalue()


def _csv_cell(column: Column, value: Cell) -> Cell:
    if value is None or (isinstance(value, float) and not np.isfinite(value)):
        return ""
    if isinstance(value, float):
        return repr(value) if column.decimals is None else f"{value:.{column.decimals}f}"
    return value


def astropy_table(
    columns: Sequence[Column], rows: Sequence[Sequence[Cell]], meta: Mapping[str, str] | None = None
) -> Table:
    """The table as :class:`astropy.table.Table`, with units, descriptions and metadata; no value is masked."""
    from astropy.table import Column as Plain
    from astropy.table import MaskedColumn, Table

    made = []
    for column, cells in zip(columns, zip(*rows) if rows else [()] * len(columns)):
        empty = np.array([cell is None for cell in cells], bool)
        values = np.array([_EMPTY[column.kind] if cell is None else cell for cell in cells])
        values = values.astype(_DTYPES[column.kind])
        facts = {"name": column.name, "unit": column.unit or None, "description": column.description or None}
        masked = empty.any() and column.kind != "float"
        made.append(MaskedColumn(values, mask=empty, **facts) if masked else Plain(values, **facts))
    return Table(made, meta=dict(meta or {}))


def _write_votable(path: Path, table: Table) -> None:
    """Write a VOTable, whose metadata are INFO elements; astropy would leave them out."""
    from astropy.io import votable
    from astropy.io.votable.tree import Info

    with warnings.catch_warnings(action="ignore"):  # of IDs that astropy makes from names
        content = votable.from_table(table)
        content.resources[0].infos.extend(Info(name=key, value=str(text)) for key, text in table.meta.items())
        content.to_xml(str(path))


def _for_fits(table: Table) -> Table:
    """Fit for FITS: no null for a logical or a text (text then, empty where nothing is known), ASCII alone."""
    from astropy.table import Column as Plain

    table = table.copy()
    table.meta = {key: _ascii(str(value)) for key, value in table.meta.items()}
    for name in table.colnames:
        column = table[name]
        if column.dtype.kind != "U" and not (hasattr(column, "mask") and column.dtype.kind == "b"):
            continue
        gone = getattr(column, "mask", np.zeros(len(column), bool))
        words = ["" if empty else _ascii(str(value)) for value, empty in zip(np.asarray(column), gone)]
        table.replace_column(
            name, Plain(np.array(words, str), name=name, unit=column.unit, description=column.description)
        )
    return table


def _ascii(text: str) -> str:
    return text.encode("ascii", "backslashreplace").decode()


def _write_parquet(
    path: Path, columns: Sequence[Column], rows: Sequence[Sequence[Cell]], meta: Mapping[str, str]
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = parquet_schema(columns, meta)
    cells = list(zip(*rows)) if rows else [()] * len(columns)
    arrays = [pa.array(values, field.type) for values, field in zip(cells, schema)]
    pq.write_table(pa.Table.from_arrays(arrays, schema=schema), path)


def parquet_schema(columns: Sequence[Column], meta: Mapping[str, str] | None = None) -> Any:
    """The :class:`pyarrow.Schema` of a table, with units, descriptions and metadata."""
    import pyarrow as pa

    types = {"int": pa.int64(), "float": pa.float64(), "bool": pa.bool_(), "text": pa.string()}
    fields = [pa.field(column.name, types[column.kind], metadata=_facts(column)) for column in columns]
    return pa.schema(fields, metadata={key: str(value) for key, value in (meta or {}).items()} or None)


def _facts(column: Column) -> dict[str, str] | None:
    return {
        key: text for key, text in (("unit", column.unit), ("description", column.description)) if text
    } or None
