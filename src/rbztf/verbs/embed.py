"""``rbztf embed``: frames to vectors."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rbztf.archive.cutouts import ObjectCutouts, open_cutouts
from rbztf.archive.embeddings import EmbeddingWriter
from rbztf.config import Config
from rbztf.errors import DataError, Problem, RbztfError
from rbztf.frames.normalise import usable_frames
from rbztf.models.device import choose_device
from rbztf.models.encoder_bundle import EncoderBundle, load_encoder
from rbztf.progress import Progress, silent
from rbztf.verbs.inputs import locate, locate_optional

DEFAULT_OUT = Path("embeddings")


@dataclass(frozen=True)
class EmbedResult:
    """What ``embed`` did."""

    out: Path
    n_objects: int
    n_frames: int
    latent: int
    encoder: str
    seconds: float
    problems: tuple[Problem, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As printed by ``embed --json``."""
        return {
            "embeddings": str(self.out),
            "n_objects": self.n_objects,
            "n_frames": self.n_frames,
            "latent": self.latent,
            "encoder": self.encoder,
            "seconds": round(self.seconds, 2),
            "problems": [{"where": problem.where, "what": problem.what} for problem in self.problems],
        }


def embed(
    model: Path | str | None = None,
    data: Path | str | None = None,
    out: Path | str | None = None,
    *,
    config: Config | None = None,
    progress: Progress = silent,
) -> EmbedResult:
    """Turn every frame of a cutout folder into a vector.

    Parameters
    ----------
    model : path
        An encoder bundle, or a classifier bundle that holds one.
    data : path
        A cutout store, the reference's ``OID/HMJD.fits``, or single cutouts ``OID.fits``.
    out : path
        The embedding store to write; it appears whole or not at all.
    config : Config, optional
        Fills in the paths left out, and names the device.

    Raises
    ------
    UsageError, InputError
        For a missing path or a wrong model.
    DataError
        If not one object could be embedded.
    """
    config = config or Config()
    started = time.perf_counter()
    bundle = load_encoder(locate("model", model, config))
    device = choose_device(config.device)
    folder = locate("cutouts", data, config)
    store = open_cutouts(folder)
    target = locate_optional("embeddings", out, config) or DEFAULT_OUT
    problems: list[Problem] = []
    n_objects = n_frames = 0
    with EmbeddingWriter(target, bundle.stamp, bundle.width) as writer:
        bundle.write_into(writer.beside("encoder"))
        for done, oid in enumerate(store):
            progress("embed", done, len(store), f"{n_frames} frames")
            try:
                cutouts = store[oid]
                vectors, times = embed_object(bundle, cutouts, device, problems)
            except RbztfError as error:
                problems.append(Problem(str(oid), str(error)))
                continue
            writer.add(oid, vectors, times)
            n_objects, n_frames = n_objects + 1, n_frames + len(vectors)
        progress("embed", len(store), len(store), f"{n_frames} frames")
        if not n_objects:
            first = f" First: {problems[0]}" if problems else ""
            raise DataError(f"{folder} holds no object that could be embedded.{first}", "Check the folder.")
    return EmbedResult(
        target,
        n_objects,
        n_frames,
        bundle.latent,
        bundle.hash,
        time.perf_counter() - started,
        tuple(problems),
    )


def embed_object(
    bundle: EncoderBundle, cutouts: ObjectCutouts, device: torch.device, problems: list[Problem]
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Vectors (n, width) float32 and times (n,) float64 (HJD, days) of an object's usable frames.

    Frames without a single valid pixel are left out and reported in ``problems``.

    Raises
    ------
    DataError
        If no frame is usable.
    """
    problems.extend(cutouts.problems)
    usable = usable_frames(cutouts.frames)
    times = cutouts.frame_times()
    if not usable.any():
        reason = "all its frames are empty (NaN)" if len(usable) else "it has no frame"
        raise DataError(f"{cutouts.path}: {reason}.", "Fetch the object again.")
    if not usable.all():
        problems.append(
            Problem(str(cutouts.oid), f"{np.sum(~usable)} of {len(usable)} frames are empty (NaN).")
        )
    return bundle.embed(cutouts.frames[usable], device), times[usable]
