"""What a report is made from: predictions in memory or in a file, and the scores of a cross-validation."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rbztf.csvfiles import csv_rows, open_csv
from rbztf.errors import InputError, UsageError, printable
from rbztf.evaluation.score_files import ScoredModel, read_scores
from rbztf.files import reading
from rbztf.formats.parquet import read_records
from rbztf.prediction.result import EpochContribution, Prediction
from rbztf.reporting.entries import Entry
from rbztf.stores.labels import LabelTable
from rbztf.tables import ASTROPY_FORMATS, TABLE_ENDINGS
from rbztf.textfiles import json_list, read_text
from rbztf.ztf import Label, Oid

WHAT = "The scores file"
NEXT = "Give what rbztf predict --out has written, a run folder of rbztf cv, or its scores.csv."
SCORES = "scores.csv"
"""In a run folder of cv."""
FACTS = (
    "inputs",
    "input_check",
    "input_reason",
    "prior",
    "p_out_of_fold",
    "p_without",
    "p_of_label",
    "n_dropped",
    "model",
)
"""Values of a prediction that the page of an object names beside those of the table."""
_PROBABILITIES = ("p_bogus", "p_low", "p_high", "p_out_of_fold", "p_without", "p_of_label")
_COUNTS = ("n_frames", "n_missing", "n_dropped")
_NUMBERS = (*_PROBABILITIES, *_COUNTS, "threshold", "mag", "prior")
_TEXTS = ("decision", "inputs", "input_check", "input_reason", "model")


def read_cross_validation(path: Path) -> tuple[Path | None, list[ScoredModel]]:
    """The folder and the scores of a cross-validation; no scores if ``path`` is another file.

    Parameters
    ----------
    path : Path
        A run folder of ``cv``, or its ``scores.csv``.

    Raises
    ------
    InputError
        For another folder, or scores that cannot be read.
    """
    if path.is_dir():
        if not (path / SCORES).is_file():
            raise InputError(f"{path} is no run folder of cv: it lacks {SCORES}.", NEXT)
        return path, read_scores(path / SCORES)
    if path.suffix.lower() == ".csv" and path.is_file():
        with open_csv(path, WHAT, ("oid",), NEXT) as file:
            if {"config", "fold", "label"} <= {name.lower() for name in file.header}:
                return path.parent, read_scores(path)
    return None, []


def of_predictions(predictions: Iterable[Prediction]) -> list[Entry]:
    """Predictions in memory."""
    return [_entry(vars(entry) | {"kinds": entry.kinds, "blamed": entry.blamed}) for entry in predictions]


def read_entries(path: Path) -> list[Entry]:
    """Predictions, or the objects of a cross-validation; raises as the readers of both do."""
    _, models = read_cross_validation(path)
    return of_scores(models) if models else read_predictions(path)


def read_predictions(path: Path) -> list[Entry]:
    """Predictions as ``predict --out`` writes them; frames are blamed in ``.json`` alone.

    Raises
    ------
    InputError
        For a missing file, another format, or a value that cannot be.
    UsageError
        For an ending that is none.
    """
    if not path.is_file():
        what = f"{path} is no file" if path.exists() else f"There is no file {path}"
        raise InputError(f"{what}.", NEXT)
    entries = []
    for number, record in enumerate(_records(path), 1):
        try:
            entries.append(_entry(_typed(record)))
        except InputError as error:
            raise InputError(f"Object {number} of {path}: {error.message}", error.next_step) from None
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                f"Object {number} of {path} cannot be read ({repr(error)[:200]}).", NEXT
            ) from None
    if not entries:
        raise InputError(f"{path} holds no objects.", NEXT)
    return list({entry.oid: entry for entry in entries}.values())


def _records(path: Path) -> Iterable[Mapping[str, Any]]:
    ending = path.suffix.lower()
    if ending == ".json":
        return json_list(read_text(path, WHAT, NEXT), f"{WHAT} {path}", NEXT)
    if ending == ".csv":
        file = csv_rows(read_text(path, WHAT, NEXT), f"{WHAT} {path}", ("oid", "p_bogus"), NEXT)
        return [dict(zip(file.header, row.cells)) for row in file]
    if ending not in TABLE_ENDINGS:
        raise UsageError(f"{path} is not a table of scores.", NEXT)
    with reading(path, "is not a readable table of scores"):
        if ending == ".parquet":
            return read_records(path, f"{WHAT} {path}", NEXT)
        from astropy.table import Table

        table = Table.read(path, format=ASTROPY_FORMATS[ending])
        columns = {name: table[name].tolist() for name in table.colnames}
        return [dict(zip(columns, values)) for values in zip(*columns.values())]


def _typed(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record with numbers as numbers, whatever the file has for them; what is empty is None."""
    found: dict[str, Any] = {"oid": record["oid"]}
    if "p_bogus" not in record:
        raise InputError("it has no p_bogus.", NEXT)
    found |= {name: _number(record.get(name)) for name in _NUMBERS}
    found |= {name: _text(record.get(name)) for name in _TEXTS}
    found["label"] = text if (text := _text(record.get("label"))) in ("real", "bogus") else ""
    found["in_training"] = _truth(record.get("in_training"))
    kinds = record.get("kinds")
    if not isinstance(kinds, Mapping):
        kinds = {name[2:]: record[name] for name in record if name.startswith("p_") and name not in _NUMBERS}
        kinds.pop("bogus", None)
    known = {str(name): _number(value) for name, value in kinds.items()}
    found["kinds"] = {name: value for name, value in known.items() if value is not None}
    found["blamed"] = tuple(_contribution(each) for each in record.get("blamed") or ())
    return found


