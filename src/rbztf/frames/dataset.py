"""Frames to train an encoder on: normalised once, kept in one memory-mapped array."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rbztf.archive.cutouts import SIZE_PIX, CutoutStore
from rbztf.config import FramesSection
from rbztf.errors import DataError, Problem, RbztfError
from rbztf.frames.normalise import normalise, usable_frames
from rbztf.progress import Progress, silent


@dataclass(frozen=True)
class FrameSet:
    """Normalised frames.

    Attributes
    ----------
    frames : ndarray (n, 28, 28), float32
        Dimensionless, finite; memory-mapped if made by :func:`prepare_frames`.
    objects : ndarray (n,), int64
        OID of each frame.
    """

    frames: NDArray[np.float32]
    objects: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.frames)

    def batches(self, batch_size: int, seed: int, epoch: int) -> Iterator[NDArray[np.float32]]:
        """All frames once, in an order that depends on ``seed`` and ``epoch`` alone.

        Yields
        ------
        ndarray (at most batch_size, 28, 28), float32
        """
        order = np.random.default_rng([seed, epoch]).permutation(len(self))
        for start in range(0, len(order), batch_size):
            yield self.frames[np.sort(order[start : start + batch_size])]


def prepare_frames(
    store: CutoutStore, section: FramesSection, path: Path, *, progress: Progress = silent
) -> tuple[FrameSet, list[Problem]]:
    """Read every usable frame of a store, normalise it, and append it to the file ``path``.

    Memory does not grow with the number of frames: the file is mapped, not read.

    Returns
    -------
    FrameSet
        In the order of the store.
    list of Problem
        Objects that could not be read.

    Raises
    ------
    DataError
        If there is no usable frame.
    """
    problems: list[Problem] = []
    owners: list[tuple[int, int]] = []
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        for done, oid in enumerate(store):
            progress("read frames", done, len(store))
            try:
                frames = store[oid].frames
            except RbztfError as error:
                problems.append(Problem(str(oid), str(error)))
                continue
            usable = frames[usable_frames(frames)]
            stream.write(normalise(usable, section.normaliser, section.invalid).tobytes())
            owners.append((int(oid), len(usable)))
        progress("read frames", len(store), len(store))
    n_frames = sum(count for _, count in owners)
    if not n_frames:
        raise DataError(f"{store.folder} holds no usable frame.", "Fetch objects first: rbztf fetch.")
    mapped = np.memmap(path, np.float32, "r", shape=(n_frames, SIZE_PIX, SIZE_PIX))
    objects = np.repeat([oid for oid, _ in owners], [count for _, count in owners])
    return FrameSet(mapped, objects.astype(np.int64)), problems
