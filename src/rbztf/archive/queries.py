"""One question to the archive each: light curves of some objects, the frame of one epoch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from rbztf.archive.epoch_filters import Filters
from rbztf.archive.http import ArchiveSession
from rbztf.archive.irsa import (
    ARCHIVE_URL,
    COLLECTION,
    Exposure,
    LightCurve,
    light_curves_url,
    parse_light_curves,
)
from rbztf.archive.journal import BAD_REQUEST, EDGE_PIX, Outcome
from rbztf.archive.validate import MAX_FRAME_BYTES, Frame, check_frame
from rbztf.errors import ArchiveDown, ArchiveError, BadRequest, DataError, NotThere, RbztfError, UnsoundAnswer
from rbztf.stores.consistency import sky_jumps
from rbztf.stores.epochs import FrameStatus
from rbztf.ztf import Oid

MAX_TABLE_BYTES = 32 * 2**20
"""Eight light curves of 15,000 epochs; some are held at once."""
BATCH_TRIES = 2
"""Tries for several light curves at once, before each is asked for alone."""
_SAYS_OFF_CHIP = re.compile(r"overlap|intersect|outside|off[- _]?(the )?(chip|image)", re.IGNORECASE)


@dataclass(frozen=True)
class FetchPlan:
    """What to fetch and from where.

    Attributes
    ----------
    archive_url : str
        IRSA, or a server that speaks its dialect.
    collection : str
        Data release of the light curves.
    filters : Filters
    refresh : bool
        Ask for the light curves of objects already in the store again and add what is new.
    wait_s : float, optional
        Longest wait for objects that another process is fetching; None: without end.
    n_epochs : mapping of int to int
        Epochs that the light curves of some objects are known to have, by OID; a shorter one is
        not taken for whole.
    """

    archive_url: str = ARCHIVE_URL
    collection: str = COLLECTION
    filters: Filters = field(default_factory=Filters)
    refresh: bool = False
    wait_s: float | None = None
    n_epochs: Mapping[int, int] = field(default_factory=dict)


def request_light_curves(
    session: ArchiveSession,
    oids: list[Oid],
    collection: str,
    archive_url: str,
    n_epochs: Mapping[int, int] | None = None,
) -> dict[Oid, LightCurve | RbztfError]:
    """Light curves of some objects by one request, or one each where the archive will not have that.

    Parameters
    ----------
    n_epochs : mapping of int to int, optional
        Epochs that some of them are known to have, by OID.

    Returns
    -------
    dict of Oid to LightCurve or the error that came instead
    """

    def ask(some: list[Oid], tries: int | None) -> dict[Oid, LightCurve]:
        return session.get(
            light_curves_url(some, collection, archive_url),
            lambda body: _whole(parse_light_curves(body.decode("utf-8", "replace")), some, n_epochs or {}),
            budget_s=session.settings.table_budget_s,
            max_bytes=MAX_TABLE_BYTES,
            tries=tries,
            agree=_agree,
        )

    found: dict[Oid, LightCurve | RbztfError] = {}
    if len(oids) > 1:
        try:
            found.update(ask(oids, BATCH_TRIES))
        except ArchiveDown:
            raise
        except ArchiveError:
            pass  # each is asked for alone below, and answers for itself
    for oid in oids:
        if oid in found:
            continue
        try:
            answer = ask([oid], None)
            found[oid] = answer.get(oid) or _unknown(oid, collection)
        except ArchiveDown:
            raise
        except ArchiveError as error:
            found[oid] = error
    return found


def _agree(one: dict[Oid, LightCurve], other: dict[Oid, LightCurve]) -> bool:
    """Whether two answers have the same objects and as many epochs of each."""
    return {oid: curve.n_rows for oid, curve in one.items()} == {
        oid: curve.n_rows for oid, curve in other.items()
    }


def _whole(
    found: dict[Oid, LightCurve], asked: list[Oid], n_epochs: Mapping[int, int]
) -> dict[Oid, LightCurve]:
    """Light curves of objects asked for, none with fewer epochs than it is known to have; absent ones are not short."""
    for oid, light_curve in found.items():
        if oid not in asked:
            raise UnsoundAnswer(f"The archive answers with epochs of {int(oid)}, which was not asked for.")
        if light_curve.n_rows < n_epochs.get(oid, 0):
            raise UnsoundAnswer(
                f"The light curve of {int(oid)} has {light_curve.n_rows} of {n_epochs[oid]} epochs."
            )
    return found


def _unknown(oid: Oid, collection: str) -> DataError:
    return DataError(
        f"{collection} has no light curve of {int(oid)}.", "Check the OID, or name another release."
    )


def request_frame(
    session: ArchiveSession, url: str, exposure: Exposure, ra_deg: float, dec_deg: float
) -> Frame:
    """The frame behind ``url``, checked; asked for twice where it looks as if bytes of it were lost.

    Raises
    ------
    ArchiveError
        One of :mod:`rbztf.errors`.
    """
    check = partial(check_frame, exposure=exposure, ra_deg=ra_deg, dec_deg=dec_deg)
    return session.get(
        url,
        check,
        budget_s=session.settings.frame_budget_s,
        max_bytes=MAX_FRAME_BYTES,
        agree=lambda one, other: one.pixels.tobytes() == other.pixels.tobytes(),
        doubt=lambda frame, promised: sky_jumps(frame.pixels),
    )


def outcome_of(
    answer: Frame | ArchiveError, url: str, filters: Filters, ra_deg: float, dec_deg: float
) -> Outcome:
    """The status that an answer, or the error that came instead, gives to an epoch."""
    if isinstance(answer, Frame):
        facts = {**answer.facts, EDGE_PIX: answer.edge_pix}
        if filters.good_quality(facts):
            try:
                return Outcome(FrameStatus.OK, url, facts, answer.placed(ra_deg, dec_deg))
            except DataError as error:
                return Outcome(FrameStatus.CORRUPT, url, reason=error.message)
        return Outcome(FrameStatus.SKIPPED, url, facts)
    if isinstance(answer, BadRequest):
        if _SAYS_OFF_CHIP.search(answer.body):
            return Outcome(FrameStatus.OFF_CHIP, url, reason=answer.message)
        return Outcome(FrameStatus.FAILED, url, {BAD_REQUEST: 1}, reason=answer.message)
    status = FrameStatus.FAILED
    if isinstance(answer, NotThere):
        status = FrameStatus.MISSING
    elif isinstance(answer, UnsoundAnswer):
        status = FrameStatus.CORRUPT
    return Outcome(status, url, reason=answer.message)
