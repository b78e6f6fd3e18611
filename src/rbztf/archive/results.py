"""What came of a fetch: per object and over all, with nothing left unsaid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rbztf.errors import Problem
from rbztf.stores.epochs import FrameStatus
from rbztf.ztf import Oid

UNFINISHED = (FrameStatus.MISSING, FrameStatus.FAILED, FrameStatus.CORRUPT)
"""Statuses that leave work undone: these frames are asked for again by the next run."""


@dataclass(frozen=True)
class ObjectResult:
    """What came of one object.

    Attributes
    ----------
    oid : Oid
    n_epochs : int
        Epochs of its light curve; 0 where that could not be had.
    counts : mapping of str to int
        Epochs by status.
    path : Path or None
        The file of the store, if there is one.
    n_new : int
        Frames that this run added.
    problem : str
        What was left undone, as one sentence; empty if nothing.
    """

    oid: Oid
    n_epochs: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    path: Path | None = None
    n_new: int = 0
    problem: str = ""

    @property
    def complete(self) -> bool:
        """Whether every frame wanted that exists is in the store."""
        return not self.problem and not any(self.counts.get(status.value) for status in UNFINISHED)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "oid": int(self.oid),
            "n_epochs": self.n_epochs,
            "n_frames": self.counts.get(FrameStatus.OK.value, 0),
            "n_new": self.n_new,
            "counts": dict(self.counts),
            "path": None if self.path is None else str(self.path),
            "problem": self.problem or None,
        }


@dataclass(frozen=True)
class FetchResult:
    """What came of a run.

    Attributes
    ----------
    objects : tuple of ObjectResult
        In the order asked for.
    n_bytes, n_requests : int
        What was received, and how often the archive was asked.
    seconds : float
        How long it took.
    notes : tuple of str
        Things worth knowing that are no failure.
    problems : tuple of Problem
        Things left undone, of the objects and of the run.
    """

    objects: tuple[ObjectResult, ...]
    n_bytes: int = 0
    n_requests: int = 0
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def complete(self) -> bool:
        """False when anything is left undone (exit code 3)."""
        return not self.problems and all(entry.complete for entry in self.objects)

    @property
    def n_frames(self) -> int:
        """Frames in the store for these objects."""
        return self.counts.get(FrameStatus.OK.value, 0)

    @property
    def n_new(self) -> int:
        """Frames that this run added."""
        return sum(entry.n_new for entry in self.objects)

    @property
    def counts(self) -> dict[str, int]:
        """Epochs by status over all objects."""
        total: dict[str, int] = {}
        for entry in self.objects:
            for status, count in entry.counts.items():
                total[status] = total.get(status, 0) + count
        return total

    def to_json(self) -> dict[str, Any]:
        """One JSON document's worth of plain values."""
        return {
            "complete": self.complete,
            "n_objects": len(self.objects),
            "n_frames": self.n_frames,
            "n_new": self.n_new,
            "counts": self.counts,
            "n_requests": self.n_requests,
            "n_bytes": self.n_bytes,
            "seconds": round(self.seconds, 3),
            "objects": [entry.to_json() for entry in self.objects],
            "notes": list(self.notes),
            "problems": [asdict(problem) for problem in self.problems],
        }
