"""``rbztf export`` writes files from which whoever reads them makes the scores of rbztf."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from helpers import refused, run_well, tiny_classifier, tiny_ensemble, tiny_objects
from scipy.special import expit

import rbztf
from rbztf.config import Config
from rbztf.features.table import FeatureTable
from rbztf.models.catalogue import shipped_model
from rbztf.models.ensemble.bundle import load_ensemble, save_ensemble
from rbztf.models.ensemble.ensemble import Ensemble
from rbztf.models.ensemble.fit import fit_ensemble
from rbztf.models.objects.object_set import Modality, ObjectSet

pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


def answers(path: Path, **feed: Any) -> Any:
    """The first output in ONNX Runtime."""
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, feed)[0]


def test_one_file_scores_features_as_the_shipped_model_does() -> None:
    run_well("export", "lightcurve", "--out", "made")
    model = load_ensemble(shipped_model())
    rng = np.random.default_rng(0)
    features = (rng.normal(size=(500, 54)) * 10 ** rng.uniform(-3, 3, (500, 54))).astype(np.float32)
    features[rng.random(features.shape) < 0.1] = np.nan
    table = FeatureTable(np.arange(500), model.feature_names, features.astype(np.float64))
    none = [np.empty((0, 0), np.float32)] * 500
    expected = model.score(ObjectSet.of(table.oids, none, model.reader, table)).p_bogus
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(answers(Path("made/score.onnx"), features=features), expected, atol=1e-6)
    described = yaml.safe_load(Path("made/export.yaml").read_text())
    assert described["files"]["score.onnx"]["columns"] == list(model.feature_names)
    assert set(described["files"]) == {path.name for path in Path("made").glob("*.onnx")}


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory: pytest.TempPathFactory) -> tuple[Ensemble, Path]:
    settings = tiny_ensemble()
    settings["ensemble"]["members"] = {
        name: member | ({"epochs": 2} if member["kind"] == "network" else {"trees": 5})
        for name, member in settings["ensemble"]["members"].items()
    }
    model = fit_ensemble(tiny_objects(), Config.model_validate(settings), device=torch.device("cpu"))
    folder = tmp_path_factory.mktemp("ensemble") / "model"
    save_ensemble(model, folder)
    return model, folder


def test_members_make_the_score_by_the_numbers_of_the_description(ensemble: tuple[Ensemble, Path]) -> None:
    """Of objects with frames and features, frames alone, features alone."""
    model, folder = ensemble
    out = rbztf.export(folder, "made").out
    described = yaml.safe_load((out / "export.yaml").read_text())
    objects = tiny_objects().objects.take(np.arange(3, 40))
    inputs = model.available(objects)
    outputs = model.outputs(objects)
    expected = {
        have: model.score_outputs(outputs, [have] * len(objects)).p_bogus for have in model.combinations
    }
    assert set(inputs) == {tuple(Modality)}
    longest = max(map(len, objects.frames))
    frames = np.stack([np.pad(each, ((0, longest - len(each)), (0, 0))) for each in objects.frames])
    for score in described["scores"]:
        log_odds = score["bias"]
        for member in score["members"]:
            entry = described["files"][member["file"]]
            feed: dict[str, Any] = {"frames": frames, "lengths": np.array(list(map(len, objects.frames)))}
            if "rows" in entry["inputs"]:
                feed["rows"] = objects.table(list(Modality)).columns(tuple(entry["columns"])).values
            logits = answers(out / member["file"], **{name: feed[name] for name in entry["inputs"]})
            np.testing.assert_allclose(
                logits, outputs[member["member"]].transpose(1, 0, 2), rtol=1e-5, atol=2e-6
            )
            log_odds = log_odds + member["weight"] * np.clip(logits[:, :, 0].mean(axis=1), *score["clip"])
        have = tuple(Modality(name) for name in score["inputs"])
        np.testing.assert_allclose(expit(log_odds), expected[have], atol=2e-6)
    features = objects.lightcurve.columns(model.feature_names).values.astype(np.float32)
    rounded = FeatureTable(objects.oids, model.feature_names, features.astype(np.float64))
    none = [np.empty((0, 4), np.float32)] * len(objects)
    alone = model.score(ObjectSet.of(objects.oids, none, model.reader, rounded)).p_bogus
    np.testing.assert_allclose(answers(out / "score.onnx", features=features), alone, atol=1e-6)


def test_a_classifier_comes_with_its_encoder() -> None:
    tiny_classifier().save(Path("model"))
    made = json.loads(run_well("export", "model", "--json").stdout)
    assert made["out"] == "onnx"
    assert set(made["files"]) >= {"classifier.onnx"}
    described = yaml.safe_load(Path("onnx/export.yaml").read_text())
    assert described["source"]["kind"] == "classifier"
    run_well("export", "model")  # an earlier export gives way


def test_what_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    refused("export", "ligthcurve", says=["ligthcurve", "Did you mean lightcurve?"])
    Path("data").mkdir()
    Path("data/notes.txt").write_text("mine")
    refused("export", "lightcurve", "--out", "data", says=["data exists and is not an export"])
    assert Path("data/notes.txt").read_text() == "mine"
    monkeypatch.setitem(sys.modules, "onnx", None)
    refused("export", "lightcurve", says=["needs onnx", 'pip install "rbztf[onnx]"'])
    assert not Path("onnx").exists()
