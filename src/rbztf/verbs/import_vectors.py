"""The published vectors of ``rbztf import``: as published, or their packed and rounded copy."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbztf.errors import DataError
from rbztf.files import reading
from rbztf.formats.npy import read_arrays
from rbztf.models.vae.bundle import EncoderBundle
from rbztf.progress import Progress
from rbztf.stores.embedding_writer import EmbeddingWriter
from rbztf.stores.embeddings import EmbeddingInfo, ForeignEmbeddings
from rbztf.stores.epochs import no_photometry
from rbztf.verbs.import_result import ImportResult
from rbztf.wording import counted
from rbztf.ztf import Oid

_Vectors = NDArray[np.floating[Any]]


def import_embeddings(
    folder: Path, result: ImportResult, encoder: EncoderBundle | None, progress: Progress
) -> None:
    """Means of every frame: the arrays as published where there, else the packed copy.

    The log variances are left behind: published files have them for every object, partial
    copies for few, and no published model reads them.
    """
    latent = encoder.latent if encoder else 36
    sources = _vectors(folder, latent, result)
    if not sources:
        return
    frames = encoder.config.frames.model_dump(mode="json") if encoder else None
    stamp = EmbeddingInfo(latent, encoder.hash if encoder else "", frames)
    with (
        result.noting("embeddings"),
        EmbeddingWriter(result.out / "embeddings", stamp, latent) as writer,
    ):
        if encoder:
            encoder.write_into(writer.beside("encoder"))
        for oid, read in sources.items():
            with result.noting(f"embeddings of {oid}"):
                means = _means(read(), latent)
                writer.add(oid, means, no_photometry(len(means)))
                progress("embeddings", writer.n_frames, None, "frames")
        if not len(writer):
            raise DataError("Not one object's vectors could be read.")
        result.found["embeddings"] = f"{counted(len(writer), 'object')}, {counted(writer.n_frames, 'frame')}"


def _vectors(folder: Path, latent: int, result: ImportResult) -> dict[Oid, Callable[[], _Vectors]]:
    """How to read each object's vectors, the array as published preferred to its rounded copy."""
    exact, packed = result.one(folder, "embeddings"), result.one(folder, "embeddings_mu.npz")
    if exact is None and packed is None:
        result.missing.append("embeddings")
    sources: dict[Oid, Callable[[], _Vectors]] = {}
    if packed:
        with result.noting(packed.name):
            sources |= _packed_vectors(packed)
    if exact:
        with result.noting("embeddings"):
            published = ForeignEmbeddings(exact, latent)
            sources |= {oid: partial(published.vectors, oid) for oid in published}
    return sources


def _packed_vectors(path: Path) -> dict[Oid, Callable[[], _Vectors]]:
    with reading(path, "holds no packed vectors", "Get it again."):
        content = read_arrays(path)
        oids, counts, means = content["oid"], content["n_frames"], content["mu"]
        if len(oids) != len(counts) or counts.sum() != len(means):
            raise ValueError("its arrays do not fit each other")
        parts = np.split(means, np.cumsum(counts)[:-1])
        return {Oid(oid): partial(np.asarray, part) for oid, part in zip(oids, parts)}


def _means(vectors: _Vectors, latent: int) -> NDArray[np.float32]:
    if vectors.ndim != 2 or vectors.shape[1] not in (latent, 2 * latent):
        raise DataError(
            f"They have the shape {vectors.shape}; the encoder gives {latent} means.", "Check the files."
        )
    return vectors[:, :latent].astype(np.float32)
