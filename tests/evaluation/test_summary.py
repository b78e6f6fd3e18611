"""What is reported of a model: the JSON contract, tags, comparisons, scores to recompute it all from."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import make_oid, strict_json
from sklearn.metrics import brier_score_loss, roc_auc_score

from rbztf.evaluation.metrics import METRICS, evaluate_fold
from rbztf.evaluation.score_files import write_scores
from rbztf.evaluation.scores import Scored, pool
from rbztf.evaluation.subgroups import MIN_TAGGED, tag_masks
from rbztf.evaluation.summary import Evaluation, compare, summarise
from rbztf.stores.labels import Labelled, LabelTable
from rbztf.textfiles import json_text
from rbztf.ztf import Label, LabelRule, Oid

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
        assert set(value) == {"mean", "std", "ci95", "pooled", "pooled_ci95"}
        for interval in (value["ci95"], value["pooled_ci95"]):
            assert interval[0] <= interval[1]
    assert set(found["tpr_at_fpr"]) == {"0.01", "0.05"}
    assert [fold["fold"] for fold in found["per_fold"]] == [0, 1, 2]
    for fold, scored in zip(found["per_fold"], entry.folds.values()):
        assert fold["n_objects"] == len(scored)
        assert fold["roc_auc"] == pytest.approx(roc_auc_score(scored.labels, scored.scores))
    assert found["padding"] == "masked"
    risk = found["risk_coverage"]
    assert set(risk) == {"aurc", "rows"}
    assert [row["coverage"] for row in risk["rows"]] == [1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5]
    assert risk["rows"][0]["error"]["value"] == pytest.approx(1 - found["accuracy"]["pooled"])
    assert [row["prior"] for row in found["at_priors"]] == [0.5, 0.1, 0.02]
    assert set(found["at_priors"][0]) == {"prior", "brier", "ece", "recall", "false_alarms", "precision"}


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
    entry = evaluation("x", 0.3)
    assert set(entry.by_tag) == {"even", "odd", *(f"rare{i}" for i in range(4))}
    scores = {int(oid): p for fold in entry.folds.values() for oid, p in zip(fold.oids, fold.scores)}
    even = OIDS[::2]
    is_artefact = LABELS.labels(even) == 1
    called = np.array([scores[oid] >= 0.5 for oid in even])
    row = entry.by_tag["even"]
    assert (row["n"], row["artefacts"]) == (60, is_artefact.sum())
    assert row["called_bogus"] == pytest.approx(called.mean())
    assert row["recall"]["value"] == pytest.approx(called[is_artefact].mean())
    assert row["false_alarms"]["value"] == pytest.approx(called[~is_artefact].mean())
    for value, (low, high) in (
        (row["called_bogus"], row["ci95"]),
        *((row[name]["value"], row[name]["ci95"]) for name in ("recall", "false_alarms")),
    ):
        assert low < value < high
    few = pool(list(entry.folds.values()))
    few = few.only(np.arange(len(few)) < MIN_TAGGED - 1)
    assert tag_masks(few, LABELS) == {}


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
    nothing = {"mean": 0, "ci95": [0, 0], "pooled": 0, "pooled_ci95": [0, 0]}
    assert all(value == nothing for value in same.values())


def test_models_of_other_folds_but_the_same_objects_are_compared() -> None:
    good = evaluation("good", 0.2)
    folds = {k + 7: fold for k, fold in good.folds.items()}
    (found,) = compare([good, replace(good, name="renumbered", folds=folds)], draws=20)
    assert not found["same_folds"]
    assert found["difference"]["roc_auc"]["pooled_ci95"] == [0, 0]
    contradicting = {k: replace(fold, labels=1 - fold.labels) for k, fold in good.folds.items()}
    assert compare([good, replace(good, folds=contradicting)], draws=20) == []


def test_the_pooled_difference_is_of_the_pooled_figures() -> None:
    good, bad = evaluation("good", 0.2), evaluation("bad", 0.8)
    (found,) = compare([good, bad], draws=200)
    assert found["same_folds"]
    for name, value in found["difference"].items():
        assert value["pooled"] == pytest.approx(bad.metrics[name].pooled - good.metrics[name].pooled)
    low, high = found["difference"]["roc_auc"]["pooled_ci95"]
    assert low < found["difference"]["roc_auc"]["pooled"] < high < 0


def test_tables_by_length_magnitude_and_class() -> None:
    entry = evaluation("x", 0.3)
    folds = {k: replace(fold, draw=0) for k, fold in entry.folds.items()}
    frames = {int(oid): 10 + i for i, oid in enumerate(OIDS)}
    mags = {int(oid): 15 + i / 100 for i, oid in enumerate(OIDS) if i >= 20}
    made = summarise("x", "random", folds, LABELS, draws=50, seconds=0, n_frames=frames, magnitudes=mags)
    by_length = made.tables["by_length"]
    assert [(row["from"], row["to"], row["n"]) for row in by_length] == [
        (10, 39, 30),
        (40, 69, 30),
        (70, 99, 30),
        (100, 129, 30),
    ]
    scored = pool(list(made.folds.values()))
    assert scored.n_frames is not None
    inside = scored.n_frames < 40
    assert by_length[0]["roc_auc"]["value"] == pytest.approx(
        roc_auc_score(scored.labels[inside], scored.scores[inside])
    )
    assert by_length[0]["brier"]["value"] == pytest.approx(
        brier_score_loss(scored.labels[inside], scored.scores[inside])
    )
    assert by_length[0]["mean_score"] == pytest.approx(scored.scores[inside].mean())
    assert by_length[0]["share_artefacts"] == pytest.approx(scored.labels[inside].mean())
    for row in by_length:
        for name in ("roc_auc", "accuracy", "brier", "ece"):
            assert row[name]["ci95"][0] < row[name]["ci95"][1]
        assert row["ece"]["value"] >= abs(row["mean_score"] - row["share_artefacts"]) - 1e-12
    length = roc_auc_score(scored.labels, scored.n_frames)
    assert made.tables["length_auc"]["value"] == pytest.approx(max(length, 1 - length))
    by_magnitude = made.tables["by_magnitude"]
    assert [row["n"] for row in by_magnitude] == [25, 25, 25, 25, 20]
    assert np.isnan(by_magnitude[-1]["from"])
    by_class = made.tables["by_class"]
    assert by_class["artefact"]["n"] == by_class["artefact"]["artefacts"] == scored.labels.sum()
    assert by_class["unclassified"]["n"] == (scored.labels == 0).sum()
    assert "doubt" not in made.tables


def test_named_operating_points_are_reported_with_their_tags() -> None:
    entry = evaluation("x", 0.3)
    folds = {k: replace(fold, thresholds={"far10": 0.7 + k / 100}) for k, fold in entry.folds.items()}
    made = summarise("x", "random", folds, LABELS, draws=50, seconds=0)
    points = made.tables["operating_points"]
    assert list(points) == ["decision", "far10"]
    assert points["far10"]["threshold"] == {"mean": pytest.approx(0.71), "min": 0.7, "max": 0.72}
    for name, limits in (("decision", [0.5] * 3), ("far10", [0.7, 0.71, 0.72])):
        labels = np.concatenate([fold.labels for fold in folds.values()])
        called = np.concatenate([f.scores >= limit for f, limit in zip(folds.values(), limits)])
        assert points[name]["recall"]["value"] == pytest.approx(called[labels == 1].mean())
        assert points[name]["false_alarms"]["value"] == pytest.approx(called[labels == 0].mean())
    assert points["decision"]["by_tag"] == made.by_tag
    assert points["far10"]["by_tag"]["even"]["called_bogus"] < made.by_tag["even"]["called_bogus"]
    half = {k: replace(fold, thresholds={}) if k == 1 else fold for k, fold in folds.items()}
    made = summarise("x", "random", half, LABELS, draws=5, seconds=0)
    assert list(made.tables["operating_points"]) == ["decision"]


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


def test_both_rules_of_labels_are_told_from_the_same_scores() -> None:
    open_labels = LabelTable(
        [
            replace(entry, tags=entry.tags | ({"STAR"} if i % 4 == 0 else set()))
            for i, entry in enumerate(LABELS.values())
        ]
    )
    whole = evaluation("bigru", 0.3)
    found = summarise("bigru", "random", whole.folds, open_labels, draws=60, seconds=0.0)
    assert found.metrics == whole.metrics
    rules = strict_json(json_text(found.to_json()))["label_rules"]
    assert list(rules) == ["rb-ztf", "snad2025"]
    assert rules["rb-ztf"]["n_objects"] == N
    assert rules["rb-ztf"]["roc_auc"] == found.to_json()["roc_auc"]
    assert rules["snad2025"]["n_objects"] == N - N // 4
    scored = pool(list(whole.folds.values()))
    kept = np.array([OIDS.index(Oid(oid)) % 4 > 0 for oid in scored.oids.tolist()])
    expected = roc_auc_score(scored.labels[kept], scored.scores[kept])
    assert rules["snad2025"]["roc_auc"]["pooled"] == pytest.approx(expected)
    assert found.by_rule[LabelRule.SNAD2025].metrics["accuracy"].pooled == pytest.approx(
        ((scored.scores >= 0.5) == scored.labels)[kept].mean()
    )


def test_without_tags_there_is_one_rule() -> None:
    plain = LabelTable([replace(entry, tags=frozenset()) for entry in LABELS.values()])
    found = summarise("bigru", "random", evaluation("bigru", 0.3).folds, plain, draws=20, seconds=0.0)
    assert not found.by_rule
    assert "label_rules" not in found.to_json()
