"""Bad input ends with exit code 2 and one clear sentence; nothing is written, nothing is run."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from helpers import (
    Bomb,
    files_below,
    make_oid,
    random_frames,
    random_sequences,
    refused,
    tiny_classifier,
    tiny_encoder,
    write_cutouts,
    write_embeddings,
)

OIDS = [make_oid(i, field=300 + i % 5) for i in range(10)]


def entry(oid: object, *tags: str) -> dict[str, object]:
    return {"oid": oid, "tags": list(tags)}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where everything is right: cutouts, an encoder, vectors, labels, folds, models."""
    tmp_path = tmp_path_factory.mktemp("template")
    encoder = tiny_encoder(4)
    encoder.save(tmp_path / "encoder")
    for k in range(2):
        tiny_classifier(4, encoder=encoder).save(tmp_path / "models" / str(k))
    write_cutouts(tmp_path / "cutouts", {oid: random_frames(4, seed=oid % 10) for oid in OIDS[:3]})
    vectors = dict(zip(OIDS, random_sequences([6] * len(OIDS), 8)))
    write_embeddings(tmp_path / "embeddings", vectors, 4, encoder=encoder.hash)
    entries = [entry(oid, *(["artefact"] if i % 2 else [])) for i, oid in enumerate(OIDS)]
    (tmp_path / "labels.json").write_text(json.dumps(entries))
    rows = [f"{oid},{i // 2 % 2}" for i, oid in enumerate(OIDS)]
    (tmp_path / "folds.csv").write_text("\n".join(["oid,fold", *rows]))
    (tmp_path / "rbztf.yaml").write_text(
        yaml.safe_dump(
            {
                "data": {"labels": "labels.json", "embeddings": "embeddings", "cutouts": "cutouts"},
                "cv": {"bootstrap": 10},
            }
        )
    )
    return tmp_path


