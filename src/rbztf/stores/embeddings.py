"""The embedding store: the vectors of all frames in one memory-mapped array.

``FOLDER/vectors.npy`` (N, width) float32, ``times.npy`` (N,) float64 (heliocentric Julian
date, NaN where unknown), ``photometry.npy`` (N, 2) float32 (magnitude and its error, NaN where
unknown; stores made before it was kept lack it), ``objects.npy`` (one row per object: oid, start, n) and
``store.yaml`` (layout version, latent size, the encoder's hash and normaliser); the bundle
of the encoder itself lies in ``encoder/``, so that a classifier can be complete. ``width``
is ``latent`` (means), or ``2 * latent`` (means, then log variances), plus one where the
VAE loss of each frame was kept. A folder of ``OID.npy``, as published, is read as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbztf.errors import DataError, InputError
from rbztf.files import put_back, reading, regular
from rbztf.stores.epochs import PHOTOMETRY, no_photometry
from rbztf.yamltext import read_yaml
from rbztf.ztf import Oid

SCHEMA = 1
OBJECT = np.dtype([("oid", "i8"), ("start", "i8"), ("n", "i8")])
"""One row of the index."""


@dataclass(frozen=True)
class EmbeddingInfo:
    """Where vectors come from.

    Attributes
    ----------
    latent : int
        Number of latent means per frame.
    encoder : str
        Hash of the encoder's weights; empty if it cannot be known.
    frames : dict
        The ``frames`` section (normaliser) the pixels went through.
    has_loss : bool
        Whether the last column is the VAE loss of the frame.
    """

    latent: int
    encoder: str = ""
    frames: dict[str, Any] | None = None
    has_loss: bool = False
    schema: int = SCHEMA


class Embeddings(Mapping[Oid, NDArray[np.float32]]):
    """Vectors per object; ``self[oid]`` is (n_frames, latent) float32, the latent means."""

    stamp: EmbeddingInfo

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

    @property
    def latent(self) -> int:
        """Number of latent means per frame."""
        return self.stamp.latent

    def __getitem__(self, oid: int) -> NDArray[np.float32]:
        return np.ascontiguousarray(self.vectors(oid)[:, : self.latent])

    def frame_losses(self, oid: int) -> NDArray[np.float32]:
        """VAE loss of each frame, (n_frames,) float32.

        Raises
        ------
        DataError
            If the store was made without it.
        """
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
        self.stamp = _read_stamp(folder)
        try:
            self._vectors = np.load(regular(folder / "vectors.npy"), mmap_mode="r", allow_pickle=False)
            self._times = np.load(regular(folder / "times.npy"), mmap_mode="r", allow_pickle=False)
            self._photometry = _read_photometry(folder / "photometry.npy")
            objects = np.load(regular(folder / "objects.npy"), allow_pickle=False)
            self._check(objects)
            oids = [Oid(oid) for oid in objects["oid"]]
        except (OSError, ValueError, EOFError, InputError) as error:
            raise InputError(
                f"The embedding store {folder} is damaged ({error}).", "Make it again."
            ) from None
        self._rows: dict[Oid, tuple[int, int]] = dict(
            zip(oids, zip(objects["start"].tolist(), objects["n"].tolist()))
        )

    def _check(self, objects: NDArray[Any]) -> None:
        n_frames, columns = len(self._vectors), self.stamp.latent + self.stamp.has_loss
        if self._vectors.ndim != 2 or self._vectors.shape[1] < columns or self._times.shape != (n_frames,):
            raise ValueError("its arrays are not of one shape")
        if objects.dtype != OBJECT or objects.ndim != 1:
            raise ValueError("its index is of another kind")
        if self._photometry is not None and self._photometry.shape != (n_frames, len(PHOTOMETRY) - 1):
            raise ValueError("its photometry is not of its frames")
        start, n = objects["start"], objects["n"]
        if np.any(start < 0) or np.any(n < 0) or np.any(start + n > n_frames):
            raise ValueError("its index goes beyond its vectors")

    def vectors(self, oid: int) -> NDArray[np.float32]:
        start, n = self._rows[Oid(oid)]
        return np.asarray(self._vectors[start : start + n])

    def times(self, oid: int) -> NDArray[np.float64]:
        start, n = self._rows[Oid(oid)]
        return np.asarray(self._times[start : start + n])

    def photometry(self, oid: int) -> NDArray[np.float64]:
        if self._photometry is None:
            return super().photometry(oid)
        start, n = self._rows[Oid(oid)]
        return np.column_stack([self.times(oid), self._photometry[start : start + n]])

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
            vectors = _only_array(path)
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


def _only_array(path: Path) -> NDArray[Any]:
    """The array in a file; ValueError if there are several."""
    content = np.load(path, allow_pickle=False)
    if isinstance(content, np.ndarray):
        return content
    with content as arrays:
        if len(arrays.files) != 1:
            raise ValueError(f"it holds {len(arrays.files)} arrays")
        return np.asarray(arrays[arrays.files[0]])


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


def _read_photometry(path: Path) -> NDArray[np.float32] | None:
    return np.load(path, mmap_mode="r", allow_pickle=False) if path.is_file() else None


def _read_stamp(folder: Path) -> EmbeddingInfo:
    path = folder / "store.yaml"
    content = read_yaml(path, advice="Make the embeddings again.")
    try:
        schema = int(content.get("schema", 0))
        if schema > SCHEMA:
            raise InputError(
                f"{folder} has the layout version {schema}; this rbztf knows {SCHEMA}.", "Update rbztf."
            )
        return EmbeddingInfo(**content)
    except (AttributeError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{path} cannot be used ({error!s:.120}).", "Make the embeddings again.") from None
