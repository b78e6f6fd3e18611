"""From OIDs to files of the store: light curves, their frames, one object after another.

One thread plans, collects and writes; the workers of :class:`Workers` only wait for the
network. Light curves of the next objects are asked for while frames of these arrive, so
that no worker runs dry, and frames go from the network into the object's journal, so that
memory does not grow with the number of objects.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from queue import SimpleQueue

from rbztf.archive.fetching.intake import Intake
from rbztf.archive.fetching.open_object import OpenObject
from rbztf.archive.http import ArchiveSession
from rbztf.archive.irsa import LightCurve
from rbztf.archive.queries import FetchPlan, outcome_of, request_frame, request_light_curves
from rbztf.archive.results import FetchResult, ObjectResult
from rbztf.archive.validate import Frame
from rbztf.errors import ArchiveDown, ArchiveError, Problem, RbztfError
from rbztf.files import writing
from rbztf.parallel.processes import Workers
from rbztf.progress import Progress, notify, silent
from rbztf.stores.store_locks import Patience, StoreLocks
from rbztf.wording import counted
from rbztf.ztf import Oid

LIGHT_CURVES_PER_REQUEST = 8
LOW_WATER = 256
"""Frames known and not yet handed to a worker, below which more light curves are asked for."""
MAX_OPEN_OBJECTS = 64
QUEUE_PER_WORKER = 4
"""Tasks waiting per worker: enough to keep it busy while an object is written."""
REPORT_EVERY_S = 0.2
TICK_S = 1.0


def fetch_objects(
    oids: Iterable[int], folder: Path, session: ArchiveSession, plan: FetchPlan, progress: Progress = silent
) -> FetchResult:
    """Bring objects into the store ``folder``, going on where an earlier run stopped.

    Raises
    ------
    UsageError
        If no folder can be there.
    WriteError
        If the store cannot be written (a full disk, say); what has arrived is kept.
    """
    # Before the first thread: two that import astropy at once can find it half made.
    import astropy.io.fits
    import astropy.table  # noqa: F401

    unique = list(dict.fromkeys(Oid(oid) for oid in oids))
    with StoreLocks(folder) as locks:
        run = _Run(folder, session, plan, locks, progress)
        try:
            with writing(folder):
                return run(unique)
        finally:
            run.close()


_HELD_BY_ANOTHER = "Another process is fetching it. Run the same command again, or wait longer (--wait)."


class _Run:
    """One run of :func:`fetch_objects`."""

    def __init__(
        self, folder: Path, session: ArchiveSession, plan: FetchPlan, locks: StoreLocks, progress: Progress
    ) -> None:
        self._folder, self._session, self._plan, self._progress = folder, session, plan, progress
        self._locks = locks
        self._intake = Intake((), locks, Patience(plan.wait_s, progress))
        self._workers = Workers(session.settings.workers)
        self._told: SimpleQueue[str] = SimpleQueue()
        session.circuit.tell = self._told.put
        self._batch: list[Oid] = []
        self._n_epochs: dict[int, int] = dict(plan.n_epochs)
        self._tables_in_flight = 0
        self._asks: deque[tuple[OpenObject, int]] = deque()
        self._open: dict[Oid, OpenObject] = {}
        self._results: dict[Oid, ObjectResult] = {}
        self._down: ArchiveDown | None = None
        self._frames_done = self._frames_planned = self._n_objects = 0
        self._last_report = 0.0
        self._other_release = self._moved = 0

    def __call__(self, oids: list[Oid]) -> FetchResult:
        started = time.monotonic()
        requests_before, bytes_before = self._session.n_requests, self._session.n_bytes
        bands = self._plan.filters.bands
        wanted = [oid for oid in oids if not bands or oid.band in bands]
        patience = Patience(self._plan.wait_s, self._progress)
        self._intake, self._n_objects = Intake(wanted, self._locks, patience), len(wanted)
        while self._step():
            pass
        for oid in self._intake.given_up:
            self._results[oid] = ObjectResult(oid, problem=_HELD_BY_ANOTHER)
        self._report(force=True)
        for oid in wanted:
            if oid not in self._results:
                self._abandon(oid)
        problems = [Problem(str(int(oid)), r.problem) for oid, r in self._results.items() if r.problem]
        if self._down is not None:
            problems = [Problem(self._plan.archive_url, str(self._down))]
        return FetchResult(
            tuple(self._results[oid] for oid in wanted),
            self._session.n_bytes - bytes_before,
            self._session.n_requests - requests_before,
            time.monotonic() - started,
            tuple(self._notes(len(oids) - len(wanted))),
            tuple(problems),
        )

    def close(self) -> None:
        """Stop asking; what is under way stays in the journals."""
        self._workers.stop()
        for entry in self._open.values():
            entry.close()

    def _step(self) -> bool:
        """Hand out, draw, collect or wait for one thing; False when nothing is left to do."""
        depth = QUEUE_PER_WORKER * self._session.settings.workers
        while self._asks and self._workers.in_flight < depth:
            entry, row = self._asks.popleft()
            self._submit_frame(entry, row)
        drew = self._hungry() and self._draw()
        if drew or self._workers.in_flight:
            self._workers.collect(0 if drew else TICK_S)
            self._pass_on()
            return True
        if self._down is not None or not self._intake.waiting:
            return False
        self._intake.idle()
        return True

    def _pass_on(self) -> None:
        """What the threads that ask have to tell of the archive."""
        self._session.circuit.tell_silence()
        while not self._told.empty():
            notify(self._progress, self._told.get())

    def _hungry(self) -> bool:
        return (
            self._down is None
            and len(self._asks) < LOW_WATER
            and len(self._open) < MAX_OPEN_OBJECTS
            and self._tables_in_flight < max(1, self._session.settings.workers // 2)
        )

    def _draw(self) -> bool:
        """Take up the next object, or ask for the light curves of those that need one."""
        oid = self._intake.next()
        if oid is not None:
            self._take_up(oid)
        if self._batch and (oid is None or len(self._batch) == LIGHT_CURVES_PER_REQUEST):
            batch, self._batch = self._batch, []
            self._tables_in_flight += 1
            plan = self._plan
            task = partial(
                request_light_curves,
                self._session,
                batch,
                plan.collection,
                plan.archive_url,
                {oid: n for oid in batch if (n := self._n_epochs.get(oid))},
            )
            self._workers.submit(task, partial(self._light_curves_came, batch))
            return True
        return oid is not None

    def _take_up(self, oid: Oid) -> None:
        """Begin with what is known of an object already, else put it on the list of light curves."""
        entry = self._load(oid)
        if entry is None:
            return
        if self._plan.refresh or not entry.state.has_light_curve:
            if entry.state.collection == self._plan.collection:
                self._n_epochs[oid] = entry.state.n_light_curve
            self._batch.append(oid)
            return
        self._other_release += entry.state.collection not in ("", self._plan.collection)
        self._begin(entry)

    def _load(self, oid: Oid) -> OpenObject | None:
        """What store and journal know of an object; None if that cannot be read, which is noted."""
        try:
            return OpenObject(self._folder, oid, self._plan)
        except RbztfError as error:
            self._settle(ObjectResult(oid, problem=str(error)))
            return None

    def _light_curves_came(
        self, batch: list[Oid], found: dict[Oid, LightCurve | RbztfError] | Exception
    ) -> None:
        self._tables_in_flight -= 1
        if isinstance(found, Exception):
            return self._expect(found)
        for oid in batch:
            answer = found[oid]
            if isinstance(answer, RbztfError):
                self._settle(ObjectResult(oid, problem=str(answer)))
            elif entry := self._load(oid):
                entry.take_light_curve(answer)
                self._begin(entry)

    def _begin(self, entry: OpenObject) -> None:
        """Queue an object's frames, or finish it if there is nothing to ask."""
        self._open[entry.state.oid] = entry
        self._moved += entry.state.moved
        rows = entry.plan_frames()
        self._frames_planned += len(rows)
        self._asks.extend((entry, row) for row in rows)
        if not rows:
            self._finish(entry)

    def _submit_frame(self, entry: OpenObject, row: int) -> None:
        state, url = entry.state, entry.url(row)
        task = partial(request_frame, self._session, url, state.exposure(row), state.ra_deg, state.dec_deg)
        self._workers.submit(task, partial(self._frame_came, entry, url, row))

    def _frame_came(self, entry: OpenObject, url: str, row: int, answer: Frame | Exception) -> None:
        if isinstance(answer, Exception) and not isinstance(answer, ArchiveError):
            raise answer
        if isinstance(answer, ArchiveDown):
            return self._expect(answer)
        state = entry.state
        entry.take_frame(row, outcome_of(answer, url, self._plan.filters, state.ra_deg, state.dec_deg))
        self._frames_done += 1
        self._report()
        if not entry.waiting:
            self._finish(entry)

    def _finish(self, entry: OpenObject) -> None:
        result = entry.finish()
        del self._open[entry.state.oid]
        self._settle(result)

    def _settle(self, result: ObjectResult) -> None:
        """An object is through: other processes may have it."""
        self._results[result.oid] = result
        self._intake.done(result.oid)
        self._report()

    def _expect(self, error: Exception) -> None:
        """The archive is down: ask nothing more. Anything else is a bug, or the user's stop."""
        if not isinstance(error, ArchiveDown):
            raise error
        self._down = error
        self._asks.clear()

    def _abandon(self, oid: Oid) -> None:
        """Say what is left undone of an object because the archive is down."""
        entry = self._open.get(oid)
        if entry is None:
            self._results[oid] = ObjectResult(
                oid, problem="Its light curve was not asked for: the archive is down."
            )
            return
        self._results[oid] = entry.abandon()

    def _notes(self, n_other_bands: int) -> Iterator[str]:
        if self._locks.warning:
            yield self._locks.warning
        if n_other_bands:
            yield f"Left out: {counted(n_other_bands, 'object')} in other bands."
        if self._moved:
            yield (
                f"{self._moved} objects have another position than in the store, by more than a pixel: "
                "their frames were asked for again."
            )
        if self._other_release:
            yield (
                f"{self._other_release} objects in the store come from another data release than "
                f"{self._plan.collection}; refresh them to extend their light curves."
            )

    def _report(self, *, force: bool = False) -> None:
        now = time.monotonic()
        if force or now - self._last_report >= REPORT_EVERY_S:
            self._last_report = now
            self._progress("objects", len(self._results), self._n_objects)
            self._progress("frames", self._frames_done, self._frames_planned)
