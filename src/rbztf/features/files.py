"""Feature tables as CSV: ``oid`` and a column a feature, with their definition on the first line."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from rbztf.errors import InputError
from rbztf.features.snad_set import known_definition
from rbztf.features.table import Definition, FeatureTable
from rbztf.files import write_text
from rbztf.ztf import Oid

MARK = "# definition:"
NOT_FEATURES = ("oid", "label", "")
"""Columns that are no features; the nameless one is the row number that pandas writes."""
_HELP = "Give a CSV with the column oid and a column for each feature."


def read_features(path: Path | str) -> FeatureTable:
    """Read a table of features.

    Parameters
    ----------
    path : path
        CSV with the column ``oid`` and a column a feature, such as the SNAD table or what
        :func:`write_features` wrote. ``label`` and a nameless column are left out. A cell
        that is empty, ``nan`` or infinite is NaN. The line ``# definition: {…}`` above the
        header says how the features were made. A table without it is taken for SNAD's if it
        has exactly SNAD's columns; of any other nobody can know, and the definition's source
        is empty.

    Returns
    -------
    FeatureTable
        Objects and columns in the order of the file.

    Raises
    ------
    InputError
        For a file that is missing or no CSV, has no column ``oid`` or no feature, a wrong
        OID or one given twice, a cell that is no number, a column given twice, or a
        definition that makes no sense.
    """
    path = Path(path)
    comments, text = _split(_text(path))
    definition = _definition(path, comments)
    rows = _rows(path, text, len(comments))
    _, header = next(rows, (0, []))
    header = [name.strip() for name in header]
    places = _features_of(path, header)
    oids: dict[int, int] = {}
    values: list[list[float]] = []
    for line, row in rows:
        if len(row) != len(header):
            raise InputError(
                f"Line {line} of {path} has {len(row)} cells; the header has {len(header)}.", _HELP
            )
        oid = _oid(path, line, row[header.index("oid")])
        if oid in oids:
            raise InputError(
                f"{path} gives {int(oid)} twice (lines {oids[oid]} and {line}).", "Keep one of the two."
            )
        oids[oid] = line
        values.append([_number(path, line, header[place], row[place]) for place in places])
    names = tuple(header[place] for place in places)
    return FeatureTable(
        np.array([int(oid) for oid in oids], np.int64),
        names,
        np.array(values, np.float64).reshape(len(values), len(places)),
        known_definition(names, definition),
    )


def write_features(path: Path | str, table: FeatureTable) -> None:
    """Write a table of features; the file appears whole or not at all.

    :func:`read_features` gets back the same values, bit for bit; what is not finite is NaN.

    Raises
    ------
    WriteError, UsageError
        If it cannot be written.
    ValueError
        If a name cannot be that of a feature in a file (``oid``, ``label``, empty, or with spaces around it).
    """
    path = Path(path)
    for name in table.names:
        if name in NOT_FEATURES or name != name.strip() or not name.isprintable():
            raise ValueError(f"not a name for a column of features: {name!r}")
    write_text(path, _csv(table))


def is_ours(path: Path) -> bool:
    """Whether the file ``path`` starts as :func:`write_features` starts one."""
    with path.open("rb") as stream:
        return stream.read(len(MARK)) == MARK.encode()


def _csv(table: FeatureTable) -> str:
    text = io.StringIO()
    text.write(f"{MARK} {json.dumps(table.definition.to_json(), allow_nan=False)}\n")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["oid", *table.names])
    for oid, row in zip(table.oids.tolist(), table.values.tolist()):
        writer.writerow([oid, *(repr(value) if math.isfinite(value) else "" for value in row)])
    return text.getvalue()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise InputError(f"The feature table {path} cannot be read ({reason}).", _HELP) from None


def _split(text: str) -> tuple[list[str], str]:
    """The comment lines at the top, and the rest."""
    comments: list[str] = []
    while text.startswith("#"):
        line, _, text = text.partition("\n")
        comments.append(line)
    return comments, text


def _definition(path: Path, comments: Sequence[str]) -> Definition:
    found = [line.removeprefix(MARK) for line in comments if line.startswith(MARK)]
    if not found:
        return Definition()
    try:
        content = json.loads(found[0])
        made = Definition.from_json(content)
        sound = isinstance(made.source, str) and isinstance(made.catflags, int | None)
        sound = sound and all(isinstance(day, int | float) for day in made.span_mjd or ())
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        sound = False
    if not sound:
        raise InputError(
            f"The definition at the top of {path} makes no sense.",
            "Make the table again, or take the line out.",
        )
    return made


def _rows(path: Path, text: str, skipped: int) -> Iterator[tuple[int, list[str]]]:
    """Lines that are not empty, with their numbers in the file."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for row in reader:
            if row:
                yield skipped + reader.line_num, row
    except csv.Error as error:
        raise InputError(
            f"The feature table {path} is not CSV (line {skipped + reader.line_num}: {error}).", _HELP
        ) from None


def _features_of(path: Path, header: Sequence[str]) -> list[int]:
    """InputPaths of the columns that are features."""
    if "oid" not in header:
        raise InputError(f"The feature table {path} lacks the column 'oid'.", _HELP)
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        raise InputError(f"The feature table {path} has the column {twice[0]!r} twice.", "Rename one.")
    places = [place for place, name in enumerate(header) if name not in NOT_FEATURES]
    if not places:
        raise InputError(f"The feature table {path} does not have a column of features.", _HELP)
    return places


def _oid(path: Path, line: int, text: str) -> Oid:
    try:
        return Oid(text)
    except InputError as error:
        raise InputError(f"{path}, line {line}: {error.message}", error.next_step) from None


def _number(path: Path, line: int, name: str, text: str) -> float:
    text = text.strip()
    if not text:
        return math.nan
    try:
        value = float(text.replace("_", "?"))  # Python alone takes 1_000 for a number
    except ValueError:
        raise InputError(
            f"Line {line} of {path}, column {name!r}: {text[:40]!r} is not a number.",
            "Write a number, or leave the cell empty where it is unknown.",
        ) from None
    return value if math.isfinite(value) else math.nan
