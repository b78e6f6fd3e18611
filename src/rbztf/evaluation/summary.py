"""What a cross-validation says of one model, in the form of ``cv --json``."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rbztf.archive.labels import LabelTable
from rbztf.evaluation.metrics import METRICS, Estimate, Scored, bootstrap, estimate, evaluate_fold, interval

MIN_TAGGED = 10
"""Tags with fewer objects are not reported on."""


@dataclass(frozen=True)
class Evaluation:
    """Out-of-fold scores of one model and the metrics made from them.

    Attributes
    ----------
    name : str
        Of the configuration or the folder of bundles.
    split : str
    folds : dict of int to Scored
    metrics : dict of str to Estimate
    by_tag : dict
        Per tag: objects, artefacts among them, share called bogus.
    seconds : float
        Wall-clock time of training and scoring.
    extra : dict
        Further entries for ``--json``.
    """

    name: str
    split: str
    folds: dict[int, Scored]
    metrics: dict[str, Estimate]
    by_tag: dict[str, dict[str, float]]
    seconds: float
    extra: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """One entry of ``models`` in ``cv --json``."""
        flat = {name: value.to_json() for name, value in self.metrics.items() if "." not in name}
        at_rate = {
            name.partition(".")[2]: value.to_json() for name, value in self.metrics.items() if "." in name
        }
        return {
            "config": self.name,
            "split": self.split,
            "folds": len(self.folds),
            "n_objects": sum(map(len, self.folds.values())),
            **flat,
            "tpr_at_fpr": at_rate,
            "by_tag": self.by_tag,
            "per_fold": [_fold_json(number, fold) for number, fold in self.folds.items()],
            "seconds": round(self.seconds, 2),
            **self.extra,
        }


def summarise(
    name: str,
    split: str,
    folds: dict[int, Scored],
    labels: LabelTable,
    *,
    draws: int,
    seconds: float,
    extra: Mapping[str, Any] | None = None,
) -> Evaluation:
    """Make an :class:`Evaluation` from the scored test folds."""
    return Evaluation(
        name,
        split,
        folds,
        estimate(list(folds.values()), draws),
        tag_table(folds, labels),
        seconds,
        dict(extra or {}),
    )


def tag_table(folds: Mapping[int, Scored], labels: LabelTable) -> dict[str, dict[str, float]]:
    """Per tag: number of objects, artefacts among them, and the share called bogus."""
    called: dict[str, list[tuple[bool, bool]]] = {}
    for fold in folds.values():
        for oid, label, score in zip(fold.oids.tolist(), fold.labels, fold.scores):
            for tag in labels[oid].tags:
                called.setdefault(tag, []).append((bool(label), bool(score >= fold.threshold)))
    table = {}
    for tag, members in sorted(called.items(), key=lambda item: -len(item[1])):
        if len(members) >= MIN_TAGGED:
            artefacts, bogus = np.array(members, float).sum(axis=0)
            table[tag] = {
                "n": len(members),
                "artefacts": int(artefacts),
                "called_bogus": float(bogus / len(members)),
            }
    return table


def compare(evaluations: Sequence[Evaluation], draws: int) -> list[dict[str, Any]]:
    """Differences between every two models on the same objects, with paired intervals."""
    spreads = [bootstrap(list(entry.folds.values()), draws, seed=0) for entry in evaluations]
    out = []
    for i, first in enumerate(evaluations):
        for j in range(i + 1, len(evaluations)):
            second = evaluations[j]
            if _objects(first) != _objects(second):
                continue
            difference = {
                name: {
                    "mean": second.metrics[name].mean - first.metrics[name].mean,
                    "ci95": list(interval(spreads[j][name] - spreads[i][name])),
                }
                for name in METRICS
            }
            out.append({"of": second.name, "minus": first.name, "difference": difference})
    return out


def write_scores(path: Path, evaluations: Sequence[Evaluation]) -> None:
    """Write out-of-fold scores as CSV, so that anyone can recompute every figure."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["config", "oid", "fold", "label", "p_bogus", "threshold"])
        for entry in evaluations:
            for number, fold in entry.folds.items():
                for oid, label, score in zip(fold.oids, fold.labels, fold.scores):
                    writer.writerow([entry.name, oid, number, label, f"{score:.8g}", f"{fold.threshold:.8g}"])


def _objects(entry: Evaluation) -> list[tuple[int, int]]:
    return sorted((number, int(oid)) for number, fold in entry.folds.items() for oid in fold.oids)


def _fold_json(number: int, fold: Scored) -> dict[str, Any]:
    return {"fold": number, "n_objects": len(fold), "threshold": fold.threshold, **evaluate_fold(fold)}
