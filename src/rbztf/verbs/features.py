"""``rbztf features``: compute light-curve features."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rbztf.config import Config
from rbztf.errors import DataError, Problem, UsageError
from rbztf.features.files import check_ending, is_ours, write_features
from rbztf.features.lightcurve import features_from_cutouts
from rbztf.features.snad_set import ALL_FLAGS
from rbztf.features.table import Definition
from rbztf.progress import Progress, silent
from rbztf.stores.cutouts import open_cutouts
from rbztf.verbs.paths import locate, locate_optional

DEFAULT_OUT = Path("features.csv")


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
    until_mjd: float | None = None,
    catflags: int = ALL_FLAGS,
    config: Config | None = None,
    progress: Progress = silent,
) -> FeaturesResult:
    """Compute the 54 light-curve features of the objects of a cutout folder.

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
    until_mjd : float, optional
        Leave out later epochs, days.
    catflags : int
        Leave out epochs with any of these bits of ``catflags`` (any at all if left out).
    config : Config, optional
        Fills in the paths left out.

    Raises
    ------
    UsageError, InputError
        For a missing path, a file in the way, a time that is not an MJD, or if the package
        light-curve is not installed.
    DataError
        If not one object has enough usable epochs.
    """
    config = config or Config()
    started = time.perf_counter()
    folder = locate("cutouts", data, config)
    store = open_cutouts(folder)
    target = locate_optional("features", out, config) or DEFAULT_OUT
    _check_target(target)
    problems: list[Problem] = []
    table = features_from_cutouts(
        store, oids, until_mjd=until_mjd, catflags=catflags, progress=progress, problems=problems
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


def _check_target(target: Path) -> None:
    """Refuse an ending that names no format, and to write over something that this verb did not write."""
    check_ending(target)
    try:
        taken = target.exists() and not (target.is_file() and is_ours(target))
    except OSError as error:
        raise UsageError(f"{target} cannot be written ({error.strerror}).", "Choose another --out.") from None
    if taken:
        raise UsageError(f"{target} is there and was not written by rbztf features.", "Choose another --out.")
