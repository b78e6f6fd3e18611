"""Write an embedding store (see :mod:`rbztf.stores.embeddings`)."""

from __future__ import annotations

import io
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
import yaml
from numpy.typing import NDArray

from rbztf.errors import UsageError
from rbztf.files import is_taken, whole_folder, write_bytes, write_text, writing
from rbztf.formats.npy import crcs_of
from rbztf.formats.sums import write_sums
from rbztf.stores.embedding_info import CRCS, OBJECT, PARTS, EmbeddingInfo
from rbztf.stores.embeddings import EmbeddingStore
from rbztf.stores.epochs import PHOTOMETRY

FILES = ("vectors.npy", "times.npy", "photometry.npy", "objects.npy", CRCS, "store.yaml")
"""What a store consists of, besides the list of their sums."""


class EmbeddingWriter:
    """Write an embedding store object by object; the folder appears whole on leaving.

    Use as a context manager. Leaving by an exception leaves what was there before.

    Raises
    ------
    UsageError
        If ``folder`` exists and is something else than an embedding store, or as :func:`whole_folder`.
    WriteError
        If it cannot be written.
    """

    def __init__(self, folder: Path, stamp: EmbeddingInfo, width: int) -> None:
        if is_taken(folder, "store.yaml"):
            raise UsageError(f"{folder} exists and is not an embedding store.", "Choose another --out.")
        self.folder, self.stamp, self.width = folder, stamp, width
        self._objects: list[tuple[int, int, int]] = []
        self._photometry: list[NDArray[np.float64]] = []
        self._crcs: list[list[int]] = []
        self._n = 0
        self._open: ExitStack
        self._part: Path
        self._stream: BinaryIO

    def __len__(self) -> int:
        return len(self._objects)

    @property
    def n_frames(self) -> int:
        """Frames added so far."""
        return self._n

    def beside(self, name: str) -> Path:
        """A new folder within the store, for what belongs to the vectors (their encoder)."""
        folder = self._part / name
        with writing(self.folder):
            folder.mkdir()
        return folder

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._part = stack.enter_context(whole_folder(self.folder))
            self._stream = stack.enter_context((self._part / "vectors.npy").open("wb"))
            self._write_header()
            self._open = stack.pop_all()
        return self

    def add(self, oid: int, vectors: NDArray[np.float32], photometry: NDArray[np.float64]) -> None:
        """Append an object.

        Parameters
        ----------
        vectors : ndarray (n, width), float32
        photometry : ndarray (n, 3), float64
            Time (HJD, d), magnitude and its error of each frame; NaN where unknown.

        Raises
        ------
        ValueError
            For other shapes.
        """
        photometry = np.asarray(photometry, np.float64)
        if photometry.ndim != 2 or photometry.shape[1] != len(PHOTOMETRY):
            raise ValueError(f"photometry must have the shape (n, {len(PHOTOMETRY)}): {photometry.shape}")
        if vectors.shape != (len(photometry), self.width):
            raise ValueError(
                f"vectors must have the shape ({len(photometry)}, {self.width}): {vectors.shape}"
            )
        stored = np.ascontiguousarray(vectors, np.float32)
        with writing(self.folder):
            self._stream.write(stored.tobytes())
        self._crcs.append(crcs_of(stored, photometry[:, 0], photometry[:, 1:].astype(np.float32)))
        self._objects.append((int(oid), self._n, len(vectors)))
        self._photometry.append(photometry)
        self._n += len(vectors)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._open.__exit__(kind, error, trace)
            return
        with self._open:
            self._stream.seek(0)
            self._write_header()
            known = np.concatenate(self._photometry or [np.empty((0, len(PHOTOMETRY)))])
            np.save(self._part / "times.npy", np.ascontiguousarray(known[:, 0]))
            np.save(self._part / "photometry.npy", known[:, 1:].astype(np.float32))
            np.save(self._part / "objects.npy", np.array(self._objects, OBJECT))
            np.save(self._part / CRCS, np.array(self._crcs, np.uint32).reshape(-1, len(PARTS)))
            write_text(self._part / "store.yaml", yaml.safe_dump(asdict(self.stamp), sort_keys=False))
            self._stream.flush()
            write_sums(self._part, *FILES)

    def _write_header(self) -> None:
        """NumPy pads headers so that the first axis can grow without moving the data."""
        header = {"descr": "<f4", "fortran_order": False, "shape": (self._n, self.width)}
        np.lib.format.write_array_header_1_0(self._stream, header)


def seal_embeddings(store: EmbeddingStore) -> None:
    """Give an opened store, as older versions wrote it, the CRCs and sums that it lacks.

    Raises
    ------
    WriteError, UsageError
        If they cannot be written.
    """
    stream = io.BytesIO()
    np.save(stream, store.crcs())
    write_bytes(store.folder / CRCS, stream.getvalue())
    write_sums(store.folder)
