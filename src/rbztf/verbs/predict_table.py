"""``rbztf predict`` on a table of features of any size: unit by unit, on all cores or on Dask workers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from secrets import token_hex
from typing import Any

import numpy as np

from rbztf.config import Config, load_config
from rbztf.errors import DataError, Problem, UsageError
from rbztf.features.binary_files import BinaryFiles, places
from rbztf.features.columns import counting_fault, lacking_warnings
from rbztf.features.lightcurve import check_until
from rbztf.features.rows import FeatureRows, TableRows, Unit, open_rows
from rbztf.features.table import FeatureTable
from rbztf.models.decision.decisions import Goal
from rbztf.models.load import load_model
from rbztf.models.model import Model
from rbztf.models.objects.object_set import Modality
from rbztf.parallel.scheduler import Processes, open_scheduler
from rbztf.prediction.part_tables import PartTables, check_ending
from rbztf.prediction.remarks import Tally, remarks
from rbztf.prediction.score_table import ScoreTable, score_rows
from rbztf.progress import Progress, silent
from rbztf.tables import Column
from rbztf.verbs.paths import locate_model
from rbztf.verbs.predict import given_places, model_hash, of_shipped
from rbztf.wording import counted

MOST_PROBLEMS = 1000
"""That are named one by one; of more the number is told."""
FEW_UNITS = 2
"""Below which worker processes are not worth their start."""


@dataclass(frozen=True)
class TableResult:
    """What was predicted of a table, which lies in ``out``."""

    model: str
    out: Path
    n_rows: int
    n_objects: int
    problems: tuple[Problem, ...]
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """As printed by ``predict --json``."""
        return {
            "model": self.model,
            "out": str(self.out),
            "n_rows": self.n_rows,
            "n_objects": self.n_objects,
            "problems": [asdict(problem) for problem in self.problems],
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True)
class Request:
    """All that a unit of work needs to know."""

    model: Path
    name: str
    features: Path
    out: Path
    until_mjd: float | None
    goal: Goal | None
    force: bool
    stamp: str
    """Hash of the model."""
    run: str
    """Tells this call from earlier ones, whose files a worker may still have open."""

    def described(self) -> dict[str, Any]:
        """All that decides a prediction."""
        size = sum(path.stat().st_size for path in _files(self.features))
        return {
            "model": self.stamp,
            "name": self.name,
            "features": str(self.features.absolute()),
            "bytes": size,
            "goal": asdict(self.goal or Goal()),
            "force": self.force,
            "until_mjd": self.until_mjd,
        }


def predict_table(
    features: Path | str,
    out: Path | str,
    *,
    model: Path | str | None = None,
    until_mjd: float | None = None,
    goal: Goal | None = None,
    force: bool = False,
    scheduler: str | None = None,
    workers: int = 0,
    config: Config | None = None,
    progress: Progress = silent,
) -> TableResult:
    """Score every row of a table of light-curve features, with bounded memory.

    Each unit of rows is scored and kept by itself in ``OUT.parts``; the same call again goes on from there.
    The scores are those of :func:`rbztf.predict`, bit for bit.

    Parameters
    ----------
    features : path
        Parquet (``.parquet``), or one of SNAD's ``sid_NAME.dat``, ``feature_NAME.dat`` and ``feature_NAME.name``;
        any other table of features, which is then held in memory.
    out : path
        The table to write: ``.parquet`` or ``.csv`` with the columns of ``predict``, or ``feature_NAME.dat`` with
        ``p_bogus``, ``p_low``, ``p_high``, ``decision`` (0 real, 0.5 unsure, 1 bogus) and ``input_check``
        (0 inside, 1 unusual, 2 outside), NaN where there is none.
    model : path or name, optional
        As :func:`rbztf.predict`; it has to read light curves.
    until_mjd, goal, force
        As :func:`rbztf.predict`.
    scheduler : str, optional
        Address of a Dask scheduler whose workers see the same files, or ``local``; left out, local processes.
    workers : int
        Local processes; 0 takes one a core.

    Raises
    ------
    UsageError, InputError
        For a table that cannot be read, has an object twice, or that the model cannot score.
    DataError
        If not one row could be scored.
    """
    features, out = Path(features), Path(out)
    config = config or load_config()
    check_ending(out)
    check_until(until_mjd)
    path = locate_model(model, config)
    request = Request(
        path.absolute(),
        str(path),
        features.absolute(),
        out.absolute(),
        until_mjd,
        goal,
        force,
        model_hash(path),
        token_hex(8),
    )
    bundle, rows = _opened(request.run, request.model, request.features)
    if not bundle.can_score([Modality.LIGHTCURVE]):
        raise UsageError(f"{path} does not score light curves alone.", "Give another --model.")
    rows.check_distinct()
    parts = PartTables(request.out, request.described())
    units = rows.units()
    tally, problems, n_problems = Tally(), list[Problem](), 0
    todo = []
    for number in range(len(units)):
        if parts.finished(number):
            n_problems += _count(parts, number, tally, problems)
        else:
            todo.append((request, number, units[number]))
    done = sum(stop - start for number, (start, stop) in enumerate(units) if parts.finished(number))
    progress("predict", done, len(rows))
    with open_scheduler(scheduler, workers) as pool:
        if isinstance(rows, TableRows) or (scheduler is None and len(todo) < FEW_UNITS):
            pool = Processes(1)
        for number in pool.each(_score_unit, todo):
            n_problems += _count(parts, number, tally, problems)
            done += units[number][1] - units[number][0]
            progress("predict", done, len(rows))
    if not tally.n:
        raise DataError(
            f"Not one row of {features} could be scored. First: {problems[0]}", "Check the table."
        )
    parts.join(len(units), _columns(bundle), {"model": str(path)})
    if n_problems > len(problems):
        rest = n_problems - len(problems)
        problems.append(Problem(str(features), f"{counted(rest, 'more object')} could not be scored."))
    told = [
        *of_shipped(bundle, path),
        *lacking_warnings(rows.names, bundle.feature_names, features),
        *remarks(bundle, tally),
    ]
    return TableResult(str(path), out, len(rows), tally.n, tuple(problems), tuple(told))


def table_asked(
    data: Path | str | None, embeddings: Path | str | None, features: Path | str | None, config: Config
) -> Path | None:
    """The table of features that is all there is to score; None if there are cutouts or embeddings too, or no table."""
    places = given_places(data, embeddings, features, config)
    return places.features if places.cutouts is None and places.embeddings is None else None


def _count(parts: PartTables, number: int, tally: Tally, problems: list[Problem]) -> int:
    """Add what a finished unit found; the number of its problems."""
    counts, found = parts.read_note(number)
    tally.add(counts)
    problems += found[: max(0, MOST_PROBLEMS - len(problems))]
    return len(found)


def _columns(model: Model) -> tuple[Column, ...]:
    """As of a table without rows."""
    names = model.feature_names
    none = FeatureTable(np.empty(0, np.int64), names, np.empty((0, len(names))))
    table, _ = score_rows(
        model, "", none, None, verified=True, goes_on=False, fault="", force=False, problems=[]
    )
    return table.columns


def _files(features: Path) -> list[Path]:
    return list(places(features)) if BinaryFiles.named(features) else [features]


@lru_cache(maxsize=1)
def _opened(run: str, model: Path, features: Path) -> tuple[Model, FeatureRows]:
    """Once a process and call."""
    return load_model(model), open_rows(features)


def _score_unit(task: tuple[Request, int, Unit]) -> int:
    """Score a unit and keep it; its number."""
    request, number, unit = task
    parts = PartTables(request.out, request.described())
    if parts.finished(number):  # by a worker that was taken for lost
        return number
    model, rows = _opened(request.run, request.model, request.features)
    tally, problems = Tally(), list[Problem]()

    def tables() -> Iterator[ScoreTable]:
        made = rows.definition
        end = made.span_mjd[1] if made.span_mjd else None
        in_time = request.until_mjd is None or (end is not None and end <= request.until_mjd)
        has_all = set(model.feature_names) <= set(rows.names)
        fault: str | None = None
        for block in rows.read(unit):
            known = block.columns(model.feature_names)
            fault = counting_fault(known) if fault is None else fault
            table, counts = score_rows(
                model,
                request.name,
                known,
                request.goal,
                verified=made.same_as(model.definition) and in_time and has_all,
                goes_on=model.definition.ends_before(end),
                fault=fault,
                force=request.force,
                problems=problems,
            )
            tally.add(counts)
            yield table

    parts.write(number, tables(), tally, problems)
    return number