def _contribution(content: Mapping[str, Any]) -> EpochContribution:
    times = {name: math.nan for name in ("mjd", "hjd") if content.get(name) is None}
    return EpochContribution(**(dict(content) | times))


def _number(value: Any) -> float | None:
    if value is None or value == "" or isinstance(value, bool):
        return None
    number = float(value)
    return number if math.isfinite(number) else None


def _text(value: Any) -> str:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")
    return "" if text in ("None", "--") else text


def _truth(value: Any) -> bool | None:
    return {"true": True, "1": True, "false": False, "0": False}.get(_lower(value))


def _lower(value: Any) -> str:
    return value.decode().lower() if isinstance(value, bytes) else str(value).lower()


def _entry(content: Mapping[str, Any]) -> Entry:
    counts = {name: None if content.get(name) is None else int(content[name]) for name in _COUNTS}
    facts = {name: counts.get(name, content.get(name)) for name in FACTS}
    return Entry(
        oid=Oid(content["oid"]),
        p_bogus=content.get("p_bogus"),
        p_low=content.get("p_low"),
        p_high=content.get("p_high"),
        decision=content.get("decision") or "",
        threshold=content.get("threshold"),
        kinds=content["kinds"],
        n_frames=counts["n_frames"],
        n_missing=counts["n_missing"],
        mag=content.get("mag"),
        in_training=content.get("in_training"),
        label=content.get("label") or "",
        facts={name: value for name, value in facts.items() if value not in (None, "")},
        blamed=content["blamed"],
    )


def of_scores(models: Sequence[ScoredModel]) -> list[Entry]:
    """Objects of a cross-validation: the first model's values, the p_bogus of all, means over draws of the folds."""
    found: dict[int, dict[str, Any]] = {}
    for model in models:
        name = f"{model.name} ({model.variant})" if model.variant else model.name
        for fold in model.folds.values():
            for place, oid in enumerate(fold.oids.tolist()):
                mine = found.setdefault(oid, {"first": (fold, place), "models": {}})
                mine["models"].setdefault(name, []).append(float(fold.scores[place]))
    return [_scored_entry(oid, **content) for oid, content in found.items()]


def _scored_entry(oid: int, first: tuple[Any, int], models: Mapping[str, list[float]]) -> Entry:
    fold, place = first
    means = {name: sum(values) / len(values) for name, values in models.items()}
    limit = fold.threshold if isinstance(fold.threshold, float) else float(fold.threshold[place])
    called = str(fold.decisions[place]) if fold.decisions is not None else ""

    def value(array: Any) -> float | None:
        return None if array is None or not math.isfinite(array[place]) else float(array[place])

    kinds = {name: value(shares) for name, shares in (fold.kinds or {}).items()}
    n_frames = value(fold.n_frames)
    p_bogus = next(iter(means.values()))
    return Entry(
        oid=Oid(oid),
        p_bogus=p_bogus,
        p_low=value(fold.low),
        p_high=value(fold.high),
        decision=called or ("bogus" if p_bogus >= limit else "real"),
        threshold=limit,
        kinds={name: share for name, share in kinds.items() if share is not None},
        n_frames=None if n_frames is None else int(n_frames),
        mag=value(fold.mags),
        label="bogus" if fold.labels[place] else "real",
        models=means,
    )


def with_labels(entries: Iterable[Entry], labels: LabelTable) -> list[Entry]:
    """The same with what experts said of them."""
    told = []
    for entry in entries:
        if entry.oid in labels:
            known = labels[entry.oid]
            tags = tuple(printable(tag) for tag in sorted(known.tags))
            label = "bogus" if known.label == Label.ARTEFACT else "real"
            entry = replace(entry, label=entry.label or label, tags=tags)
        told.append(entry)
    return told