@pytest.fixture
def prepared(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder, to be spoilt."""
    shutil.copytree(template, tmp_path / "prepared")
    monkeypatch.chdir(tmp_path / "prepared")
    return tmp_path / "prepared"


VERBS = {
    "embed": ["embed", "--model", "encoder", "--data", "cutouts", "--out", "new"],
    "predict": ["predict", "--model", "models/0", "--embeddings", "embeddings", "--out", "new.csv"],
    "cv": ["cv", "--models", "models", "--split", "folds.csv", "--out", "new"],
}
MODEL_OF = {"embed": "encoder", "predict": "models/0", "cv": "models/0"}


@pytest.mark.parametrize("verb", VERBS)
def test_all_is_well_before(prepared: Path, verb: str) -> None:
    from helpers import run_well

    run_well(*VERBS[verb])
    assert (prepared / "new").exists() or (prepared / "new.csv").exists()


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("training.epoch=3", ["'training.epoch'", "Did you mean 'training.epochs'?"]),
        ("trainig.epochs=3", ["'trainig'", "Did you mean 'training'?"]),
        ("training.epochs=lots", ["'training.epochs'", "'lots'", "integer"]),
        ("data.labels=[1]", ["'data.labels'"]),
        ("classifier.cell=rnn", ["'classifier.cell'", "'gru' or 'lstm'"]),
    ],
)
def test_wrong_settings(prepared: Path, verb: str, setting: str, says: list[str]) -> None:
    key, _, value = setting.partition("=")
    section, _, name = key.partition(".")
    (prepared / "mine.yaml").write_text(yaml.safe_dump({section: {name: yaml.safe_load(value)}}))
    before = files_below(prepared)
    refused(*VERBS[verb], "--set", setting, says=["--set" if "=lots" in setting else "", *says])
    refused(*VERBS[verb], "--config", "mine.yaml", says=["mine.yaml", *says])
    assert files_below(prepared) == before


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("training: {epochs: [}", "line 1 is not valid YAML"),
        ("- training", "must hold sections"),
        ("training: 3", "'training'"),
    ],
)
def test_wrong_configuration_files(prepared: Path, verb: str, content: str, says: str) -> None:
    (prepared / "mine.yaml").write_text(content)
    refused(*VERBS[verb], "--config", "mine.yaml", says=["mine.yaml", says])
    (prepared / "rbztf.yaml").write_text(content)
    refused(*VERBS[verb], says=["rbztf.yaml", says])
    assert not list(prepared.glob("new*"))


@pytest.mark.parametrize(
    ("verb", "option"),
    [
        ("embed", "--model"),
        ("embed", "--data"),
        ("embed", "--config"),
        ("predict", "--model"),
        ("predict", "--embeddings"),
        ("predict", "--from"),
        ("predict", "--config"),
        ("cv", "--models"),
        ("cv", "--embeddings"),
        ("cv", "--labels"),
        ("cv", "--split"),
        ("cv", "--config"),
    ],
)
def test_missing_files(prepared: Path, verb: str, option: str) -> None:
    before = files_below(prepared)
    arguments = list(VERBS[verb])
    if option in arguments:
        arguments[arguments.index(option) + 1] = "gone.json"
    else:
        arguments += [option, "gone.json"]
    refused(*arguments, says=["gone.json"])
    assert files_below(prepared) == before


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("oid,label", "labels.json is not JSON (line 1"),
        ("", "labels.json is not JSON (line 1"),
        ('{"oid": 1}', "holds no JSON list"),
        (json.dumps([entry(12)]), "'12' is not a ZTF OID"),
        (json.dumps([entry(OIDS[0], "artefact"), entry(OIDS[0])]), "twice, as artefact and as real"),
        (json.dumps([entry(OIDS[0]), {"oid": OIDS[1]}]), "Entry 2"),
    ],
)
def test_wrong_labels(prepared: Path, content: str, says: str) -> None:
    (prepared / "labels.json").write_text(content)
    before = files_below(prepared)
    refused(*VERBS["cv"], says=["labels.json", says])
    assert files_below(prepared) == before


@pytest.mark.parametrize("oid", ["12", "686403400034440", "abc", "68610340003444.5"])
def test_oids_of_the_wrong_shape(prepared: Path, oid: str) -> None:
    (prepared / "list.txt").write_text(f"{OIDS[0]}\n{oid}\n")
    (prepared / "folds.csv").write_text(f"oid,fold\n{oid},0\n")
    before = files_below(prepared)
    refused(*VERBS["predict"], oid, says=[repr(oid), "is not a ZTF OID"])
    refused(*VERBS["predict"], "--from", "list.txt", says=["list.txt", repr(oid)])
    refused(*VERBS["predict"], "--from", "-", stdin=oid, says=["standard input", repr(oid)])
    refused(*VERBS["cv"], says=["folds.csv", repr(oid)])
    assert files_below(prepared) == before


@pytest.mark.parametrize("verb", ["predict", "cv"])
@pytest.mark.parametrize("foreign", [False, True])
def test_vectors_of_a_width_the_model_cannot_take(prepared: Path, verb: str, foreign: bool) -> None:
    vectors = dict(zip(OIDS, random_sequences([6] * len(OIDS), 7)))
    if foreign:
        (prepared / "wide").mkdir()
        for oid, array in vectors.items():
            np.save(prepared / "wide" / f"{oid}.npy", array)
    else:
        write_embeddings(prepared / "wide", vectors, 7)
    before = files_below(prepared)
    refused(
        *VERBS[verb], "--embeddings", "wide", says=["7 columns per frame; the model takes 4 latent means"]
    )
    assert files_below(prepared) == before


@pytest.mark.parametrize("verb", VERBS)
def test_a_bundle_from_a_newer_version(prepared: Path, verb: str) -> None:
    path = prepared / MODEL_OF[verb] / "model.yaml"
    path.write_text(path.read_text().replace("schema: 1", "schema: 2", 1))
    before = files_below(prepared)
    refused(*VERBS[verb], says=["written by a newer rbztf", "Update rbztf"])
    assert files_below(prepared) == before


def test_a_store_from_a_newer_version(prepared: Path) -> None:
    path = prepared / "embeddings/store.yaml"
    path.write_text(path.read_text().replace("schema: 1", "schema: 2", 1))
    for verb in ("predict", "cv"):
        refused(*VERBS[verb], says=["layout version 2", "Update rbztf"])


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("form", ["pickle", "torch"])
def test_a_malicious_pickle_in_a_bundle(prepared: Path, verb: str, form: str) -> None:
    trace = prepared / "trace"
    path = prepared / MODEL_OF[verb] / "weights.safetensors"
    if form == "pickle":
        path.write_bytes(pickle.dumps(Bomb(trace)))
    else:
        torch.save({"network.clf.0.weight": Bomb(trace)}, path)
    before = files_below(prepared)
    refused(*VERBS[verb], says=["weights.safetensors is not a safetensors file", "nothing in it was run"])
    assert files_below(prepared) == before


def test_the_real_command_shows_no_traceback(prepared: Path, environment: dict[str, str]) -> None:
    """As a process of its own: exit code, one line on stderr, nothing on stdout."""
    command = [sys.executable, "-m", "rbztf", *VERBS["predict"], "--set", "training.epoch=3"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("Error: Unknown key 'training.epoch' in the configuration")
    assert done.stderr.count("\n") == 1
