"""Conformal limits that rest on objects with a clear label: fitted, kept in the bundle, refused where damaged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import tiny_ensemble, tiny_objects, unseal
from safetensors.torch import load_file, save_file

from rbztf.config import Config
from rbztf.errors import DataError, InputError
from rbztf.models.decision import conformal
from rbztf.models.decision.decisions import Goal, apply_goal
from rbztf.models.ensemble.bundle import load_ensemble, save_ensemble
from rbztf.models.ensemble.ensemble import Ensemble
from rbztf.models.ensemble.fit import fit_ensemble
from rbztf.models.objects.object_set import LabelledSet, Modality, label_objects
from rbztf.stores.labels import Labelled, LabelTable
from rbztf.ztf import Label, Oid

CURVE = (Modality.LIGHTCURVE,)
TREES = {"kind": "trees", "inputs": ["lightcurve"], "trees": 10, "min_leaf": 2}


def trained(data: LabelledSet, limits_from: str) -> Ensemble:
    section = {"members": {"trees": TREES}, "folds": 2, "limits_from": limits_from, "error_rate": 0.3}
    config = Config.model_validate({**tiny_ensemble("frames"), "ensemble": section})
    return fit_ensemble(data, config, device=torch.device("cpu"))


@pytest.fixture(scope="module")
def data() -> LabelledSet:
    """Every fourth object, real ones and artefacts, has an open label."""
    data = tiny_objects()
    return replace(data, clear=np.arange(len(data)) % 4 != 3)


def test_limits_rest_on_clear_objects_and_scores_on_all(data: LabelledSet, tmp_path: Path) -> None:
    every, clear = trained(data, "all"), trained(data, "clear")
    assert every.combinations[CURVE].clear is None
    known = clear.combinations[CURVE]
    assert known.oids is not None
    assert known.clear is not None
    open_labels = set(data.objects.oids[3::4].tolist())
    assert set(known.oids[~known.clear].tolist()) == open_labels & set(known.oids.tolist())
    given = clear.score(data.objects)
    np.testing.assert_array_equal(given.p_bogus, every.score(data.objects).p_bogus)
    expected = conformal.fit(known.labels[known.clear], known.scores[known.clear], 0.3)
    _, decided = apply_goal(clear, given)
    assert decided.limit_bogus[0] == expected.limit_bogus
    of_every = apply_goal(every, given)[1]
    assert 0 < (~known.clear).sum() < len(known.clear)
    np.testing.assert_array_equal(decided.thresholds, of_every.thresholds)
    save_ensemble(clear, tmp_path / "m")
    again = apply_goal(load_ensemble(tmp_path / "m"), given, Goal(prior=0.1))[1]
    for name, values in vars(apply_goal(clear, given, Goal(prior=0.1))[1]).items():
        np.testing.assert_array_equal(values, getattr(again, name), name)


def test_tags_tell_which_labels_are_clear() -> None:
    objects = tiny_objects().objects.take(np.arange(5))
    tags = [{"1-point"}, {"1-point", "VAR"}, {"artefact"}, {"artefact", "uncertain"}, {"STAR", "VAR"}]
    labels = LabelTable(
        [
            Labelled(Oid(oid), Label("artefact" in found), frozenset(found))
            for oid, found in zip(objects.oids.tolist(), tags)
        ]
    )
    made = label_objects(objects, labels)
    assert made.clear is not None
    assert made.clear.tolist() == [False, True, True, False, False]
    part = made.take(np.array([1, 3])).clear
    assert part is not None
    assert part.tolist() == [True, False]


def test_without_clear_objects_of_both_classes_there_are_no_limits(data: LabelledSet) -> None:
    with pytest.raises(DataError, match="have a label that is not open, all of one class"):
        trained(replace(data, clear=data.labels == 1), "clear")


@pytest.mark.parametrize("damage", ["short", "none", "numbers"])
def test_damage_is_refused(data: LabelledSet, tmp_path: Path, damage: str) -> None:
    save_ensemble(trained(data, "clear"), tmp_path / "m")
    unseal(tmp_path)
    path = tmp_path / "m" / "weights.safetensors"
    tensors = load_file(path)
    (name,) = [name for name in tensors if name.endswith(".clear")]
    kept = tensors[name]
    tensors[name] = {"short": kept[1:], "none": torch.zeros_like(kept), "numbers": kept.double()}[damage]
    save_file(tensors, path)
    with pytest.raises(InputError, match="damaged or lacks"):
        load_ensemble(tmp_path / "m")
