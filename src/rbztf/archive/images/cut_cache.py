"""Frames cut out of whole images, kept on disk image by image until all images are through.

Images come one after another, files of the store hold one object each. A spill turns the
one into the other with bounded memory: per image one array of frames, in the order of the
objects, from which the frames of a few objects are read back at a time.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rbztf.archive.images.targets import Target
from rbztf.archive.irsa import Exposure, exposure_of_name
from rbztf.files import regular, whole, write_text
from rbztf.formats.npy import map_array
from rbztf.ztf import SIZE_PIX

PREFIX = ".cut."
BLOCK_BYTES = 64 * 2**20
_FRAME_BYTES = SIZE_PIX * SIZE_PIX * 4


@dataclass(frozen=True)
class Cut:
    """What one image gave.

    Attributes
    ----------
    exposure : Exposure
    name : str
        File name of the image.
    facts : dict
        Columns of the epoch that the image's header fills.
    rows : ndarray (n,), int64
        Which objects were cut out, ascending, as numbers in the list of targets.
    on_chip : ndarray (n,), bool
        Whether any pixel of each lies on the image.
    near : ndarray (n,), bool
        Whether each lies on the image or not far from it.
    """

    exposure: Exposure
    name: str
    facts: dict[str, float | int]
    rows: NDArray[np.int64]
    on_chip: NDArray[np.bool_]
    near: NDArray[np.bool_]


class CutFrame(NamedTuple):
    """One object in one image: ``frame`` is (28, 28) float32."""

    cut: Cut
    on_chip: bool
    near: bool
    frame: NDArray[np.float32]


class CutCache:
    """A folder in the store that holds cuts; what a killed run left there is used again.

    Parameters
    ----------
    store : Path
    targets : sequence of Target
        The objects, in order; another list gets another folder.
    """

    def __init__(self, store: Path, targets: Sequence[Target]) -> None:
        text = "\n".join(f"{int(t.oid)} {t.ra_deg!r} {t.dec_deg!r}" for t in targets)
        self.folder = store / f"{PREFIX}{hashlib.sha256(text.encode()).hexdigest()[:16]}"
        self._n_targets = len(targets)
        found = [_read_cut(path) for path in sorted(self.folder.glob("*.json"))]
        self.cuts = {cut.name: cut for cut in found if cut is not None}

    def add(self, cut: Cut, frames: NDArray[np.float32]) -> None:
        """Keep the frames (n, 28, 28) of one image; they count once the note beside them is there."""
        with whole(self._frames_path(cut)) as part, part.open("wb") as stream:
            np.save(stream, frames)
        note = {
            "name": cut.name,
            "facts": cut.facts,
            "rows": cut.rows.tolist(),
            "on_chip": cut.on_chip.tolist(),
            "near": cut.near.tolist(),
        }
        write_text(self.folder / f"{cut.name}.json", json.dumps(note))
        self.cuts[cut.name] = cut

    def objects(self) -> Iterator[tuple[int, list[CutFrame]]]:
        """Every object's number with its cuts."""
        cuts = sorted(self.cuts.values(), key=lambda cut: cut.exposure.filefracday)
        n_per_block = max(1, BLOCK_BYTES // (_FRAME_BYTES * max(1, len(cuts))))
        for start in range(0, self._n_targets, n_per_block):
            stop = min(start + n_per_block, self._n_targets)
            yield from self._block(cuts, start, stop)

    def _block(self, cuts: list[Cut], start: int, stop: int) -> Iterator[tuple[int, list[CutFrame]]]:
        found: dict[int, list[CutFrame]] = {number: [] for number in range(start, stop)}
        for cut in cuts:
            low, high = np.searchsorted(cut.rows, [start, stop])
            frames = _frames(self._frames_path(cut))[low:high].copy()
            for place, frame in enumerate(frames, start=low):
                taken = CutFrame(cut, bool(cut.on_chip[place]), bool(cut.near[place]), frame)
                found[int(cut.rows[place])].append(taken)
        yield from found.items()

    def remove(self) -> None:
        """Remove the folder: everything is in the store."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _frames_path(self, cut: Cut) -> Path:
        return self.folder / f"{cut.name}.npy"


def remove_other_caches(store: Path, keep: Sequence[Path]) -> None:
    """Remove what runs with other targets left behind."""
    for folder in store.glob(f"{PREFIX}*"):
        if folder not in keep:
            shutil.rmtree(folder, ignore_errors=True)


def _frames(path: Path) -> NDArray[np.float32]:
    return map_array(path, np.float32, SIZE_PIX, SIZE_PIX)


def _read_cut(path: Path) -> Cut | None:
    """What a note says of its image; None if it is damaged, or of another version."""
    try:
        note = json.loads(regular(path).read_text())
        exposure = exposure_of_name(note["name"])
        rows = np.array(note["rows"], np.int64)
        on_chip, near = np.array(note["on_chip"], bool), np.array(note["near"], bool)
        frames = _frames(path.with_suffix(".npy"))
        facts = dict(note["facts"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        return None
    if exposure is None or not len(rows) == len(on_chip) == len(near) == len(frames):
        return None
    return Cut(exposure, note["name"], facts, rows, on_chip, near)
