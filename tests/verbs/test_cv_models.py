"""``rbztf cv --models``: the article's table from published classifiers, fold by fold."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import (
    UPSTREAM,
    make_oid,
    need,
    random_sequences,
    refused,
    run_well,
    strict_json,
    tiny_classifier,
    write_embeddings,
)
from sklearn.metrics import roc_auc_score

OIDS = [make_oid(i, field=300 + i % 9) for i in range(30)]


@pytest.fixture(scope="module")
def published_run(published: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The GRU and the bidirectional GRU on folds 0 and 1, padded as published and masked."""
    out = tmp_path_factory.mktemp("cv") / "run"
    models = tmp_path_factory.mktemp("models")
    for name in ("baseline", "wd_2dir"):
        (models / name).symlink_to(published / "rnn" / name)
    result = run_well(
        *("cv", "--models", models, "--embeddings", published / "embeddings"),
        *("--labels", published / "labels.json", "--split", need(UPSTREAM / "folds.csv")),
        *("--out", out, "--set", "cv.bootstrap=50", "--json"),
    )
    return out, strict_json(result.stdout)


def test_published_classifiers_have_their_published_auc(published_run: tuple[Path, dict[str, Any]]) -> None:
    _, answer = published_run
    with need(UPSTREAM / "published_auc.csv").open() as stream:
        expected = {(row["model"], int(row["fold"])): row for row in csv.DictReader(stream)}
    compared = 0
    for entry in answer["models"]:
        column = {"reference": "padded", "masked": "alone"}[entry["padding"]]
        for fold in entry["per_fold"]:
            figure = float(expected[entry["config"], fold["fold"]][column])
            assert fold["roc_auc"] == pytest.approx(figure, abs=0.002)
            assert fold["n_objects"] == 446
            compared += 1
    assert compared == 8


