"""One partition of a catalog of light curves: features in native threads, then scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbztf.errors import InputError, Problem
from rbztf.features import snad_set
from rbztf.features.epoch_lists import usable_lists
from rbztf.features.lightcurve import features_of
from rbztf.features.snad_set import ALL_FLAGS, FEATURE_NAMES
from rbztf.features.table import Definition, FeatureTable
from rbztf.models.decision.decisions import Goal
from rbztf.models.load import load_model
from rbztf.models.model import Model
from rbztf.prediction.score_table import NO_FEATURES, ScoreTable, score_rows
from rbztf.ztf import Band

SLICE = 4096
"""Objects of a partition that are in work at once: a partition can hold a million."""
OTHER_BAND = "the model is for other bands."
FLOAT32_TIMES = (
    "its times are float32, steps of 0.004 days: features of fast variability are not those of the training."
)
SCORES: dict[str, type] = {
    "n_epochs": np.int64,
    "p_bogus": np.float64,
    "p_low": np.float64,
    "p_high": np.float64,
    "decision": str,
    "input_check": str,
    "input_reason": str,
    "in_training": np.bool_,
    "p_out_of_fold": np.float64,
    "features_verified": np.bool_,
}
"""Columns that are added, and what they hold; ``p_bogus`` is null where there is no score, and ``input_reason`` says why."""


@dataclass(frozen=True)
class HatsColumns:
    """Names of the columns of a catalog of light curves.

    Attributes
    ----------
    oid, filter_id, ra, dec : str
    lightcurve : str
        The nested column.
    hmjd, mag, magerr, catflags : str
        Within it.
    """

    oid: str = "objectid"
    filter_id: str = "filterid"
    ra: str = "objra"
    dec: str = "objdec"
    lightcurve: str = "lightcurve"
    hmjd: str = "hmjd"
    mag: str = "mag"
    magerr: str = "magerr"
    catflags: str = "catflags"

    @property
    def of_object(self) -> tuple[str, ...]:
        """Columns that are kept beside the scores."""
        return self.oid, self.filter_id, self.ra, self.dec

    @property
    def of_epochs(self) -> tuple[str, ...]:
        """Columns within the nested one."""
        return self.hmjd, self.mag, self.magerr, self.catflags

    @property
    def names(self) -> list[str]:
        """All, as ``lsdb.open_catalog`` takes them."""
        return [*self.of_object, *(f"{self.lightcurve}.{name}" for name in self.of_epochs)]


COLUMNS = HatsColumns()
"""Those of IRSA's catalogs of ZTF data releases."""


@dataclass(frozen=True)
class Job:
    """All that decides the scores of a partition; the model is loaded once a process.

    Attributes
    ----------
    stamp : str
        Hash of the model's files.
    """

    model: Path
    stamp: str
    columns: HatsColumns
    goal: Goal | None
    until_mjd: float | None
    force: bool
    n_threads: int


@lru_cache(maxsize=2)
def _model(path: Path, stamp: str) -> Model:
    return load_model(path)


def empty_scores(frame: Any, columns: HatsColumns) -> Any:
    """What :func:`score_partition` gives of a partition without objects: the columns and their types."""
    return _joined(frame.iloc[:0], columns, {name: np.empty(0, object) for name in SCORES})


def check_columns(names: Sequence[str], epochs: Sequence[str], columns: HatsColumns) -> None:
    """Refuse a catalog without the columns of light curves.

    Parameters
    ----------
    names, epochs : sequence of str
        Its columns, and those within the nested one.

    Raises
    ------
    InputError
        Naming those that lack.
    """
    lacking = [name for name in (*columns.of_object, columns.lightcurve) if name not in names]
    if columns.lightcurve in names:
        lacking += [f"{columns.lightcurve}.{name}" for name in columns.of_epochs if name not in epochs]
    if lacking:
        raise InputError(
            f"The catalog lacks {', '.join(lacking)}; it has {', '.join(names)}.",
            "Name its columns (rbztf.lsdb.HatsColumns), or nest plain lists first (Catalog.nest_lists).",
        )


