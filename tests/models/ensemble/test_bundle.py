"""Bundles of ensembles keep the names of what their scores mean."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from helpers import tensors_of, tiny_ensemble, tiny_objects, unseal
from safetensors import safe_open
from safetensors.torch import save_file

import rbztf.models.ensemble.fit
import rbztf.models.objects.object_set
from rbztf.config import Config
from rbztf.errors import InputError
from rbztf.models.ensemble import bundle, legacy
from rbztf.models.ensemble.bundle import load_ensemble, save_ensemble
from rbztf.models.ensemble.ensemble import Ensemble
from rbztf.models.ensemble.fit import fit_ensemble
from rbztf.models.objects.object_set import LabelledSet, tag_targets
from rbztf.stores.labels import Labelled, LabelTable
from rbztf.ztf import ARTEFACT_KINDS, AUXILIARY_TAGS, Label, Oid

OTHER_KINDS = ("dust", *reversed(ARTEFACT_KINDS))
OTHER_TAGS = {kind: frozenset({kind}) for kind in OTHER_KINDS} | dict(reversed(AUXILIARY_TAGS.items()))


@pytest.fixture
def changed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A later version: kinds in another order, and one more of them."""
    monkeypatch.setattr(rbztf.models.ensemble.fit, "ARTEFACT_KINDS", OTHER_KINDS)
    monkeypatch.setattr(rbztf.models.objects.object_set, "AUXILIARY_TAGS", OTHER_TAGS)


def forget_names(folder: Path) -> None:
    """Write the bundle as versions did before it named its kinds and tags."""
    unseal(folder)
    content = yaml.safe_load((folder / "model.yaml").read_text())
    for entry in content["combinations"]:
        entry.pop("kinds", None)
    for path in (folder / "members").glob("*.safetensors"):
        with safe_open(path, "pt") as stored:
            columns = stored.metadata()["columns"]
        save_file(tensors_of(path), path, metadata={"columns": columns})
        content["members"][path.name] = bundle._hash(path)
    (folder / "model.yaml").write_text(yaml.safe_dump(content, sort_keys=False))


@pytest.mark.parametrize("old", [False, True])
def test_kinds_are_found_by_name(
    model: Ensemble, data: LabelledSet, tmp_path: Path, old: bool, changed: None
) -> None:
    """A ghost stays a ghost when the code lists its kinds in another order, or more of them."""
    save_ensemble(model, tmp_path / "m")
    if old:
        forget_names(tmp_path / "m")
    again = load_ensemble(tmp_path / "m")
    assert (
        again.members["frames"][0].tag_names == model.members["frames"][0].tag_names == tuple(AUXILIARY_TAGS)
    )
    scored, expected = again.score(data.objects).kinds, model.score(data.objects).kinds
    assert list(scored) == list(expected) == list(ARTEFACT_KINDS)
    for kind, p in expected.items():
        np.testing.assert_array_equal(scored[kind], p)
    assert np.isfinite(scored["ghost"]).any()


def test_a_model_of_other_kinds_keeps_those(tmp_path: Path, changed: None) -> None:
    data = tiny_objects()
    labels = LabelTable(
        [
            Labelled(Oid(oid), Label(label), frozenset({"artefact", "dust"} if label else {"VAR"}))
            for oid, label in zip(data.objects.oids.tolist(), data.labels.tolist())
        ]
    )
    tags = tag_targets(labels, data.objects.oids.tolist())
    data = LabelledSet(data.objects, data.labels, data.groups, tags, data.weights, tuple(OTHER_TAGS))
    config = Config.model_validate(tiny_ensemble("frames"))
    save_ensemble(fit_ensemble(data, config, device=torch.device("cpu")), tmp_path / "m")
    model = load_ensemble(tmp_path / "m")
    kinds = model.score(data.objects).kinds
    assert tuple(kinds) == OTHER_KINDS
    assert [kind for kind, p in kinds.items() if np.isfinite(p).any()] == ["dust"]
    with safe_open(tmp_path / "m/members/frames-0.safetensors", "pt") as stored:
        assert json.loads(stored.metadata()["tags"]) == list(OTHER_TAGS)


def test_files_of_members_are_known_by_the_start_of_their_hash(model: Ensemble, tmp_path: Path) -> None:
    save_ensemble(model, tmp_path / "m")
    kept = yaml.safe_load((tmp_path / "m" / "model.yaml").read_text())["members"]
    files = {path.name: path.read_bytes() for path in (tmp_path / "m" / "members").iterdir()}
    assert kept == {name: hashlib.sha256(content).hexdigest()[:16] for name, content in files.items()}


def test_the_names_of_old_bundles_are_frozen() -> None:
    """What versions wrote before bundles named their kinds; nothing else may ever stand here."""
    assert (
        *("ghost", "track", "column", "spike", "defocusing", "bright_star", "frame_edge"),
    ) == legacy.LEGACY_KINDS
    assert len(legacy.LEGACY_TAGS) == 16


def test_training_objects_and_their_out_of_fold_scores_are_kept(
    model: Ensemble, data: LabelledSet, tmp_path: Path
) -> None:
    save_ensemble(model, tmp_path / "m")
    again = load_ensemble(tmp_path / "m")
    assert again.out_of_fold == model.out_of_fold
    have = model.available(data.objects)
    assert set(again.out_of_fold) == {oid for oid, inputs in zip(data.objects.oids.tolist(), have) if inputs}
    for i, (oid, inputs) in enumerate(zip(data.objects.oids.tolist(), have)):
        if inputs:
            known = model.combinations[inputs]
            place = int(np.flatnonzero(known.oids == oid)[0])
            assert again.out_of_fold[oid][inputs] == known.scores[place]
            assert known.labels[place] == data.labels[i]


def test_an_older_bundle_does_not_know_its_training_objects(model: Ensemble, tmp_path: Path) -> None:
    save_ensemble(model, tmp_path / "m")
    unseal(tmp_path)
    path = tmp_path / "m" / "weights.safetensors"
    kept = {
        name: part for name, part in tensors_of(path).items() if not name.endswith((".oids", ".ordinary"))
    }
    save_file(kept, path)
    again = load_ensemble(tmp_path / "m")
    assert again.out_of_fold == {}
    assert all(len(combination.ordinary) == 0 for combination in again.combinations.values())
    kept["combination.0.oids"] = torch.arange(3)
    save_file(kept, path)
    with pytest.raises(InputError, match="scores of its training objects"):
        load_ensemble(tmp_path / "m")
