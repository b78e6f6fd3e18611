"""Objects out of a folder of whole images: each image opened once, all its objects cut together."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rbztf.archive.epoch_filters import Filters
from rbztf.archive.images.cut_cache import Cut, CutCache, CutFrame, remove_other_caches
from rbztf.archive.images.quadrants import (
    Quadrant,
    cut,
    find_quadrants,
    is_near,
    read_quadrant,
    sky_to_pixel,
)
from rbztf.archive.images.targets import Readout, Target, readout_of, readout_of_image
from rbztf.archive.irsa import Exposure, separation_deg
from rbztf.archive.journal import Outcome
from rbztf.archive.object_state import MAX_MOVE_DEG, ObjectState
from rbztf.archive.results import FetchResult, ObjectResult
from rbztf.archive.validate import FRAME_FACTS
from rbztf.errors import DataError, InputError, Problem, RbztfError
from rbztf.files import reading, writing
from rbztf.parallel.scheduler import Processes, Scheduler, in_order
from rbztf.progress import Progress, silent
from rbztf.stores.epochs import Columns, FrameStatus, blank_columns, header_facts
from rbztf.stores.store_locks import IMAGES, Busy, Patience, StoreLocks
from rbztf.times import fill_hjd, mjd_of_filefracday

Images = Sequence[tuple[Exposure, Path]]


@dataclass(frozen=True)
class _Needs:
    """Which exposures an object needs, and where it is cut: those of its light curve, or all where it has none."""

    target: Target
    settled: NDArray[np.int64]
    light_curve: NDArray[np.int64] | None

    def __contains__(self, filefracday: int) -> bool:
        if filefracday in self.settled:
            return False
        return self.light_curve is None or filefracday in self.light_curve


def cut_folder(
    images_dir: Path,
    targets: Sequence[Target],
    out: Path,
    *,
    wait_s: float | None = None,
    pool: Scheduler | None = None,
    progress: Progress = silent,
) -> FetchResult:
    """Cut every target out of every image of its field, CCD, quadrant and filter, into the store ``out``.

    An object whose light curve is in the store gets the frames of its epochs; another one
    gets an epoch for every image. Frames already there are not cut again.

    Parameters
    ----------
    wait_s : float, optional
        Longest wait for other processes that write to the store; None: without end.
    pool : Scheduler, optional
        What reads and cuts images, a task an image; this process if left out. The store is written here.

    Raises
    ------
    InputError, UsageError
        If there are no images, or the store cannot be used.
    WriteError
        If the store cannot be written (a full disk, say).
    Busy
        If another process cuts images into this store and does not finish in time.
    """
    images: dict[Readout, list[tuple[Exposure, Path]]] = {}
    found, unread = find_quadrants(images_dir)
    for exposure, path in found:
        images.setdefault(readout_of_image(exposure), []).append((exposure, path))
    patience = Patience(wait_s, progress)
    alone = f"the cuts of images in {out}"
    with StoreLocks(out) as locks, locks.held(IMAGES, patience, alone), writing(out):
        result = _Run(images_dir, images, targets, out, locks, patience, pool or Processes(1), progress)()
    return replace(result, problems=(*unread, *result.problems))


@dataclass(frozen=True)
class _ImageTask:
    """An image and what to cut out of it; ``rows`` are the targets' numbers in their group."""

    exposure: Exposure
    path: Path
    targets: list[Target]
    rows: NDArray[np.int64]


def _cut_image(task: _ImageTask) -> tuple[Cut, NDArray[np.float32], int] | str:
    """All targets of one image, and its size in bytes; a sentence if it cannot be read."""
    try:
        image = read_quadrant(task.path)
        x_pix, y_pix = pixels_of(task.path, image, task.targets)
    except DataError as error:
        return error.message
    frames, on_chip = cut(image.pixels, x_pix, y_pix)
    near = is_near(image.pixels.shape, x_pix, y_pix)
    facts = header_facts(image.header)
    return (
        Cut(task.exposure, task.path.name, facts, task.rows, on_chip, near),
        frames,
        task.path.stat().st_size,
    )