def score_partition(frame: Any, job: Job) -> Any:
    """Score the objects of a partition.

    Parameters
    ----------
    frame : nested_pandas.NestedFrame

    Returns
    -------
    NestedFrame
        A row an object, in their order, with :attr:`HatsColumns.of_object` and :data:`SCORES`.
    """
    if not len(frame):
        return empty_scores(frame, job.columns)
    model = _model(job.model, job.stamp)
    parts = [_score(frame.iloc[start : start + SLICE], job, model) for start in range(0, len(frame), SLICE)]
    return _joined(
        frame, job.columns, {name: np.concatenate([part[name] for part in parts]) for name in SCORES}
    )


def _score(frame: Any, job: Job, model: Model) -> dict[str, NDArray[Any]]:
    """The columns of scores of some objects, each (n,) object, None where nothing is known."""
    names = job.columns
    oids = frame[names.oid].to_numpy(np.int64)
    nested = frame[names.lightcurve]
    offsets = np.asarray(nested.array.list_offsets)
    lengths = np.asarray(nested.array.list_lengths)
    flat = [nested.nest[name].to_numpy() for name in names.of_epochs]
    offsets = (
        np.concatenate([[0], np.cumsum(lengths)]) if len(offsets) != len(oids) + 1 else offsets - offsets[0]
    )
    trained = model.definition
    mask = trained.catflags if trained.catflags is not None else ALL_FLAGS
    bands = {Band(band).filter_id for band in model.config.data.bands}
    in_band = (
        np.isin(frame[names.filter_id].to_numpy(np.int64), list(bands)) if bands else np.ones(len(oids), bool)
    )
    curves = usable_lists(offsets, *flat, mask=mask, until_mjd=job.until_mjd)
    rows = np.flatnonzero(in_band)
    values = features_of([curves[row] for row in rows], job.n_threads)
    made = Definition(snad_set.source(), mask)
    table = FeatureTable(oids[rows], FEATURE_NAMES, values, made).columns(model.feature_names)
    exact = flat[0].dtype != np.float32
    last = max((float(curves[row][0, -1]) for row in rows if curves[row].size), default=None)
    problems: list[Problem] = []
    scored, _ = score_rows(
        model,
        "",
        table,
        job.goal,
        verified=made.same_as(trained) and exact,
        goes_on=trained.ends_before(last),
        fault="",
        force=job.force,
        problems=problems,
    )
    found = {name: np.full(len(oids), None, object) for name in SCORES}
    found["n_epochs"][:] = [series.shape[1] for series in curves]
    found["input_reason"][:] = np.where(in_band, NO_FEATURES, OTHER_BAND)
    _fill(found, scored, oids, rows, problems)
    return found


def _fill(
    found: dict[str, NDArray[Any]],
    scored: ScoreTable,
    oids: NDArray[np.int64],
    rows: NDArray[np.int64],
    problems: Sequence[Problem],
) -> None:
    """Put what was scored into its rows; the others keep the reason why they were not."""
    told = {int(problem.where): problem.what for problem in problems}
    kept = rows[[int(oid) not in told for oid in oids[rows].tolist()]] if told else rows
    for row in rows if told else ():
        found["input_reason"][row] = told.get(int(oids[row]), "")
    for column, values in zip(scored.columns, scored.values):
        if column.name not in found:
            continue
        cells = values.tolist() if isinstance(values, np.ndarray) else [values] * scored.n
        if column.kind == "float":
            cells = [None if cell is None or not np.isfinite(float(cell)) else cell for cell in cells]
        found[column.name][kept] = np.array([*cells, None], object)[:-1]


def _joined(frame: Any, columns: HatsColumns, found: dict[str, NDArray[Any]]) -> Any:
    """The frame's own columns and those of scores, typed alike whatever the rows hold."""
    import pandas as pd
    import pyarrow as pa

    types = {np.int64: pa.int64(), np.float64: pa.float64(), np.bool_: pa.bool_(), str: pa.string()}
    out = frame[list(columns.of_object)].copy()
    for name, kind in SCORES.items():
        cells = pa.array(found[name].tolist(), types[kind])
        out[name] = pd.Series(pd.array(cells, dtype=pd.ArrowDtype(types[kind])), index=out.index)
    return out
