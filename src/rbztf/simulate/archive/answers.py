"""Requests and answers of the simulated archive, and the forms that IRSA's answers take."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import escape, quoteattr

VOTABLE_TYPE = "application/x-votable+xml"
_VOTABLE_OPEN = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">\n'
    '<RESOURCE type="results">\n'
)
_VOTABLE_CLOSE = "</RESOURCE>\n</VOTABLE>\n"


@dataclass(frozen=True)
class Answer:
    """What the server sends back."""

    body: bytes
    content_type: str = "text/plain"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class BadRequest(Exception):
    """A request that the service refuses; the message says why."""


class Query:
    """The parameters of a request; names in any case, repeated ones kept."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(name.upper(), []).append(value)

    def __iter__(self) -> Any:
        return iter(self._values)

    def all(self, name: str) -> list[str]:
        """Every value of a parameter."""
        return self._values.get(name.upper(), [])

    def last(self, name: str, default: str = "") -> str:
        """The last value of a parameter."""
        return self._values.get(name.upper(), [default])[-1]

    def numbers(self, name: str, count: int) -> list[float] | None:
        """A value of ``count`` numbers set apart by spaces or commas; None if the parameter is absent.

        Raises
        ------
        BadRequest
            If it has another form.
        """
        text = self.last(name)
        if not text:
            return None
        try:
            values = [float(part) for part in text.replace(",", " ").split()]
        except ValueError:
            values = []
        if len(values) != count:
            raise BadRequest(f"{name.upper()} must be {count} number(s): {text}")
        return values


def votable_error(message: str, status: int = 200) -> Answer:
    """An error as IRSA words it: often with HTTP status 200."""
    text = f'<INFO name="QUERY_STATUS" value="ERROR">{escape(message)}</INFO>\n'
    return Answer((_VOTABLE_OPEN + text + _VOTABLE_CLOSE).encode(), VOTABLE_TYPE, status)


def votable(fields: Mapping[str, tuple[str, str]], rows: Iterable[Sequence[str]]) -> Answer:
    """A table; ``fields`` maps each column to its VOTable data type and unit."""
    heads = []
    for name, (datatype, unit) in fields.items():
        size = ' arraysize="*"' if datatype == "char" else ""
        heads.append(
            f'<FIELD name={quoteattr(name)} datatype="{datatype}"{size}{f" unit={quoteattr(unit)}" if unit else ""}/>'
        )
    lines = ["<TR>" + "".join(f"<TD>{escape(cell)}</TD>" for cell in row) + "</TR>" for row in rows]
    text = "\n".join(
        ['<INFO name="QUERY_STATUS" value="OK"/>', "<TABLE>", *heads, "<DATA><TABLEDATA>", *lines]
    )
    body = _VOTABLE_OPEN + text + "\n</TABLEDATA></DATA>\n</TABLE>\n" + _VOTABLE_CLOSE
    return Answer(body.encode(), VOTABLE_TYPE)


def delimited(names: Iterable[str], rows: Iterable[Sequence[str]], separator: str = ",") -> Answer:
    """A table as CSV, or TSV with another separator."""
    lines = [separator.join(names), *(separator.join(row) for row in rows)]
    kind = "text/csv" if separator == "," else "text/tab-separated-values"
    return Answer(("\n".join(lines) + "\n").encode(), kind)


def as_json(value: object) -> Answer:
    """A JSON document."""
    return Answer(json.dumps(value).encode(), "application/json")


def page(title: str, status: int = 200) -> Answer:
    """An HTML page, as a proxy or a web server puts in the way."""
    text = f"<!DOCTYPE html><html><head><title>{escape(title)}</title></head><body><h1>{escape(title)}</h1></body></html>"
    return Answer(text.encode(), "text/html", status)
