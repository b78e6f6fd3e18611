"""Training frames of an encoder: normalised once, kept in memory-mapped files."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rbztf.config import FramesSection
from rbztf.errors import DataError, Problem, RbztfError
from rbztf.files import writing
from rbztf.frames.background import SIDE_CHANNELS, usable_frames
from rbztf.models.vae.encoder_inputs import GOOD, Inputs, make_inputs, usable_facts
from rbztf.progress import Progress, silent
from rbztf.stores.cutouts import CutoutStore
from rbztf.ztf import SIZE_PIX, Oid

UNKNOWN_KIND = -1
"""Kind of a frame whose content is not known."""
NO_OBJECT = 0
"""Stands for the OID of a simulated frame."""


class Batch(NamedTuple):
    """Some frames: ``values`` (b, 28, 28) float32, ``states`` (b, 28, 28) uint8, ``kinds`` (b,) int64."""

    values: NDArray[np.float32]
    states: NDArray[np.uint8]
    kinds: NDArray[np.int64]


@dataclass(frozen=True)
class KnownFrames:
    """Frames whose artefact is known: ``kinds`` (n,) int64 counts from 0, a clean frame."""

    inputs: Inputs
    kinds: NDArray[np.int64]


@dataclass(frozen=True)
class FrameSet:
    """Normalised frames.

    Attributes
    ----------
    frames : ndarray (n, 28, 28), float32
        Dimensionless, finite; memory-mapped if made by :func:`prepare_frames`.
    objects : ndarray (n,), int64
        OID of each frame, :data:`NO_OBJECT` for a simulated one.
    states : ndarray (n, 28, 28), uint8, optional
        States of the pixels (:mod:`rbztf.models.vae.encoder_inputs`); all good if left out.
    side : ndarray (n, 4), float32, optional
        Side channels; zeros if left out.
    kinds : ndarray (n,), int64, optional
        Known artefact kinds; all :data:`UNKNOWN_KIND` if left out.
    maps : tuple of mmap
        Behind ``frames`` and ``states``, where they are files.
    """

    frames: NDArray[np.float32]
    objects: NDArray[np.int64]
    states: NDArray[np.uint8] | None = None
    side: NDArray[np.float32] | None = None
    kinds: NDArray[np.int64] | None = None
    maps: tuple[mmap.mmap, ...] = ()

    def __len__(self) -> int:
        return len(self.frames)

    def take(self, rows: NDArray[np.int64]) -> Batch:
        """The frames at ``rows``, copied."""
        values = self.frames[rows]
        states = np.full(values.shape, GOOD, np.uint8) if self.states is None else self.states[rows]
        kinds = np.full(len(rows), UNKNOWN_KIND) if self.kinds is None else self.kinds[rows]
        return Batch(values, states, kinds)

    def batches(self, batch_size: int, seed: int, epoch: int) -> Iterator[Batch]:
        """All frames once, in an order that depends on ``seed`` and ``epoch`` alone.

        Frames of a batch are read in the order of the file. The pages it touched are given
        back at once (the system maps neighbours too, so an epoch would soon hold the whole
        file), and memory does not grow with the number of frames.
        """
        order = np.random.default_rng([seed, epoch]).permutation(len(self))
        for start in range(0, len(order), batch_size):
            batch = self.take(np.sort(order[start : start + batch_size]))
            self.release()
            yield batch

    def release(self) -> None:
        """Give memory-mapped pages back; they are read again when needed."""
        if hasattr(mmap, "MADV_DONTNEED"):
            for one in self.maps:
                one.madvise(mmap.MADV_DONTNEED)

    def inputs(self, rows: NDArray[np.int64]) -> Inputs:
        """The frames at ``rows`` as an encoder reads them."""
        batch = self.take(rows)
        side = np.zeros((len(rows), len(SIDE_CHANNELS)), np.float32) if self.side is None else self.side[rows]
        return Inputs(batch.values, batch.states, side)


def prepare_frames(
    store: CutoutStore,
    section: FramesSection,
    folder: Path,
    *,
    known: KnownFrames | None = None,
    kinds: Mapping[Oid, int] | None = None,
    progress: Progress = silent,
) -> tuple[FrameSet, list[Problem]]:
    """Read every usable frame of a store and normalise it.

    Memory does not grow with the pixels: they and their states go to files in ``folder``
    that have no name, so that no other process can change them, and are mapped, not read.

    Parameters
    ----------
    known : KnownFrames, optional
        Appended after the frames of the store.
    kinds : mapping of Oid to int, optional
        Kind of all frames of an object (see :attr:`KnownFrames.kinds`); unknown for other objects.

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
    WriteError, UsageError
        If the files cannot be written.
    """
    problems: list[Problem] = []
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with writing(folder), TemporaryFile(dir=folder) as values, TemporaryFile(dir=folder) as states:
        writer = _Writer(values, states)
        for done, oid in enumerate(store):
            progress("read frames", done, len(store))
            try:
                cutouts = store[oid]
                facts = usable_facts(cutouts, section)
            except RbztfError as error:
                problems.append(Problem(str(oid), str(error)))
                continue
            usable = usable_frames(cutouts.frames)
            inputs = make_inputs(cutouts.frames[usable], section, facts)
            writer.add(inputs, int(oid), (kinds or {}).get(oid, UNKNOWN_KIND))
        progress("read frames", len(store), len(store))
        if not writer.count:
            raise DataError(f"{store.folder} holds no usable frame.", "Fetch objects first: rbztf fetch.")
        if known is not None:
            writer.add(known.inputs, NO_OBJECT, known.kinds)
        return writer.mapped(), problems


class _Writer:
    """Appends normalised frames to files, and maps them when done."""

    def __init__(self, values: BinaryIO, states: BinaryIO) -> None:
        self.values, self.states = values, states
        self.count = 0
        self._side: list[NDArray[np.float32]] = []
        self._objects: list[NDArray[np.int64]] = []
        self._kinds: list[NDArray[np.int64]] = []

    def add(self, inputs: Inputs, oid: int, kinds: NDArray[np.int64] | int) -> None:
        self.values.write(inputs.values.tobytes())
        self.states.write(inputs.states.tobytes())
        self._side.append(inputs.side)
        self._objects.append(np.full(len(inputs), oid, np.int64))
        self._kinds.append(np.array(np.broadcast_to(kinds, len(inputs)), np.int64))
        self.count += len(inputs)

    def mapped(self) -> FrameSet:
        shape = (self.count, SIZE_PIX, SIZE_PIX)
        maps = [_map(stream) for stream in (self.values, self.states)]
        frames = np.frombuffer(maps[0], np.float32).reshape(shape)
        states = np.frombuffer(maps[1], np.uint8).reshape(shape)
        objects, side = np.concatenate(self._objects), np.concatenate(self._side)
        kinds = np.concatenate(self._kinds)
        return FrameSet(frames, objects, states, side, kinds, tuple(maps))


def _map(stream: BinaryIO) -> mmap.mmap:
    stream.flush()
    return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
