"""One object under way: its epochs, what became of each frame, and what is still to be asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rbztf.archive.epoch_filters import Filters
from rbztf.archive.fetching.refusals import NEAR_EDGE_PIX, is_clipped, judge_refusals, off_chip_by_archive
from rbztf.archive.irsa import PIXEL_ARCSEC, Exposure, LightCurve, frame_urls, separation_deg
from rbztf.archive.journal import BAD_REQUEST, EDGE_PIX, Outcome
from rbztf.archive.results import UNFINISHED, ObjectResult
from rbztf.archive.validate import FRAME_FACTS
from rbztf.errors import DataError
from rbztf.stores.consistency import contradictions
from rbztf.stores.cutouts import path_beside, read_object
from rbztf.stores.epochs import (
    COLUMNS,
    NO_FRAME,
    Columns,
    FrameStatus,
    blank_columns,
    columns_of,
    epoch_table,
    in_time_order,
)
from rbztf.stores.object_file import is_store_file, write_object
from rbztf.ztf import SIZE_PIX, Oid

_ASK = {*(status.value for status in UNFINISHED), FrameStatus.SKIPPED.value}
_SETTLED = {FrameStatus.OK.value, FrameStatus.OFF_CHIP.value}
_KEPT_ON_MERGE = (*FRAME_FACTS, "status", "frame")
MAX_MOVE_DEG = PIXEL_ARCSEC / 3600
"""Frames cut farther than this from an object's position are not its frames."""


