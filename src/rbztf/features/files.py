"""Feature tables as CSV: ``oid`` and a column a feature, with their definition on the first line."""

from __future__ import annotations

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rbztf.csvfiles import open_csv
from rbztf.errors import InputError
from rbztf.features.columns import canonical, is_feature
from rbztf.features.snad_set import known_definition
from rbztf.features.table import Definition, FeatureTable
from rbztf.files import write_text
from rbztf.textfiles import parse_json
from rbztf.ztf import Oid

MARK = "# definition:"
_WHAT = "The feature table"
_HELP = "Give a CSV with the column oid and a column for each feature."


def read_features(path: Path | str) -> FeatureTable:
    """Read a table of features.

    Parameters
    ----------
    path : path
        CSV with the column ``oid`` and a column a feature, such as the SNAD table or what
        :func:`write_features` wrote. Columns that keep books (see :func:`is_feature`) are left
        out; the case of the 54 known names does not count. A cell that is empty, ``nan`` or infinite is NaN. The line ``# definition: {…}`` above the
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
    lines: dict[Oid, int] = {}
    values: list[NDArray[np.float64]] = []
    with open_csv(path, _WHAT, ("oid",), _HELP) as rows:
        definition = _definition(path, rows.comments)
        places = {place: canonical(name) for place, name in enumerate(rows.header) if is_feature(name)}
        _check_names(path, list(places.values()))
        for row in rows:
            if len(row.cells) < len(rows.header):
                raise row.wrong(f"it has {len(row.cells)} cells; the header has {len(rows.header)}")
            oid = row.oid()
            if oid in lines:
                raise row.wrong(
                    f"it gives {int(oid)} twice (first in line {lines[oid]})", "Keep one of the two."
                )
            lines[oid] = row.line
            values.append(np.array([row.number_at(place) for place in places]))
    names = tuple(places.values())
    return FeatureTable(
        np.array(list(lines), np.int64),
        names,
        np.array(values, np.float64).reshape(len(values), len(names)),
        known_definition(names, definition),
    )


def _check_names(path: Path, names: Sequence[str]) -> None:
    if not names:
        raise InputError(f"{_WHAT} {path} has no column of features.", _HELP)
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise InputError(f"{_WHAT} {path} has the column {twice[0]!r} twice.", "Rename one.")


def write_features(path: Path | str, table: FeatureTable) -> None:
    """Write a table of features; the file appears whole or not at all.

    :func:`read_features` gets back the same values, bit for bit; what is not finite is NaN.

    Raises
    ------
    WriteError, UsageError
        If it cannot be written.
    ValueError
        If a name cannot be that of a feature in a file (see :func:`is_feature`, or spaces around it).
    """
    path = Path(path)
    for name in table.names:
        if not is_feature(name) or name != name.strip() or not name.isprintable():
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


def _definition(path: Path, comments: Sequence[str]) -> Definition:
    found = [line.removeprefix(MARK) for line in comments if line.startswith(MARK)]
    if not found:
        return Definition()
    try:
        content = parse_json(found[0], "", "")
        made = Definition.from_json(content)
        sound = isinstance(made.source, str) and isinstance(made.catflags, int | None)
        sound = sound and all(isinstance(day, int | float) for day in made.span_mjd or ())
    except (InputError, ValueError, KeyError, TypeError, IndexError, AttributeError):
        sound = False
    if not sound:
        raise InputError(
            f"The definition at the top of {path} makes no sense.",
            "Make the table again, or take the line out.",
        )
    return made
