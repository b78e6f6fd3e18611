"""What a fetch would ask for: requests, bytes, hours; nothing is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from rbztf.archive.fetch import LIGHT_CURVES_PER_REQUEST
from rbztf.archive.fetching.open_object import OpenObject
from rbztf.archive.http import ArchiveSession
from rbztf.archive.queries import FetchPlan, request_light_curves
from rbztf.errors import Problem, RbztfError
from rbztf.progress import Progress, silent
from rbztf.stores.epochs import FrameStatus
from rbztf.ztf import Oid

FRAME_BYTES = 28_800
"""Of a cutout as IRSA serves it, all 24 real ones alike."""
EPOCH_BYTES = 250
"""Of an epoch in a light-curve table."""
SECONDS_PER_REQUEST = 0.5
"""Assumed, until an archive has been timed."""
SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True)
class FetchEstimate:
    """What a fetch would do.

    Attributes
    ----------
    n_objects, n_epochs : int
        Objects asked about of which the epochs are known, and those epochs.
    n_frames_stored : int
        Frames that are in the store, or in the journal of a run that was cut off.
    n_frame_requests, n_light_curve_requests : int
        What is still to be asked for, without the tries that fail.
    n_bytes : int
        What would be received.
    hours : float
        At ``seconds_per_request``.
    seconds_per_request : float
        Assumed for each of ``workers`` requests at the same time.
    workers : int
    n_asked : int
        Requests that this estimate itself made, to list the epochs.
    problems : tuple of Problem
        Objects that are not counted.
    """

    n_objects: int
    n_epochs: int
    n_frames_stored: int
    n_frame_requests: int
    n_light_curve_requests: int
    n_bytes: int
    hours: float
    seconds_per_request: float
    workers: int
    n_asked: int
    problems: tuple[Problem, ...] = ()

    @property
    def n_requests(self) -> int:
        """All of them."""
        return self.n_frame_requests + self.n_light_curve_requests

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"dry_run": True, "n_requests": self.n_requests, **asdict(self)}


def estimate_fetch(
    oids: Iterable[int],
    folder: Path,
    session: ArchiveSession,
    plan: FetchPlan,
    progress: Progress = silent,
    seconds_per_request: float = SECONDS_PER_REQUEST,
) -> FetchEstimate:
    """Count what :func:`rbztf.archive.fetch.fetch_objects` would ask for.

    Light curves that it would ask for are asked for, since they list the epochs; they are not kept.

    Raises
    ------
    ArchiveDown
        If the archive does not answer.
    """
    bands, before = plan.filters.bands, session.n_requests
    unique = list(dict.fromkeys(Oid(oid) for oid in oids))
    wanted = [oid for oid in unique if not bands or oid.band in bands]
    problems: list[Problem] = []
    counted = _Counted()
    for batch in _batches(_open_objects(wanted, folder, plan, counted, problems), LIGHT_CURVES_PER_REQUEST):
        _add_asked(counted, batch, session, plan, problems)
        progress("objects", counted.n_objects + len(problems), len(wanted))
    n_tables = counted.n_tables
    workers = session.settings.workers
    return FetchEstimate(
        counted.n_objects,
        counted.n_epochs,
        counted.n_stored,
        counted.n_to_ask,
        n_tables,
        counted.n_to_ask * FRAME_BYTES + counted.n_new_epochs * EPOCH_BYTES,
        (counted.n_to_ask + n_tables) * seconds_per_request / workers / SECONDS_PER_HOUR,
        seconds_per_request,
        workers,
        session.n_requests - before,
        tuple(problems),
    )


class _Counted:
    """Sums over objects."""

    def __init__(self) -> None:
        self.n_objects = self.n_epochs = self.n_stored = self.n_to_ask = 0
        self.n_new_epochs = self.n_tables = 0

    def add(self, entry: OpenObject, n_new_epochs: int = 0) -> None:
        """Count an object; of its epochs so many are in a light curve that would be asked for."""
        status = entry.state.columns["status"]
        self.n_objects += 1
        self.n_epochs += len(status)
        self.n_stored += int((status == FrameStatus.OK.value).sum())
        self.n_to_ask += len(entry.plan_frames())
        self.n_new_epochs += n_new_epochs


def _open_objects(
    oids: Iterable[Oid], folder: Path, plan: FetchPlan, counted: _Counted, problems: list[Problem]
) -> Iterator[OpenObject]:
    """Objects whose light curves would be asked for; the others are counted."""
    for oid in oids:
        try:
            entry = OpenObject(folder, oid, plan)
        except RbztfError as error:
            problems.append(Problem(str(int(oid)), str(error)))
            continue
        if plan.refresh or not entry.state.has_light_curve:
            yield entry
        else:
            counted.add(entry)


def _add_asked(
    counted: _Counted,
    batch: Sequence[OpenObject],
    session: ArchiveSession,
    plan: FetchPlan,
    problems: list[Problem],
) -> None:
    """Ask for the light curves of some objects, and count these."""
    oids = [entry.state.oid for entry in batch]
    counted.n_tables += 1
    found = request_light_curves(session, oids, plan.collection, plan.archive_url)
    for entry in batch:
        answer = found[entry.state.oid]
        if isinstance(answer, RbztfError):
            problems.append(Problem(str(int(entry.state.oid)), str(answer)))
            continue
        entry.take_light_curve(answer)
        counted.add(entry, answer.n_rows)


def _batches(entries: Iterable[OpenObject], size: int) -> Iterator[list[OpenObject]]:
    rest = iter(entries)
    while batch := list(islice(rest, size)):
        yield batch
