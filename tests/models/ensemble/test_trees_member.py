"""Trees of an ensemble: repeatable, kept as text, and refused when the text is wrong."""

from __future__ import annotations

import builtins
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import TINY_FEATURES, TINY_MEMBERS, refusal, tiny_objects

from rbztf.config import TreesMember
from rbztf.errors import InputError, RbztfError
from rbztf.models.ensemble.bundle import read_member, write_member
from rbztf.models.ensemble.trees_member import FittedTrees, fit_trees, import_lightgbm
from rbztf.models.objects.object_set import LabelledSet, Modality

CURVES = TreesMember.model_validate(TINY_MEMBERS["curves"])
BOTH = CURVES.model_copy(update={"inputs": ("image", "lightcurve")})


@pytest.fixture(scope="module")
def complete() -> LabelledSet:
    return tiny_objects(60).take(np.arange(3, 60))


@pytest.fixture(scope="module")
def fitted(complete: LabelledSet) -> FittedTrees:
    return fit_trees(complete, CURVES, 3)


def test_the_seed_decides(complete: LabelledSet, fitted: FittedTrees) -> None:
    assert fit_trees(complete, CURVES, 3).text() == fitted.text()
    assert fit_trees(complete, CURVES, 4).text() != fitted.text()


def test_what_is_learnt(complete: LabelledSet, fitted: FittedTrees) -> None:
    logits = fitted.logits(complete.objects)
    assert logits[complete.labels == 1].mean() > logits[complete.labels == 0].mean() + 0.5
    assert fitted.modalities == (Modality.LIGHTCURVE,)
    assert fitted.names == TINY_FEATURES
    both = fit_trees(complete, BOTH, 3)
    assert both.names == complete.objects.image.names + TINY_FEATURES


def test_columns_are_found_by_name(complete: LabelledSet, fitted: FittedTrees) -> None:
    table = complete.objects.lightcurve
    moved = table.columns([*reversed(table.names), "another"])
    shuffled = replace(complete.objects, lightcurve=moved)
    np.testing.assert_array_equal(fitted.logits(shuffled), fitted.logits(complete.objects))


@pytest.mark.parametrize("section", [CURVES, BOTH])
def test_a_file_gives_the_same_scores(complete: LabelledSet, tmp_path: Path, section: TreesMember) -> None:
    made = fit_trees(complete, section, 1)
    write_member(tmp_path, "m", 0, made)
    again = read_member(tmp_path, "m", 0, section)
    assert isinstance(again, FittedTrees)
    assert (again.names, again.modalities) == (made.names, made.modalities)
    np.testing.assert_array_equal(again.logits(complete.objects), made.logits(complete.objects))
    assert read_member(tmp_path, "m", 1, section) is None


@pytest.mark.parametrize("text", ["", "tree", "a poem\nof two lines", "version=v4\n"])
def test_wrong_text_is_refused(text: str) -> None:
    error = refusal(lambda: FittedTrees.parse(text, (Modality.LIGHTCURVE,), TINY_FEATURES, "here.txt"))
    assert isinstance(error, InputError)
    assert "here.txt is no LightGBM model" in str(error)


def test_other_columns_are_refused(fitted: FittedTrees) -> None:
    error = refusal(lambda: FittedTrees.parse(fitted.text(), (Modality.LIGHTCURVE,), ["one"], "here.txt"))
    assert isinstance(error, InputError)
    assert "here.txt reads 3 columns; its model names 1" in str(error)


def test_without_lightgbm(
    complete: LabelledSet, fitted: FittedTrees, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, real = fitted.text(), builtins.__import__

    def fail(name: str, *arguments: Any, **more: Any) -> Any:
        if name == "lightgbm":
            raise OSError("libgomp.so.1: cannot open shared object file")
        return real(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", fail)
    for call in (
        import_lightgbm,
        lambda: fit_trees(complete, CURVES, 0),
        lambda: FittedTrees.parse(text, (), TINY_FEATURES, "here.txt"),
    ):
        error = refusal(call)
        assert isinstance(error, RbztfError)
        assert "libgomp" in error.message
        assert "pip install lightgbm" in error.next_step
