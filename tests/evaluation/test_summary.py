"""What is reported of a model: the JSON contract, tags, comparisons, scores to recompute it all from."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from helpers import make_oid, strict_json
from sklearn.metrics import roc_auc_score

from rbztf.archive.labels import Labelled, LabelTable
from rbztf.evaluation.metrics import METRICS, Scored, evaluate_fold
from rbztf.evaluation.summary import MIN_TAGGED, Evaluation, compare, summarise, tag_table, write_scores
from rbztf.report.tables import json_text
from rbztf.sky import Label, Oid

N = 120
RNG = np.random.default_rng(2)
OIDS = [Oid(make_oid(i, field=300 + i % 10)) for i in range(N)]
LABELS = LabelTable(
    [
        Labelled(
            oid, Label(int(RNG.integers(2))), frozenset({"even"} if i % 2 == 0 else {"odd", f"rare{i // 30}"})
        )
        for i, oid in enumerate(OIDS)
    ]
)


def evaluation(name: str, noise: float, *, oids: list[Oid] | None = None, draws: int = 60) -> Evaluation:
    oids = oids or OIDS
    folds = {}
    for k in range(3):
        members = oids[k::3]
        labels = LABELS.labels(members)
        scores = np.clip(labels * 0.4 + 0.3 + noise * np.random.default_rng(k).normal(size=len(labels)), 0, 1)
        folds[k] = Scored(np.array(members, np.int64), labels, scores, 0.5)
    return summarise(name, "random", folds, LABELS, draws=draws, seconds=1.234, extra={"padding": "masked"})


def test_the_contract_of_an_entry() -> None:
    entry = evaluation("bigru", 0.3)
    found = strict_json(json_text(entry.to_json()))
    assert found["config"] == "bigru"
    assert (found["split"], found["folds"], found["n_objects"], found["seconds"]) == ("random", 3, N, 1.23)
    estimates = ["roc_auc", "average_precision", "accuracy", "f1", "brier", "ece"]
    for value in [*(found[name] for name in estimates), *found["tpr_at_fpr"].values()]:
        assert set(value) == {"mean", "std", "ci95"}
        low, high = value["ci95"]
        assert low <= high
    assert set(found["tpr_at_fpr"]) == {"0.01", "0.05"}
    assert [fold["fold"] for fold in found["per_fold"]] == [0, 1, 2]
    for fold, scored in zip(found["per_fold"], entry.folds.values()):
        assert fold["n_objects"] == len(scored)
        assert fold["roc_auc"] == pytest.approx(roc_auc_score(scored.labels, scored.scores))
    assert found["padding"] == "masked"


def test_what_cannot_be_known_is_null_in_json() -> None:
    entry = evaluation("x", 0.3, draws=0)
    found = strict_json(json_text(entry.to_json()))
    assert found["roc_auc"]["ci95"] == [None, None]
    assert found["roc_auc"]["mean"] == pytest.approx(entry.metrics["roc_auc"].mean)
    assert strict_json(
        json_text({"a": (1.5, float("inf"), {"b": float("nan")}), "c": [True, "NaN", None]})
    ) == {
        "a": [1.5, None, {"b": None}],
        "c": [True, "NaN", None],
    }


def test_tags_with_enough_objects_are_listed() -> None:
    folds = evaluation("x", 0.3).folds
    table = tag_table(folds, LABELS)
    assert set(table) == {"even", "odd", *(f"rare{i}" for i in range(4))}
    scores = {int(oid): p for fold in folds.values() for oid, p in zip(fold.oids, fold.scores)}
    even = OIDS[::2]
    assert table["even"] == {
        "n": 60,
        "artefacts": int(LABELS.labels(even).sum()),
        "called_bogus": pytest.approx(np.mean([scores[oid] >= 0.5 for oid in even])),
    }
    few = {0: Scored(folds[0].oids[: MIN_TAGGED - 1], folds[0].labels[:9], folds[0].scores[:9], 0.5)}
    assert tag_table(few, LABELS) == {}


def test_models_are_compared_on_the_same_objects() -> None:
    good, bad, elsewhere = (
        evaluation("good", 0.2),
        evaluation("bad", 0.8),
        evaluation("elsewhere", 0.2, oids=OIDS[:60]),
    )
    found = compare([good, bad, elsewhere], draws=80)
    assert [(entry["of"], entry["minus"]) for entry in found] == [("bad", "good")]
    difference = found[0]["difference"]
    assert set(difference) == set(METRICS)
    assert difference["roc_auc"]["mean"] == pytest.approx(
        bad.metrics["roc_auc"].mean - good.metrics["roc_auc"].mean
    )
    low, high = difference["roc_auc"]["ci95"]
    assert low < difference["roc_auc"]["mean"] < high < 0
    same = compare([good, evaluation("again", 0.2)], draws=20)[0]["difference"]
    assert all(value == {"mean": 0, "ci95": [0, 0]} for value in same.values())


def test_every_figure_can_be_recomputed_from_the_scores(tmp_path: Path) -> None:
    entries = [evaluation("a", 0.3), evaluation("b", 0.6)]
    write_scores(tmp_path / "scores.csv", entries)
    with (tmp_path / "scores.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 2 * N
    for entry in entries:
        for k, fold in entry.folds.items():
            mine = [row for row in rows if row["config"] == entry.name and int(row["fold"]) == k]
            again = Scored(
                np.array([int(row["oid"]) for row in mine]),
                np.array([int(row["label"]) for row in mine]),
                np.array([float(row["p_bogus"]) for row in mine]),
                float(mine[0]["threshold"]),
            )
            assert evaluate_fold(again) == pytest.approx(evaluate_fold(fold), abs=1e-6)
