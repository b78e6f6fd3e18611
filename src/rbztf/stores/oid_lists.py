"""Lists of OIDs: text, or a table in any format with a column ``oid``."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable
from pathlib import Path

from rbztf.csvfiles import csv_rows
from rbztf.errors import InputError
from rbztf.formats.column_file import ColumnFile
from rbztf.formats.read import open_content
from rbztf.textfiles import json_list, limited
from rbztf.ztf import Oid

_WHAT = "The list of OIDs"
_HELP = "Give text, JSON, or a table (CSV, ECSV, FITS, VOTable, Parquet) with a column 'oid'."


def read_oids(source: Path | str) -> list[Oid]:
    """Read OIDs in order, each once.

    Parameters
    ----------
    source : path or str
        FITS, VOTable or Parquet with a column ``oid``; ``-`` for standard input; else text:
        ``.csv``, or a first line that names ``oid``: CSV or ECSV with that column, such as what
        ``rbztf features`` writes; ``.json``, or text that starts with ``[``: a list of numbers or
        of objects with ``oid``, or such a list as ``objects``; anything else is OIDs separated by white space or commas, ``#``
        starting a comment.

    Raises
    ------
    InputError
        For a file that is missing, empty or of another shape, or a number that is not an OID.
    """
    path = Path(source)
    if str(source) == "-":
        return _from_stdin()
    with open_content(path, _WHAT, _HELP) as content:
        if isinstance(content, ColumnFile):
            return _joined((row.oid() for row, _ in content.numbered(())), str(path))
        text = limited(content.stream, f"{_WHAT} {path}", _HELP)
    return _parse(text, path.suffix.lower(), str(path))


def _from_stdin() -> list[Oid]:
    origin = "standard input"
    try:
        text = limited(sys.stdin, origin, _HELP)
    except UnicodeDecodeError:
        raise InputError(f"{origin} is not text.", _HELP) from None
    return _parse(text.removeprefix("\ufeff"), "", origin)


def _parse(text: str, ending: str, origin: str) -> list[Oid]:
    if ending in (".csv", ".ecsv") or text.startswith("# %ECSV") or (ending != ".json" and _names_oid(text)):
        rows = csv_rows(text, origin, ("oid",), _HELP)
        return _joined((row.oid() for row in rows if not row.cells[0].startswith("#")), origin)
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
