"""Embed objects out of whole images: each image is read once, all its objects are cut, normalised and embedded together.

No cutout is kept. The vectors of an image are appended to a scratch file, image by image; when all images of a
quadrant are done, the file is read back object by object, some objects at a time.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from secrets import token_hex
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbztf.archive.images.cut_cache import Cut
from rbztf.archive.images.cut_folder import epochs_of_cuts, pixels_of
from rbztf.archive.images.quadrants import cut, find_quadrants, is_near, read_quadrant
from rbztf.archive.images.targets import Readout, Target, read_targets, readout_of, readout_of_image
from rbztf.archive.irsa import Exposure
from rbztf.config import Config
from rbztf.errors import DataError, Problem
from rbztf.files import writing
from rbztf.frames.background import FrameFacts, usable_frames
from rbztf.models.training import choose_device
from rbztf.models.vae.bundle import EncoderBundle, load_encoder
from rbztf.parallel.processes import available_cores
from rbztf.parallel.scheduler import Scheduler, in_order, open_scheduler
from rbztf.progress import Progress, silent
from rbztf.stores.embedding_writer import EmbeddingWriter
from rbztf.stores.epochs import PHOTOMETRY, header_facts
from rbztf.verbs.embed import DEFAULT_OUT, EmbedResult
from rbztf.verbs.paths import locate, locate_optional

AT_ONCE = 256
"""Objects whose vectors are read back together."""


@dataclass(frozen=True)
class ImageTask:
    """An image and the objects on it; ``run`` tells this call from earlier ones, whose model a worker may know."""

    run: str
    model: Path
    device: str
    exposure: Exposure
    path: Path
    targets: tuple[Target, ...]


Embedded = tuple[Cut, NDArray[np.int64], NDArray[np.float32]]
"""What the image tells, which targets have a frame with pixels, and their vectors."""


def embed_images(
    images: Path | str,
    targets: Path | str,
    *,
    model: Path | str | None = None,
    out: Path | str | None = None,
    config: Config | None = None,
    scheduler: str | None = None,
    workers: int = 0,
    progress: Progress = silent,
) -> EmbedResult:
    """Embed every object of a list at every image of its field, CCD, quadrant and filter.

    The vectors are those of cutouts of the same images (``rbztf fetch --images``), embedded.

    Parameters
    ----------
    images : path
        Folder of science images named as the archive names them.
    targets : path
        CSV with oid, ra, dec (ICRS, degrees).
    model, out, config
        As of :func:`rbztf.embed`.
    scheduler : str, optional
        Address of a Dask scheduler whose workers see the same images, or ``local``; left out, local processes.
    workers : int
        Local processes, or workers of ``local``; 0 takes one a core.

    Raises
    ------
    UsageError, InputError
        For a missing path or a wrong model, or if there are no images.
    DataError
        If no object could be embedded.
    """
    config = config or Config()
    started = time.perf_counter()
    source = locate("model", model, config).absolute()
    bundle = load_encoder(source)
    target = locate_optional("embeddings", out, config) or DEFAULT_OUT
    groups: dict[Readout, list[Target]] = {}
    for each in read_targets(Path(targets)):
        groups.setdefault(readout_of(each.oid), []).append(each)
    found, unread = find_quadrants(Path(images).absolute())
    by_readout: dict[Readout, list[tuple[Exposure, Path]]] = {}
    for exposure, path in found:
        by_readout.setdefault(readout_of_image(exposure), []).append((exposure, path))
    n_images = sum(len(by_readout.get(readout, ())) for readout in groups)
    problems = list(unread)
    workers = min(workers or available_cores(), max(n_images, 1)) if scheduler is None else workers
    run = token_hex(8)
    done = 0
    with (
        open_scheduler(scheduler, workers) as pool,
        EmbeddingWriter(target, bundle.stamp, bundle.width) as writer,
    ):
        bundle.write_into(writer.beside("encoder"))
        for readout, group in groups.items():
            tasks = [
                ImageTask(run, source, config.device, exposure, path, tuple(group))
                for exposure, path in by_readout.get(readout, ())
            ]
            with _Scratch(target, len(tasks), len(group), bundle.width) as scratch:
                for task, made in zip(tasks, _embedded(pool, tasks)):
                    done += 1
                    progress("images", done, n_images, task.path.name)
                    if isinstance(made, str):
                        problems.append(Problem(str(task.path), made))
                    else:
                        scratch.add(*made)
                for each, vectors, photometry in scratch.objects(group):
                    if len(vectors):
                        writer.add(int(each.oid), vectors, photometry)
                    else:
                        what = "it is on none of the images of its field, filter, CCD and quadrant."
                        problems.append(Problem(str(int(each.oid)), what))
        if not len(writer):
            first = f" First: {problems[0]}" if problems else ""
            raise DataError(
                f"No object could be embedded out of {images}.{first}", "Check the list and the folder."
            )
    seconds = time.perf_counter() - started
    return EmbedResult(
        target, len(writer), writer.n_frames, bundle.latent, bundle.hash, seconds, tuple(problems)
    )


def _embedded(pool: Scheduler, tasks: Sequence[ImageTask]) -> Iterator[Embedded | str]:
    yield from in_order(pool, _embed_image, tasks)


@lru_cache(maxsize=1)
def _encoder(run: str, model: Path) -> EncoderBundle:
    return load_encoder(model)


def _embed_image(task: ImageTask) -> Embedded | str:
    """The vectors of all objects on an image; a sentence if it cannot be read."""
    bundle = _encoder(task.run, task.model)
    try:
        image = read_quadrant(task.path)
        x_pix, y_pix = pixels_of(task.path, image, list(task.targets))
    except DataError as error:
        return error.message
    frames, on_chip = cut(image.pixels, x_pix, y_pix)
    near = is_near(image.pixels.shape, x_pix, y_pix)
    rows = np.flatnonzero(on_chip & usable_frames(frames))
    facts = header_facts(image.header)
    known = FrameFacts(
        *(np.full(len(rows), facts.get(item.name, np.nan), np.float32) for item in fields(FrameFacts))
    )
    vectors = np.empty((0, bundle.width), np.float32)
    if len(rows):
        vectors = bundle.embed(frames[rows], choose_device(task.device), known)
    taken = Cut(task.exposure, task.path.name, facts, np.arange(len(task.targets)), on_chip, near)
    return taken, rows, vectors


class _Scratch:
    """The vectors of one quadrant's images, (images, objects, width) on disk."""

    def __init__(self, beside: Path, n_images: int, n_objects: int, width: int) -> None:
        self._cuts: list[Cut] = []
        self._has = np.zeros((n_images, n_objects), bool)
        self._shape = n_images, n_objects, width
        self._beside = beside

    def __enter__(self) -> _Scratch:
        with writing(self._beside):
            self._file = tempfile.TemporaryFile(dir=self._beside.resolve().parent)
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def add(self, taken: Cut, rows: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """The vectors of one image."""
        _, n_objects, width = self._shape
        block = np.zeros((n_objects, width), np.float32)
        block[rows] = vectors
        self._has[len(self._cuts), rows] = True
        self._cuts.append(taken)
        with writing(self._beside):
            self._file.write(block.tobytes())

    def objects(
        self, targets: Sequence[Target]
    ) -> Iterator[tuple[Target, NDArray[np.float32], NDArray[np.float64]]]:
        """Each object with its vectors and photometry (whose magnitudes are unknown), in time order."""
        n_images, n_objects, width = len(self._cuts), *self._shape[1:]
        with writing(self._beside):
            self._file.flush()
        for start in range(0, n_objects, AT_ONCE):
            part: Any = np.empty((0, min(AT_ONCE, n_objects - start), width), np.float32)
            if n_images:
                whole = np.memmap(self._file, np.float32, "r", shape=(n_images, n_objects, width))
                part = np.array(whole[:, start : start + AT_ONCE])
            for number in range(part.shape[1]):
                target, has = targets[start + number], self._has[:n_images, start + number]
                columns = epochs_of_cuts([taken for taken, there in zip(self._cuts, has) if there], target)
                hjd = np.asarray(columns["hjd"], np.float64)
                order = np.argsort(hjd, kind="stable")
                photometry = np.full((len(hjd), len(PHOTOMETRY)), np.nan)
                photometry[:, 0] = hjd[order]
                yield target, part[has, number][order], photometry
