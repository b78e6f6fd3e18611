"""``rbztf check``: sound, changed and older stores, models and tables."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import (
    files_below,
    make_oid,
    random_frames,
    random_sequences,
    refused,
    run_well,
    strict_json,
    tiny_classifier,
    tiny_encoder,
    unseal,
    write_cutouts,
    write_embeddings,
)

import rbztf
from rbztf.features.files import read_features, write_features
from rbztf.features.table import Definition, FeatureTable
from rbztf.formats.sums import SUMS
from rbztf.stores.embeddings import CRCS

A, B = make_oid(1), make_oid(2)


@pytest.fixture
def places(tmp_path: Path) -> dict[str, Path]:
    """One of each kind, sound."""
    made = {"cutouts": tmp_path / "c", "embeddings": tmp_path / "e", "model": tmp_path / "m"}
    write_cutouts(made["cutouts"], {A: random_frames(3)})
    encoder = tiny_encoder(4)
    write_embeddings(
        made["embeddings"], dict(zip((A, B), random_sequences([3, 5], 4))), 4, encoder=encoder.hash
    )
    tiny_classifier(4, encoder=encoder).save(made["model"])
    table = FeatureTable(np.array([A, B]), ("amplitude", "period"), np.eye(2), Definition("x", 0, None))
    made["features"] = tmp_path / "f.csv"
    write_features(made["features"], table)
    return made


def edit(path: Path, place: int = -3) -> None:
    """Change one bit."""
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def test_all_that_is_sound(places: dict[str, Path]) -> None:
    result = run_well("check", *places.values(), "--json")
    answer = strict_json(result.stdout)["checked"]
    assert [entry["kind"] for entry in answer] == list(places)
    assert [entry["n_objects"] for entry in answer] == [1, 2, 1, 2]
    assert all(entry["complete"] and not entry["n_unsealed"] for entry in answer)
    assert result.stderr == ""
    text = run_well("check", places["model"], places["features"]).stderr
    assert f"{places['model']}: model, sound" in text
    assert f"{places['features']}: features, sound, 2 valid objects" in text


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("cutouts", f"{A}.fits"),
        ("embeddings", "vectors.npy"),
        ("embeddings", "times.npy"),
        ("embeddings", "photometry.npy"),
        ("embeddings", "objects.npy"),
        ("embeddings", CRCS),
        ("model", "weights.safetensors"),
        ("model", "model.yaml"),
        ("model", "README.md"),
        ("model", "encoder/weights.safetensors"),
        ("model", "encoder/model.yaml"),
        ("model", SUMS),
        ("features", ""),
    ],
)
def test_a_changed_bit_is_noticed(places: dict[str, Path], kind: str, name: str) -> None:
    edit(places[kind] / name, -5 if kind == "features" else -3)
    result = run_well("check", *places.values(), "--json", code=3)
    answer = {entry["kind"]: entry for entry in strict_json(result.stdout)["checked"]}
    assert {found for found, entry in answer.items() if not entry["complete"]} == {kind}
    told = f"{answer[kind]['problems']}"
    assert name in told or str(A) in told or (name == SUMS and str(places[kind]) in told)


def test_what_older_versions_wrote_is_read_and_can_be_sealed(places: dict[str, Path]) -> None:
    expected = {kind: files_below(path) for kind, path in places.items() if path.is_dir()}
    table = read_features(places["features"])
    for kind in ("embeddings", "model"):
        unseal(places[kind])
    (places["embeddings"] / CRCS).unlink()
    text = places["features"].read_text()
    places["features"].write_text(re.sub(r', "sha256": "[0-9a-f]{64}"', "", text))
    before = places["features"].read_bytes()
    wanted = [places[kind] for kind in ("embeddings", "model", "features")]
    result = run_well("check", *wanted)
    assert result.stderr.count("has no sums") == 3
    assert "rbztf check " in result.stderr
    assert places["features"].read_bytes() == before  # nothing is changed without --seal
    answer = strict_json(run_well("check", *wanted, "--seal", "--json").stdout)["checked"]
    assert [(entry["n_unsealed"], entry["n_sealed"]) for entry in answer] == [(0, 1), (0, 2), (0, 1)]
    assert {kind: files_below(path) for kind, path in places.items() if path.is_dir()} == expected
    assert "Warning" not in run_well("check", *wanted).stderr
    assert np.array_equal(read_features(places["features"]).values, table.values)
    edit(places["embeddings"] / "vectors.npy")
    run_well("check", places["embeddings"], code=3)


def test_what_is_not_sound_is_not_sealed(places: dict[str, Path]) -> None:
    folder = places["embeddings"]
    unseal(folder)
    (folder / CRCS).unlink()
    vectors = np.load(folder / "vectors.npy")
    vectors[1, 1] = np.nan
    np.save(folder / "vectors.npy", vectors)
    result = run_well("check", folder, "--seal", code=3)
    assert f"{A}: 1 of 3 vectors are not finite" in result.stderr
    assert not (folder / SUMS).exists()


def test_predict_names_the_object_whose_vectors_are_damaged(places: dict[str, Path]) -> None:
    edit(places["embeddings"] / "vectors.npy")
    result = run_well(
        "predict", "--model", places["model"], "--embeddings", places["embeddings"], "--json", code=3
    )
    answer = strict_json(result.stdout)
    assert [entry["oid"] for entry in answer["objects"]] == [A]
    assert [problem["where"] for problem in answer["problems"]] == [str(B)]
    assert "not as they were written" in answer["problems"][0]["what"]


def test_a_foreign_folder_of_arrays(tmp_path: Path) -> None:
    for oid, array in zip((A, B), random_sequences([3, 5], 4)):
        np.save(tmp_path / f"{oid}.npy", array)
    assert "has no sums" in run_well("check", tmp_path).stderr
    run_well("check", tmp_path, "--seal")
    edit(tmp_path / f"{B}.npy")
    assert f"{B}.npy: is damaged or was changed" in run_well("check", tmp_path, code=3).stderr


def test_fetch_and_models_check_the_same(
    places: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "embeddings, sound" in run_well("fetch", "--check", places["embeddings"]).stderr
    assert f"{places['model'].name}: model, sound" in run_well("models", "--check").stderr
    edit(places["model"] / "weights.safetensors")
    assert "weights.safetensors" in run_well("models", "--check", code=3).stderr


def test_what_cannot_be_checked(places: dict[str, Path], tmp_path: Path) -> None:
    refused("check", tmp_path / "none", says=["There is no"])
    refused("check", tmp_path, says=["is not a store, a model", "Name one, such as"])
    (tmp_path / "empty").mkdir()
    refused("check", tmp_path / "empty", says=["Name the folder of one"])
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    refused("check", tmp_path / "x.csv", says=["x.csv"])
    with pytest.raises(rbztf.RbztfError, match="There is no"):
        rbztf.check(tmp_path / "none")


@pytest.mark.parametrize("ending", [".csv", ".json", ".ecsv", ".fits", ".vot", ".parquet"])
def test_a_table_of_any_format_has_a_sum(tmp_path: Path, ending: str) -> None:
    values = np.array([[0.5, np.nan], [-0.0, 1e-300]])
    made = FeatureTable(np.array([A, B]), ("amplitude", "period"), values, Definition("x", 7, (1.5, 2.5)))
    path = tmp_path / f"f{ending}"
    write_features(path, made)
    assert rbztf.check(path) == replace(rbztf.check(path), n_objects=2, n_unsealed=0, problems=())
    changed = replace(read_features(path), values=values + 1)
    path.unlink()
    write_features(path, changed)
    assert not rbztf.check(path).problems
    content = path.read_bytes()
    if ending in (".csv", ".ecsv", ".json"):
        path.write_bytes(content.replace(b"1.5", b"1.6"))
        assert rbztf.check(path).problems
