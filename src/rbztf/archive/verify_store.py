"""Verify a cutout store: checksums, and whether frames and epochs of every object fit each other."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rbztf.archive.journal import read_journal
from rbztf.errors import Problem, RbztfError
from rbztf.progress import Progress, silent
from rbztf.stores.consistency import contradictions
from rbztf.stores.cutouts import open_cutouts
from rbztf.stores.epochs import columns_of
from rbztf.stores.sealing import seal_file
from rbztf.stores.store_locks import StoreLocks
from rbztf.ztf import Oid

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
    n_unsealed : int
        Sound objects whose file has no checksums, as older versions wrote them.
    n_sealed : int
        Files that were given checksums now.
    under_way : dict of str to int
        Objects with a journal left by a run that was cut off, and the frames kept there.
    problems : tuple of Problem
        Files that are not what they claim to be.
    """

    folder: Path
    n_objects: int
    n_frames: int
    counts: dict[str, int]
    n_unsealed: int
    n_sealed: int
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
            "n_unsealed": self.n_unsealed,
            "n_sealed": self.n_sealed,
            "under_way": self.under_way,
            "problems": [asdict(problem) for problem in self.problems],
        }


def verify_store(folder: Path, *, seal: bool = False, progress: Progress = silent) -> CheckResult:
    """Read everything in a store.

    Parameters
    ----------
    seal : bool
        Give checksums to sound files that have none; otherwise nothing is changed.

    Raises
    ------
    InputError
        If there is no such folder.
    """
    store = open_cutouts(folder)
    counts: Counter[str] = Counter()
    problems = [Problem(str(path), "its name is not an OID, so it is not read.") for path in store.strangers]
    unsealed: list[Oid] = []
    n_objects = n_frames = n_sealed = 0
    for done, oid in enumerate(store, start=1):
        progress("check", done, len(store))
        try:
            cutouts = store[oid]
            columns = columns_of(cutouts.epochs)
        except RbztfError as error:
            problems.append(Problem(str(int(oid)), error.message))
            continue
        faults = [Problem(str(cutouts.path), fault) for fault in contradictions(cutouts.frames, columns)]
        problems += [*faults, *cutouts.problems]
        if faults:
            continue
        n_objects, n_frames = n_objects + 1, n_frames + len(cutouts.frames)
        counts.update(str(status) for status in columns["status"])
        if cutouts.sealed is False:
            unsealed.append(oid)
    if seal:
        n_sealed = _seal(folder, unsealed, problems)
    under_way = {
        path.name.split(".")[1]: len(read_journal(path).outcomes) for path in sorted(folder.glob(JOURNALS))
    }
    return CheckResult(
        folder,
        n_objects,
        n_frames,
        dict(sorted(counts.items())),
        len(unsealed) - n_sealed,
        n_sealed,
        under_way,
        tuple(problems),
    )


def _seal(folder: Path, oids: list[Oid], problems: list[Problem]) -> int:
    """Give objects their checksums; how many."""
    n_sealed = 0
    with StoreLocks(folder) as locks:
        for oid in oids:
            if not locks.take(oid):
                problems.append(
                    Problem(str(int(oid)), "another process is writing it; it has no checksums yet.")
                )
                continue
            n_sealed += seal_file(folder / f"{int(oid)}.fits")
            locks.release(oid)
    return n_sealed
