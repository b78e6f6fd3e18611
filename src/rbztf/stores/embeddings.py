"""The embedding store: the vectors of all frames in one memory-mapped array.

``FOLDER/vectors.npy`` (N, width) float32, ``times.npy`` (N,) float64 (heliocentric Julian
date, NaN where unknown), ``photometry.npy`` (N, 2) float32 (magnitude and its error, NaN where
unknown; stores made before it was kept lack it), ``objects.npy`` (one row per object: oid, start, n),
``checksums.npy`` (per object the CRC-32 of its vectors, times and photometry, uint32) and ``store.yaml`` (layout version, latent size, the
encoder's hash and normaliser); ``SHA256SUMS`` has the sums of these files. An object's rows are compared
with their CRC when they are first read, the whole vectors with their sum by ``rbztf check``; stores without
both, as older versions wrote them, are read all the same. The bundle
of the encoder itself lies in ``encoder/``, so that a classifier can be complete. ``width``
is ``latent`` (means), or ``2 * latent`` (means, then log variances), plus one where the
VAE loss of each frame was kept. A folder of ``OID.npy``, as published, is read as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbztf.errors import DataError, InputError, reason
from rbztf.figures import notebook
from rbztf.files import put_back, reading
from rbztf.formats.npy import check_index, crcs_of, map_array, map_if_there, read_array
from rbztf.formats.sums import has_sums, verify
from rbztf.stores.embedding_info import CRCS as CRCS
from rbztf.stores.embedding_info import INDEX, PARTS, read_stamp
from rbztf.stores.embedding_info import OBJECT as OBJECT
from rbztf.stores.embedding_info import EmbeddingInfo as EmbeddingInfo
from rbztf.stores.epochs import PHOTOMETRY, no_photometry
from rbztf.wording import counted
from rbztf.ztf import Oid


class Embeddings(Mapping[Oid, NDArray[np.float32]]):
    """Vectors per object; ``self[oid]`` is (n_frames, latent) float32, the latent means."""

    stamp: EmbeddingInfo
    width: int  # columns per frame

    def vectors(self, oid: int) -> NDArray[np.float32]:
        """All columns of an object, (n_frames, width) float32."""
        raise NotImplementedError

    def times(self, oid: int) -> NDArray[np.float64]:
        """Heliocentric Julian date of each frame, (n_frames,) float64, NaN where unknown."""
        raise NotImplementedError

    def photometry(self, oid: int) -> NDArray[np.float64]:
        """Time (HJD, d), magnitude and its error of each frame, (n_frames, 3) float64; NaN where unknown."""
        photometry = no_photometry(self.count(oid))
        photometry[:, 0] = self.times(oid)
        return photometry

    def count(self, oid: int) -> int:
        """Number of frames of an object."""
        return len(self.vectors(oid))

    def _repr_html_(self) -> str:
        rows = [[int(oid), self.count(oid)] for oid in islice(self, notebook.SHOWN_ROWS)]
        more = len(self) - len(rows)
        made = f"made by the encoder {self.stamp.encoder}" if self.stamp.encoder else "of an unknown encoder"
        about = f"Embeddings of {counted(len(self), 'object')}, {made}"
        return notebook.table(about, ("oid", "frames"), rows, [f"… and {more} more"] if more else [])

    @property
    def latent(self) -> int:
        """Number of latent means per frame."""
        return self.stamp.latent

    @property
    def has_log_variances(self) -> bool:
        """Whether the log variances of the latents follow their means."""
        return self.width - self.stamp.has_loss >= 2 * self.latent

    def __getitem__(self, oid: int) -> NDArray[np.float32]:
        return np.ascontiguousarray(self.vectors(oid)[:, : self.latent])

    def frame_losses(self, oid: int) -> NDArray[np.float32]:
        """VAE loss of each frame, (n_frames,) float32; DataError if the store was made without it."""
        if not self.stamp.has_loss:
            raise DataError(
                "These embeddings do not hold the VAE loss of each frame.",
                "Make them with an encoder bundle that has its decoder: rbztf embed --model DIR.",
            )
        return self.vectors(oid)[:, -1]


class EmbeddingStore(Embeddings):
    """An opened embedding store; opening costs the index alone, whatever the number of frames."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stamp = read_stamp(folder)
        verify(folder, *INDEX)
        try:
            self._vectors = map_array(folder / "vectors.npy", np.float32, None)
            self.width = int(self._vectors.shape[1])
            self._times = map_array(folder / "times.npy", np.float64)
            self._photometry = map_if_there(folder / "photometry.npy", np.float32, len(PHOTOMETRY) - 1)
            self._crcs = map_if_there(folder / CRCS, np.uint32, len(PARTS))
            objects = np.array(map_array(folder / "objects.npy", OBJECT))
            self._check(objects)
            oids = [Oid(oid) for oid in objects["oid"]]
        except (OSError, ValueError, InputError) as error:
            raise InputError(
                f"The embedding store {folder} is damaged ({reason(error)}).", "Make it again."
            ) from None
        self._rows: dict[Oid, tuple[int, int]] = dict(
            zip(oids, zip(objects["start"].tolist(), objects["n"].tolist()))
        )
        self._sound: set[tuple[str, Oid]] = set()
        """What was compared with its CRC."""

    def _check(self, objects: NDArray[Any]) -> None:
        n_frames, columns = len(self._vectors), self.stamp.latent + self.stamp.has_loss
        if self.stamp.latent < 1 or self._vectors.shape[1] < columns:
            raise ValueError(f"vectors.npy has {self._vectors.shape[1]} columns; {columns} are named")
        for name, array in (("times.npy", self._times), ("photometry.npy", self._photometry)):
            if array is not None and len(array) != n_frames:
                raise ValueError(f"{name} has {counted(len(array), 'row')}, vectors.npy {n_frames}")
        if self._crcs is not None and len(self._crcs) != len(objects):
            raise ValueError(f"{CRCS} is not of the objects of its index")
        check_index(objects, n_frames)

    def vectors(self, oid: int) -> NDArray[np.float32]:
        return self._rows_of("vectors", oid)

    def times(self, oid: int) -> NDArray[np.float64]:
        return self._rows_of("times", oid)

    def photometry(self, oid: int) -> NDArray[np.float64]:
        if self._photometry is None:
            return super().photometry(oid)
        return np.column_stack([self.times(oid), self._rows_of("photometry", oid)])

    @property
    def sealed(self) -> bool:
        """Whether its files have sums and the rows of its objects CRCs."""
        return self._crcs is not None and has_sums(self.folder)

    def crcs(self) -> NDArray[np.uint32]:
        """CRC-32 of the rows of each object in each of :data:`PARTS`, as they are now, (objects, 3) uint32."""
        arrays = [np.empty((self.n_frames, 0)) if part is None else part for part in self._parts.values()]
        found = [crcs_of(*(array[start : start + n] for array in arrays)) for start, n in self._rows.values()]
        return np.array(found, np.uint32).reshape(len(self), len(PARTS))

    @property
    def _parts(self) -> dict[str, NDArray[Any] | None]:
        return dict(zip(PARTS, (self._vectors, self._times, self._photometry)))

    def _rows_of(self, part: str, oid: int) -> NDArray[Any]:
        """Rows of an object in one of :data:`PARTS`, which are as they were written.

        Raises
        ------
        DataError
            If they are not.
        """
        oid = Oid(oid)
        start, n = self._rows[oid]
        array = self._parts[part]
        assert array is not None
        rows = np.asarray(array[start : start + n])
        if self._crcs is not None and (part, oid) not in self._sound:
            if crcs_of(rows)[0] != self._crcs[self._places[oid], PARTS.index(part)]:
                raise DataError(
                    f"The {part} of {int(oid)} in {self.folder} are damaged: they are not as they were written.",
                    "Make them again: rbztf embed.",
                )
            self._sound.add((part, oid))
        return rows

    @cached_property
    def _places(self) -> dict[Oid, int]:
        return {oid: place for place, oid in enumerate(self._rows)}

    def count(self, oid: int) -> int:
        return self._rows[Oid(oid)][1]

    @property
    def n_frames(self) -> int:
        """Frames of all objects together."""
        return len(self._vectors)

    def __iter__(self) -> Iterator[Oid]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, oid: object) -> bool:
        return oid in self._rows


