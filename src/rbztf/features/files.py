"""Feature tables: ``oid`` and a column a feature, with their definition, in any format of tables."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rbztf.errors import InputError, UsageError
from rbztf.features.binary_files import BinaryFiles
from rbztf.features.columns import canonical, is_feature
from rbztf.features.snad_set import known_definition
from rbztf.features.table import Definition, FeatureTable
from rbztf.files import write_text
from rbztf.formats.read import open_table
from rbztf.tables import Column, check_table_ending, write_table
from rbztf.textfiles import json_text, parse_json
from rbztf.ztf import Oid

MARK = "# definition:"
"""Begins the first line of CSV."""
SUM = "sha256"
"""Of what a table holds; in its definition."""
META = "FEATDEF"
"""Keyword of the definition in formats that have metadata; FITS allows eight characters."""
_WHAT = "The feature table"
_HELP = "Give a table with the column oid and a column for each feature."


def read_features(path: Path | str) -> FeatureTable:
    """Read a table of features.

    Parameters
    ----------
    path : path
        CSV, ECSV, JSON, FITS, VOTable or Parquet, told apart by their content, a pipe too, or one of
        SNAD's binary files (:mod:`rbztf.features.binary_files`), with the
        column ``oid`` and a column a feature, such as the SNAD table or what :func:`write_features`
        wrote. Columns that keep books (see :func:`is_feature`) are left out; the case of the known
        names does not count. A cell that is empty, ``nan`` or infinite is NaN. The line
        ``# definition: {…}`` above the header of CSV, ``definition`` in JSON and ``FEATDEF`` in the
        metadata of the others say how the features were made. A table without it is taken for SNAD's
        if it has exactly SNAD's columns; of any other nobody can know, and the definition's source
        is empty.

    Returns
    -------
    FeatureTable
        Objects and columns in the order of the file.

    Raises
    ------
    InputError
        For a file that is missing, damaged or no table, has no column ``oid`` or no feature, a wrong
        OID or one given twice, a cell that is no number, a column given twice, or a
        definition that makes no sense.
    """
    path = Path(path)
    if BinaryFiles.named(path):
        return _read_binary(path)
    seen: dict[Oid, str] = {}
    values = []
    with open_table(path, _WHAT, _HELP) as rows:
        definition = definition_in(path, rows.meta)
        places = {place: canonical(name) for place, name in enumerate(rows.header) if is_feature(name)}
        check_names(path, list(places.values()))
        for row, numbers in rows.numbered(list(places)):
            oid = row.oid()
            if oid in seen:
                raise row.wrong(f"it gives {int(oid)} twice (first in {seen[oid]})", "Keep one of the two.")
            seen[oid] = row.place
            values.append(np.asarray(numbers))
    names = tuple(places.values())
    return FeatureTable(
        np.array(list(seen), np.int64),
        names,
        np.array(values, np.float64).reshape(len(values), len(names)),
        known_definition(names, definition),
    )


def _read_binary(path: Path) -> FeatureTable:
    files = BinaryFiles.open(path)
    chosen = [place for place, name in enumerate(files.names) if is_feature(name)]
    names = tuple(canonical(files.names[place]) for place in chosen)
    check_names(path, names)
    oids = np.array([Oid(oid) for oid in files.oids.tolist()], np.int64)
    if len(np.unique(oids)) < len(oids):
        raise InputError(f"{path} has an object twice.", "Keep one of the two.")
    values = files.values[:, chosen].astype(np.float64)
    return FeatureTable(oids, names, values, known_definition(names, Definition()))


def check_names(path: Path, names: Sequence[str]) -> None:
    """Refuse a table without a feature, or with one twice.

    Raises
    ------
    InputError
        Naming it.
    """
    if not names:
        raise InputError(f"{_WHAT} {path} has no column of features.", _HELP)
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise InputError(f"{_WHAT} {path} has the column {twice[0]!r} twice.", "Rename one.")
    strange = [name for name in names if not name.isprintable()]
    if strange:
        raise InputError(f"{_WHAT} {path} has a column with the name {strange[0][:40]!r}.", "Rename it.")


def write_features(path: Path | str, table: FeatureTable) -> None:
    """Write a table of features by the ending of its name; the file appears whole or not at all.

    :func:`read_features` gets back the same values, bit for bit, and the definition; what is not
    finite is NaN.

    Parameters
    ----------
    path : path
        Ending in ``.csv``, ``.json``, ``.parquet``, ``.ecsv``, ``.fits`` or ``.vot``.

    Raises
    ------
    WriteError, UsageError
        If it cannot be written, or has another ending.
    ValueError
        If a name cannot be that of a feature in a file (see :func:`is_feature`, or spaces around it).
    """
    path = Path(path)
    check_ending(path)
    for name in table.names:
        if not is_feature(name) or name != name.strip() or not name.isprintable():
            raise ValueError(f"not a name for a column of features: {name!r}")
    if path.suffix == ".csv":
        write_text(path, _csv(table))
    elif path.suffix == ".json":
        write_text(path, _json(table))
    else:
        columns = [
            Column("oid", "int", description="ZTF OID"),
            *(Column(name, "float") for name in table.names),
        ]
        values = np.where(np.isfinite(table.values), table.values, np.nan)
        rows = [[oid, *row] for oid, row in zip(table.oids.tolist(), values.tolist())]
        write_table(path, columns, rows, {META: json.dumps(_described(table), allow_nan=False)})


def check_ending(path: Path) -> None:
    """Refuse a file whose ending names no format of features, before work is spent on it.

    Raises
    ------
    UsageError
        As :func:`rbztf.tables.check_table_ending`.
    """
    check_table_ending(path, ".json")


def sum_is_right(path: Path) -> bool | None:
    """Whether a table is as it was written; None if it has no sum, as older or other programs write it.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    with open_table(path, _WHAT, _HELP) as rows:
        text = _text_of(rows.meta)
    expected = parse_json(text, f"The definition of {path}", _HELP).get(SUM) if text is not None else None
    if expected is None:
        return None
    table = read_features(path)
    return bool(expected == _sum(table, definition_in(path, {"definition": text or ""})))


