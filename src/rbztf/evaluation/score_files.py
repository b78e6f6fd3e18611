"""Out-of-fold scores as CSV: written by ``cv``, and read back to recompute any figure.

One row an object and draw of the folds. Columns that are always there: ``config``, ``variant``
(padding, where models of one name differ by it), ``draw``, ``oid``, ``fold``, ``label``,
``p_bogus``, ``threshold``. Further ones where the models give them: ``p_low``, ``p_high``,
``decision`` (real, bogus, unsure), ``set`` (real, bogus, both, none), ``threshold_NAME``,
``kind_NAME``, ``n_frames``, ``mag``. An empty cell is a value that a model does not give.
Numbers are written with all their digits.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rbztf.csvfiles import write_csv
from rbztf.errors import InputError
from rbztf.evaluation.scores import DECISIONS, Limits, Scored
from rbztf.ztf import Oid

if TYPE_CHECKING:
    from rbztf.evaluation.summary import Evaluation

NEEDED = ("config", "oid", "fold", "label", "p_bogus", "threshold")
SETS = {"real": (True, False), "bogus": (False, True), "both": (True, True), "none": (False, False)}
_SET_NAMES = {held: name for name, held in SETS.items()}
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
    rows = _read_rows(path)
    models = []
    for (name, variant), mine in _grouped(rows, lambda row: (row["config"], row.get("variant") or "")):
        folds = {int(number): _fold(path, number, part) for number, part in _grouped(mine, _fold_number)}
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


def _read_rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream, restval="")
            lacking = [name for name in NEEDED if name not in (reader.fieldnames or ())]
            if lacking:
                raise InputError(f"The scores file {path} lacks the column {', '.join(lacking)}.", _NEXT)
            rows = [{**row, "line": str(reader.line_num)} for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or "it is not CSV"
        raise InputError(f"The scores file {path} cannot be read ({reason}).", _NEXT) from None
    if not rows:
        raise InputError(f"The scores file {path} holds no scores.", _NEXT)
    for row in rows:
        if None in row:
            raise _wrong(path, row, "there are more values than columns")
        _whole(path, row, "fold")
    return rows


def _fold_number(row: Mapping[str, str]) -> str:
    return row["fold"].strip()


def _grouped(
    rows: Sequence[dict[str, str]], key: Callable[[dict[str, str]], Any]
) -> list[tuple[Any, list[dict[str, str]]]]:
    """Rows by key, keys in the order in which they appear."""
    order = {value: place for place, value in enumerate(dict.fromkeys(map(key, rows)))}
    ordered = sorted(rows, key=lambda row: order[key(row)])
    return [(value, list(part)) for value, part in groupby(ordered, key)]


def _fold(path: Path, number: str, rows: list[dict[str, str]]) -> Scored:
    first = rows[0]
    for row in rows:
        if row.get("draw") != first.get("draw"):
            raise _wrong(path, row, f"fold {number} is in more than one draw")
    named = {
        name.removeprefix("threshold_"): _limits(path, rows, name)
        for name in first
        if name.startswith("threshold_") and first[name]
    }
    return Scored(
        np.array([_oid(path, row) for row in rows], np.int64),
        np.array([int(_choice(path, row, "label", ("0", "1"))) for row in rows], np.int64),
        np.array([_probability(path, row, "p_bogus") for row in rows], float),
        _limits(path, rows, "threshold"),
        low=_optional(path, rows, "p_low"),
        high=_optional(path, rows, "p_high"),
        decisions=_decisions(path, rows),
        sets=_sets(path, rows),
        kinds=_kinds(path, rows),
        thresholds=named,
        n_frames=_frames(path, rows),
        mags=_optional(path, rows, "mag", _number),
        draw=_whole(path, first, "draw") if first.get("draw") else 0,
    )


def _limits(path: Path, rows: list[dict[str, str]], name: str) -> Limits:
    """The threshold of all objects, or of each where they differ."""
    each = np.array([_number(path, row, name) for row in rows], float)
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


def _optional(
    path: Path, rows: Sequence[dict[str, str]], name: str, read: Callable[..., float] | None = None
) -> np.ndarray[Any, np.dtype[np.float64]] | None:
    """A column of numbers, empty cells NaN; None where the model does not give it."""
    if not any(row.get(name) for row in rows):
        return None
    read = read or _probability
    return np.array([read(path, row, name) if row[name] else math.nan for row in rows], float)


def _kinds(path: Path, rows: Sequence[dict[str, str]]) -> dict[str, Any] | None:
    names = [name for name in rows[0] if name.startswith("kind_")]
    found = {name.removeprefix("kind_"): _optional(path, rows, name) for name in names}
    return {name: values for name, values in found.items() if values is not None} or None


def _decisions(path: Path, rows: Sequence[dict[str, str]]) -> np.ndarray[Any, np.dtype[np.str_]] | None:
    if not any(row.get("decision") for row in rows):
        return None
    return np.array([_choice(path, row, "decision", DECISIONS) for row in rows], np.str_)


def _sets(path: Path, rows: Sequence[dict[str, str]]) -> np.ndarray[Any, np.dtype[np.bool_]] | None:
    if not any(row.get("set") for row in rows):
        return None
    return np.array([SETS[_choice(path, row, "set", tuple(SETS))] for row in rows], bool)


def _frames(path: Path, rows: Sequence[dict[str, str]]) -> np.ndarray[Any, np.dtype[np.int64]] | None:
    if not any(row.get("n_frames") for row in rows):
        return None
    return np.array([_whole(path, row, "n_frames") for row in rows], np.int64)


def _oid(path: Path, row: Mapping[str, str]) -> int:
    try:
        return Oid(row["oid"])
    except InputError as error:
        raise InputError(f"{path}, line {row['line']}: {error.message}", _NEXT) from None


def _choice(path: Path, row: Mapping[str, str], name: str, choices: Sequence[str]) -> str:
    value = row[name].strip()
    if value not in choices:
        raise _wrong(path, row, f"{name} is {value!r}, not one of {', '.join(choices)}")
    return value


def _whole(path: Path, row: Mapping[str, str], name: str) -> int:
    try:
        value = int(row[name])
    except ValueError:
        value = -1
    if value < 0:
        raise _wrong(path, row, f"{name} is {row[name]!r}, no whole number of 0 or more")
    return value


def _number(path: Path, row: Mapping[str, str], name: str) -> float:
    try:
        value = float(row[name])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise _wrong(path, row, f"{name} is {row[name]!r}, no number")
    return value


def _probability(path: Path, row: Mapping[str, str], name: str) -> float:
    value = _number(path, row, name)
    if not 0 <= value <= 1:
        raise _wrong(path, row, f"{name} is {value}, not between 0 and 1")
    return value


def _wrong(path: Path, row: Mapping[str, str], what: str) -> InputError:
    return InputError(f"The scores file {path}, line {row['line']}: {what}.", _NEXT)
