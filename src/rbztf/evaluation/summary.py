"""Summary of the cross-validation of one model, in the form of ``cv --json``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

import numpy as np

from rbztf.evaluation.bootstrap import Estimate, estimates, field_weights, interval, pooled_metrics, spread
from rbztf.evaluation.coverage import doubt, risk_coverage
from rbztf.evaluation.length_bias import length_auc
from rbztf.evaluation.metrics import METRICS, evaluate_fold
from rbztf.evaluation.operating_points import at_priors, operating_points
from rbztf.evaluation.scores import Scored, by_draw, pool
from rbztf.evaluation.subgroups import (
    called_table,
    class_masks,
    kind_table,
    quartile_table,
    tag_masks,
    tags_of,
)
from rbztf.stores.labels import LabelTable
from rbztf.ztf import LabelRule, is_ambiguous


@dataclass(frozen=True)
class RuleFigures:
    """Metrics of the objects that count by a rule of labels.

    Attributes
    ----------
    n_objects : int
    metrics : dict of str to Estimate
    """

    n_objects: int
    metrics: dict[str, Estimate]

    def to_json(self) -> dict[str, Any]:
        """As in ``cv --json``."""
        return {"n_objects": self.n_objects, **_metrics_json(self.metrics)}


@dataclass(frozen=True)
class Evaluation:
    """Out-of-fold scores of one model and the metrics made from them.

    Attributes
    ----------
    name : str
        Of the configuration or the folder of bundles.
    split : str
    folds : dict of int to Scored
        Numbered through all draws of the folds.
    metrics : dict of str to Estimate
    by_tag : dict
        Per tag: objects, artefacts among them, share called bogus.
    seconds : float
        Wall-clock time of training and scoring.
    extra : dict
        Further entries for ``--json``.
    tables : dict
        ``by_class``, ``by_length``, ``length_auc``, ``by_magnitude``, ``operating_points``,
        ``risk_coverage``, ``at_priors`` and ``doubt``, as far as there is what they need.
    by_rule : dict of LabelRule to RuleFigures
        The same scores by each rule of labels; nothing where the labels have no tags.
    part_of : str
        Of an ablation, the name of the whole model; it is compared with that alone.
    """

    name: str
    split: str
    folds: dict[int, Scored]
    metrics: dict[str, Estimate]
    by_tag: dict[str, dict[str, Any]]
    seconds: float
    extra: dict[str, Any] = field(default_factory=dict)
    tables: dict[str, Any] = field(default_factory=dict)
    by_rule: dict[LabelRule, RuleFigures] = field(default_factory=dict)
    part_of: str = ""

    @property
    def variant(self) -> str:
        """The name, and what tells apart models of the same name."""
        padding = self.extra.get("padding")
        return f"{self.name} ({padding})" if padding else self.name

    @property
    def n_objects(self) -> int:
        """Objects scored, each once however many draws of the folds there are."""
        return _count(list(self.folds.values()))

    def to_json(self) -> dict[str, Any]:
        """One entry of ``models`` in ``cv --json``."""
        return {
            "config": self.name,
            **({"part_of": self.part_of} if self.part_of else {}),
            "split": self.split,
            "folds": len(self.folds),
            "n_objects": self.n_objects,
            **_metrics_json(self.metrics),
            **({"label_rules": rules} if (rules := self._rules_json()) else {}),
            "by_tag": self.by_tag,
            **self.tables,
            "per_fold": [_fold_json(number, fold) for number, fold in self.folds.items()],
            "per_draw": _draws_json(list(self.folds.values())),
            "seconds": round(self.seconds, 2),
            **self.extra,
        }

    def _rules_json(self) -> dict[str, Any]:
        return {str(rule): figures.to_json() for rule, figures in self.by_rule.items()}


def _metrics_json(metrics: Mapping[str, Estimate]) -> dict[str, Any]:
    flat = {name: value.to_json() for name, value in metrics.items() if "." not in name}
    at_rate = {name.partition(".")[2]: value.to_json() for name, value in metrics.items() if "." in name}
    return {**flat, "tpr_at_fpr": at_rate}


def summarise(
    name: str,
    split: str,
    folds: dict[int, Scored],
    labels: LabelTable,
    *,
    draws: int,
    seconds: float,
    extra: Mapping[str, Any] | None = None,
    n_frames: Mapping[Any, int] | None = None,
    magnitudes: Mapping[Any, float] | None = None,
) -> Evaluation:
    """Make an :class:`Evaluation` from the scored test folds.

    Parameters
    ----------
    draws : int
        Resamplings of the fields, for the intervals.
    n_frames : mapping of OID to int, optional
        Frames of each object, for the tables by length; default what the folds say.
    magnitudes : mapping of OID to float, optional
        Mean magnitude of each object, for the table by magnitude; default what the folds say.
    """
    folds = {number: _described(fold, n_frames, magnitudes) for number, fold in folds.items()}
    parts = list(folds.values())
    by_tag, tables = _tables(parts, labels, draws)
    metrics = estimates(parts, spread(parts, draws))
    by_rule = _by_rule(parts, metrics, labels, draws)
    return Evaluation(name, split, folds, metrics, by_tag, seconds, dict(extra or {}), tables, by_rule)


def compare(evaluations: Sequence[Evaluation], draws: int) -> list[dict[str, Any]]:
    """Differences between every two models on the same objects, with paired intervals.

    Each metric has the difference of its means over folds and of its pooled figures, resampled
    over the same fields for both. ``same_folds`` tells whether the folds were the same too; where
    not, the pooled difference is the one to read.
    """
    spreads = [spread(list(entry.folds.values()), draws) for entry in evaluations]
    out = []
    for (first, before), (second, after) in combinations(zip(evaluations, spreads), 2):
        if not _comparable(first, second) or _objects(first) != _objects(second):
            continue
        difference = {
            name: {
                "mean": second.metrics[name].mean - first.metrics[name].mean,
                "ci95": list(interval(after.mean[name] - before.mean[name])),
                "pooled": second.metrics[name].pooled - first.metrics[name].pooled,
                "pooled_ci95": list(interval(after.pooled[name] - before.pooled[name])),
            }
            for name in METRICS
        }
        same_folds = _places(first) == _places(second)
        out.append(
            {"of": second.name, "minus": first.name, "same_folds": same_folds, "difference": difference}
        )
    return out


def _comparable(first: Evaluation, second: Evaluation) -> bool:
    """Whole models with each other, parts with their whole."""
    if not first.part_of and not second.part_of:
        return True
    return second.part_of == first.name and not first.part_of


def _tables(
    folds: Sequence[Scored], labels: LabelTable, draws: int
) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    scored = pool(folds)
    (weights,) = field_weights([scored.fields], draws)
    tags = tag_masks(scored, labels)
    tables: dict[str, Any] = {"operating_points": operating_points(folds, tags, weights)}
    tables |= {"risk_coverage": risk_coverage(scored, weights), "at_priors": at_priors(scored, weights)}
    if any(entry.tags for entry in labels.values()):
        tables["by_class"] = called_table(scored, class_masks(scored, labels), weights)
    if scored.n_frames is not None:
        tables["by_length"] = quartile_table(scored, scored.n_frames.astype(float), weights)
        tables["length_auc"] = length_auc(scored.labels, scored.n_frames, weights)
    if scored.mags is not None:
        tables["by_magnitude"] = quartile_table(scored, scored.mags, weights)
    kinds = kind_table(scored, labels, weights)
    if kinds is not None:
        tables["kinds"] = kinds
    found = doubt(scored, weights)
    if found is not None:
        tables["doubt"] = found
    return called_table(scored, tags, weights), tables


def _by_rule(
    folds: Sequence[Scored], metrics: dict[str, Estimate], labels: LabelTable, draws: int
) -> dict[LabelRule, RuleFigures]:
    """Figures by each rule, of the same scores; ``metrics`` are those of all objects."""
    tags = [[tags_of(labels, oid) for oid in fold.oids.tolist()] for fold in folds]
    if not any(map(any, tags)):
        return {}
    clear = [np.array([not is_ambiguous(found) for found in part], bool) for part in tags]
    kept = [fold.only(mask) for fold, mask in zip(folds, clear)]
    made = {LabelRule.RB_ZTF: RuleFigures(_count(folds), metrics)}
    if all(len(fold) for fold in kept):
        made[LabelRule.SNAD2025] = RuleFigures(_count(kept), estimates(kept, spread(kept, draws)))
    return made


def _count(folds: Sequence[Scored]) -> int:
    """Objects, each once however many draws of the folds there are."""
    return len({oid for fold in folds for oid in fold.oids.tolist()})


def _described(
    fold: Scored, n_frames: Mapping[Any, int] | None, magnitudes: Mapping[Any, float] | None
) -> Scored:
    if n_frames:
        fold = replace(fold, n_frames=np.array([n_frames[oid] for oid in fold.oids.tolist()], np.int64))
    if magnitudes:
        known = [magnitudes.get(oid, np.nan) for oid in fold.oids.tolist()]
        fold = replace(fold, mags=np.array(known, float))
    return fold


def _objects(entry: Evaluation) -> set[tuple[int, int]]:
    return {
        (int(oid), int(label)) for fold in entry.folds.values() for oid, label in zip(fold.oids, fold.labels)
    }


def _places(entry: Evaluation) -> list[tuple[int, int]]:
    return sorted((number, int(oid)) for number, fold in entry.folds.items() for oid in fold.oids)


def _fold_json(number: int, fold: Scored) -> dict[str, Any]:
    return {
        "fold": number,
        "draw": fold.draw,
        "n_objects": len(fold),
        "threshold": float(np.median(fold.threshold)),
        **evaluate_fold(fold),
    }


def _draws_json(folds: Sequence[Scored]) -> list[dict[str, Any]]:
    """Pooled metrics of each draw of the folds."""
    draws = by_draw(folds)
    return [{"draw": draw, **pooled_metrics([folds[i] for i in draws[draw]])} for draw in draws]
