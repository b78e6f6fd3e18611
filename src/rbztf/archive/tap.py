"""Positions to OIDs, and metadata of objects, by IRSA's TAP service through astroquery."""

from __future__ import annotations

import math
import re
import time
import warnings
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from rbztf.archive.irsa import ARCHIVE_URL, COLLECTION
from rbztf.connections import limited, limited_session, reason_of
from rbztf.errors import ArchiveError, UsageError
from rbztf.progress import Progress, notify, silent
from rbztf.ztf import Band, Oid

BUDGET_S = 300.0
"""Longest time for a query from start to end, all tries together."""
MAX_BYTES = 16 * 2**20
TRIES = 4
PAUSE_S = 2.0
"""Between the first two tries; each later pause is longer by as much."""
MAX_RADIUS_ARCSEC = 600.0
_COLUMNS = "oid, ra, dec, filtercode, nobsrel, meanmag"
_RADIUS = re.compile(r"(\d*\.?\d+)\s*(arcsec|arcmin|deg)?")
_ARCSEC_PER = {"arcsec": 1.0, "arcmin": 60.0, "deg": 3600.0}
_COLLECTION = re.compile(r"ztf_(dr\d+)")


@dataclass(frozen=True)
class FoundObject:
    """One object of a data release.

    Attributes
    ----------
    oid : Oid
    ra_deg, dec_deg : float
        Position (ICRS) in degrees.
    band : Band
    n_obs : int
        Good epochs in the release; -1 where not known.
    mean_mag : float
        Mean magnitude, NaN where not known.
    """

    oid: Oid
    ra_deg: float
    dec_deg: float
    band: Band
    n_obs: int = -1
    mean_mag: float = math.nan


def parse_position(text: str) -> tuple[float, float]:
    """``RA,DEC`` in degrees, as two floats.

    Raises
    ------
    UsageError
        If the text has another form.
    """
    try:
        ra_deg, dec_deg = (float(part) for part in text.replace(",", " ").split())
    except ValueError:
        raise UsageError(f"{text!r} is no position.", "Give RA,DEC in degrees, as 255.5767,40.1.") from None
    return ra_deg, dec_deg


def parse_radius(text: str) -> float:
    """A radius such as ``2arcsec``, ``0.5arcmin`` or ``2`` (arcsec), in arcsec.

    Raises
    ------
    UsageError
        If the text has another form.
    """
    match = _RADIUS.fullmatch(text.strip().lower())
    if match is None:
        raise UsageError(f"{text!r} is no radius.", "Give a number with arcsec, arcmin or deg, as 2arcsec.")
    return float(match[1]) * _ARCSEC_PER[match[2] or "arcsec"]


def position_query(ra_deg: float, dec_deg: float, radius_arcsec: float, collection: str = COLLECTION) -> str:
    """ADQL for the objects within ``radius_arcsec`` of a position (ICRS, degrees); nothing is sent.

    Raises
    ------
    UsageError
        If that is no position, or the circle is larger than 10 arcmin.
    """
    if not (0 <= ra_deg <= 360 and -90 <= dec_deg <= 90):
        raise UsageError(
            f"{ra_deg}, {dec_deg} is no position.", "Give RA (0 to 360) and Dec (-90 to 90) in degrees."
        )
    if not 0 < radius_arcsec <= MAX_RADIUS_ARCSEC:
        raise UsageError(
            f"A radius of {radius_arcsec} arcsec is out of range.",
            f"Take up to {MAX_RADIUS_ARCSEC:.0f} arcsec.",
        )
    circle = f"CIRCLE('ICRS', {ra_deg:.7f}, {dec_deg:.7f}, {radius_arcsec / 3600:.8f})"
    where = f"CONTAINS(POINT('ICRS', ra, dec), {circle})=1"
    return f"SELECT {_COLUMNS} FROM {_table(collection)} WHERE {where}"


def query_objects(
    query: str, archive_url: str = ARCHIVE_URL, progress: Progress = silent
) -> list[FoundObject]:
    """Send a query of this module.

    Returns
    -------
    list of FoundObject
        By OID.

    Raises
    ------
    ArchiveError
        If the service cannot be reached or refuses the query.
    """
    deadline = time.monotonic() + BUDGET_S
    for attempt in range(1, TRIES + 1):
        answer = _ask(query, archive_url, deadline - time.monotonic())
        if not isinstance(answer, str):
            return sorted(answer, key=lambda entry: entry.oid)
        if attempt == TRIES or time.monotonic() + PAUSE_S * attempt > deadline:
            break
        notify(progress, f"{archive_url}/TAP does not answer as it should: {answer}. Trying again.")
        time.sleep(PAUSE_S * attempt)
    raise ArchiveError(
        f"{archive_url}/TAP did not answer the query ({answer}).", "Try again later, or give OIDs."
    )


def _ask(query: str, archive_url: str, seconds: float) -> list[FoundObject] | str:
    """One try: the objects, or why there are none."""
    try:
        with warnings.catch_warnings(), limited(seconds, MAX_BYTES):
            warnings.simplefilter("ignore")
            return [_found(row) for row in _service(archive_url).query_tap(query).to_table()]
    except Exception as error:  # noqa: BLE001 - astroquery, pyvo, astropy and numpy each fail in their own ways
        return reason_of(error)


def in_bands(found: Iterable[FoundObject], bands: Collection[Band]) -> list[FoundObject]:
    """The objects in one of ``bands``; all where none is named."""
    return [entry for entry in found if not bands or entry.band in bands]


def _table(collection: str) -> str:
    match = _COLLECTION.fullmatch(collection)
    if match is None:
        raise UsageError(f"{collection!r} is not a data release.", f"Name it as {COLLECTION}.")
    return f"ztf_objects_{match[1]}"


def _service(archive_url: str) -> Any:
    """astroquery's IRSA service, pointed at ``archive_url``, with limits."""
    from astroquery.ipac.irsa import IrsaClass

    service = IrsaClass()
    service.tap_url = f"{archive_url.rstrip('/')}/TAP"
    session = limited_session(plain_only=True)
    for scheme, adapter in session.adapters.items():
        service._session.mount(scheme, adapter)
    service._session.headers.update(session.headers)
    return service


def _found(row: Any) -> FoundObject:
    oid = Oid(int(row["oid"]))
    n_obs, mean_mag = row["nobsrel"], row["meanmag"]
    return FoundObject(
        oid,
        float(row["ra"]),
        float(row["dec"]),
        oid.band,
        -1 if _masked(n_obs) else int(n_obs),
        math.nan if _masked(mean_mag) else float(mean_mag),
    )


def _masked(value: Any) -> bool:
    return bool(getattr(value, "mask", False))