_ARRAYS = (".npy", ".npz")


class ForeignEmbeddings(Embeddings):
    """A folder of ``OID.npy`` or ``OID.npz``, each (n_frames, width), made by an unknown encoder.

    Other files whose name begins with an OID are named when the object is read.
    """

    def __init__(self, folder: Path, latent: int | None) -> None:
        self.folder = folder
        self._paths: dict[Oid, Path] = {}
        self._doubled: set[Oid] = set()
        for path in sorted(folder.iterdir(), key=lambda path: (path.suffix not in _ARRAYS, path.name)):
            oid = _oid_of(path)
            if oid is None:
                continue
            self._doubled |= {oid} & self._paths.keys()
            self._paths.setdefault(oid, path)
        self._paths = dict(sorted(self._paths.items()))
        if not any(path.suffix in _ARRAYS for path in self._paths.values()):
            raise InputError(
                f"{folder} is not an embedding store and does not hold OID.npy files.",
                "Make a store with rbztf embed or rbztf import.",
            )
        self.width = self._find_width(latent)
        self.stamp = EmbeddingInfo(latent or self.width)

    def _find_width(self, latent: int | None) -> int:
        """Columns of the first array that fits ``latent``, or else of the first that can be read."""
        widths: list[int] = []
        for oid in self._paths:
            try:
                widths.append(int(self._load(oid).shape[1]))
            except DataError as error:
                reason = error.message
                continue
            if latent is None or widths[-1] in (latent, 2 * latent):
                return widths[-1]
        if not widths:
            raise InputError(f"{self.folder} holds no array that can be read. {reason}", "Make them again.")
        return widths[0]

    def vectors(self, oid: int) -> NDArray[np.float32]:
        vectors = self._load(Oid(oid))
        if vectors.shape[1] != self.width:
            raise DataError(
                f"{self._paths[Oid(oid)]} has {vectors.shape[1]} columns; the others have {self.width}.",
                "Make it again.",
            )
        return vectors.astype(np.float32, copy=False)

    def times(self, oid: int) -> NDArray[np.float64]:
        return np.full(self.count(oid), np.nan)

    def _load(self, oid: Oid) -> NDArray[Any]:
        path = self._paths[oid]
        if oid in self._doubled:
            raise DataError(f"{self.folder} holds several files of {int(oid)}.", "Keep one of them.")
        if path.suffix not in _ARRAYS:
            raise DataError(f"{path} is not read: vectors are in OID.npy or OID.npz.", "Save it as such.")
        with reading(path, "is not a NumPy array", "Make it again."):
            vectors = read_array(path)
        if vectors.ndim != 2 or vectors.dtype.kind != "f":
            raise DataError(
                f"{path} must hold floats of shape (n_frames, width): {vectors.dtype} {vectors.shape}.",
                "Make it again.",
            )
        return vectors

    def __iter__(self) -> Iterator[Oid]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)

    def __contains__(self, oid: object) -> bool:
        return oid in self._paths


def _oid_of(path: Path) -> Oid | None:
    """The object of a file in a folder of arrays; None for a file that is of none."""
    stem, dot, _ = path.name.partition(".")
    if not (dot and stem.isascii() and stem.isdigit()):
        return None
    try:
        return Oid(stem)
    except InputError:
        return Oid(stem) if path.suffix in _ARRAYS else None


def open_embeddings(path: Path | str, latent: int | None = None) -> Embeddings:
    """Open an embedding store, or a folder of ``OID.npy``.

    Parameters
    ----------
    path : path
        The folder.
    latent : int, optional
        Number of latent means, for a foreign folder whose arrays hold log variances as
        well. Without it every column counts as a mean.

    Raises
    ------
    InputError
        If there is no such folder or it holds no embeddings.
    """
    folder = Path(path)
    put_back(folder)
    if not folder.is_dir():
        raise InputError(
            f"There are no embeddings at {folder}.", "Make them: rbztf embed --model DIR --data DIR."
        )
    if (folder / "store.yaml").is_file():
        return EmbeddingStore(folder)
    return ForeignEmbeddings(folder, latent)