class _Run:
    """One run of :func:`cut_folder`."""

    def __init__(
        self,
        images_dir: Path,
        images: dict[Readout, list[tuple[Exposure, Path]]],
        targets: Sequence[Target],
        out: Path,
        locks: StoreLocks,
        patience: Patience,
        pool: Scheduler,
        progress: Progress,
    ) -> None:
        self._locks, self._patience, self._pool = locks, patience, pool
        self._images_dir, self._images, self._out, self._progress = images_dir, images, out, progress
        self._groups: dict[Readout, list[Target]] = {}
        for target in targets:
            self._groups.setdefault(readout_of(target.oid), []).append(target)
        self._n_images = sum(len(images.get(readout, ())) for readout in self._groups)
        self._n_targets = len(targets)
        self._images_done = self._n_bytes = self._elsewhere = 0
        self._results: list[ObjectResult] = []
        self._problems: list[Problem] = []

    def __call__(self) -> FetchResult:
        started = time.monotonic()
        needs = {
            readout: [need for target in group if (need := self._needs(target))]
            for readout, group in self._groups.items()
        }
        caches = {
            readout: CutCache(self._out, [need.target for need in group]) for readout, group in needs.items()
        }
        remove_other_caches(self._out, [cache.folder for cache in caches.values()])
        for readout, group in needs.items():
            self._cut_group(group, self._images.get(readout, []), caches[readout])
        return FetchResult(
            tuple(sorted(self._results, key=lambda entry: entry.oid)),
            n_bytes=self._n_bytes,
            seconds=time.monotonic() - started,
            notes=tuple(self._notes()),
            problems=tuple(self._problems),
        )

    def _notes(self) -> Iterator[str]:
        if self._locks.warning:
            yield self._locks.warning
        if self._elsewhere:
            yield (
                f"{self._elsewhere} targets lie more than a pixel from the position of their light curve in "
                f"{self._out}; they were cut at the light curve's."
            )

    def _cut_group(self, group: list[_Needs], images: Images, cache: CutCache) -> None:
        """All targets of one quadrant."""
        self._images_done += len(images)
        tasks = []
        for exposure, path in images:
            wanted = [number for number, need in enumerate(group) if exposure.filefracday in need]
            if wanted and path.name not in cache.cuts:
                tasks.append(_ImageTask(exposure, path, [group[n].target for n in wanted], np.array(wanted)))
        done = self._images_done - len(tasks)
        self._progress("images", done, self._n_images)
        for task, found in zip(tasks, in_order(self._pool, _cut_image, tasks)):
            done += 1
            if isinstance(found, str):
                self._problems.append(Problem(str(task.path), found))
            else:
                taken, frames, n_bytes = found
                self._n_bytes += n_bytes
                cache.add(taken, frames)
            self._progress("images", done, self._n_images, task.path.name)
        for number, cuts in cache.objects():
            self._merge_alone(group[number].target, cuts, has_images=bool(images))
            self._progress("objects", len(self._results), self._n_targets)
        cache.remove()

    def _needs(self, target: Target) -> _Needs | None:
        """What the store lacks of an object; None if it cannot be read, which is noted.

        An object is cut at the position that its file has: that of its light curve, else that
        of the target, from which older frames may differ by less than a pixel.
        """
        try:
            state = ObjectState.from_store(self._out, target.oid)
        except RbztfError as error:
            self._fail(target, str(error))
            return None
        if state.has_light_curve:
            self._elsewhere += is_elsewhere(state, target)
        else:
            state.move_to(target.ra_deg, target.dec_deg)
        light_curve = state.columns["filefracday"] if state.has_light_curve else None
        return _Needs(Target(target.oid, state.ra_deg, state.dec_deg), state.settled(), light_curve)

    def _fail(self, target: Target, problem: str) -> None:
        self._results.append(ObjectResult(target.oid, problem=problem))
        self._problems.append(Problem(str(int(target.oid)), problem))

    def _merge_alone(self, target: Target, cuts: list[CutFrame], *, has_images: bool) -> None:
        """Put an object's cuts into its file, which no other process writes meanwhile."""
        try:
            with self._locks.held(target.oid, self._patience, f"object {int(target.oid)}"):
                self._results.append(self._merge(target, cuts, has_images=has_images))
        except (Busy, DataError, InputError) as error:
            self._fail(target, str(error))

    def _merge(self, target: Target, cuts: list[CutFrame], *, has_images: bool) -> ObjectResult:
        """Put an object's cuts into its file.

        Raises
        ------
        DataError
            If there are none, or they are not of the place where the object is.
        """
        state = ObjectState.from_store(self._out, target.oid)
        if not (has_images or state.in_store):
            raise DataError(f"{self._images_dir} holds no image of its field, filter, CCD and quadrant.")
        if cuts and not any(entry.near for entry in cuts):
            raise DataError(
                f"Its position ({target.ra_deg:.5f}, {target.dec_deg:.5f}) is not near the images of the "
                "quadrant that its OID names.",
                "Check RA and Dec (degrees) and the OID.",
            )
        if not state.has_light_curve:
            state.move_to(target.ra_deg, target.dec_deg)
            state.add_epochs(epochs_of_cuts([entry.cut for entry in cuts], target))
        if is_elsewhere(state, target):
            raise DataError(
                "Another process changed its position while images were cut.", "Run the same command again."
            )
        frames: dict[int, NDArray[np.float32]] = {}
        for taken, on_chip, _, frame in cuts:
            key = taken.exposure.filefracday
            facts = {name: taken.facts[name] for name in FRAME_FACTS if name in taken.facts}
            status = FrameStatus.OK if on_chip else FrameStatus.OFF_CHIP
            frames[key] = frame
            state.apply(key, Outcome(status, taken.name, facts, frame if on_chip else None))
        return state.finish(self._out, Filters(), frames)


def pixels_of(
    path: Path, image: Quadrant, targets: list[Target]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where targets are on an image, as :func:`sky_to_pixel` has it.

    Raises
    ------
    DataError
        If its WCS cannot be used.
    """
    with reading(path, "has a WCS that cannot be used", "Download it again."):
        return sky_to_pixel(
            image.header,
            np.array([target.ra_deg for target in targets]),
            np.array([target.dec_deg for target in targets]),
        )
    raise AssertionError("unreachable")


def is_elsewhere(state: ObjectState, target: Target) -> bool:
    """Whether a target lies more than a pixel from the object's position in the store."""
    return separation_deg(state.ra_deg, state.dec_deg, target.ra_deg, target.dec_deg) > MAX_MOVE_DEG


def epochs_of_cuts(cuts: list[Cut], target: Target) -> Columns:
    """What images and their names tell of epochs that no light curve tells of."""
    columns = blank_columns(len(cuts))
    for row, taken in enumerate(cuts):
        exposure = taken.exposure
        columns["mjd"][row] = mjd_of_filefracday(exposure.filefracday)
        columns["field"][row], columns["ccdid"][row] = exposure.field, exposure.ccd
        columns["qid"][row] = exposure.quadrant
        for name, value in taken.facts.items():
            columns[name][row] = value
        columns["filefracday"][row] = exposure.filefracday
    exptime = columns["exptime"].astype(float)
    columns["hjd"] = fill_hjd(columns["hjd"], columns["mjd"], exptime, target.ra_deg, target.dec_deg)
    return columns
