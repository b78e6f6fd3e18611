"""``rbztf doubt``: labels that out-of-fold scores contradict."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import make_oid, refused, run_well, strict_json, tiny_classifier, tiny_ensemble, tiny_objects

import rbztf
from rbztf.config import Config
from rbztf.csvfiles import write_csv
from rbztf.errors import InputError
from rbztf.models.catalogue import shipped_model
from rbztf.models.ensemble.bundle import load_ensemble, save_ensemble
from rbztf.models.ensemble.fit import fit_ensemble
from rbztf.models.objects.object_set import Modality
from rbztf.stores.labels import read_labels
from rbztf.stores.oid_lists import read_oids

OIDS = [make_oid(number + 1, field=600 + number // 8) for number in range(40)]
LABELS = [number % 2 for number in range(40)]
WRONG = (6, 11)
"""Objects whose scores say the other class: the first surer than the second."""
CHANGED_BY_SNAD = {
    676205200011454: "bogus",
    758208400026754: "bogus",
    754209400025594: "real",
    864214100006623: "real",
    330201100168755: "real",
}
"""Objects whose label SNAD changed after the export of the training labels, and what it is now."""


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write_scores(path: Path, draws: int = 1, name: str = "own") -> Path:
    """Scores of two models; those of ``NAME: part`` say the opposite of ``NAME``."""
    content = []
    for place, (oid, label) in enumerate(zip(OIDS, LABELS)):
        sure = 0.02 if place == WRONG[0] else 0.05 if place == WRONG[1] else 0.9 - place / 1000
        for draw in range(draws):
            p = 1 / (1 + math.exp(-(math.log(sure / (1 - sure)) + draw)))
            p = p if label else 1 - p
            for model, value in ((name, p), (f"{name}: part", 1 - p)):
                content.append(
                    {
                        "config": model,
                        "variant": "",
                        "draw": draw,
                        "oid": oid,
                        "fold": 2 * draw + place % 2,
                        "label": label,
                        "p_bogus": repr(value),
                        "threshold": 0.5,
                    }
                )
    write_csv(path, content)
    return path


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    return write_scores(tmp_path / "scores.csv")


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "labels.json"
    tags = [["artefact", "ghost"] if label else ["=VAR"] for label in LABELS]
    path.write_text(json.dumps([{"oid": oid, "tags": tag} for oid, tag in zip(OIDS, tags)]))
    return path


def test_labels_that_scores_contradict_come_first(tmp_path: Path, scores: Path, labels: Path) -> None:
    out = tmp_path / "doubt.csv"
    done = run_well("doubt", "--scores", scores, "--labels", labels, "--out", out, "--top", 3)
    found = rows(out)
    columns = "rank oid label p_bogus p_of_label issue tags later_label viewer"
    assert list(found[0]) == columns.split()
    assert [int(row["oid"]) for row in found[:2]] == [OIDS[place] for place in WRONG]
    assert [row["rank"] for row in found] == [str(rank) for rank in range(1, 41)]
    assert [row["issue"] for row in found].count("yes") == 2
    first, second = found[:2]
    assert (first["label"], second["label"], second["tags"], first["tags"]) == (
        "real", "bogus", "artefact, ghost", "'=VAR",
    )  # fmt: skip
    assert float(first["p_bogus"]) == pytest.approx(0.98)
    assert float(first["p_of_label"]) == pytest.approx(0.02)
    assert first["viewer"] == f"https://ztf.snad.space/view/{OIDS[WRONG[0]]}"
    own = [float(row["p_of_label"]) for row in found]
    assert own == sorted(own)
    assert sum(str(oid) in done.stdout for oid in OIDS) == 3
    assert "40 objects; confident learning takes 2 labels for wrong" in done.stderr
    assert f"rbztf report {out} --data data/cutouts --labels {labels}" in done.stderr


def test_draws_and_files_are_averaged_in_log_odds(tmp_path: Path) -> None:
    """Draw 1 adds 1 to the log odds of the label, so the mean of both adds a half; a file of draw 0 makes it a third."""
    paths = [write_scores(tmp_path / "a.csv", 2), write_scores(tmp_path / "b.csv", 1, "other")]
    for used, more in ((paths[:1], 1 / 2), (paths, 1 / 3)):
        made = rbztf.doubt(used, out=tmp_path / "d.csv")
        odds = math.log(made.objects[0].p_of_label / (1 - made.objects[0].p_of_label))
        assert odds == pytest.approx(math.log(0.02 / 0.98) + more)


def test_another_model_of_the_scores(tmp_path: Path, scores: Path) -> None:
    made = rbztf.doubt(scores, of="own: part", out=tmp_path / "d.csv")
    assert {made.objects[-1].oid, made.objects[-2].oid} == {OIDS[place] for place in WRONG}


def test_a_later_export_is_compared(tmp_path: Path, scores: Path, labels: Path) -> None:
    content = json.loads(labels.read_text())
    content[WRONG[0]]["tags"] = ["artefact"]
    content[3]["tags"] = ["VAR"]
    content[5]["tags"] = ["artefact", "track"]
    content = [*content[:-1], {"oid": make_oid(77), "tags": ["VAR"]}, {"oid": 1, "tags": []}]
    later = tmp_path / "later.json"
    later.write_text(json.dumps(content))
    words = ("doubt", "--scores", scores, "--labels", labels, "--against", later, "--out", tmp_path / "d.csv")
    done = run_well(*words, "--json", "-n", "2")
    made = strict_json(done.stdout)
    assert [each["rank"] for each in made["objects"]] == [1, 2]
    assert made["n_objects"] == 40
    found = made["against"]
    assert (found["n_shared"], found["n_tags"], found["n_new"]) == (39, 3, 1)
    assert [(each["oid"], each["rank"], each["later_label"]) for each in found["changed"]] == [
        (OIDS[WRONG[0]], 1, "bogus"),
        (OIDS[3], 37, "real"),
    ]
    assert [row["later_label"] for row in rows(tmp_path / "d.csv")] == ["bogus", "bogus"]
    told = run_well(*words)
    assert "of 39 objects known before 2 have another label, 3 have other tags; 1 object" in told.stderr
    assert "Ranks of the changed labels: 1, 37 of 40." in told.stderr


def test_a_later_csv_without_tags_has_no_other_tags(tmp_path: Path, scores: Path, labels: Path) -> None:
    later = tmp_path / "later.csv"
    later.write_text("oid,label\n" + "".join(f"{row['oid']},{row['label']}\n" for row in rows(scores)))
    made = rbztf.doubt(scores, labels=labels, against=later, out=tmp_path / "d.csv")
    assert made.against is not None
    assert made.against.n_shared
    assert made.against.n_tags is None


def test_a_later_csv_may_call_objects_unsure_and_tags_are_not_needed(tmp_path: Path, scores: Path) -> None:
    later = tmp_path / "later.csv"
    later.write_text(f"oid,label\n{OIDS[WRONG[0]]},unsure\n{OIDS[0]},real\n{OIDS[1]},real\n")
    made = rbztf.doubt(scores, against=later, out=tmp_path / "d.csv")
    assert made.against is not None
    assert (made.against.n_shared, made.against.n_tags) == (3, None)
    assert [(each.rank, each.later_label) for each in made.against.changed] == [
        (1, "unsure"),
        (41 - 2, "real"),
    ]


def test_the_report_and_predict_take_the_list(tmp_path: Path, scores: Path) -> None:
    out = tmp_path / "doubt.csv"
    run_well("doubt", "--scores", scores, "-n", 5, "--out", out)
    run_well("report", out, "--out", tmp_path / "page")
    text = (tmp_path / "page/data/objects.js").read_text(encoding="ascii").strip()
    objects = json.loads("[" + text[len("RBZTF.take(") : -2] + "]")[1]
    assert [int(each["oid"]) for each in objects] == [int(row["oid"]) for row in rows(out)]
    assert (objects[0]["label"], objects[0]["kinds"]) == ("real", [])
    assert objects[0]["facts"]["p_of_label"] == pytest.approx(0.02)
    assert len(read_oids(out)) == 5
    assert len(read_labels(out)) == 5


def test_a_model_keeps_scores_of_its_training_objects(tmp_path: Path) -> None:
    """Each object by all that is known of it: object 0 has features alone, 1 frames alone, 2 nothing."""
    data = tiny_objects()
    config = Config.model_validate(tiny_ensemble("statistics", "curves"))
    model = fit_ensemble(data, config, device=torch.device("cpu"))
    save_ensemble(model, tmp_path / "model")
    run_well("doubt", "--model", tmp_path / "model", "--out", tmp_path / "d.csv", "-q")
    found = {int(row["oid"]): row for row in rows(tmp_path / "d.csv")}
    oids = data.objects.oids.tolist()
    assert set(found) == set(oids) - {oids[2]}
    for have, oid in (
        ((Modality.LIGHTCURVE,), oids[0]),
        ((Modality.IMAGE,), oids[1]),
        ((Modality.IMAGE, Modality.LIGHTCURVE), oids[3]),
    ):
        kept = model.combinations[have]
        assert kept.oids is not None
        assert float(found[oid]["p_bogus"]) == pytest.approx(kept.scores[kept.oids == oid][0])


def test_labels_that_snad_changed_by_the_light_curves_of_the_shipped_model(tmp_path: Path) -> None:
    """Measured ranks of 1,783: 17, 234, 247, 361, 868. One is in the first 5 %, three in the first 15 %."""
    later = tmp_path / "later.csv"
    later.write_text("oid,label\n" + "".join(f"{oid},{label}\n" for oid, label in CHANGED_BY_SNAD.items()))
    made = rbztf.doubt(model=shipped_model(), against=later, out=tmp_path / "d.csv")
    assert made.against is not None
    assert {each.oid: each.later_label for each in made.against.changed} == CHANGED_BY_SNAD
    ranks = np.array([each.rank for each in made.against.changed], float) / made.n_objects
    assert ranks[0] <= 0.05
    assert ranks[2] <= 0.15
    assert ranks.max() < 0.5
    kept = next(iter(load_ensemble(shipped_model()).combinations.values()))
    n_errors = ((kept.scores >= 0.5) != kept.labels).sum()
    assert 0 < made.n_issues < n_errors


def test_other_labels_of_the_label_file_are_told(tmp_path: Path, scores: Path) -> None:
    (tmp_path / "labels.csv").write_text(f"oid,label\n{OIDS[0]},1\n{OIDS[1]},1\n")
    done = run_well(
        "doubt", "--scores", scores, "--labels", tmp_path / "labels.csv", "--out", tmp_path / "d.csv"
    )
    assert "other labels for 1 of the objects; those of the scores count" in done.stderr


def test_wrong_use_is_one_sentence(tmp_path: Path, scores: Path, labels: Path) -> None:
    out = ("--out", tmp_path / "d.csv")
    refused("doubt", "--scores", scores, "--model", "m", *out, says=["--model has no effect with --scores"])
    refused("doubt", "--of", "own", *out, says=["--of has no effect without --scores"])
    refused("doubt", "--scores", scores, "--of", "x", *out, says=["no scores of 'x'", "own, own: part"])
    refused("doubt", "--scores", scores, "--out", scores, says=["would be replaced"])
    refused("doubt", "--scores", scores, "--out", tmp_path / "d.json", says=[".csv"])
    refused("doubt", "--scores", tmp_path / "none.csv", *out, says=["none.csv"])
    (tmp_path / "later.json").write_text("{}")
    refused("doubt", "--scores", scores, "--against", tmp_path / "later.json", *out, says=["later.json"])
    refused("doubt", "--scores", scores, "--set", "seed=3", *out, says=["no effect on doubt"])
    tiny_classifier().save(tmp_path / "network")
    refused("doubt", "--model", tmp_path / "network", *out, says=["keeps no out-of-fold scores", "--scores"])
    (tmp_path / "one.csv").write_text(f"config,oid,fold,label,p_bogus,threshold\nx,{OIDS[0]},0,1,0.5,0.5\n")
    refused("doubt", "--scores", tmp_path / "one.csv", *out, code=1, says=["both kinds are needed"])
    assert not (tmp_path / "d.csv").exists()
    with pytest.raises(InputError, match="another label"):
        rbztf.doubt([scores, tmp_path / "one.csv"], out=tmp_path / "d.csv")
