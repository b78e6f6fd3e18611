"""Is a store what it claims to be? Reads every file and compares it with its own table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rbztf.archive.journal import read_journal
from rbztf.errors import Problem, RbztfError
from rbztf.progress import Progress, silent
from rbztf.stores.cutouts import open_cutouts
from rbztf.stores.epochs import FrameStatus, columns_of
from rbztf.stores.object_file import ObjectCutouts
from rbztf.ztf import SIZE_PIX

JOURNALS = ".*.journal"


@dataclass(frozen=True)
class CheckResult:
    """What a store holds and what is wrong with it.

    Attributes
    ----------
    folder : Path
    n_objects, n_frames : int
        Sound objects and their frames.
    counts : dict of str to int
        Epochs by status, over the sound objects.
    under_way : dict of str to int
        Objects with a journal left by a run that was cut off, and the frames kept there.
    problems : tuple of Problem
        Files that are not what they claim to be.
    """

    folder: Path
    n_objects: int
    n_frames: int
    counts: dict[str, int]
    under_way: dict[str, int]
    problems: tuple[Problem, ...]

    @property
    def complete(self) -> bool:
        """Nothing wrong, and nothing under way."""
        return not self.problems and not self.under_way

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "folder": str(self.folder),
            "complete": self.complete,
            "n_objects": self.n_objects,
            "n_frames": self.n_frames,
            "counts": self.counts,
            "under_way": self.under_way,
            "problems": [asdict(problem) for problem in self.problems],
        }


def verify_store(folder: Path, progress: Progress = silent) -> CheckResult:
    """Read everything in a store; nothing is changed.

    Raises
    ------
    InputError
        If there is no such folder.
    """
    store = open_cutouts(folder)
    problems: list[Problem] = []
    counts: Counter[str] = Counter()
    n_objects = n_frames = 0
    for done, oid in enumerate(store, start=1):
        progress("check", done, len(store))
        try:
            cutouts = store[oid]
            faults = list(_faults(cutouts))
        except RbztfError as error:
            problems.append(Problem(str(int(oid)), error.message))
            continue
        problems += [Problem(str(cutouts.path), fault) for fault in faults]
        problems += cutouts.problems
        if not faults:
            n_objects += 1
            n_frames += len(cutouts.frames)
            counts.update(str(status) for status in columns_of(cutouts.epochs)["status"])
    under_way = {
        path.name.split(".")[1]: len(read_journal(path).outcomes) for path in sorted(folder.glob(JOURNALS))
    }
    return CheckResult(folder, n_objects, n_frames, dict(sorted(counts.items())), under_way, tuple(problems))


def _faults(cutouts: ObjectCutouts) -> Iterator[str]:
    """What contradicts itself in one object."""
    frames, columns = cutouts.frames, columns_of(cutouts.epochs)
    if str(int(cutouts.oid)) != cutouts.path.stem:
        yield f"it holds the object {int(cutouts.oid)}."
    if frames.shape[1:] != (SIZE_PIX, SIZE_PIX):
        yield f"its frames have the shape {frames.shape[1:]}."
    unknown = set(columns["status"]) - {status.value for status in FrameStatus}
    if unknown:
        yield f"its epochs have the unknown status {', '.join(sorted(unknown))}."
    index = columns["frame"]
    if not np.array_equal(index[index >= 0], np.arange(len(frames))):
        yield f"its epochs do not point at its {len(frames)} frames one by one, in time order."
    if columns["status"].size and not np.array_equal(index >= 0, columns["status"] == FrameStatus.OK.value):
        yield "its statuses contradict its frames."
    if (np.diff(columns["mjd"]) < 0).any():
        yield "its epochs are not in time order."
    known = columns["filefracday"][columns["filefracday"] > 0]
    if len(np.unique(known)) != len(known):
        yield "it holds an exposure twice."
