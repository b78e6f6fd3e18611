"""The first table of a VOTable, read within limits."""

from __future__ import annotations

import re
from typing import BinaryIO
from xml.parsers import expat

from rbztf.csvfiles import MAX_COLUMNS
from rbztf.formats.column_file import ColumnFile

MOST_LEVELS = 50
LONGEST_ARRAY = 10_000
"""Values in a cell."""


def read_votable(stream: BinaryIO, n_bytes: int, origin: str, next_step: str) -> ColumnFile:
    """Open the first table of a VOTable of ``n_bytes``.

    Raises
    ------
    Exception
        Of any kind, if the file is damaged or asks for more than it holds; the caller says so in a sentence.
    """
    from astropy.io import votable

    _Check(n_bytes).parse(stream)
    stream.seek(0)
    content = votable.parse(stream, verify="ignore")
    table = content.get_first_table()
    made = table.to_table(use_names_over_ids=True)
    infos = [info for resource in content.resources for info in resource.infos]
    meta = {str(info.name): str(info.value) for info in (*content.infos, *infos, *table.infos)}
    return ColumnFile(origin, next_step, made.colnames, len(made), lambda place: made.columns[place], meta)


class _Check:
    """Refuses what a reader could be led astray by: entities, data elsewhere, sizes that the file cannot hold."""

    def __init__(self, n_bytes: int) -> None:
        self._n_bytes, self._level, self._n_fields = n_bytes, 0, 0
        self._parser = expat.ParserCreate()
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end

    def parse(self, stream: BinaryIO) -> None:
        """Look through the whole text."""
        self._parser.ParseFile(stream)

    def _doctype(self, *_: object) -> None:
        raise ValueError("it declares a document type, which a VOTable does not need")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._level += 1
        if self._level > MOST_LEVELS:
            raise ValueError(f"it is nested more than {MOST_LEVELS} levels deep")
        kind = name.rpartition(":")[2].upper()
        if kind == "STREAM":
            if "href" in attributes:
                raise ValueError("its data are in another file")
            if attributes.get("encoding", "base64") != "base64":
                raise ValueError("its data are not in base64")
        elif kind == "TABLE" and int(attributes.get("nrows") or 0) > self._n_bytes:
            raise ValueError("it is shorter than it says")
        elif kind in ("FIELD", "PARAM"):
            self._field(attributes)

    def _field(self, attributes: dict[str, str]) -> None:
        self._n_fields += 1
        if self._n_fields > MAX_COLUMNS:
            raise ValueError(f"it has more than {MAX_COLUMNS} columns")
        size = 1
        for number in re.findall(r"\d+", attributes.get("arraysize", "")):
            size *= int(number[:12])
        if size > LONGEST_ARRAY:
            raise ValueError("a column holds very long arrays")

    def _end(self, _: str) -> None:
        self._level -= 1