class ObjectState:
    """The epochs of one object, in time order, and what is known of each frame.

    Attributes
    ----------
    oid : Oid
    ra_deg, dec_deg : float
        Position (ICRS) in degrees.
    collection : str
        Data release of the light curve; empty where there is none.
    moved : bool
        Whether it was given a position more than a pixel away from that of its frames.
    columns : dict of str to ndarray (n,)
        As :data:`rbztf.stores.epochs.COLUMNS`; ``frame`` points into the file of the store.
    """

    def __init__(self, oid: Oid) -> None:
        self.oid = oid
        self.ra_deg = self.dec_deg = float("nan")
        self.collection = ""
        self.columns = blank_columns(0)
        self.moved = False
        self._stored: Path | None = None
        self._changed = False
        self._new: set[int] = set()
        self._refused: set[int] = set()
        self._edge_pix = float("inf")
        self._rows: dict[int, int] | None = None

    @classmethod
    def from_store(cls, folder: Path, oid: Oid) -> ObjectState:
        """What the store ``folder`` holds of the object, nothing if it is not there.

        Raises
        ------
        DataError
            If something of another layout is in its place.
        """
        state = cls(oid)
        path = folder / f"{int(oid)}.fits"
        if not path.exists():
            if other := path_beside(folder, oid):
                raise DataError(
                    f"{other} holds this object in another form (one file per frame, or another ending).",
                    "Move it away, or choose another folder with --out.",
                )
            return state
        if not is_store_file(path):
            raise DataError(
                f"{path} is not a file of the cutout store.",
                "Move it away, or choose another folder with --out.",
            )
        try:
            cutouts = read_object(path)
            columns = columns_of(cutouts.epochs)
            faults = list(contradictions(cutouts.frames, columns))
        except DataError as error:
            raise DataError(error.message, "Remove it, then fetch again.") from None
        if faults:
            raise DataError(f"{path} is damaged: {faults[0]}", "Remove it, then fetch again.")
        state.ra_deg, state.dec_deg, state.collection = cutouts.ra_deg, cutouts.dec_deg, cutouts.collection
        state.columns = columns
        state._stored = path
        return state

    @property
    def has_light_curve(self) -> bool:
        """Whether the epochs come from a light curve (and not only from images at hand)."""
        return bool(self.collection)

    @property
    def n_light_curve(self) -> int:
        """Epochs with photometry, which a light curve alone can have told of."""
        return int(np.isfinite(self.columns["mag"]).sum())

    @property
    def in_store(self) -> bool:
        """Whether the store has a file of the object."""
        return self._stored is not None

    def merge_light_curve(self, light_curve: LightCurve, collection: str, archive_url: str) -> bool:
        """Take the epochs of a light curve; what is known of frames stays with its exposure.

        Epochs that the light curve does not have (any more) stay where they have a frame.

        Returns
        -------
        bool
            Whether the object has moved, so that frames known before are not its frames.
        """
        moved = self.move_to(light_curve.ra_deg, light_curve.dec_deg)
        fresh = blank_columns(len(light_curve))
        for name, values in light_curve.columns.items():
            fresh[name] = values
        urls = frame_urls(self.oid, light_curve.columns, self.ra_deg, self.dec_deg, archive_url)
        fresh["url"] = np.array(urls, object)
        self._take(fresh, replace=True)
        self.collection = collection
        return moved

    def move_to(self, ra_deg: float, dec_deg: float) -> bool:
        """Give the object a position, in degrees (ICRS).

        Where frames were asked for at another position, within a pixel, that one stays, so that
        position and pixels agree; farther away, all frames are given up.

        Returns
        -------
        bool
            Whether frames were given up.
        """
        asked = self.columns["status"] != FrameStatus.SKIPPED.value
        known = bool(asked.any()) and np.isfinite(self.ra_deg + self.dec_deg)
        moved = known and separation_deg(self.ra_deg, self.dec_deg, ra_deg, dec_deg) > MAX_MOVE_DEG
        if known and not moved:
            return False
        if moved:
            self.columns["status"][:] = FrameStatus.SKIPPED.value
            self.columns["frame"][:] = NO_FRAME
            self._new.clear()
            self._refused.clear()
            self._edge_pix = float("inf")
            self.moved = self._changed = True
        self.ra_deg, self.dec_deg = ra_deg, dec_deg
        return bool(moved)

    def add_epochs(self, fresh: Columns) -> None:
        """Add epochs whose exposures are not there yet, known from images at hand."""
        self._take(fresh, replace=False)

    def _take(self, fresh: Columns, *, replace: bool) -> None:
        old = self.columns
        row_of = self.rows()
        known = np.array([row_of.get(int(key), -1) for key in fresh["filefracday"]], int)
        if replace:
            for name in _KEPT_ON_MERGE:
                fresh[name][known >= 0] = old[name][known[known >= 0]]
            asked = fresh["status"] != FrameStatus.SKIPPED.value
            fresh["url"][asked] = old["url"][known[asked]]
            stay = old["status"] == FrameStatus.OK.value
            stay[known[known >= 0]] = False
        else:
            stay = np.ones(len(old["mjd"]), bool)
            fresh = {name: values[known < 0] for name, values in fresh.items()}
        self.columns = in_time_order(
            {name: np.concatenate([old[name][stay], fresh[name].astype(old[name].dtype)]) for name in COLUMNS}
        )
        self._changed, self._rows = True, None

    def rows(self) -> dict[int, int]:
        """Row of each exposure, by its ``filefracday``."""
        if self._rows is None:
            self._rows = {int(key): row for row, key in enumerate(self.columns["filefracday"]) if key > 0}
        return self._rows

    def exposure(self, row: int) -> Exposure:
        """The science image behind an epoch."""
        field, ccd, quadrant = (int(self.columns[name][row]) for name in ("field", "ccdid", "qid"))
        return Exposure(
            int(self.columns["filefracday"][row]), field, self.oid.band.filter_code, ccd, quadrant
        )

    def settled(self) -> NDArray[np.int64]:
        """``filefracday`` of the exposures that need not be asked for again, (m,) int64."""
        return self.columns["filefracday"][np.isin(self.columns["status"].astype(str), list(_SETTLED))]

    def to_ask(self, filters: Filters, *, off_chip_too: bool = False) -> list[int]:
        """Rows whose frames are wanted and neither there nor known to be off the chip.

        Parameters
        ----------
        off_chip_too : bool
            Ask again for those that the archive said are off the chip.
        """
        status = self.columns["status"].astype(str)
        open_rows = np.isin(status, list(_ASK))
        if off_chip_too or not (status == FrameStatus.OK.value).any():
            open_rows |= off_chip_by_archive(self.columns)
        open_rows &= self.columns["filefracday"] > 0
        return [int(row) for row in np.flatnonzero(open_rows & filters.wanted(self.columns))]

    def apply(self, exposure: int, outcome: Outcome) -> None:
        """Note what came of asking for a frame; a sound frame is never given up for less."""
        row = self.rows().get(exposure)
        if row is None or self.columns["status"][row] == FrameStatus.OK:
            return
        for name in COLUMNS.keys() & outcome.facts.keys():
            self.columns[name][row] = outcome.facts[name]
        self._edge_pix = min(self._edge_pix, outcome.facts.get(EDGE_PIX, float("inf")))
        if BAD_REQUEST in outcome.facts:
            self._refused.add(exposure)
        else:
            self._refused.discard(exposure)
        self._changed |= self.columns["status"][row] != outcome.status.value or outcome.frame is not None
        self.columns["status"][row] = outcome.status.value
        self.columns["url"][row] = outcome.url
        if outcome.status is FrameStatus.OK:
            self._new.add(exposure)

    def finish(
        self, folder: Path, filters: Filters, frames: Mapping[int, NDArray[np.float32]]
    ) -> ObjectResult:
        """Write the object into the store, if anything about it has changed.

        Parameters
        ----------
        frames : mapping of int to ndarray (28, 28), float32
            The new frames, by ``filefracday``.
        """
        unwanted = ~filters.wanted(self.columns)
        given_up = (
            np.isin(self.columns["status"].astype(str), [status.value for status in UNFINISHED]) & unwanted
        )
        self.columns["status"][given_up] = FrameStatus.SKIPPED.value
        self._mark_lost(frames)
        before = self.columns["status"].copy()
        refused = [self.rows()[key] for key in self._refused]
        problem = judge_refusals(self.columns, refused, lambda: self._is_near_edge(frames))
        self._changed |= bool((self.columns["status"] != before).any())
        if self._changed or given_up.any() or not self.in_store:
            self._stored = self._write(folder, frames)
        return self.result(problem)

    def _mark_lost(self, frames: Mapping[int, NDArray[np.float32]]) -> None:
        """Frames that came and are not in the journal (another process cut it, without locks): ask again."""
        for row in np.flatnonzero(self.columns["status"] == FrameStatus.OK.value):
            if self.columns["frame"][row] < 0 and int(self.columns["filefracday"][row]) not in frames:
                self.columns["status"][row] = FrameStatus.FAILED.value

    def _is_near_edge(self, frames: Mapping[int, NDArray[np.float32]]) -> bool:
        """Whether a frame of the object shows that it lies near the edge of its chip."""
        if self._edge_pix < NEAR_EDGE_PIX or any(map(is_clipped, frames.values())):
            return True
        return self._stored is not None and any(map(is_clipped, read_object(self._stored).frames))

    def _write(self, folder: Path, frames: Mapping[int, NDArray[np.float32]]) -> Path:
        stored = None if self._stored is None else read_object(self._stored).frames
        taken: list[NDArray[np.float32]] = []
        for row in np.flatnonzero(self.columns["status"] == FrameStatus.OK.value):
            key, index = int(self.columns["filefracday"][row]), int(self.columns["frame"][row])
            if index >= 0 and stored is not None:
                taken.append(stored[index])
            else:
                taken.append(frames[key])
            self.columns["frame"][row] = len(taken) - 1
        stack = np.stack(taken) if taken else np.empty((0, SIZE_PIX, SIZE_PIX), np.float32)
        columns = {**self.columns, **{name: self.columns[name].astype(str) for name in ("status", "url")}}
        table = epoch_table(columns, len(self.columns["mjd"]))
        return write_object(
            folder,
            self.oid,
            stack,
            table,
            ra_deg=self.ra_deg,
            dec_deg=self.dec_deg,
            collection=self.collection,
        )

    def result(self, problem: str = "") -> ObjectResult:
        """What is known of the object now."""
        counts = Counter(str(status) for status in self.columns["status"])
        n_epochs = len(self.columns["mjd"])
        return ObjectResult(
            self.oid, n_epochs, dict(sorted(counts.items())), self._stored, len(self._new), problem
        )
