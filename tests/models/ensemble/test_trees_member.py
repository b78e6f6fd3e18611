"""Trees of an ensemble: repeatable, kept as text, and refused when the text is wrong."""

from __future__ import annotations

import builtins
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import TINY_FEATURES, TINY_MEMBERS, refusal, tiny_objects
from scipy.special import expit

from rbztf.config import TreesMember
from rbztf.errors import InputError, RbztfError
from rbztf.features.table import FeatureTable
from rbztf.models.ensemble.bundle import read_member, write_member
from rbztf.models.ensemble.trees_member import FittedTrees, import_lightgbm
from rbztf.models.objects.object_set import LabelledSet, Modality, ObjectSet

CPU = torch.device("cpu")
CURVES = TreesMember.model_validate(TINY_MEMBERS["curves"])
BOTH = CURVES.model_copy(update={"inputs": ("image", "lightcurve")})


def fit(data: LabelledSet, section: TreesMember, seed: int) -> FittedTrees:
    return FittedTrees.fit(data, section, seed, CPU, data.take(np.arange(0)))


def text_of(trees: FittedTrees) -> str:
    return trees.text


@pytest.fixture(scope="module")
def complete() -> LabelledSet:
    return tiny_objects(60).take(np.arange(3, 60))


@pytest.fixture(scope="module")
def fitted(complete: LabelledSet) -> FittedTrees:
    return fit(complete, CURVES, 3)


def test_the_seed_decides(complete: LabelledSet, fitted: FittedTrees) -> None:
    assert text_of(fit(complete, CURVES, 3)) == text_of(fitted)
    assert text_of(fit(complete, CURVES, 4)) != text_of(fitted)


def test_what_is_learnt(complete: LabelledSet, fitted: FittedTrees) -> None:
    logits = fitted.outputs(complete.objects)[:, 0]
    assert logits[complete.labels == 1].mean() > logits[complete.labels == 0].mean() + 0.5
    assert fitted.modalities == (Modality.LIGHTCURVE,)
    assert fitted.names == TINY_FEATURES
    both = fit(complete, BOTH, 3)
    assert both.names == complete.objects.image.names + TINY_FEATURES


def test_the_settings_reach_the_trees(complete: LabelledSet, capfd: pytest.CaptureFixture[str]) -> None:
    section = CURVES.model_copy(
        update={
            "trees": 2,
            "leaves": 5,
            "min_leaf": 3,
            "row_share": 0.8,
            "column_share": 0.5,
            "random_splits": True,
        }
    )
    lines = text_of(fit(complete, section, 7)).splitlines()
    settings = {
        **{"learning_rate": section.learning_rate, "num_leaves": 5, "min_data_in_leaf": 3},
        **{"bagging_fraction": 0.8, "bagging_freq": 1, "feature_fraction": 0.5, "extra_trees": 1},
        **{"num_threads": 1, "deterministic": 1, "force_row_wise": 1, "seed": 7, "num_iterations": 2},
    }
    assert set(lines) >= {f"[{name}: {value}]" for name, value in settings.items()}
    assert capfd.readouterr() == ("", "")


def test_constant_columns_are_fitted_without_a_word(
    complete: LabelledSet, capfd: pytest.CaptureFixture[str]
) -> None:
    table = complete.objects.lightcurve
    constant = replace(table, values=np.ones_like(table.values))  # of which LightGBM would warn
    made = fit(replace(complete, objects=replace(complete.objects, lightcurve=constant)), CURVES, 0)
    assert np.ptp(made.outputs(complete.objects)) == 0
    assert capfd.readouterr() == ("", "")


def test_columns_are_found_by_name(complete: LabelledSet, fitted: FittedTrees) -> None:
    table = complete.objects.lightcurve
    moved = table.columns([*reversed(table.names), "another"])
    shuffled = replace(complete.objects, lightcurve=moved)
    np.testing.assert_array_equal(fitted.outputs(shuffled), fitted.outputs(complete.objects))


@pytest.mark.parametrize("section", [CURVES, BOTH])
def test_a_file_gives_the_same_scores(complete: LabelledSet, tmp_path: Path, section: TreesMember) -> None:
    made = fit(complete, section, 1)
    reader = complete.objects.frame_reader
    write_member(tmp_path, "m", 0, made)
    again = read_member(tmp_path, "m", 0, section, reader)
    assert isinstance(again, FittedTrees)
    assert (again.names, again.modalities) == (made.names, made.modalities)
    np.testing.assert_array_equal(again.outputs(complete.objects), made.outputs(complete.objects))
    assert read_member(tmp_path, "m", 1, section, reader) is None


