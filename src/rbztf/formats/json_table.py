"""Tables in JSON: a list of objects, or that list as ``objects`` of what ``rbztf`` writes."""

from __future__ import annotations

import json
from typing import Any

from rbztf.errors import InputError
from rbztf.formats.column_file import MOST_CELLS, ColumnFile, too_large
from rbztf.textfiles import json_list, parse_json


def read_json_table(text: str, origin: str, next_step: str) -> ColumnFile:
    """The columns that any of the objects has, in the order in which they appear; None where one lacks a value.

    Raises
    ------
    InputError
        For anything else.
    """
    content = parse_json(text, origin, next_step)
    meta = {}
    if isinstance(content, dict):
        meta = {key: json.dumps(value) for key, value in content.items() if key == "definition"}
    rows = json_list(content, origin, next_step)
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise InputError(f"{origin}: entry {number} is {str(row)[:40]!r}, not an object.", next_step)
    names = list(dict.fromkeys(name for row in rows for name in row))
    if len(names) * len(rows) > MOST_CELLS:
        raise too_large(origin, len(rows), len(names))

    def column(place: int) -> list[Any]:
        return [row.get(names[place]) for row in rows]

    return ColumnFile(origin, next_step, names, len(rows), column, meta)
