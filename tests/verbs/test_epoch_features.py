"""``rbztf features --feature-set``, and models that read features of single epochs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from helpers import refused, run_well, strict_json, tiny_ensemble

import rbztf
from rbztf.errors import UsageError
from rbztf.features import snad_set
from rbztf.features.epoch_set import EPOCH_NAMES, epoch_features
from rbztf.features.files import read_features, write_features
from rbztf.features.lightcurve import light_curve_features
from rbztf.features.sets import FeatureSet
from rbztf.features.snad_set import FEATURE_NAMES, SNAD_TABLE, known_definition
from rbztf.features.table import Definition
from rbztf.lsdb import score
from rbztf.models.ensemble.bundle import load_ensemble
from rbztf.simulate.dataset import label_entries
from rbztf.simulate.ordinary.table import ordinary_features
from rbztf.simulate.sky import SimulatedSky
from rbztf.stores.epochs import COLUMNS, FrameStatus, epoch_table
from rbztf.stores.object_file import write_object
from rbztf.verbs.training_inputs import read_ordinary

SKY = SimulatedSky(n_objects=36, n_epochs=14, seed=5)
NAMES = {"snad": FEATURE_NAMES, "epochs": EPOCH_NAMES, "both": (*FEATURE_NAMES, *EPOCH_NAMES)}
Folders = dict[str, Path]


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """Light curves without frames, labels, a table of each set, a configuration."""
    folder = tmp_path_factory.mktemp("sky")
    made = {name: folder / name for name in ("cutouts", "labels", "config")}
    for oid in SKY.oids:
        columns = {name: values for name, values in SKY.light_curve(oid).items() if name in COLUMNS}
        n = len(columns["mjd"])
        columns["status"] = np.full(n, FrameStatus.SKIPPED.value)
        frames = np.empty((0, 28, 28), np.float32)
        write_object(made["cutouts"], oid, frames, epoch_table(columns, n), ra_deg=10.0, dec_deg=20.0)
    made["labels"].write_text(json.dumps(label_entries(SKY)))
    made["config"].write_text(yaml.safe_dump(tiny_ensemble("curves")))
    for name in NAMES:
        made[name] = folder / f"{name}.csv"
        rbztf.make_features(made["cutouts"], made[name], feature_set=name)
    return made


def trained(at: Folders, features: Path, out: Path) -> Path:
    words = ("--config", at["config"], "--labels", at["labels"], "--features", features, "--out", out)
    run_well("train-rnn", "--quiet", *words)
    return out


def predicted(model: Path, *words: object) -> dict[str, Any]:
    answer: dict[str, Any] = strict_json(
        run_well("predict", "--model", model, "--no-fetch", "--quiet", "--json", *words).stdout
    )
    return answer


@pytest.fixture(scope="module")
def model(at: Folders) -> Path:
    """Trained on both sets."""
    return trained(at, at["both"], at["both"].with_name("model"))


def test_tables_of_each_set(at: Folders, tmp_path: Path) -> None:
    tables = {name: read_features(at[name]) for name in NAMES}
    store = rbztf.open_cutouts(at["cutouts"])
    for name, table in tables.items():
        assert table.names == NAMES[name]
        assert table.oids.tolist() == SKY.oids
        assert table.definition.span_mjd == tables["snad"].definition.span_mjd
    np.testing.assert_array_equal(tables["both"].columns(FEATURE_NAMES).values, tables["snad"].values)
    np.testing.assert_array_equal(tables["both"].columns(EPOCH_NAMES).values, tables["epochs"].values)
    for oid, row in zip(tables["epochs"].oids, tables["epochs"].values):
        np.testing.assert_array_equal(row, epoch_features(store.epochs(oid)))
    words = ("--data", at["cutouts"], "--out", tmp_path / "e.csv", "--feature-set", "epochs")
    answer = strict_json(run_well("features", *words, "--json", "-q").stdout)
    assert answer["n_features"] == len(EPOCH_NAMES)
    assert answer["definition"]["source"] == "rbztf epochs 1"
    assert (tmp_path / "e.csv").read_bytes() == at["epochs"].read_bytes()
    for ending in (".parquet", ".fits"):
        write_features(tmp_path / f"f{ending}", tables["both"])
        again = read_features(tmp_path / f"f{ending}")
        assert (again.names, again.definition) == (NAMES["both"], tables["both"].definition)
        np.testing.assert_array_equal(again.values, tables["both"].values)


def test_another_set_is_refused(at: Folders, tmp_path: Path) -> None:
    words = ("--data", at["cutouts"], "--out", tmp_path / "f.csv", "--feature-set", "all")
    refused("features", *words, says=["'all' is not a set of features", "snad, epochs, both"])
    assert not list(tmp_path.iterdir())


def test_the_epochs_need_no_package(at: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise UsageError("It is not installed.", "Install it.")

    monkeypatch.setattr(snad_set, "package", missing)
    rbztf.make_features(at["cutouts"], tmp_path / "f.csv", feature_set="epochs")
    assert (tmp_path / "f.csv").read_bytes() == at["epochs"].read_bytes()
    for name in ("snad", "both"):
        refused(
            "features",
            "--data",
            at["cutouts"],
            "--feature-set",
            name,
            "--out",
            tmp_path / "g.csv",
            says=["Install"],
        )


def test_definitions() -> None:
    snad, epochs, both = (Definition(which.source(), 65535) for which in FeatureSet)
    assert both.source == f"{snad.source} + {epochs.source}"
    assert all(both.same_as(part) for part in (snad, epochs, both))
    assert not any(part.same_as(other) for part, other in ((snad, both), (epochs, both), (snad, epochs)))
    assert not both.same_as(replace(snad, catflags=0))
    assert not both.same_as(Definition())
    assert both.same_as(SNAD_TABLE) == snad.same_as(SNAD_TABLE)
    assert known_definition(NAMES["both"], Definition()) == Definition()
    assert [FeatureSet.of(names) for names in NAMES.values()] == list(FeatureSet)
    assert FeatureSet.of(["mine"]) is FeatureSet.SNAD


def test_a_model_of_both_computes_both_from_cutouts(at: Folders, model: Path) -> None:
    bundle = load_ensemble(model)
    assert set(bundle.feature_names) == set(NAMES["both"])
    assert bundle.definition == read_features(at["both"]).definition
    by_table = predicted(model, "--features", at["both"])["objects"]
    by_cutouts = predicted(model, "--data", at["cutouts"])["objects"]
    assert [entry["p_bogus"] for entry in by_cutouts] == [entry["p_bogus"] for entry in by_table]
    assert all(entry["features_verified"] for entry in (*by_table, *by_cutouts))
    half = predicted(model, "--features", at["snad"])
    assert not any(entry["features_verified"] for entry in half["objects"])
    assert any("lacks 37 of the 91 features" in text for text in half["warnings"])


@pytest.mark.parametrize("name", ["snad", "epochs"])
def test_models_of_one_set(at: Folders, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = trained(at, at[name], tmp_path / "model")
    if name == "epochs":
        monkeypatch.setattr(snad_set, "can_compute", lambda: False)
    by_cutouts = predicted(folder, "--data", at["cutouts"])["objects"]
    for table in (at[name], at["both"]):  # the table of both is made as that of each
        entries = predicted(folder, "--features", table)["objects"]
        assert [entry["p_bogus"] for entry in by_cutouts] == [entry["p_bogus"] for entry in entries]
        assert all(entry["features_verified"] for entry in (*by_cutouts, *entries))


def test_catalogs_have_no_psf_fit(model: Path) -> None:
    with pytest.raises(UsageError, match="reads features of the PSF fit"):
        score(None, model=model)


def test_ordinary_objects_without_these_features_are_warned_of(at: Folders, tmp_path: Path) -> None:
    write_features(tmp_path / "ordinary.csv", ordinary_features(5, 0))
    labels = rbztf.read_labels(at["labels"])
    for name, warned in (("both", 1), ("snad", 0)):
        _, warnings = read_ordinary(tmp_path / "ordinary.csv", read_features(at[name]), labels)
        assert len(warnings) == warned


def test_what_is_dropped_changes_both_sets(at: Folders, model: Path) -> None:
    """``--until`` cuts the epochs of both."""
    store, bundle = rbztf.open_cutouts(at["cutouts"]), load_ensemble(model)
    end = float(np.median(store.epochs(SKY.oids[0])["mjd"]))
    answer = predicted(model, SKY.oids[0], "--data", at["cutouts"], "--until", end)
    epochs = store.epochs(SKY.oids[0])
    values = np.concatenate(
        [light_curve_features(epochs, until_mjd=end), epoch_features(epochs, until_mjd=end)]
    )
    place = [NAMES["both"].index(name) for name in bundle.feature_names]
    table = read_features(at["both"]).rows([SKY.oids[0]]).columns(bundle.feature_names)
    cut = replace(table, values=values[place][None])
    write_features(at["both"].with_name("cut.csv"), cut)
    expected = predicted(model, "--features", at["both"].with_name("cut.csv"))
    assert answer["objects"][0]["p_bogus"] == expected["objects"][0]["p_bogus"]
