"""A small synchronous TAP service on the table of objects, for the queries that rbztf sends."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from rbztf.simulate.archive.answers import Answer, BadRequest, Query, delimited, votable, votable_error
from rbztf.simulate.archive.lightcurves import objects_near
from rbztf.simulate.sky import SimulatedSky
from rbztf.ztf import Oid

TABLE = re.compile(r"(?:ztf\.)?ztf_objects(?:_dr\d+)?", re.IGNORECASE)
FIELDS: dict[str, tuple[str, str]] = {
    "oid": ("long", ""),
    "ra": ("double", "deg"),
    "dec": ("double", "deg"),
    "filtercode": ("char", ""),
    "field": ("int", ""),
    "ccdid": ("int", ""),
    "qid": ("int", ""),
    "nobs": ("int", ""),
    "nobsrel": ("int", ""),
    "ngoodobs": ("int", ""),
    "ngoodobsrel": ("int", ""),
    "meanmag": ("float", "mag"),
    "medianmag": ("float", "mag"),
}
_SELECT = re.compile(
    r"select\s+(?:top\s+(?P<top>\d+)\s+)?(?P<columns>.+?)\s+from\s+(?P<table>[\w.]+)"
    r"(?:\s+where\s+(?P<where>.+?))?(?:\s+order\s+by\s+oid(?:\s+asc)?)?\s*;?\s*",
    re.IGNORECASE | re.DOTALL,
)
_NUMBER = r"\s*([-+]?[\d.]+(?:e[-+]?\d+)?)\s*"
_CONTAINS = re.compile(
    rf"contains\s*\(\s*point\s*\(\s*'icrs'\s*,\s*ra\s*,\s*dec\s*\)\s*,"
    rf"\s*circle\s*\(\s*'icrs'\s*,{_NUMBER},{_NUMBER},{_NUMBER}\)\s*\)\s*=\s*1",
    re.IGNORECASE,
)
_IN = re.compile(r"oid\s+in\s*\(([\d\s,]+)\)", re.IGNORECASE)
_COMPARED = re.compile(r"(\w+)\s*(=|<=|>=|<|>)\s*('[^']*'|[-+]?[\d.]+)", re.IGNORECASE)


@dataclass(frozen=True)
class _Parsed:
    columns: list[str]
    where: list[str]
    top: int | None


def sync(sky: SimulatedSky, query: Query) -> Answer:
    """Answer ``/TAP/sync``."""
    if query.last("REQUEST", "doQuery") != "doQuery" or query.last("LANG", "ADQL").upper()[:4] != "ADQL":
        return votable_error("only REQUEST=doQuery with LANG=ADQL is known here", 400)
    try:
        parsed = _parse(query.last("QUERY"))
        rows = _select(sky, parsed.where)
    except BadRequest as error:
        return votable_error(str(error), 400)
    limit = query.last("MAXREC")
    rows = rows[: min(parsed.top or len(rows), int(limit) if limit.isdigit() else len(rows))]
    text = [[str(row[name]) for name in parsed.columns] for row in rows]
    if "csv" in (query.last("RESPONSEFORMAT") or query.last("FORMAT")).lower():
        return delimited(parsed.columns, text)
    return votable({name: FIELDS[name] for name in parsed.columns}, text)


def _parse(text: str) -> _Parsed:
    match = _SELECT.fullmatch(text.strip())
    if not match:
        raise BadRequest(f"cannot parse query: {text}")
    if not TABLE.fullmatch(match["table"]):
        raise BadRequest(f"table {match['table']} not found")
    columns = [name.strip().lower() for name in match["columns"].split(",")]
    if columns == ["*"]:
        columns = list(FIELDS)
    for name in columns:
        if name not in FIELDS:
            raise BadRequest(f"column {name} not found")
    where = re.split(r"\s+and\s+", match["where"] or "", flags=re.IGNORECASE)
    return _Parsed(
        columns, [part.strip() for part in where if part], int(match["top"]) if match["top"] else None
    )


def _select(sky: SimulatedSky, conditions: list[str]) -> list[dict[str, Any]]:
    """Rows that meet every condition; what names objects or places goes first, for speed."""
    oids, compared = sky.oids, []
    for condition in conditions:
        if match := _CONTAINS.fullmatch(condition):
            near = set(objects_near(sky, float(match[1]), float(match[2]), float(match[3])))
            oids = [oid for oid in oids if oid in near]
        elif match := _IN.fullmatch(condition):
            wanted = {int(name) for name in match[1].split(",")}
            oids = [oid for oid in oids if oid in wanted]
        elif (match := _COMPARED.fullmatch(condition)) and match[1].lower() in FIELDS:
            compared.append((match[1].lower(), match[2], _literal(match[3])))
        else:
            raise BadRequest(f"cannot parse condition: {condition}")
    for name, sign, value in compared:
        if name == "oid":
            oids = [oid for oid in oids if _holds(int(oid), sign, value)]
    rows = [_row(sky, oid) for oid in oids]
    return [row for row in rows if all(_holds(row[name], sign, value) for name, sign, value in compared)]


def _literal(text: str) -> str | int | float:
    if text.startswith("'"):
        return text.strip("'")
    return int(text) if re.fullmatch(r"[-+]?\d+", text) else float(text)


def _holds(left: Any, sign: str, right: Any) -> bool:
    if isinstance(left, str) != isinstance(right, str):
        raise BadRequest(f"cannot compare {left!r} with {right!r}")
    return bool(
        {
            "=": left == right,
            "<": left < right,
            ">": left > right,
            "<=": left <= right,
            ">=": left >= right,
        }[sign]
    )


def _row(sky: SimulatedSky, oid: Oid) -> dict[str, Any]:
    entry, curve = sky.object(oid), sky.light_curve(oid)
    good = int((curve["catflags"] == 0).sum())
    return {
        "oid": int(oid),
        "ra": entry.ra_deg,
        "dec": entry.dec_deg,
        "filtercode": oid.band.filter_code,
        "field": oid.field,
        "ccdid": oid.ccd,
        "qid": oid.quadrant,
        "nobs": len(curve["mag"]),
        "nobsrel": len(curve["mag"]),
        "ngoodobs": good,
        "ngoodobsrel": good,
        "meanmag": round(float(curve["mag"].mean()), 6),
        "medianmag": round(float(sorted(curve["mag"])[len(curve["mag"]) // 2]), 6),
    }


def described(kind: str) -> Answer:
    """Answer ``/TAP/availability``, ``/TAP/capabilities`` and ``/TAP/tables``."""
    return Answer(_DOCUMENTS[kind].encode(), "text/xml")


_COLUMN_LIST = "".join(
    f"<column><name>{name}</name><dataType>{datatype}</dataType></column>"
    for name, (datatype, _) in FIELDS.items()
)
DESCRIBED = ("availability", "capabilities", "tables")
_XML = '<?xml version="1.0" encoding="UTF-8"?>\n'
_DOCUMENTS = {
    "availability": _XML
    + '<vosi:availability xmlns:vosi="http://www.ivoa.net/xml/VOSIAvailability/v1.0">'
    + "<vosi:available>true</vosi:available></vosi:availability>",
    "capabilities": _XML
    + '<vosi:capabilities xmlns:vosi="http://www.ivoa.net/xml/VOSICapabilities/v1.0" '
    + 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
    + '<capability standardID="ivo://ivoa.net/std/TAP"/></vosi:capabilities>',
    "tables": _XML
    + '<vosi:tableset xmlns:vosi="http://www.ivoa.net/xml/VOSITables/v1.0" '
    + 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><schema><name>ztf</name>'
    + f"<table><name>ztf_objects_dr24</name>{_COLUMN_LIST}</table></schema></vosi:tableset>",
}
