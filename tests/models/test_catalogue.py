"""Models are found by path or by name: in this folder, imported, shipped; never another than the one named."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import run_well, strict_json, tiny_classifier, tiny_encoder

from rbztf.config import Config
from rbztf.errors import UsageError
from rbztf.models import catalogue
from rbztf.models.catalogue import find_model, list_models
from rbztf.models.ensemble.bundle import save_ensemble
from rbztf.models.ensemble.ensemble import Ensemble
from rbztf.verbs.paths import locate_model


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with an imported model, a package with a shipped one, a working folder with one of its own."""
    monkeypatch.setattr(catalogue, "HOME_FILE", tmp_path / "cache" / "rbztf.yaml")
    monkeypatch.setattr(catalogue, "SHIPPED", tmp_path / "shipped")
    tiny_classifier(4).save(tmp_path / "cache" / "rnn" / "baseline" / "0")
    tiny_classifier(4, seed=1).save(tmp_path / "shipped" / "lightcurve")
    tiny_encoder(4).save(Path("models") / "encoder")
    return tmp_path


def test_every_place_is_searched(places: Path) -> None:
    found = {entry.name: (entry.origin, entry.kind) for entry in list_models()}
    assert found == {
        "models/encoder": ("here", "encoder"),
        "rnn/baseline/0": ("imported", "classifier"),
        "lightcurve": ("shipped", "classifier"),
    }
    listed = strict_json(run_well("models", "--json").stdout)["models"]
    assert {entry["name"] for entry in listed} == set(found)
    assert all(name in run_well("models").stdout for name in found)


def test_an_ensemble_says_how_good_it_is(places: Path, model: Ensemble) -> None:
    save_ensemble(model, Path("models") / "own")
    (own,) = (entry for entry in list_models() if entry.name == "models/own")
    assert own.auc == {
        "+".join(inputs): pytest.approx(area, abs=1e-4) for inputs, area in model.inner_auc.items()
    }
    assert len(own.auc) == 3
    assert own.prior == model.prior


def test_a_name_or_a_path(places: Path) -> None:
    assert find_model("rnn/baseline/0") == places / "cache" / "rnn" / "baseline" / "0"
    assert find_model("lightcurve") == places / "shipped" / "lightcurve"
    assert find_model(places / "shipped" / "lightcurve") == places / "shipped" / "lightcurve"


def test_a_name_in_this_folder_comes_first(places: Path) -> None:
    tiny_encoder(4).save(Path("lightcurve"))
    assert find_model("lightcurve") == Path("lightcurve")


def test_a_named_model_that_is_missing_is_an_error_never_a_fallback(places: Path) -> None:
    with pytest.raises(UsageError, match=r"There is no model lightcurv\..*Did you mean lightcurve"):
        find_model("lightcurv")
    config = Config.model_validate({"data": {"model": "gone"}})
    with pytest.raises(UsageError, match="There is no model gone"):
        locate_model(None, config)
    assert locate_model(None, Config()) == places / "shipped" / "lightcurve"
    assert locate_model("rnn/baseline/0", config) == places / "cache" / "rnn" / "baseline" / "0"


def test_folders_that_are_not_models_are_passed_over(places: Path) -> None:
    Path("x").mkdir()
    Path("x/model.yaml").write_text("kind: [")
    Path(".hidden").mkdir()
    Path(".hidden/model.yaml").write_text("schema: 1\nkind: encoder\n")
    assert {entry.name for entry in list_models() if entry.origin == "here"} == {"models/encoder"}


def test_without_any_model_the_command_that_makes_one_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "SHIPPED", tmp_path / "none")
    with pytest.raises(UsageError, match="rbztf import --train"):
        locate_model(None, Config())
