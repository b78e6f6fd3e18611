"""Objects in the layout of one file per frame (``OID/HMJD.fits``) into a store."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rbztf.errors import Problem, RbztfError, UsageError
from rbztf.files import store_lock
from rbztf.progress import Progress, silent
from rbztf.stores.cutouts import open_cutouts
from rbztf.stores.object_file import write_object


@dataclass(frozen=True)
class ConvertResult:
    """What was converted.

    Attributes
    ----------
    n_objects, n_frames : int
    problems : tuple of Problem
        Objects and frames that could not be read.
    """

    n_objects: int
    n_frames: int
    problems: tuple[Problem, ...]

    @property
    def complete(self) -> bool:
        """Whether everything could be read."""
        return not self.problems

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "complete": self.complete,
            "n_objects": self.n_objects,
            "n_frames": self.n_frames,
            "problems": [{"where": problem.where, "what": problem.what} for problem in self.problems],
        }


def import_reference_layout(
    folder: Path | str, out: Path | str, progress: Progress = silent
) -> ConvertResult:
    """Copy every object of ``folder`` (``OID/HMJD.fits`` or ``OID.fits``) into the store ``out``.

    Pixels stay as they are; what the headers say goes into the table of epochs. An object
    that the store holds already is replaced.

    Raises
    ------
    InputError
        If there is no such folder.
    UsageError
        If ``out`` is the same folder, or another process is writing there.
    """
    folder, out = Path(folder), Path(out)
    source = open_cutouts(folder)
    if out.resolve() == folder.resolve():
        raise UsageError(f"{out} is the folder to be read.", "Choose another folder with --out.")
    problems: list[Problem] = []
    n_objects = n_frames = 0
    with store_lock(out):
        for done, oid in enumerate(source, start=1):
            progress("objects", done, len(source))
            try:
                cutouts = source[oid]
            except RbztfError as error:
                problems.append(Problem(str(int(oid)), error.message))
                continue
            problems += cutouts.problems
            write_object(
                out,
                oid,
                cutouts.frames,
                cutouts.epochs,
                ra_deg=cutouts.ra_deg,
                dec_deg=cutouts.dec_deg,
                collection=cutouts.collection,
            )
            n_objects, n_frames = n_objects + 1, n_frames + len(cutouts.frames)
    return ConvertResult(n_objects, n_frames, tuple(problems))
