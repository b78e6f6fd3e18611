"""Lists of OIDs: text, CSV, JSON, Parquet, or standard input."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from rbztf.errors import InputError
from rbztf.ztf import Oid


def read_oids(source: Path | str) -> list[Oid]:
    """Read OIDs in order, each once.

    Parameters
    ----------
    source : path or str
        ``.csv`` or ``.parquet`` with a column ``oid``; ``.json``, a list of numbers or of
        objects with ``oid``; ``-`` for standard input; anything else is text, separated by
        white space or commas, ``#`` starting a comment.

    Raises
    ------
    InputError
        For a file that is missing, empty or of another shape, or a number that is no OID.
    """
    path = Path(source)
    if str(source) == "-":
        return _unique(_words(sys.stdin.read()), "standard input")
    if not path.is_file():
        raise InputError(f"There is no list of OIDs {path}.", "Check the path.")
    if path.suffix.lower() == ".parquet":
        return _unique(_from_parquet(path), str(path))
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(
            f"{path} is not text.", "Give text, CSV, JSON or Parquet, by the file's ending."
        ) from None
    readers: dict[str, Callable[[Path, str], Sequence[object]]] = {".csv": _from_csv, ".json": _from_json}
    reader = readers.get(path.suffix.lower(), _from_text)
    return _unique(reader(path, text), str(path))


def _unique(values: Iterable[object], origin: str) -> list[Oid]:
    try:
        oids = list(dict.fromkeys(Oid(str(value)) for value in values))
    except InputError as error:
        raise InputError(f"{origin}: {error.message}", error.next_step) from None
    if not oids:
        raise InputError(f"There is no OID in {origin}.", "Give one OID a line.")
    return oids


def _words(text: str) -> list[str]:
    lines = (line.partition("#")[0] for line in text.splitlines())
    return [word for line in lines for word in line.replace(",", " ").split()]


def _from_text(path: Path, text: str) -> list[str]:
    return _words(text)


def _from_csv(path: Path, text: str) -> list[str]:
    rows = csv.DictReader(text.splitlines())
    if "oid" not in (rows.fieldnames or ()):
        raise InputError(f"{path} has no column 'oid'.", "Add a header line with 'oid'.")
    try:
        return [row["oid"] for row in rows]
    except csv.Error as error:
        raise InputError(f"{path} is not CSV ({error}).", "Check the file.") from None


def _from_json(path: Path, text: str) -> list[object]:
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path} is not JSON (line {error.lineno}: {error.msg}).", "Check the file."
        ) from None
    if not isinstance(content, list):
        raise InputError(f"{path} holds no JSON list.", "Give a list of OIDs.")
    return [entry.get("oid", entry) if isinstance(entry, dict) else entry for entry in content]


def _from_parquet(path: Path) -> list[object]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise InputError(
            f"Reading {path} needs pyarrow.", 'Install it: pip install "rbztf[parquet]".'
        ) from None
    try:
        return list(parquet.read_table(path, columns=["oid"])["oid"].to_pylist())
    except (ArrowException, KeyError, OSError) as error:
        raise InputError(
            f"{path} is not a Parquet file with a column 'oid' ({error}).", "Check the file."
        ) from None
