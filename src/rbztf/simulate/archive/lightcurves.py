"""``nph_light_curves``: the light-curve service, with IRSA's hexadecimal numbers and missing times."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from numpy.typing import NDArray

from rbztf.archive.irsa import separation_deg
from rbztf.errors import InputError
from rbztf.simulate.archive.answers import Answer, BadRequest, Query, delimited, votable
from rbztf.simulate.sky import SimulatedSky
from rbztf.ztf import Oid

COLLECTIONS: Mapping[str, float] = {"ztf_dr23": 0.8, "ztf_dr24": 1.0}
"""Share of each light curve (its first epochs) that a data release holds; the last is the default."""
PARAMETERS = frozenset(
    {"ID", "POS", "BAND", "BANDNAME", "NOBS_MIN", "MAG", "TIME", "BAD_CATFLAGS_MASK", "COLLECTION", "FORMAT"}
)
FIELDS: dict[str, tuple[str, str]] = {
    "oid": ("long", ""),
    "expid": ("long", ""),
    "hjd": ("double", "d"),
    "mjd": ("double", "d"),
    "mag": ("float", "mag"),
    "magerr": ("float", "mag"),
    "catflags": ("int", ""),
    "filtercode": ("char", ""),
    "ra": ("double", "deg"),
    "dec": ("double", "deg"),
    "chi": ("float", ""),
    "sharp": ("float", ""),
    "filefracday": ("long", ""),
    "field": ("int", ""),
    "ccdid": ("int", ""),
    "qid": ("int", ""),
    "limitmag": ("float", "mag"),
    "magzp": ("float", "mag"),
    "magzprms": ("float", "mag"),
    "clrcoeff": ("float", ""),
    "clrcounc": ("float", ""),
    "exptime": ("int", "s"),
    "airmass": ("float", ""),
    "programid": ("int", ""),
}
MAX_RADIUS_DEG = 0.1667
HEXADECIMAL_EVERY = 4
"""Rows whose expid is a multiple of this come with hexadecimal integers, as IRSA has served some."""
NAN_HJD_EVERY = 29
"""Rows whose expid is a multiple of this have no heliocentric time."""
Columns = dict[str, NDArray[Any]]


def light_curves(sky: SimulatedSky, query: Query) -> Answer:
    """Answer a request for light curves.

    Raises
    ------
    BadRequest
        If a parameter is unknown or malformed.
    """
    for name in query:
        if name not in PARAMETERS:
            raise BadRequest(f"UsageFault: unknown parameter {name}")
    share, wanted = _collection_share(query), _Filter.of(query)
    rows: list[list[str]] = []
    for oid in _wanted(sky, query):
        rows += _rows(wanted.apply(_public(sky.light_curve(oid), share)))
    style = query.last("FORMAT", "VOTABLE").upper()
    if style == "CSV":
        return delimited(FIELDS, rows)
    if style == "TSV":
        return delimited(FIELDS, rows, "\t")
    if style == "VOTABLE":
        return votable(FIELDS, rows)
    raise BadRequest(f"UsageFault: FORMAT {style} is not known here")


def _collection_share(query: Query) -> float:
    newest = list(COLLECTIONS)[-1]
    name = query.last("COLLECTION", newest).lower()
    if name not in COLLECTIONS:
        raise BadRequest(f"UsageFault: unknown COLLECTION {name}")
    return COLLECTIONS[name]


def _wanted(sky: SimulatedSky, query: Query) -> list[Oid]:
    """The objects asked for, in order, each once; ones that do not exist are left out."""
    names = [part for value in query.all("ID") for part in value.split(",") if part.strip()]
    position = query.last("POS")
    if not names and not position:
        raise BadRequest("UsageFault: one of ID, POS is required")
    found = list(sky.oids) if not names else _by_name(sky, names)
    if position:
        found = [oid for oid in found if oid in set(_by_position(sky, position))]
    bands = query.last("BANDNAME").replace(" ", "").lower()
    return [oid for oid in found if not bands or oid.band.value in bands.split(",")]


def _by_name(sky: SimulatedSky, names: list[str]) -> list[Oid]:
    found: dict[Oid, None] = {}
    for name in names:
        if not name.strip().isdigit():
            raise BadRequest(f"UsageFault: ID must be a whole number: {name}")
        try:
            found[sky.object(int(name)).oid] = None
        except InputError:
            continue  # IRSA has no rows for an unknown object, and does not complain
    return list(found)


def _by_position(sky: SimulatedSky, position: str) -> list[Oid]:
    shape, *numbers = position.split()
    try:
        ra_deg, dec_deg, radius_deg = (float(number) for number in numbers)
    except ValueError:
        raise BadRequest(f"UsageFault: POS must be CIRCLE ra dec radius: {position}") from None
    if shape.upper() != "CIRCLE" or not 0 <= radius_deg <= MAX_RADIUS_DEG:
        raise BadRequest(f"UsageFault: POS must be CIRCLE with a radius up to {MAX_RADIUS_DEG}: {position}")
    return objects_near(sky, ra_deg, dec_deg, radius_deg)


def objects_near(sky: SimulatedSky, ra_deg: float, dec_deg: float, radius_deg: float) -> list[Oid]:
    """Objects within a circle on the sky, in order of their OIDs."""
    return [
        oid
        for oid in sky.oids
        if separation_deg(sky.object(oid).ra_deg, sky.object(oid).dec_deg, ra_deg, dec_deg) <= radius_deg
    ]


def _public(curve: Columns, share: float) -> Columns:
    count = math.ceil(share * len(curve["mjd"]))
    return {name: values[:count] for name, values in curve.items()}


@dataclass(frozen=True)
class _Filter:
    """Which epochs are asked for."""

    bad_mask: int
    limits: dict[str, list[float]]
    n_least: float

    @classmethod
    def of(cls, query: Query) -> Self:
        mask = query.last("BAD_CATFLAGS_MASK", "0")
        if not mask.isdigit():
            raise BadRequest(f"UsageFault: BAD_CATFLAGS_MASK must be a whole number: {mask}")
        limits = {column: query.numbers(name, 2) for name, column in (("TIME", "mjd"), ("MAG", "mag"))}
        return cls(
            bad_mask=int(mask),
            limits={column: pair for column, pair in limits.items() if pair},
            n_least=(query.numbers("NOBS_MIN", 1) or [0.0])[0],
        )

    def apply(self, curve: Columns) -> Columns:
        keep = (curve["catflags"] & self.bad_mask) == 0
        for column, (low, high) in self.limits.items():
            keep &= (curve[column] >= low) & (curve[column] <= high)
        if keep.sum() < self.n_least:
            keep[:] = False
        return {name: values[keep] for name, values in curve.items()}


def _rows(curve: Columns) -> list[list[str]]:
    columns = {name: curve[name].tolist() for name in FIELDS}
    rows = []
    for k, expid in enumerate(columns["expid"]):
        row = {name: _text(values[k]) for name, values in columns.items()}
        row["exptime"] = str(int(columns["exptime"][k]))
        if expid % HEXADECIMAL_EVERY == 0:
            row["ccdid"], row["catflags"] = hex(columns["ccdid"][k]), hex(columns["catflags"][k])
        if expid % NAN_HJD_EVERY == 0:
            row["hjd"] = "NaN"
        rows.append(list(row.values()))
    return rows


def _text(value: object) -> str:
    return value if isinstance(value, str) else repr(value)
