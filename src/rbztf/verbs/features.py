"""``rbztf features``: compute light-curve features."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from secrets import token_hex
from typing import Any

import numpy as np

from rbztf.config import Config
from rbztf.errors import DataError, Problem, UsageError
from rbztf.features.files import check_ending, is_ours, write_features
from rbztf.features.lightcurve import features_from_cutouts
from rbztf.features.sets import FeatureSet
from rbztf.features.snad_set import ALL_FLAGS
from rbztf.features.table import Definition, FeatureTable
from rbztf.parallel.scheduler import Scheduler, in_order, open_scheduler
from rbztf.progress import Progress, silent
from rbztf.stores.cutouts import CutoutStore, open_cutouts
from rbztf.verbs.paths import locate, locate_optional

DEFAULT_OUT = Path("features.csv")
UNIT_OBJECTS = 200
"""That one worker computes at a time: seconds."""


@dataclass(frozen=True)
class FeaturesResult:
    """What ``features`` did.

    ``n_objects`` counts the rows of the table, ``n_known`` those with any feature.
    """

    out: Path
    n_objects: int
    n_known: int
    n_features: int
    definition: Definition
    seconds: float
    problems: tuple[Problem, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As printed by ``features --json``."""
        return {
            "features": str(self.out),
            "n_objects": self.n_objects,
            "n_known": self.n_known,
            "n_features": self.n_features,
            "definition": self.definition.to_json(),
            "seconds": round(self.seconds, 2),
            "problems": [asdict(problem) for problem in self.problems],
        }


def make_features(
    data: Path | str | None = None,
    out: Path | str | None = None,
    *,
    oids: Iterable[int] | None = None,
    feature_set: FeatureSet | str = FeatureSet.SNAD,
    until_mjd: float | None = None,
    catflags: int = ALL_FLAGS,
    scheduler: str | None = None,
    workers: int = 0,
    config: Config | None = None,
    progress: Progress = silent,
) -> FeaturesResult:
    """Compute the light-curve features of the objects of a cutout folder.

    Parameters
    ----------
    data : path
        A cutout store; its frames are not read.
    out : path
        The table to write, its format by its ending: ``.csv``, ``.json``, ``.parquet``, ``.ecsv``,
        ``.fits`` or ``.vot`` (``features.csv`` if neither this nor the configuration names one); it appears whole or not at all. An older one that this verb wrote is
        replaced, another file is not.
    oids : iterable of int, optional
        Objects; all in the folder if left out.
    feature_set : FeatureSet or str
        ``snad`` (the 54 of SNAD's table, if left out), ``epochs`` (flags, PSF fit, gaps, the weight of single
        epochs, flares) or ``both``.
    until_mjd : float, optional
        Leave out later epochs, days.
    catflags : int
        Leave out epochs with any of these bits of ``catflags`` (any at all if left out).
    scheduler : str, optional
        Address of a Dask scheduler whose workers see the same files, or ``local``; left out, native threads.
    workers : int
        Threads, or workers of ``local``; 0 takes one a core.
    config : Config, optional
        Fills in the paths left out.

    Raises
    ------
    UsageError, InputError
        For a missing path, a file in the way, a time that is not an MJD, another set of features, or if
        the package light-curve is not installed, which ``epochs`` does not need.
    DataError
        If not one object has enough usable epochs.
    """
    config = config or Config()
    started = time.perf_counter()
    folder = locate("cutouts", data, config)
    store = open_cutouts(folder)
    which = FeatureSet.named(feature_set)
    target = locate_optional("features", out, config) or DEFAULT_OUT
    _check_target(target)
    problems: list[Problem] = []
    if scheduler is None:
        table = features_from_cutouts(
            store,
            oids,
            feature_set=which,
            until_mjd=until_mjd,
            catflags=catflags,
            n_threads=workers,
            progress=progress,
            problems=problems,
        )
    else:
        wanted = [int(oid) for oid in (store if oids is None else dict.fromkeys(oids))]
        with open_scheduler(scheduler, workers) as pool:
            table = _by_workers(
                pool,
                wanted,
                Unit(token_hex(8), folder.absolute(), (), which, until_mjd, catflags),
                problems,
                progress,
            )
    n_known = int(table.known().sum())
    if not n_known:
        first = f" First: {problems[0]}" if problems else ""
        raise DataError(f"{folder} holds no object whose features could be computed.{first}", "Check it.")
    write_features(target, table)
    return FeaturesResult(
        target,
        len(table),
        n_known,
        len(table.names),
        table.definition,
        time.perf_counter() - started,
        tuple(problems),
    )


@dataclass(frozen=True)
class Unit:
    """Objects whose features one worker computes; ``run`` tells this call from earlier ones."""

    run: str
    folder: Path
    oids: tuple[int, ...]
    feature_set: FeatureSet
    until_mjd: float | None
    catflags: int


def _compute(unit: Unit) -> tuple[FeatureTable, list[Problem]]:
    problems: list[Problem] = []
    table = features_from_cutouts(
        _store(unit.run, unit.folder),
        unit.oids,
        feature_set=unit.feature_set,
        until_mjd=unit.until_mjd,
        catflags=unit.catflags,
        n_threads=1,
        problems=problems,
    )
    return table, problems


@lru_cache(maxsize=1)
def _store(run: str, folder: Path) -> CutoutStore:
    return open_cutouts(folder)


def _by_workers(
    pool: Scheduler, oids: Sequence[int], like: Unit, problems: list[Problem], progress: Progress
) -> FeatureTable:
    """The features of all objects, in their order, from the workers of a scheduler."""
    units = [
        replace(like, oids=tuple(oids[start : start + UNIT_OBJECTS]))
        for start in range(0, len(oids), UNIT_OBJECTS)
    ]
    parts: list[FeatureTable] = []
    progress("features", 0, len(oids), "objects")
    for table, found in in_order(pool, _compute, units):
        parts.append(table)
        problems += found
        progress("features", len(parts) * UNIT_OBJECTS, len(oids), "objects")
    spans = [part.definition.span_mjd for part in parts if part.definition.span_mjd is not None]
    span = (min(first for first, _ in spans), max(last for _, last in spans)) if spans else None
    return FeatureTable(
        np.concatenate([part.oids for part in parts]),
        like.feature_set.names,
        np.concatenate([part.values for part in parts]),
        replace(parts[0].definition, span_mjd=span),
    )


def _check_target(target: Path) -> None:
    """Refuse an ending that names no format, and to write over something that this verb did not write."""
    check_ending(target)
    try:
        taken = target.exists() and not (target.is_file() and is_ours(target))
    except OSError as error:
        raise UsageError(f"{target} cannot be written ({error.strerror}).", "Choose another --out.") from None
    if taken:
        raise UsageError(f"{target} is there and was not written by rbztf features.", "Choose another --out.")
