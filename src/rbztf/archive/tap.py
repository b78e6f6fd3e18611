"""Positions to OIDs, and metadata of objects, by IRSA's TAP service through astroquery."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from rbztf.archive.irsa import ARCHIVE_URL, COLLECTION
from rbztf.errors import ArchiveError, UsageError
from rbztf.ztf import Band, Oid

TIMEOUT_S = (10.0, 120.0)
RETRIES = 4
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


def query_objects(query: str, archive_url: str = ARCHIVE_URL) -> list[FoundObject]:
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
    from pyvo.dal.exceptions import DALAccessError  # type: ignore[import-untyped,unused-ignore]
    from requests.exceptions import RequestException

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = _service(archive_url).query_tap(query).to_table()
            found = [_found(row) for row in table]
    except (DALAccessError, RequestException, KeyError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ArchiveError(
            f"{archive_url}/TAP did not answer the query ({reason}).", "Try again later, or give OIDs."
        ) from None
    return sorted(found, key=lambda entry: entry.oid)


def in_bands(found: Iterable[FoundObject], bands: Collection[Band]) -> list[FoundObject]:
    """The objects in one of ``bands``; all where none is named."""
    return [entry for entry in found if not bands or entry.band in bands]


def _table(collection: str) -> str:
    match = _COLLECTION.fullmatch(collection)
    if match is None:
        raise UsageError(f"{collection!r} is not a data release.", f"Name it as {COLLECTION}.")
    return f"ztf_objects_{match[1]}"


def _service(archive_url: str) -> Any:
    """astroquery's IRSA service, pointed at ``archive_url``, with timeouts and retries."""
    from astroquery.ipac.irsa import IrsaClass
    from requests.adapters import HTTPAdapter
    from urllib3 import Retry

    class Patient(HTTPAdapter):
        """Adds the time limits that pyvo does not set."""

        def send(self, request: Any, *args: Any, **options: Any) -> Any:
            options["timeout"] = options.get("timeout") or TIMEOUT_S
            return super().send(request, *args, **options)

    retry = Retry(
        total=RETRIES, backoff_factor=1.0, backoff_jitter=0.5, allowed_methods=None,
        status_forcelist=(429, 500, 502, 503, 504),
    )  # fmt: skip
    service = IrsaClass()
    service.tap_url = f"{archive_url.rstrip('/')}/TAP"
    for scheme in ("http://", "https://"):
        service._session.mount(scheme, Patient(max_retries=retry))
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
