"""``rbztf report`` and ``predict --report``: what becomes a page, and label files that go back into training."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers import (
    make_oid,
    random_frames,
    random_sequences,
    refused,
    run_well,
    strict_json,
    tiny_ensemble,
    write_cutouts,
    write_embeddings,
)
from report_helpers import OIDS, prediction

import rbztf
from rbztf.errors import UsageError
from rbztf.prediction.result import PredictResult, write_predictions
from rbztf.stores.labels import read_labels


def objects_of(folder: Path) -> list[dict[str, Any]]:
    text = (folder / "data/objects.js").read_text(encoding="ascii").strip()
    rows: list[dict[str, Any]] = json.loads("[" + text[len("RBZTF.take(") : -2] + "]")[1]
    return rows


@pytest.fixture
def cutouts(tmp_path: Path) -> Path:
    return write_cutouts(tmp_path / "cutouts", {oid: random_frames(50, seed=oid % 7) for oid in OIDS[:3]})


@pytest.fixture
def result() -> PredictResult:
    return PredictResult("model", tuple(prediction(oid, p) for oid, p in zip(OIDS, (0.1, 0.5, 0.9))))


@pytest.mark.parametrize("ending", [".json", ".csv", ".ecsv", ".fits", ".vot", ".parquet"])
def test_predictions_of_every_format(ending: str, tmp_path: Path, result: PredictResult) -> None:
    path = tmp_path / f"scores{ending}"
    outside = replace(
        prediction(OIDS[3], 0.7), decision=None, input_check="outside", input_reason="amplitude is 99"
    )
    write_predictions(path, PredictResult("model", (*result.objects, outside)))
    made = strict_json(run_well("report", path, "--out", tmp_path / "page", "--json").stdout)
    assert made["n_objects"] == 4
    assert made["url"] == (tmp_path / "page/index.html").as_uri()
    rows = objects_of(tmp_path / "page")
    assert [row["p"] for row in rows] == pytest.approx([0.1, 0.5, 0.9, 0.7])
    assert [row["decision"] for row in rows] == ["real", "unsure", "bogus", ""]
    assert [row["kind"] for row in rows] == ["ghost"] * 4
    assert [row["training"] for row in rows] == [True, False, True, False]
    assert rows[3]["facts"]["input_check"] == "outside"
    assert rows[3]["facts"]["input_reason"] == "amplitude is 99"
    assert "input_check" not in rows[0]["facts"]


def test_objects_without_cutouts_are_counted(tmp_path: Path, result: PredictResult) -> None:
    some = write_cutouts(tmp_path / "some", {OIDS[0]: random_frames(6)})
    warnings = rbztf.report(result, data=some, out=tmp_path / "page").warnings
    n = len(result.objects)
    assert any(f"{n - 1} of {n} objects are not in {some}" in warning for warning in warnings)


def test_a_list_without_scores_is_none_of_scores(tmp_path: Path) -> None:
    path = tmp_path / "labels.json"
    path.write_text(json.dumps([{"oid": OIDS[0], "tags": []}]))
    refused("report", path, "--out", tmp_path / "page", says=["Object 1 of", "no p_bogus"])


def test_the_command_says_where_the_page_is(tmp_path: Path, cutouts: Path, result: PredictResult) -> None:
    write_predictions(tmp_path / "scores.json", result)
    told = run_well("report", tmp_path / "scores.json", "--data", cutouts, "--out", tmp_path / "page").stderr
    assert "3 objects" in told
    assert (tmp_path / "page/index.html").is_file()
    assert len(list((tmp_path / "page/frames").glob("*.zscale.webp"))) == 3


def test_all_frames(tmp_path: Path, cutouts: Path, result: PredictResult) -> None:
    some = rbztf.report(result, out=tmp_path / "some", data=cutouts)
    every = rbztf.report(result, out=tmp_path / "every", data=cutouts, all_frames=True)
    assert every.n_frames == 150 > some.n_frames >= 120


def test_labels_are_shown(tmp_path: Path, result: PredictResult) -> None:
    (tmp_path / "labels.csv").write_text(f"oid,label\n{OIDS[0]},bogus\n{OIDS[1]},real\n")
    rbztf.report(result, out=tmp_path / "page", labels=tmp_path / "labels.csv")
    assert [row["label"] for row in objects_of(tmp_path / "page")] == ["bogus", "real", ""]
    assert objects_of(tmp_path / "page")[0]["wrong"] == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("scores.json", "{", "JSON"),
        ("scores.json", '[{"oid": 1}]', "Object 1"),
        ("scores.json", "[]", "no objects"),
        ("scores.csv", "a,b\n1,2\n", "oid"),
        ("scores.txt", "hello", "not a table"),
    ],
)
def test_other_files_are_refused_in_a_sentence(name: str, content: str, says: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    refused("report", tmp_path / name, says=[says])
    assert not Path("report").exists()


def test_other_folders_are_refused_in_a_sentence(tmp_path: Path) -> None:
    refused("report", tmp_path, says=["no run folder of cv"])
    refused("report", tmp_path / "nothing.json", says=["There is no file"])
    with pytest.raises(UsageError, match="no objects"):
        rbztf.report(PredictResult("model", ()), out=tmp_path / "page")


def test_labels_of_the_page_are_labels(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(
        "oid,label,verdict,kind,comment,when\n"
        f"{OIDS[0]},real,real,,,2026-01-01T00:00:00Z\n"
        f'{OIDS[1]},bogus,bogus,ghost,"\'=1+1, ""so""",2026-01-01T00:00:00Z\n'
        f"{OIDS[2]},,unsure,,,2026-01-01T00:00:00Z\n"
        f"{make_oid(77, fid=1)},unsure,,,,\n"
    )
    labels = read_labels(path)
    assert [int(oid) for oid in labels] == OIDS[:2]
    assert labels.undecided == {OIDS[2], make_oid(77, fid=1)}
    assert labels.in_bands([rbztf.Band.R]).undecided == {OIDS[2]}


def test_training_takes_labels_of_the_page(tmp_path: Path) -> None:
    oids = [make_oid(number, field=600 + number % 8) for number in range(40)]
    sequences = random_sequences([12] * 40, 3)
    for number in range(0, 40, 2):
        sequences[number][:, 0] += 4
    embeddings = write_embeddings(tmp_path / "e", dict(zip(oids, sequences)), 3)
    words = ["bogus,bogus", "real,real"] * 19 + [",unsure", ","]
    lines = [f"{oid},{word},,looked at,2026-01-01T00:00:00Z" for oid, word in zip(oids, words)]
    path = tmp_path / "labels.csv"
    path.write_text("\n".join(["oid,label,verdict,kind,comment,when", *lines]) + "\n")
    config = tmp_path / "tiny.yaml"
    config.write_text(yaml.safe_dump({**tiny_ensemble("statistics"), "name": "tiny"}))
    command = ("train-rnn", "--config", config, "--embeddings", embeddings, "--labels", path)
    done = strict_json(run_well(*command, "--out", tmp_path / "model", "--json").stdout)
    assert done["n_objects"] == 38
    assert "Left out: 2 objects called unsure in the label file." in done["warnings"]


def test_an_empty_label_in_another_file_is_still_an_error(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text(f"oid,label\n{OIDS[0]},\n")
    with pytest.raises(UsageError, match="is not a label"):
        read_labels(tmp_path / "labels.csv")
