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
    """Vectors of every frame: the arrays as published where there, else the packed copy.

    Log variances are kept if they are there for every object. A packed copy has those of some latents alone: the
    others are collapsed, and their log variance is 0, that of the prior.
    """
    latent = encoder.latent if encoder else 36
    sources, with_variances = _vectors(folder, latent, result)
    if not sources:
        return
    width = 2 * latent if with_variances else latent
    frames = encoder.config.frames.model_dump(mode="json") if encoder else None
    stamp = EmbeddingInfo(latent, encoder.hash if encoder else "", frames)
    with (
        result.noting("embeddings"),
        EmbeddingWriter(result.out / "embeddings", stamp, width) as writer,
    ):
        if encoder:
            encoder.write_into(writer.beside("encoder"))
        for oid, read in sources.items():
            with result.noting(f"embeddings of {oid}"):
                vectors = _checked(read(), latent)[:, :width].astype(np.float32)
                writer.add(oid, vectors, no_photometry(len(vectors)))
                progress("embeddings", writer.n_frames, None, "frames")
        if not len(writer):
            raise DataError("Not one object's vectors could be read.")
        result.found["embeddings"] = f"{counted(len(writer), 'object')}, {counted(writer.n_frames, 'frame')}"


def _vectors(
    folder: Path, latent: int, result: ImportResult
) -> tuple[dict[Oid, Callable[[], _Vectors]], bool]:
    """How to read each object's vectors, the array as published preferred to its rounded copy.

    And whether all of them have log variances.
    """
    exact, packed = result.one(folder, "embeddings"), result.one(folder, "embeddings_mu.npz")
    variances = result.one(folder, "embeddings_logvar.npz") if packed else None
    wide = []
    if exact is None and packed is None:
        result.missing.append("embeddings")
    sources: dict[Oid, Callable[[], _Vectors]] = {}
    if packed:
        with result.noting(packed.name):
            sources |= _packed_vectors(packed, variances, latent)
            wide.append(variances is not None)
    if exact:
        with result.noting("embeddings"):
            published = ForeignEmbeddings(exact, latent)
            sources |= {oid: partial(published.vectors, oid) for oid in published}
            wide.append(len(published) > 0 and published.width == 2 * latent)
    return sources, all(wide)


def _packed_vectors(
    path: Path, variances: Path | None = None, latent: int = 0
) -> dict[Oid, Callable[[], _Vectors]]:
    with reading(path, "holds no packed vectors", "Get it again."):
        content = read_arrays(path)
        oids, counts, means = content["oid"], content["n_frames"], content["mu"]
        if len(oids) != len(counts) or counts.sum() != len(means):
            raise ValueError("its arrays do not fit each other")
    parts = np.split(means, np.cumsum(counts)[:-1])
    if variances is None:
        return {Oid(oid): partial(np.asarray, part) for oid, part in zip(oids, parts)}
    with reading(variances, "holds no packed log variances", "Get it again."):
        content = read_arrays(variances)
        active, known = content["active"].astype(np.int64), content["logvar"]
        same = np.array_equal(content["oid"], oids) and np.array_equal(content["n_frames"], counts)
        fits = known.shape == (len(means), len(active)) and means.shape[1] == latent
        if not same or not fits or not ((active >= 0) & (active < latent)).all():
            raise ValueError("its arrays do not fit the means")
    beside = np.split(known, np.cumsum(counts)[:-1])
    return {Oid(oid): partial(_joined, part, near, active) for oid, part, near in zip(oids, parts, beside)}


def _joined(means: _Vectors, known: _Vectors, active: NDArray[np.int64]) -> NDArray[np.float32]:
    """Means, then log variances: those of the ``active`` latents, 0 of the others."""
    out = np.zeros((len(means), 2 * means.shape[1]), np.float32)
    out[:, : means.shape[1]] = means
    out[:, means.shape[1] + active] = known
    return out


def _checked(vectors: _Vectors, latent: int) -> _Vectors:
    if vectors.ndim != 2 or vectors.shape[1] not in (latent, 2 * latent):
        raise DataError(
            f"They have the shape {vectors.shape}; the encoder gives {latent} means.", "Check the files."
        )
    return vectors
