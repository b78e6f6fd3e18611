"""CSV files: rows read with limits, each fault with its line, and rows written."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rbztf.files import write_text


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]], first: Sequence[str] = ()) -> None:
    """Write rows with all columns that any of them has, in the order in which they appear.

    Parameters
    ----------
    first : sequence of str
        Columns to begin with, there even where no row is.

    Raises
    ------
    WriteError, UsageError
        If it cannot be written; the file appears whole or not at all.
    """
    columns = dict.fromkeys([*first, *(name for row in rows for name in row)])
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(columns), restval="")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())
