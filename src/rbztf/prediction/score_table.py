"""Predictions of many objects as columns, scored from rows of light-curve features alone, and written in pieces."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbztf.errors import Problem
from rbztf.features.columns import LEAST_SHARE
from rbztf.features.table import FeatureTable
from rbztf.models.decision.decisions import Goal
from rbztf.models.model import Model
from rbztf.models.objects.object_set import Modality, ObjectSet
from rbztf.models.objects.training_range import ORDER
from rbztf.prediction.decided import OUTSIDE, Decided, decide_objects
from rbztf.prediction.remarks import Tally
from rbztf.prediction.result import described
from rbztf.prediction.score import UNSOUND
from rbztf.tables import Cell, Column, parquet_schema
from rbztf.ztf import ARTEFACT_KINDS

NO_FEATURES = "it has no light-curve features, or too few usable epochs for them."
Values = NDArray[Any] | Cell
"""Of a column: one a row, or the same for all."""


@dataclass(frozen=True)
class ScoreTable:
    """Predictions of objects: the columns that :meth:`rbztf.prediction.result.PredictResult.rows` has, with the same cells.

    Attributes
    ----------
    n : int
        Rows.
    columns : tuple of Column
    values : tuple
        Of each column; None, and NaN in an array of numbers, is no value.
    """

    n: int
    columns: tuple[Column, ...]
    values: tuple[Values, ...]

    def csv(self) -> str:
        """Lines of CSV, without the header."""
        lines = zip(*(_texts(column, values, self.n) for column, values in zip(self.columns, self.values)))
        return "".join(f"{','.join(line)}\n" for line in lines)

    def arrow(self) -> Any:
        """A :class:`pyarrow.Table`."""
        import pyarrow as pa

        schema = parquet_schema(self.columns)
        arrays = [_arrow(values, field.type, self.n) for values, field in zip(self.values, schema)]
        return pa.Table.from_arrays(arrays, schema=schema)


def score_rows(
    model: Model,
    name: str,
    table: FeatureTable,
    goal: Goal | None,
    *,
    verified: bool,
    goes_on: bool,
    fault: str,
    force: bool,
    problems: list[Problem],
) -> tuple[ScoreTable, Tally]:
    """Score objects by their light-curve features, as :func:`rbztf.prediction.score.predict_objects` would.

    Parameters
    ----------
    name : str
        Of the model.
    table : FeatureTable
        With the columns that the model reads, in its order.
    verified, goes_on : bool
        Whether the features were made as those of the training, and whether they rest on later epochs.
    fault : str
        What is wrong with all rows; empty if nothing.
    problems : list of Problem
        Gets the objects that have no score.

    Raises
    ------
    UsageError
        For a goal that the model cannot serve.
    """
    enough = np.isfinite(table.values).mean(axis=1) >= LEAST_SHARE
    problems += [Problem(str(oid), NO_FEATURES) for oid in table.oids[~enough].tolist()]
    objects = _objects(model, table.take(enough) if not enough.all() else table)
    scores = model.score(objects)
    sound = np.isfinite(scores.p_bogus)
    if not sound.all():
        problems += [Problem(str(oid), UNSOUND) for oid in objects.oids[~sound].tolist()]
        kept = np.flatnonzero(sound)
        objects, scores = objects.take(kept), scores.take(kept)
    faults = {Modality.LIGHTCURVE: [fault] * len(objects)} if fault else None
    found = decide_objects(model, objects, scores, goal, faults=faults, force=force)
    tally = _tally(found, objects, verified, goes_on)
    return _table(found, objects, name, verified), tally


def _objects(model: Model, table: FeatureTable) -> ObjectSet:
    none = np.empty((0, model.selection.width), np.float32)
    return ObjectSet([none] * len(table), table, model.reader)


def _tally(found: Decided, objects: ObjectSet, verified: bool, goes_on: bool) -> Tally:
    n, outside = len(objects), np.flatnonzero(found.levels == OUTSIDE)
    inputs = Counter(found.scores.inputs)
    return Tally(
        n,
        len(outside),
        int((found.words[outside] == "").sum()),
        f"{objects.oids[outside[0]]}: {found.reasons[outside[0]]}" if len(outside) else "",
        int(found.in_training.sum()) if found.in_training is not None else 0,
        0,
        0 if verified else n,
        n if goes_on else 0,
        {"+".join(have): count for have, count in inputs.items()},
    )


def _table(found: Decided, objects: ObjectSet, name: str, verified: bool) -> ScoreTable:
    scores, rules = found.scores, found.rules
    checks = np.array([*ORDER, ""], object)
    kept_range = bool((found.levels >= 0).any())
    values: dict[str, Values] = {
        "oid": objects.oids,
        "p_bogus": scores.p_bogus,
        "p_low": scores.p_low,
        "p_high": scores.p_high,
        "decision": np.array([word or None for word in found.words.tolist()], object),
        "input_check": checks[found.levels] if kept_range else None,
        "input_reason": np.array(found.reasons, object),
        "threshold": rules.thresholds,
        "limit_real": rules.limit_real,
        "limit_bogus": rules.limit_bogus,
        "prior": found.prior,
        "in_training": found.in_training,
        "p_out_of_fold": found.p_out_of_fold,
        "n_frames": 0,
        "n_missing": 0,
        "inputs": str(Modality.LIGHTCURVE),
        "features_verified": verified,
        "p_without": None,
        "n_dropped": None,
        "model": name,
    }
    kinds = tuple(dict.fromkeys((*ARTEFACT_KINDS, *scores.kinds)))
    columns, cells = [], []
    for column, field, kind in described(kinds):
        columns.append(column)
        cells.append(_same(scores.kinds.get(kind) if kind else values[field]))
    return ScoreTable(len(objects), tuple(columns), tuple(cells))


def _same(values: Values) -> Values:
    """One value for all rows, where all have the same number; what is no number is None then."""
    if not isinstance(values, np.ndarray) or values.dtype.kind != "f" or not len(values):
        return values
    if np.isnan(values[0]):
        return None if np.isnan(values).all() else values
    return float(values[0]) if (values == values[0]).all() else values


def _texts(column: Column, values: Values, n: int) -> Sequence[str]:
    """The cells of a column as CSV has them."""
    if not isinstance(values, np.ndarray):
        return [_text(values)] * n
    if values.dtype.kind == "f" and column.decimals is None:
        texts = list(map(repr, values.tolist()))
        for row in np.flatnonzero(~np.isfinite(values)).tolist():
            texts[row] = ""
        return texts
    if values.dtype.kind in "iub":
        return list(map(str, values.tolist()))
    known: dict[Any, str] = {value: _text(value) for value in set(values.tolist())}
    return [known[value] for value in values.tolist()]


def _text(value: Cell) -> str:
    """One cell, quoted where it must be."""
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow([value, ""])
    return text.getvalue().removesuffix(",")


def _arrow(values: Values, kind: Any, n: int) -> Any:
    import pyarrow as pa

    if values is None:
        return pa.nulls(n, kind)
    if not isinstance(values, np.ndarray):
        return pa.repeat(pa.scalar(values, kind), n)
    if values.dtype.kind == "f":
        return pa.array(values, kind, mask=~np.isfinite(values))
    return pa.array(values, kind)
