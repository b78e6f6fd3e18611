"""Lists of OIDs: text, CSV, JSON, Parquet, or standard input."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable
from pathlib import Path

from rbztf.csvfiles import csv_rows
from rbztf.errors import InputError
from rbztf.files import regular
from rbztf.textfiles import json_list, limited, read_text
from rbztf.ztf import Oid

_HELP = "Give text, CSV with a column 'oid', JSON or Parquet."


def read_oids(source: Path | str) -> list[Oid]:
    """Read OIDs in order, each once.

    Parameters
    ----------
    source : path or str
        ``.parquet`` with a column ``oid``; ``-`` for standard input; else text, also from a pipe:
        ``.csv``, or a first line that names ``oid``: CSV with that column, such as what
        ``rbztf features`` writes; ``.json``, or text that starts with ``[``: a list of numbers or
        of objects with ``oid``; anything else is OIDs separated by white space or commas, ``#``
        starting a comment.

    Raises
    ------
    InputError
        For a file that is missing, empty or of another shape, or a number that is not an OID.
    """
    path = Path(source)
    if str(source) == "-":
        return _from_stdin()
    if path.suffix.lower() == ".parquet":
        return _unique(_from_parquet(path), str(path))
    text = read_text(path, "The list of OIDs", _HELP)
    return _parse(text, path.suffix.lower(), str(path))


def _from_stdin() -> list[Oid]:
    origin = "standard input"
    try:
        text = limited(sys.stdin, origin, _HELP)
    except UnicodeDecodeError:
        raise InputError(f"{origin} is not text.", _HELP) from None
    return _parse(text.removeprefix("\ufeff"), "", origin)


def _parse(text: str, ending: str, origin: str) -> list[Oid]:
    if ending == ".csv" or (ending != ".json" and _names_oid(text)):
        return _joined((row.oid() for row in csv_rows(text, origin, ("oid",), _HELP)), origin)
    if ending == ".json" or text.lstrip()[:1] in ("[", "{"):
        entries = json_list(text, origin, _HELP)
        return _unique((entry.get("oid") if isinstance(entry, dict) else entry for entry in entries), origin)
    return _unique(_words(text), origin)


def _names_oid(text: str) -> bool:
    """Whether the first line that is not a comment is a CSV header with ``oid``."""
    for line in io.StringIO(text):
        if line.strip() and not line.startswith("#"):
            return "oid" in {name.strip(" \"'").lower() for name in line.strip().split(",")}
    return False


def _words(text: str) -> list[str]:
    lines = (line.partition("#")[0] for line in text.splitlines())
    return [word for line in lines for word in line.replace(",", " ").split()]


def _unique(values: Iterable[object], origin: str) -> list[Oid]:
    try:
        return _joined(map(Oid, map(str, values)), origin)
    except InputError as error:
        raise InputError(f"{origin}: {error.message}", error.next_step) from None


def _joined(oids: Iterable[Oid], origin: str) -> list[Oid]:
    unique = list(dict.fromkeys(oids))
    if not unique:
        raise InputError(f"There is no OID in {origin}.", "Give one OID a line.")
    return unique


def _from_parquet(path: Path) -> list[object]:
    try:
        from pyarrow import ArrowException, float64, parquet, types
    except ImportError:
        raise InputError(
            f"Reading {path} needs pyarrow.", 'Install it: pip install "rbztf[parquet]".'
        ) from None
    try:
        with regular(path).open("rb") as stream, parquet.ParquetFile(stream) as file:
            (name,) = [name for name in file.schema_arrow.names if name.strip().lower() == "oid"]
            column = file.read([name]).column(0)
    except (ArrowException, ValueError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path} is not a Parquet file with a column 'oid' ({reason}).", _HELP) from None
    if types.is_floating(column.type) and column.type != float64():
        raise InputError(
            f"{path} holds its OIDs as {column.type}, which loses their last digits.", "Write them as int64."
        )
    return list(column.to_pylist())
