"""One object under way: its epochs, what became of each frame, and what is still to be asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rbztf.archive.epoch_filters import Filters
from rbztf.archive.irsa import Exposure, LightCurve
from rbztf.archive.journal import Outcome
from rbztf.archive.results import UNFINISHED, ObjectResult
from rbztf.archive.validate import FRAME_FACTS
from rbztf.errors import DataError
from rbztf.stores.cutouts import read_object
from rbztf.stores.epochs import (
    COLUMNS,
    Columns,
    FrameStatus,
    blank_columns,
    columns_of,
    epoch_table,
    in_time_order,
)
from rbztf.stores.object_file import is_store_file, read_epochs, write_object
from rbztf.ztf import SIZE_PIX, Oid

_ASK = {*(status.value for status in UNFINISHED), FrameStatus.SKIPPED.value}
_SETTLED = {FrameStatus.OK.value, FrameStatus.OFF_CHIP.value}
_KEPT_ON_MERGE = (*FRAME_FACTS, "status", "frame", "url")


class ObjectState:
    """The epochs of one object, in time order, and what is known of each frame.

    Attributes
    ----------
    oid : Oid
    ra_deg, dec_deg : float
        Position (ICRS) in degrees.
    collection : str
        Data release of the light curve; empty where there is none.
    columns : dict of str to ndarray (n,)
        As :data:`rbztf.stores.epochs.COLUMNS`; ``frame`` points into the file of the store.
    """

    def __init__(self, oid: Oid) -> None:
        self.oid = oid
        self.ra_deg = self.dec_deg = float("nan")
        self.collection = ""
        self.columns = blank_columns(0)
        self._stored: Path | None = None
        self._changed = False
        self._new: set[int] = set()
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
        if (folder / str(int(oid))).is_dir():
            raise DataError(
                f"{folder / str(int(oid))} holds this object in the layout of one file per frame.",
                "Convert it into a store first, or choose another folder with --out.",
            )
        if not path.exists():
            return state
        if not is_store_file(path):
            raise DataError(
                f"{path} is not a file of the cutout store.",
                "Move it away, or choose another folder with --out.",
            )
        try:
            cutouts, epochs = read_object(path), read_epochs(path)
        except DataError as error:
            raise DataError(f"{path} is damaged: {error.message}", "Remove it, then fetch again.") from None
        state.ra_deg, state.dec_deg, state.collection = cutouts.ra_deg, cutouts.dec_deg, cutouts.collection
        state.columns = columns_of(epochs)
        state._stored = path
        return state

    @property
    def has_light_curve(self) -> bool:
        """Whether the epochs come from a light curve (and not only from images at hand)."""
        return bool(self.collection)

    @property
    def in_store(self) -> bool:
        """Whether the store has a file of the object."""
        return self._stored is not None

    def merge_light_curve(self, light_curve: LightCurve, collection: str, urls: list[str]) -> None:
        """Take the epochs of a light curve; what is known of frames stays with its exposure.

        Epochs that the light curve does not have (any more) stay where they have a frame.

        Parameters
        ----------
        urls : list of str
            Where the frame of each epoch of ``light_curve`` would be asked for.
        """
        fresh = blank_columns(len(light_curve))
        for name, values in light_curve.columns.items():
            fresh[name] = values
        fresh["url"] = np.array(urls, object)
        self._take(fresh, replace=True)
        self.ra_deg, self.dec_deg = light_curve.ra_deg, light_curve.dec_deg
        self.collection = collection

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

    def to_ask(self, filters: Filters) -> list[int]:
        """Rows whose frames are wanted and neither there nor known to be off the chip."""
        open_rows = np.isin(self.columns["status"].astype(str), list(_ASK)) & (
            self.columns["filefracday"] > 0
        )
        return [int(row) for row in np.flatnonzero(open_rows & filters.wanted(self.columns))]

    def apply(self, exposure: int, outcome: Outcome) -> None:
        """Note what came of asking for a frame; a sound frame is never given up for less."""
        row = self.rows().get(exposure)
        if row is None or self.columns["status"][row] == FrameStatus.OK:
            return
        for name, value in outcome.facts.items():
            self.columns[name][row] = value
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
        if self._changed or given_up.any() or not self.in_store:
            self._stored = self._write(folder, frames)
        return self.result()

    def _mark_lost(self, frames: Mapping[int, NDArray[np.float32]]) -> None:
        """Frames that came and are not in the journal (another process cut it, without locks): ask again."""
        for row in np.flatnonzero(self.columns["status"] == FrameStatus.OK.value):
            if self.columns["frame"][row] < 0 and int(self.columns["filefracday"][row]) not in frames:
                self.columns["status"][row] = FrameStatus.FAILED.value

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
