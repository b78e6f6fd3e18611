"""``rbztf cv --scores`` and ``--repeats``, and the plots that every evaluation leaves."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from helpers import make_oid, random_sequences, refused, run_well, strict_json, write_embeddings
from sklearn.metrics import roc_auc_score

from rbztf.evaluation.scores import Scored
from rbztf.plots.evaluation import reliability_bins

OIDS = [make_oid(i + 1, field=300 + i % 9) for i in range(90)]
PLOTS = ("roc.png", "reliability.png", "risk_coverage.png", "groups.png")


def write(path: Path, name: str, noise: float, oids: list[int] = OIDS) -> Path:
    rng = np.random.default_rng(1)
    rows = ["config,oid,fold,label,p_bogus,threshold"]
    for i, oid in enumerate(oids):
        p = np.clip(0.3 + 0.4 * (i % 2) + noise * rng.normal(), 0, 1)
        rows.append(f"{name},{oid},{i % 3},{i % 2},{p!r},0.5")
    path.write_text("\n".join(rows).replace("np.float64(", "").replace(")", "") + "\n")
    return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "good.csv", "good", 0.2)
    write(tmp_path / "bad.csv", "bad", 0.7)
    entries = []
    for i, oid in enumerate(OIDS):
        words = ["artefact", "ghost"] if i % 2 else ["SN"]
        entries.append(f'{{"oid": {oid}, "tags": {words!r}}}'.replace("'", '"'))
    (tmp_path / "labels.json").write_text(f"[{','.join(entries)}]")
    return tmp_path


def test_figures_are_recomputed_and_models_compared_from_files_alone(folder: Path) -> None:
    answer = strict_json(
        run_well("cv", "--scores", "good.csv", "--scores", "bad.csv", "--out", "run", "--json").stdout
    )
    assert [entry["config"] for entry in answer["models"]] == ["good", "bad"]
    good = answer["models"][0]
    rows = list(csv.DictReader((folder / "good.csv").open()))
    area = roc_auc_score([int(row["label"]) for row in rows], [float(row["p_bogus"]) for row in rows])
    assert good["roc_auc"]["pooled"] == pytest.approx(area)
    assert (good["n_objects"], good["folds"], good["by_tag"]) == (90, 3, {})
    (pair,) = answer["comparison"]
    assert (pair["of"], pair["minus"], pair["same_folds"]) == ("bad", "good", True)
    assert pair["difference"]["roc_auc"]["pooled_ci95"][1] < 0
    assert answer["warnings"] == answer["problems"] == []
    names = {path.name for path in (folder / "run").iterdir()}
    assert names >= {"metrics.json", "scores.csv", "metrics.csv", "roc.png", "reliability.png"}
    assert names >= {"risk_coverage.csv", "risk_coverage.png", "at_priors.csv"}
    assert good["risk_coverage"]["aurc"]["value"] < answer["models"][1]["risk_coverage"]["aurc"]["value"]
    assert [row["prior"] for row in good["at_priors"]] == [0.5, 0.1, 0.02]
    again = strict_json(run_well("cv", "--scores", "run/scores.csv", "--out", "again", "--json").stdout)
    for one, other in zip(answer["models"], again["models"]):
        assert {**one, "split": ""} == {**other, "split": ""}
    assert again["comparison"] == answer["comparison"]


def test_labels_add_the_tables_by_tag(folder: Path) -> None:
    command = ("cv", "--scores", "good.csv", "--labels", "labels.json", "--out", "run")
    answer = strict_json(run_well(*command, "--json").stdout)
    assert set(answer["models"][0]["by_tag"]) == {"artefact", "ghost", "SN"}
    assert set(answer["models"][0]["by_class"]) == {"artefact", "supernova"}
    for name in PLOTS:
        assert (folder / "run" / name).read_bytes().startswith(b"\x89PNG")
    assert (folder / "run" / "by_tag.csv").is_file()
    shown = run_well(*command)
    assert "pooled [95 %]" in shown.stdout
    assert "TPR at 1 %" in shown.stdout


def test_models_of_one_name_are_told_apart_by_their_files(folder: Path) -> None:
    write(folder / "twin.csv", "good", 0.7)
    result = run_well("cv", "--scores", "good.csv", "--scores", "twin.csv", "--json")
    answer = strict_json(result.stdout)
    assert [entry["config"] for entry in answer["models"]] == ["good, good.csv", "good, twin.csv"]
    assert len(answer["comparison"]) == 1
    runs = [folder / "a/run/scores.csv", folder / "b/run/scores.csv", folder / "c/other/scores.csv"]
    for path in runs:
        path.parent.mkdir(parents=True)
        write(path, "good", 0.3)
    options = [word for path in runs for word in ("--scores", path)]
    answer = strict_json(run_well("cv", *options, "--json").stdout)
    names = [entry["config"] for entry in answer["models"]]
    assert names == [f"good, run, {runs[0]}", f"good, run, {runs[1]}", "good, other"]


def test_models_on_other_objects_are_not_compared_and_that_is_said(folder: Path) -> None:
    write(folder / "half.csv", "half", 0.2, OIDS[:45])
    answer = strict_json(run_well("cv", "--scores", "good.csv", "--scores", "half.csv", "--json").stdout)
    assert answer["comparison"] == []
    assert "good and half were not scored on the same objects" in answer["warnings"][0]
    (folder / "labels.csv").write_text(f"oid,label\n{OIDS[0]},1\n{OIDS[1]},1\n")
    result = run_well("cv", "--scores", "good.csv", "--labels", "labels.csv")
    assert "label file has other labels for 1 of the objects" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--scores", "none.csv"], "none.csv cannot be read"),
        (["--scores", "labels.json"], "labels.json is not CSV"),
        (["--scores", "good.csv", "--models", "x"], "--models has no effect"),
        (["--scores", "good.csv", "--config", "bigru-l2"], "--config has no effect"),
        (["--scores", "good.csv", "--folds", "3"], "--folds has no effect"),
        (["--scores", "good.csv", "--repeats", "2"], "--repeats has no effect"),
        (["--models", "x", "--repeats", "2"], "Leave out --repeats"),
    ],
)
def test_wrong_use_is_refused(folder: Path, arguments: list[str], says: str) -> None:
    before = set(folder.iterdir())
    refused("cv", *arguments, code=2, says=[says])
    assert set(folder.iterdir()) == before


def test_repeated_draws_are_all_in_the_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    oids = OIDS[:36]
    write_embeddings(tmp_path / "e", dict(zip(oids, random_sequences([6] * 36, 3))), 3, encoder="abc")
    (tmp_path / "labels.csv").write_text(
        "oid,label\n" + "\n".join(f"{o},{i % 2}" for i, o in enumerate(oids))
    )
    small = (
        "vae.latent=3",
        "classifier.hidden=4",
        "training.epochs=1",
        "training.patience=0",
        "cv.bootstrap=20",
    )
    settings = [word for setting in small for word in ("--set", setting)]
    command = ("cv", "--config", "bigru-l2", "--embeddings", "e", "--labels", "labels.csv", "--folds", 2)
    answer = strict_json(
        run_well(
            *command, "--split", "random", "--repeats", 2, "--workers", 1, "--out", "run", "--json", *settings
        ).stdout
    )
    (entry,) = answer["models"]
    assert (entry["n_objects"], entry["folds"]) == (36, 4)
    assert [(fold["fold"], fold["draw"]) for fold in entry["per_fold"]] == [(0, 0), (1, 0), (2, 1), (3, 1)]
    pooled = [draw["roc_auc"] for draw in entry["per_draw"]]
    assert len(pooled) == 2
    assert entry["roc_auc"]["pooled"] == pytest.approx(np.mean(pooled))
    rows = list(csv.DictReader((tmp_path / "run/scores.csv").open()))
    assert len(rows) == 72
    for draw in ("0", "1"):
        mine = [row for row in rows if row["draw"] == draw]
        assert {int(row["oid"]) for row in mine} == {*oids}
        area = roc_auc_score([int(row["label"]) for row in mine], [float(row["p_bogus"]) for row in mine])
        assert area == pytest.approx(pooled[int(draw)])
    assert {row["n_frames"] for row in rows} == {"6"}
    refused(*command[:7], "--split", "reference", "--repeats", 2, *settings, says=["cannot be drawn 2 times"])


def test_reliability_bins_hold_equal_numbers_and_their_intervals_the_share() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random(1000)
    labels = (rng.random(1000) < scores).astype(np.int64)
    scored = Scored(np.array([make_oid(i) for i in range(1000)]), labels, scores, 0.5)
    predicted, found, low, high = reliability_bins(scored)
    assert len(predicted) == 10
    assert (np.diff(predicted) > 0).all()
    assert found.mean() == pytest.approx(labels.mean())
    assert ((low <= found) & (found <= high)).all()
    assert ((low <= predicted) & (predicted <= high)).mean() >= 0.8
    few = scored.only(np.arange(1000) < 4)
    assert len(reliability_bins(few)[0]) == 4
