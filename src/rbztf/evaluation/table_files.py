"""Write the tables of an evaluation as CSV files into the run folder, one row per model and group."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rbztf.csvfiles import write_csv
from rbztf.evaluation.summary import Evaluation

Row = dict[str, Any]


def write_tables(folder: Path, evaluations: Sequence[Evaluation]) -> None:
    """Write ``metrics.csv`` and each of ``label_rules``, ``by_tag``, ``by_class``, ``by_length``, ``by_magnitude``,
    ``operating_points``, ``risk_coverage``, ``at_priors``, ``doubt`` and ``kinds`` that has rows.

    A figure with an interval takes three columns: ``NAME``, ``NAME_low`` and ``NAME_high``.
    """
    for name, rows_of in _TABLES.items():
        rows = [{"config": entry.variant, **_flat(row)} for entry in evaluations for row in rows_of(entry)]
        if rows:
            write_csv(folder / f"{name}.csv", rows)


def _flat(row: Row) -> Row:
    """Figures with intervals spread over three columns each."""
    flat: Row = {}
    for name, value in row.items():
        if isinstance(value, dict) and "ci95" in value:
            flat |= {name: value["value"], **_bounds(name, value["ci95"])}
        elif name == "ci95":
            flat |= _bounds("called_bogus", value)
        elif value is not None:
            flat[name] = value
    return flat


def _bounds(name: str, ci95: Sequence[float]) -> Row:
    return {f"{name}_low": ci95[0], f"{name}_high": ci95[1]}


def _metrics(entry: Evaluation) -> Iterator[Row]:
    for name, value in entry.metrics.items():
        yield {
            "metric": name,
            "mean": {"value": value.mean, "ci95": value.ci95},
            "std": value.std,
            "pooled": {"value": value.pooled, "ci95": value.pooled_ci95},
        }


def _label_rules(entry: Evaluation) -> Iterator[Row]:
    for rule, figures in entry.by_rule.items():
        for name, value in figures.metrics.items():
            mean = {"value": value.mean, "ci95": value.ci95}
            pooled = {"value": value.pooled, "ci95": value.pooled_ci95}
            yield {"rule": rule, "n": figures.n_objects, "metric": name, "mean": mean, "pooled": pooled}


def _by_tag(entry: Evaluation) -> Iterator[Row]:
    return ({"tag": tag, **row} for tag, row in entry.by_tag.items())


def _by_class(entry: Evaluation) -> Iterator[Row]:
    return ({"class": name, **row} for name, row in entry.tables.get("by_class", {}).items())


def _by_length(entry: Evaluation) -> Iterator[Row]:
    return iter(entry.tables.get("by_length", []))


def _by_magnitude(entry: Evaluation) -> Iterator[Row]:
    return iter(entry.tables.get("by_magnitude", []))


def _operating_points(entry: Evaluation) -> Iterator[Row]:
    for point, found in entry.tables.get("operating_points", {}).items():
        limits = {f"threshold_{name}": value for name, value in found["threshold"].items()}
        rates = {"recall": found["recall"], "false_alarms": found["false_alarms"]}
        yield {"point": point, "tag": "", **limits, **rates}
        for tag, row in found["by_tag"].items():
            yield {"point": point, "tag": tag, **limits, **row}


def _risk_coverage(entry: Evaluation) -> Iterator[Row]:
    found = entry.tables.get("risk_coverage", {"rows": []})
    return ({**row, "aurc": found["aurc"]} for row in found["rows"])


def _at_priors(entry: Evaluation) -> Iterator[Row]:
    return iter(entry.tables.get("at_priors", []))


def _doubt(entry: Evaluation) -> Iterator[Row]:
    found = entry.tables.get("doubt", {})
    for figure in ("coverage", "unsure", "accuracy_when_sure"):
        for group, value in found.get(figure, {}).items():
            if value is not None:
                yield {"figure": figure, "objects": group, "share": value}


def _kinds(entry: Evaluation) -> Iterator[Row]:
    return ({"kind": kind, **row} for kind, row in entry.tables.get("kinds", {}).items())


_TABLES: dict[str, Callable[[Evaluation], Iterator[Row]]] = {
    "metrics": _metrics,
    "label_rules": _label_rules,
    "by_tag": _by_tag,
    "by_class": _by_class,
    "by_length": _by_length,
    "by_magnitude": _by_magnitude,
    "operating_points": _operating_points,
    "risk_coverage": _risk_coverage,
    "at_priors": _at_priors,
    "doubt": _doubt,
    "kinds": _kinds,
}