def seal_features(path: Path) -> bool:
    """Give a table that :func:`write_features` wrote in an older version its sum.

    Returns
    -------
    bool
        False for a table with other columns than features, which stays as it is.

    Raises
    ------
    InputError
        If it cannot be read.
    WriteError, UsageError
        If it cannot be written.
    """
    with open_table(path, _WHAT, _HELP) as rows:
        others = [name for name in rows.header if name.lower() != "oid" and not is_feature(name)]
    if others:
        return False
    write_features(path, read_features(path))
    return True


def is_ours(path: Path) -> bool:
    """Whether ``path`` is a table that says how its features were made, as :func:`write_features` writes it."""
    try:
        with open_table(path, _WHAT, _HELP) as rows:
            return _text_of(rows.meta) is not None
    except (InputError, UsageError):
        return False


def _json(table: FeatureTable) -> str:
    rows = zip(table.oids.tolist(), table.values.tolist())
    objects = [{"oid": oid, **dict(zip(table.names, row))} for oid, row in rows]
    return json_text({"definition": _described(table), "objects": objects})


def _csv(table: FeatureTable) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["oid", *table.names])
    for oid, row in zip(table.oids.tolist(), table.values.tolist()):
        writer.writerow([oid, *(repr(value) if math.isfinite(value) else "" for value in row)])
    return f"{MARK} {json.dumps(_described(table), allow_nan=False)}\n{text.getvalue()}"


def _described(table: FeatureTable) -> dict[str, Any]:
    """The definition of a table and the sum of what it holds."""
    return {**table.definition.to_json(), SUM: _sum(table, table.definition)}


def _sum(table: FeatureTable, definition: Definition) -> str:
    """SHA-256 of a table; the same in every format."""
    known = np.where(np.isfinite(table.values), table.values, np.nan)
    names = [canonical(name) for name in table.names]
    digest = hashlib.sha256(json.dumps([definition.to_json(), names]).encode())
    digest.update(np.ascontiguousarray(table.oids, "<i8").tobytes())
    digest.update(np.ascontiguousarray(known, "<f8").tobytes())
    return digest.hexdigest()


def _text_of(meta: Mapping[str, str]) -> str | None:
    return meta.get("definition", meta.get(META.lower()))


def definition_in(path: Path, meta: Mapping[str, str]) -> Definition:
    """How the features were made, by the metadata of a table (names in lower case).

    Raises
    ------
    InputError
        If it makes no sense.
    """
    text = _text_of(meta)
    if text is None:
        return Definition()
    try:
        made = Definition.from_json(parse_json(text, "", ""))
        sound = isinstance(made.source, str) and isinstance(made.catflags, int | None)
        sound = sound and all(isinstance(day, int | float) for day in made.span_mjd or ())
    except (InputError, ValueError, KeyError, TypeError, IndexError, AttributeError):
        sound = False
    if not sound:
        raise InputError(
            f"The definition that {path} gives of its features makes no sense.",
            "Make the table again, or take the definition out.",
        )
    return made
