"""Which objects to cut out of whole images: a CSV file, or the objects of a store."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from rbztf.archive.irsa import Exposure
from rbztf.csvfiles import Row, open_csv
from rbztf.errors import InputError
from rbztf.stores.cutouts import open_cutouts
from rbztf.ztf import Oid

_HELP = "Give a CSV file with the columns oid, ra, dec (degrees)."


@dataclass(frozen=True)
class Target:
    """An object and its position (ICRS) in degrees."""

    oid: Oid
    ra_deg: float
    dec_deg: float


class Readout(NamedTuple):
    """What an object's images have in common: its OID names it."""

    field: int
    filter_code: str
    ccd: int
    quadrant: int


def readout_of(oid: Oid) -> Readout:
    """Field, filter, CCD and quadrant of an object."""
    return Readout(oid.field, oid.band.filter_code, oid.ccd, oid.quadrant)


def readout_of_image(exposure: Exposure) -> Readout:
    """Field, filter, CCD and quadrant of an image."""
    return Readout(exposure.field, exposure.filter_code, exposure.ccd, exposure.quadrant)


def read_targets(path: Path) -> list[Target]:
    """Read a CSV file with the columns ``oid``, ``ra``, ``dec`` (others are ignored).

    Raises
    ------
    InputError
        If it is missing, lacks a column, or holds something that is not an OID or a position.
    """
    with open_csv(path, "The targets", ("oid", "ra", "dec"), _HELP) as rows:
        taken = [_target(row) for row in rows]
    return _unique(taken, str(path))


def _target(row: Row) -> Target:
    target = Target(row.oid(), row.number("ra"), row.number("dec"))
    if not (0 <= target.ra_deg <= 360 and -90 <= target.dec_deg <= 90):
        raise row.wrong(f"{row.get('ra')}, {row.get('dec')} is not a position in degrees")
    return target


def targets_of_store(folder: Path) -> list[Target]:
    """The objects of a store whose position is known.

    Raises
    ------
    InputError
        If there is no such store, or it holds no object.
    """
    store = open_cutouts(folder)
    found = (store[oid] for oid in store)
    known = [Target(c.oid, c.ra_deg, c.dec_deg) for c in found if math.isfinite(c.ra_deg + c.dec_deg)]
    return _unique(known, str(folder))


def _unique(targets: Iterable[Target], origin: str) -> list[Target]:
    by_oid = {target.oid: target for target in targets}
    if not by_oid:
        raise InputError(f"There is no object in {origin}.", _HELP)
    return [by_oid[oid] for oid in sorted(by_oid)]
