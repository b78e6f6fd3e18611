"""Out-of-fold scores as CSV: written by ``cv``, and read back to recompute any figure.

One row an object and draw of the folds. Columns that are always there: ``config``, ``variant``
(padding, where models of one name differ by it), ``draw``, ``oid``, ``fold``, ``label``,
``p_bogus``, ``threshold``. Further ones where the models give them: ``p_low``, ``p_high``,
``decision`` (real, bogus, unsure), ``set`` (real, bogus, both, none), ``threshold_NAME``,
``kind_NAME``, ``n_frames``, ``mag``. An empty cell is a value that a model does not give.
Numbers are written with all their digits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rbztf.csvfiles import Row, open_csv, write_csv
from rbztf.errors import InputError
from rbztf.evaluation.scores import DECISIONS, Limits, Scored

if TYPE_CHECKING:
    from rbztf.evaluation.summary import Evaluation

NEEDED = ("config", "oid", "fold", "label", "p_bogus", "threshold")
SETS = {"real": (True, False), "bogus": (False, True), "both": (True, True), "none": (False, False)}
_SET_NAMES = {held: name for name, held in SETS.items()}
_WHAT = "The scores file"
_NEXT = "Give a scores.csv that rbztf cv has written."


@dataclass(frozen=True)
class ScoredModel:
    """One model of a file: its name, its variant (or empty) and its folds by number."""

    name: str
    variant: str
    folds: dict[int, Scored]


def write_scores(path: Path, evaluations: Sequence[Evaluation]) -> None:
    """Write out-of-fold scores, so that anyone can recompute every figure."""
    write_csv(path, [row for entry in evaluations for row in _rows(entry)])


def read_scores(path: Path | str) -> list[ScoredModel]:
    """Read what :func:`write_scores` wrote.

    Raises
    ------
    InputError
        For a missing file, missing columns, a value that cannot be (with its line), an object
        scored twice in a draw, or a fold in two draws.
    """
    path = Path(path)
    with open_csv(path, _WHAT, NEEDED, _NEXT) as file:
        names, rows = file.header, list(file)
    if not rows:
        raise InputError(f"{_WHAT} {path} holds no scores.", _NEXT)
    models = []
    for (name, variant), mine in _grouped(rows, lambda row: (row.get("config"), row.get("variant"))):
        folds = {number: _fold(part, names) for number, part in _grouped(mine, lambda row: row.whole("fold"))}
        _check_objects(path, name, folds)
        models.append(ScoredModel(name, variant, folds))
    return models


def _rows(entry: Evaluation) -> Iterator[dict[str, Any]]:
    for number, fold in entry.folds.items():
        columns, limits = _columns(fold), np.broadcast_to(fold.threshold, len(fold))
        for i, oid in enumerate(fold.oids.tolist()):
            yield {
                "config": entry.name,
                "variant": entry.extra.get("padding", ""),
                "draw": fold.draw,
                "oid": oid,
                "fold": number,
                "label": int(fold.labels[i]),
                "p_bogus": repr(float(fold.scores[i])),
                "threshold": repr(float(limits[i])),
                **{name: values[i] for name, values in columns.items()},
            }


def _columns(fold: Scored) -> dict[str, list[Any]]:
    """The columns that only some models have."""
    columns: dict[str, list[Any]] = {}
    numbers = {"p_low": fold.low, "p_high": fold.high, "mag": fold.mags, "n_frames": fold.n_frames}
    numbers |= {f"kind_{name}": shares for name, shares in (fold.kinds or {}).items()}
    for name, values in numbers.items():
        if values is not None:
            columns[name] = ["" if math.isnan(value) else repr(value) for value in values.tolist()]
    if fold.decisions is not None:
        columns["decision"] = fold.decisions.tolist()
    if fold.sets is not None:
        columns["set"] = [_SET_NAMES[bool(real), bool(bogus)] for real, bogus in fold.sets]
    for name, limit in fold.thresholds.items():
        columns[f"threshold_{name}"] = [repr(float(one)) for one in np.broadcast_to(limit, len(fold))]
    return columns


def _grouped(rows: Sequence[Row], key: Callable[[Row], Any]) -> list[tuple[Any, list[Row]]]:
    """Rows by key, keys in the order in which they appear."""
    groups: dict[Any, list[Row]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return list(groups.items())


def _fold(rows: list[Row], names: Sequence[str]) -> Scored:
    first = rows[0]
    for row in rows:
        if row.get("draw") != first.get("draw"):
            raise row.wrong(f"fold {row.whole('fold')} is in more than one draw")
    limits = {name: _limits(rows, name) for name in names if _part_of("threshold_", name) and first.get(name)}
    kinds = {name: _optional(rows, name) for name in names if _part_of("kind_", name)}
    return Scored(
        np.array([row.oid() for row in rows], np.int64),
        np.array([int(row.choice("label", ("0", "1"))) for row in rows], np.int64),
        np.array([_probability(row, "p_bogus") for row in rows], float),
        _limits(rows, "threshold"),
        low=_optional(rows, "p_low"),
        high=_optional(rows, "p_high"),
        decisions=_column(rows, "decision", lambda row: row.choice("decision", DECISIONS), np.str_),
        sets=_column(rows, "set", lambda row: SETS[row.choice("set", tuple(SETS))], np.bool_),
        kinds={_part_of("kind_", name): p for name, p in kinds.items() if p is not None} or None,
        thresholds={_part_of("threshold_", name): limit for name, limit in limits.items()},
        n_frames=_column(rows, "n_frames", lambda row: row.whole("n_frames"), np.int64),
        mags=_optional(rows, "mag", Row.number),
        draw=first.whole("draw") if first.get("draw") else 0,
    )


def _part_of(prefix: str, name: str) -> str:
    """What follows ``prefix`` in the name of a column; empty where it starts otherwise."""
    return name[len(prefix) :] if name.lower().startswith(prefix) else ""


def _limits(rows: list[Row], name: str) -> Limits:
    """The threshold of all objects, or of each where they differ."""
    each = np.array([row.number(name) for row in rows], float)
    return float(each[0]) if (each == each[0]).all() else each


def _check_objects(path: Path, name: str, folds: Mapping[int, Scored]) -> None:
    seen: dict[tuple[int, int], int] = {}
    labels: dict[int, int] = {}
    for fold in folds.values():
        for oid, label in zip(fold.oids.tolist(), fold.labels.tolist()):
            if (fold.draw, oid) in seen:
                raise InputError(f"The scores file {path} scores {oid} twice for {name}.", _NEXT)
            if labels.setdefault(oid, label) != label:
                raise InputError(f"The scores file {path} labels {oid} both 0 and 1.", _NEXT)
            seen[fold.draw, oid] = label


def _column(rows: Sequence[Row], name: str, read: Callable[[Row], Any], kind: Any) -> NDArray[Any] | None:
    """A column; None where the model does not give it."""
    if not any(row.get(name) for row in rows):
        return None
    return np.array([read(row) for row in rows], kind)


def _probability(row: Row, name: str) -> float:
    value = row.number(name)
    if not 0 <= value <= 1:
        raise row.wrong(f"{name} is {value}, which is not between 0 and 1")
    return value


def _optional(
    rows: Sequence[Row], name: str, read: Callable[[Row, str], float] = _probability
) -> NDArray[np.float64] | None:
    """A column of numbers, empty cells NaN; None where the model does not give it."""
    return _column(rows, name, lambda row: read(row, name) if row.get(name) else math.nan, float)
