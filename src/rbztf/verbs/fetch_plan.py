"""What the options of ``rbztf fetch`` amount to."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rbztf.archive.epoch_filters import Filters, Keep
from rbztf.archive.http_settings import MAX_WORKERS, HttpSettings
from rbztf.archive.irsa import ARCHIVE_URL, COLLECTION
from rbztf.archive.queries import FetchPlan
from rbztf.errors import DataError, UsageError
from rbztf.progress import Progress
from rbztf.ztf import Band

if TYPE_CHECKING:
    from rbztf.archive.tap import FoundObject


def make_plan(
    *,
    archive_url: str = ARCHIVE_URL,
    collection: str = COLLECTION,
    bands: Sequence[Band | str] = (),
    bad_catflags: int = 0,
    mjd_min: float | None = None,
    mjd_max: float | None = None,
    max_frames: int | None = None,
    keep: Keep = "newest",
    max_seeing_pix: float | None = None,
    bad_infobits: int = 0,
    refresh: bool = False,
    wait_s: float | None = None,
    n_epochs: Mapping[int, int] | None = None,
) -> FetchPlan:
    """The plan of :func:`rbztf.verbs.fetch.fetch` with these options.

    Raises
    ------
    UsageError
        If filters contradict each other, or the archive's address is none.
    """
    filters = Filters(
        tuple(Band(band) for band in bands),
        bad_catflags,
        -float("inf") if mjd_min is None else mjd_min,
        float("inf") if mjd_max is None else mjd_max,
        max_frames,
        keep,
        max_seeing_pix,
        bad_infobits,
    )
    return FetchPlan(address(archive_url, "--archive"), collection, filters, refresh, wait_s, n_epochs or {})


def make_settings(settings: HttpSettings | None, workers: int) -> HttpSettings:
    """How patient to be, with at most :data:`MAX_WORKERS` requests at the same time."""
    return dataclasses.replace(settings or HttpSettings(), workers=min(workers, MAX_WORKERS))


def objects_at(
    ra_deg: float,
    dec_deg: float,
    radius_arcsec: float,
    archive_url: str,
    collection: str,
    bands: Sequence[Band | str],
    progress: Progress,
) -> list[FoundObject]:
    """Objects around a position (ICRS, degrees) in some bands.

    Raises
    ------
    ArchiveError, UsageError
        As :mod:`rbztf.archive.tap`.
    DataError
        If there is none.
    """
    from rbztf.archive import tap

    query = tap.position_query(ra_deg, dec_deg, radius_arcsec, collection)
    found = tap.query_objects(query, address(archive_url, "--archive"), progress)
    wanted = tap.in_bands(found, tuple(Band(band) for band in bands))
    if not wanted:
        raise DataError(
            f"{collection} has no object within {radius_arcsec:g} arcsec of {ra_deg}, {dec_deg}.",
            "Check the position, widen the radius, or allow other bands.",
        )
    return wanted


def address(url: str, option: str) -> str:
    """An address without a slash at its end; UsageError, naming the ``option``, for another thing."""
    if not url.startswith(("http://", "https://")):
        raise UsageError(f"{url!r} is not the address of a server.", f"Give {option} http(s)://HOST.")
    return url.rstrip("/")
