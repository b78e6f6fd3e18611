"""``rbztf embed``: encode frames into latent vectors."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from secrets import token_hex
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from rbztf.config import Config
from rbztf.errors import DataError, Problem, RbztfError
from rbztf.files import reading
from rbztf.formats.npy import map_array
from rbztf.frames.background import FrameFacts
from rbztf.models.training import choose_device, threads
from rbztf.models.vae.bundle import EncoderBundle, load_encoder
from rbztf.models.vae.drift import Comparison
from rbztf.models.vae.encoder_inputs import read_usable, usable_facts
from rbztf.parallel.scheduler import in_order, open_scheduler
from rbztf.parallel.threads import map_threads
from rbztf.progress import Progress, silent
from rbztf.stores.cutouts import CutoutStore, open_cutouts
from rbztf.stores.embedding_writer import EmbeddingWriter
from rbztf.verbs.paths import locate, locate_optional
from rbztf.wording import counted
from rbztf.ztf import Oid

DEFAULT_OUT = Path("embeddings")
GROUP_FRAMES = 512
"""Frames that a thread encodes at once, or a few more, so that short objects do not slow it."""
GPU_GROUP_FRAMES = 8192
UNIT_OBJECTS = 50
"""That one worker of a scheduler embeds at a time: about 25,000 frames, seconds."""
CHECKED_FRAMES = 50_000
"""Frames whose vectors are compared with the training set's."""


class Usable(NamedTuple):
    """An object's usable frames, (n, 28, 28) in DN, their photometry, and their header values if those are read."""

    oid: Oid
    frames: NDArray[np.float32]
    photometry: NDArray[np.float64]
    facts: FrameFacts | None


@dataclass(frozen=True)
class EmbedResult:
    """Result of ``embed``."""

    out: Path
    n_objects: int
    n_frames: int
    latent: int
    encoder: str
    seconds: float
    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()
    comparison: Comparison | None = None

    def to_json(self) -> dict[str, Any]:
        """As printed by ``embed --json``."""
        check = {}
        if self.comparison is not None:
            shift = self.comparison.shift
            check = {"check": {"outside": self.comparison.outside, "largest_shift": float(shift.max())}}
        return {
            "embeddings": str(self.out),
            "n_objects": self.n_objects,
            "n_frames": self.n_frames,
            "latent": self.latent,
            "encoder": self.encoder,
            "seconds": round(self.seconds, 2),
            "problems": [asdict(problem) for problem in self.problems],
            "warnings": list(self.warnings),
            **check,
        }