def test_the_answer_and_the_run_folder_say_the_same(published_run: tuple[Path, dict[str, Any]]) -> None:
    out, answer = published_run
    assert strict_json((out / "metrics.json").read_text()) == answer
    assert answer["run"] == str(out)
    with (out / "scores.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 4 * 2 * 446
    for entry in answer["models"][:1]:
        for fold in entry["per_fold"]:
            mine = [
                row for row in rows if row["config"] == entry["config"] and int(row["fold"]) == fold["fold"]
            ][:446]
            auc = roc_auc_score([int(row["label"]) for row in mine], [float(row["p_bogus"]) for row in mine])
            assert auc == pytest.approx(fold["roc_auc"], abs=1e-3)
    assert "split:" in (out / "config.yaml").read_text()
    (difference,) = answer["comparison"]
    assert (difference["of"], difference["minus"]) == ("wd_2dir", "baseline")


@pytest.fixture
def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with vectors, labels and two families of models, named in its ``rbztf.yaml``."""
    vectors = dict(zip(OIDS, random_sequences([3 + i % 7 for i in range(30)], 4)))
    write_embeddings(tmp_path / "e", vectors, 4)
    (tmp_path / "labels.csv").write_text(
        "oid,label\n" + "\n".join(f"{o},{i % 2}" for i, o in enumerate(OIDS))
    )
    (tmp_path / "folds.csv").write_text("oid,fold\n" + "\n".join(f"{o},{i % 3}" for i, o in enumerate(OIDS)))
    for name, both in (("mine", True), ("baseline", False)):
        for k in range(3):
            tiny_classifier(4, seed=k, bidirectional=both).save(tmp_path / "models" / name / str(k))
    (tmp_path / "rbztf.yaml").write_text("data: {embeddings: e, labels: labels.csv}\ncv: {bootstrap: 20}\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_table_has_a_row_for_each_family(prepared: Path) -> None:
    result = run_well("cv", "--models", "models", "--split", "folds.csv")
    rows = {line.split()[0]: line.split() for line in result.stdout.splitlines() if line.strip()}
    assert rows["GRU"][1] == "0.84±0.01"
    assert len(rows["GRU"]) == len(rows["mine"]) + 3
    assert "does not say which encoder" in result.stderr
    run = next((prepared / "runs").iterdir())
    assert {path.name for path in run.iterdir()} >= {"config.yaml", "metrics.json", "scores.csv"}


def test_the_contract_of_the_answer(prepared: Path) -> None:
    answer = strict_json(run_well("cv", "--models", "models", "--split", "folds.csv", "--json").stdout)
    assert {"models", "comparison"} <= set(answer)
    assert [(entry["config"], entry["padding"]) for entry in answer["models"]] == [
        ("baseline", "reference"),
        ("baseline", "masked"),
        ("mine", "reference"),
        ("mine", "masked"),
    ]
    for entry in answer["models"]:
        assert (entry["split"], entry["folds"], entry["n_objects"]) == ("folds.csv", 3, 30)
        for name in ("roc_auc", "average_precision", "accuracy", "f1", "brier", "ece"):
            assert set(entry[name]) == {"mean", "std", "ci95", "pooled", "pooled_ci95"}
        assert set(entry["tpr_at_fpr"]) == {"0.01", "0.05"}
        assert {"by_tag", "per_fold", "seconds", "article_protocol"} <= set(entry)


def test_a_fold_of_one_class_gives_null_and_not_nan(prepared: Path) -> None:
    labels = "\n".join(f"{o},{int(i % 3 == 0)}" for i, o in enumerate(OIDS))
    (prepared / "labels.csv").write_text(f"oid,label\n{labels}")
    answer = strict_json(run_well("cv", "--models", "models", "--split", "folds.csv", "--json").stdout)
    assert answer["models"][0]["per_fold"][0]["roc_auc"] is None


def test_two_runs_give_the_same_scores(prepared: Path) -> None:
    for out in ("one", "two"):
        run_well("cv", "--models", "models", "--split", "folds.csv", "--out", out)
    assert (prepared / "one/scores.csv").read_bytes() == (prepared / "two/scores.csv").read_bytes()


def test_objects_without_usable_vectors_are_left_out_and_named(prepared: Path) -> None:
    vectors = dict(zip(OIDS, random_sequences([4] * 30, 4)))
    vectors[OIDS[4]][:] = np.nan
    vectors[OIDS[5]][1] = np.nan
    vectors[OIDS[6]] = vectors[OIDS[6]][:0]
    write_embeddings(prepared / "e", vectors, 4)
    result = run_well("cv", "--models", "models", "--split", "folds.csv", "--json", code=3)
    answer = strict_json(result.stdout)
    assert {int(problem["where"]) for problem in answer["problems"]} == {OIDS[4], OIDS[6]}
    assert answer["models"][0]["n_objects"] == 28
    with (Path(answer["run"]) / "scores.csv").open() as stream:
        assert all(np.isfinite(float(row["p_bogus"])) for row in csv.DictReader(stream))


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--models", "none"], 2, "no folder of models none"),
        (["--models", "e"], 2, "holds no NAME/0"),
        (["--models", "models", "--split", "none.csv"], 2, "no split 'none.csv'"),
        (
            ["--models", "models", "--split", "folds.csv", "--folds", "4"],
            2,
            "has 3 folds, --folds asks for 4",
        ),
        (
            ["--models", "models", "--split", "reference", "--folds", "3"],
            2,
            "has 5 folds, --folds asks for 3",
        ),
        (["--models", "models", "--split", "labels.csv"], 2, "lacks the column 'fold'"),
        (["--models", "models", "--split", "reference"], 1, "whole label list"),
        (["--models", "models", "--labels", "none.json"], 2, "none.json"),
        (["--models", "models", "--labels", "rbztf.yaml"], 2, "is not JSON"),
        (["--models", "models", "--embeddings", "none"], 2, "no embeddings at none"),
        (["--models", "models", "--set", "data.bands=[g]"], 1, "no object in the band g"),
        (["--models", "models", "--set", "cv.fold=3"], 2, "Did you mean 'cv.folds'?"),
        (["--models", "models", "--split", "folds.csv", "--out", "rbztf.yaml"], 2, "cannot be written"),
    ],
)
def test_wrong_use_is_refused_and_leaves_nothing(
    prepared: Path, arguments: list[str], code: int, says: str
) -> None:
    before = set(prepared.iterdir())
    refused("cv", *arguments, code=code, says=[says])
    assert set(prepared.iterdir()) == before
