"""One object of a running fetch: what is known of its epochs, and the journal of its frames."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from rbztf.archive.irsa import LightCurve, cutout_url, parse_light_curves
from rbztf.archive.journal import Journal, Journaled, Outcome, journal_path, read_journal
from rbztf.archive.object_state import ObjectState
from rbztf.archive.queries import FetchPlan
from rbztf.archive.results import ObjectResult
from rbztf.errors import UnsoundAnswer
from rbztf.stores.epochs import FrameStatus
from rbztf.ztf import Oid


class OpenObject:
    """An object whose frames are being asked for.

    Parameters
    ----------
    folder : Path
        The store; what it and the journal know of the object is read.
    oid : Oid
    plan : FetchPlan

    Attributes
    ----------
    state : ObjectState
    waiting : set of int
        Rows of the epochs whose frames have not come yet.

    Raises
    ------
    DataError
        If something else is in the object's place in the store.
    """

    def __init__(self, folder: Path, oid: Oid, plan: FetchPlan) -> None:
        self.state = ObjectState.from_store(folder, oid)
        self.waiting: set[int] = set()
        self._folder, self._plan = folder, plan
        self._path = journal_path(folder, oid)
        self._journal: Journal | None = None
        self._new_plan: tuple[str, str] | None = None
        journaled = self._readable(read_journal(self._path))
        self._sound_bytes = journaled.sound_bytes
        for exposure, outcome in journaled.outcomes.items():
            self.state.apply(exposure, outcome)

    def _readable(self, journaled: Journaled) -> Journaled:
        """The journal, with its light curve taken; an empty one if that is not of this object."""
        if not journaled.plan:
            return journaled
        try:
            light_curve = parse_light_curves(journaled.plan["text"])[self.state.oid]
        except (UnsoundAnswer, KeyError):
            return Journaled()
        self.state.merge_light_curve(light_curve, journaled.plan["collection"], self._plan.archive_url)
        return journaled

    def take_light_curve(self, light_curve: LightCurve) -> None:
        """Take a light curve that has just come; the journal starts anew if the object has moved."""
        collection = self._plan.collection
        if self.state.merge_light_curve(light_curve, collection, self._plan.archive_url):
            self._sound_bytes = 0
        self._new_plan = (light_curve.text, collection)

    def plan_frames(self) -> list[int]:
        """Rows of the epochs whose frames are to be asked for now."""
        rows = self.state.to_ask(self._plan.filters, off_chip_too=self._plan.refresh)
        self.waiting = set(rows)
        return rows

    def url(self, row: int) -> str:
        """Where the frame of an epoch is asked for."""
        state = self.state
        return cutout_url(state.exposure(row), state.ra_deg, state.dec_deg, self._plan.archive_url)

    def take_frame(self, row: int, outcome: Outcome) -> None:
        """Note what came of asking for a frame, in the journal too."""
        key = self.state.exposure(row).filefracday
        if self._journal is None:
            self._journal = Journal(self._path, self._sound_bytes)
            if self._new_plan is not None:
                self._journal.plan(*self._new_plan)
        self._journal.outcome(key, outcome)
        self.state.apply(key, outcome)
        self.waiting.remove(row)

    def finish(self) -> ObjectResult:
        """Write the object from its journal, then drop the journal."""
        outcomes = read_journal(self._path).outcomes
        kept = {key: outcome.frame for key, outcome in outcomes.items() if outcome.frame is not None}
        result = self.state.finish(self._folder, self._plan.filters, kept)
        self.close()
        self._path.unlink(missing_ok=True)
        return result

    def abandon(self) -> ObjectResult:
        """The result where the rest of its frames cannot be asked for."""
        self.state.columns["status"][list(self.waiting)] = FrameStatus.FAILED.value
        return self.state.result(
            f"{len(self.waiting)} frames were not asked for: the archive is down. The others are kept."
        )

    def close(self) -> None:
        """Close the journal, which stays."""
        if self._journal is not None:
            with suppress(OSError):  # the disk is full, which has been said
                self._journal.close()