def embed(
    model: Path | str | None = None,
    data: Path | str | None = None,
    out: Path | str | None = None,
    *,
    config: Config | None = None,
    check: bool = False,
    scheduler: str | None = None,
    workers: int = 0,
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
    check : bool
        Compare the vectors with those of the encoder's training set, and warn of differences.
    scheduler : str, optional
        Address of a Dask scheduler whose workers see the same files, or ``local``; left out, threads of this process.
    workers : int
        Of ``local``; 0 takes one a core.

    Raises
    ------
    UsageError, InputError
        For a missing path or a wrong model.
    DataError
        If no object could be embedded.
    """
    config = config or Config()
    started = time.perf_counter()
    source = locate("model", model, config)
    bundle = load_encoder(source)
    device = choose_device(config.device)
    folder = locate("cutouts", data, config)
    store = open_cutouts(folder)
    target = locate_optional("embeddings", out, config) or DEFAULT_OUT
    problems: list[Problem] = []
    with EmbeddingWriter(target, bundle.stamp, bundle.width) as writer:
        bundle.write_into(writer.beside("encoder"))
        if scheduler is None:
            groups = _groups(store, list(store), bundle, device, problems, progress)
            for group, vectors in _encoded(groups, bundle, device):
                for entry in _split(group, vectors):
                    writer.add(*entry)
        else:
            units = _units(store, source.absolute(), folder.absolute(), config.device)
            with open_scheduler(scheduler, workers) as pool:
                for done, (entries, found) in enumerate(in_order(pool, _embed_unit, units), 1):
                    problems += found
                    for entry in entries:
                        writer.add(*entry)
                    n_done = min(done * UNIT_OBJECTS, len(store))
                    progress("embed", n_done, len(store), f"objects, {counted(writer.n_frames, 'frame')}")
        n_objects, n_frames = len(writer), writer.n_frames
        if not n_objects:
            first = f" First: {problems[0]}" if problems else ""
            raise DataError(f"{folder} holds no object that could be embedded.{first}", "Check the folder.")
    seconds = time.perf_counter() - started
    comparison, warnings = compare_store(target, bundle) if check else (None, ())
    return EmbedResult(
        target,
        n_objects,
        n_frames,
        bundle.latent,
        bundle.hash,
        seconds,
        tuple(problems),
        warnings,
        comparison,
    )


def compare_store(path: Path, bundle: EncoderBundle) -> tuple[Comparison | None, tuple[str, ...]]:
    """Compare the vectors of a store with those that ``bundle`` was trained on; also the warnings.

    At most :data:`CHECKED_FRAMES` frames are read, evenly over the store.
    """
    if bundle.statistics is None:
        return None, (
            "This encoder has no statistics of its training set, so --check cannot compare with it.",
        )
    with reading(path / "vectors.npy", "is not readable", "Run embed again."):
        vectors = map_array(path / "vectors.npy", np.float32, None)
    step = -(-len(vectors) // CHECKED_FRAMES)
    sample = bundle.checked(np.asarray(vectors[::step]))
    sample = sample[np.isfinite(sample).all(axis=1)]
    if not len(sample):
        return None, ("No frame has finite vectors, so --check has nothing to compare.",)
    comparison = bundle.statistics.compare(sample)
    return comparison, comparison.warnings(bundle.checked_columns)


Entry = tuple[int, NDArray[np.float32], NDArray[np.float64]]
"""OID, vectors and photometry of an object."""


def _split(group: list[Usable], vectors: NDArray[np.float32]) -> Iterator[Entry]:
    starts = np.cumsum([len(usable.frames) for usable in group])[:-1]
    for usable, part in zip(group, np.split(vectors, starts)):
        yield int(usable.oid), part, usable.photometry


@dataclass(frozen=True)
class Unit:
    """Objects that one worker embeds; ``run`` tells this call from earlier ones, whose files a worker may know."""

    run: str
    model: Path
    folder: Path
    oids: tuple[Oid, ...]
    device: str


def _units(store: CutoutStore, model: Path, folder: Path, device: str) -> Iterator[Unit]:
    oids, run = list(store), token_hex(8)
    for start in range(0, len(oids), UNIT_OBJECTS):
        yield Unit(run, model, folder, tuple(oids[start : start + UNIT_OBJECTS]), device)


def _embed_unit(unit: Unit) -> tuple[list[Entry], list[Problem]]:
    bundle, store = _opened(unit.run, unit.model, unit.folder)
    problems: list[Problem] = []
    device = choose_device(unit.device)
    done = _encoded(_groups(store, unit.oids, bundle, device, problems, silent), bundle, device)
    return [entry for group, vectors in done for entry in _split(group, vectors)], problems


@lru_cache(maxsize=1)
def _opened(run: str, model: Path, folder: Path) -> tuple[EncoderBundle, CutoutStore]:
    """Once a process and call."""
    return load_encoder(model), open_cutouts(folder)


def _groups(
    store: CutoutStore,
    oids: Sequence[Oid],
    bundle: EncoderBundle,
    device: torch.device,
    problems: list[Problem],
    progress: Progress,
) -> Iterator[list[Usable]]:
    """Objects in groups of about :data:`GROUP_FRAMES`, or :data:`GPU_GROUP_FRAMES`."""
    most = GROUP_FRAMES if device.type == "cpu" else GPU_GROUP_FRAMES
    group: list[Usable] = []
    n_grouped = n_frames = 0
    for done, oid in enumerate(oids):
        progress("embed", done, len(oids), f"objects, {counted(n_frames, 'frame')}")
        try:
            cutouts = store[oid]
            frames, photometry = read_usable(cutouts, problems)
            group.append(Usable(oid, frames, photometry, usable_facts(cutouts, bundle.config.frames)))
        except RbztfError as error:
            problems.append(Problem(str(oid), str(error)))
            continue
        n_frames += len(frames)
        n_grouped += len(frames)
        if n_grouped >= most:
            yield group
            group, n_grouped = [], 0
    if group:
        yield group
    progress("embed", len(oids), len(oids), f"objects, {counted(n_frames, 'frame')}")


def _encoded(
    groups: Iterator[list[Usable]], bundle: EncoderBundle, device: torch.device
) -> Iterator[tuple[list[Usable], NDArray[np.float32]]]:
    """Each group and its vectors, in order: a group a thread, each of which computes alone.

    Threads that share each product instead wait for one another, and while frames are read.
    """

    def encode_group(group: list[Usable]) -> tuple[list[Usable], NDArray[np.float32]]:
        frames = np.concatenate([usable.frames for usable in group])
        facts = [usable.facts for usable in group if usable.facts is not None]
        return group, bundle.embed(frames, device, FrameFacts.joined(facts) if facts else None)

    bundle.ready(device)
    n_threads = torch.get_num_threads()
    with threads(1):
        yield from map_threads(encode_group, groups, n_threads)