@pytest.mark.parametrize("text", ["", "tree", "a poem\nof two lines", "version=v4\n"])
def test_wrong_text_is_refused(complete: LabelledSet, tmp_path: Path, text: str) -> None:
    (tmp_path / "m-0.txt").write_text(f'["a"]\n{text}')
    error = refusal(lambda: read_member(tmp_path, "m", 0, CURVES, complete.objects.frame_reader))
    assert isinstance(error, InputError)
    assert "m-0.txt is damaged (it is not a LightGBM model" in str(error)


def test_other_columns_are_refused(complete: LabelledSet, fitted: FittedTrees, tmp_path: Path) -> None:
    fitted.save(tmp_path / "m-0.txt")
    (tmp_path / "m-0.txt").write_text(f'["one"]\n{text_of(fitted)}')
    error = refusal(lambda: read_member(tmp_path, "m", 0, CURVES, complete.objects.frame_reader))
    assert isinstance(error, InputError)
    assert "it reads 3 columns; 1 are named" in str(error)


def test_without_lightgbm(
    complete: LabelledSet, fitted: FittedTrees, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__
    fitted.save(tmp_path / "m.txt")

    def fail(name: str, *arguments: Any, **more: Any) -> Any:
        if name == "lightgbm":
            raise OSError("libgomp.so.1: cannot open shared object file")
        return real(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", fail)
    for call in (
        import_lightgbm,
        lambda: fit(complete, CURVES, 0),
    ):
        error = refusal(call)
        assert isinstance(error, RbztfError)
        assert "libgomp" in error.message
        assert "pip install lightgbm" in error.next_step
    again = FittedTrees.load(tmp_path / "m.txt", CURVES, complete.objects.frame_reader)
    expected = fitted.outputs(complete.objects)
    np.testing.assert_array_equal(again.outputs(complete.objects), expected)


def with_ordinary(data: LabelledSet, mean: float) -> LabelledSet:
    """``data`` and 40 ordinary objects whose first feature is around ``mean``."""
    values = np.random.default_rng(5).normal([mean, 0, 0], size=(40, len(TINY_FEATURES)))
    table = FeatureTable(np.arange(40), TINY_FEATURES, values, data.objects.lightcurve.definition)
    none = [np.empty((0, 4), np.float32)] * 40
    return replace(data, ordinary=ObjectSet.of(table.oids, none, data.objects.reader, table))


def test_ordinary_objects_are_learnt_as_real(complete: LabelledSet, fitted: FittedTrees) -> None:
    """Those that look like artefacts pull scores down; with the weight 0 they are left out."""
    data = with_ordinary(complete, 1.5)
    before = fitted.outputs(data.ordinary)[:, 0]
    assert before.mean() > 0
    heavy = fit(data, CURVES.model_copy(update={"ordinary_weight": 1.0}), 3)
    light = fit(data, CURVES.model_copy(update={"ordinary_weight": 0.1}), 3)
    assert (
        heavy.outputs(data.ordinary)[:, 0].mean() < light.outputs(data.ordinary)[:, 0].mean() < before.mean()
    )
    assert text_of(fit(data, CURVES.model_copy(update={"ordinary_weight": 0.0}), 3)) == text_of(fitted)


def test_ordinary_objects_lack_the_frames_that_trees_read(complete: LabelledSet) -> None:
    assert text_of(fit(with_ordinary(complete, 1.5), BOTH, 3)) == text_of(fit(complete, BOTH, 3))


def test_the_learning_curve_ends_with_the_loss_of_all_trees() -> None:
    data = tiny_objects(24).take(np.arange(3, 24))
    fitted = fit(data, CURVES, 0)
    (row, *_, last) = fitted.learning_curve(data, data.take(np.arange(0)))
    logits = fitted.outputs(data.objects)[:, 0]
    expected = np.mean(-np.log(np.where(data.labels == 1, expit(logits), expit(-logits))))
    assert last == {"trees": CURVES.trees, "loss": pytest.approx(expected)}
    assert row["loss"] > last["loss"]
    assert fitted.learning_curve(data, data)[-1]["held_out_loss"] == last["loss"]
