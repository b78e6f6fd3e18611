"""``/ibe/search``: the images that cover a position, as CSV."""

from __future__ import annotations

import re
from typing import Any

from rbztf.archive.irsa import separation_deg
from rbztf.simulate.archive.answers import Answer, BadRequest, Query, delimited
from rbztf.simulate.geometry import N_COLUMNS, N_ROWS, Quadrant
from rbztf.simulate.headers import exposure_cards
from rbztf.simulate.sky import SimulatedSky

COLUMNS = (
    "infobits",
    "field",
    "ccdid",
    "qid",
    "rcid",
    "fid",
    "filtercode",
    "expid",
    "obsjd",
    "exptime",
    "filefracday",
    "seeing",
    "airmass",
    "moonillf",
    "maglimit",
)
_CONDITION = re.compile(r"\s*(\w+)\s*(=|<=|>=|<|>)\s*([-+]?[\d.]+)\s*")
_PIXEL_ARCSEC = 1.012
_REACH_DEG = 0.7  # from the centre of a quadrant to beyond its corners


def search(sky: SimulatedSky, query: Query) -> Answer:
    """Answer a metadata search by ``POS=ra,dec`` with simple ``WHERE`` conditions, as CSV.

    Raises
    ------
    BadRequest
        If the position or a condition is malformed.
    """
    position = query.numbers("POS", 2)
    conditions = _conditions(query.last("WHERE"))
    rows = []
    for quadrant in sky.quadrants():
        if position and not _near(quadrant, position):
            continue
        for visit in range(len(sky.exposures(quadrant.field))):
            row = _row(sky, quadrant, visit)
            if position and not _covers(sky, quadrant, visit, position):
                continue
            if all(_holds(row[name], sign, value) for name, sign, value in conditions):
                rows.append([str(row[name]) for name in COLUMNS])
    return delimited(COLUMNS, rows)


def _conditions(text: str) -> list[tuple[str, str, float]]:
    found = []
    for part in re.split(r"\s+and\s+", text, flags=re.IGNORECASE) if text else []:
        match = _CONDITION.fullmatch(part)
        if not match or match[1] not in COLUMNS or match[1] == "filtercode":
            raise BadRequest(f"cannot parse WHERE condition: {part}")
        found.append((match[1], match[2], float(match[3])))
    return found


def _holds(left: float, sign: str, right: float) -> bool:
    outcomes = {
        "=": left == right,
        "<": left < right,
        ">": left > right,
        "<=": left <= right,
        ">=": left >= right,
    }
    return bool(outcomes[sign])


def _near(quadrant: Quadrant, position: list[float]) -> bool:
    cards = quadrant.cards
    return separation_deg(cards["CRVAL1"], cards["CRVAL2"], *position) < _REACH_DEG


def _covers(sky: SimulatedSky, quadrant: Quadrant, visit: int, position: list[float]) -> bool:
    exposures = sky.exposures(quadrant.field)
    x_pix, y_pix = quadrant.sky_to_pixel(*position)
    x_pix, y_pix = x_pix + exposures.dx_pix[visit], y_pix + exposures.dy_pix[visit]
    return bool(-0.5 <= x_pix < N_COLUMNS - 0.5 and -0.5 <= y_pix < N_ROWS - 0.5)


def _row(sky: SimulatedSky, quadrant: Quadrant, visit: int) -> dict[str, Any]:
    exposures = sky.exposures(quadrant.field)
    cards = exposure_cards(quadrant, exposures, visit)
    return {
        "infobits": cards["INFOBITS"],
        "field": quadrant.field,
        "ccdid": quadrant.ccd,
        "qid": quadrant.qid,
        "rcid": cards["RCID"],
        "fid": cards["FILTERID"],
        "filtercode": "zr",
        "expid": cards["EXPID"],
        "obsjd": cards["OBSJD"],
        "exptime": 30,
        "filefracday": int(exposures.filefracday[visit]),
        "seeing": round(cards["SEEING"] * _PIXEL_ARCSEC, 4),
        "airmass": cards["AIRMASS"],
        "moonillf": cards["MOONILLF"],
        "maglimit": cards["MAGLIM"],
    }
