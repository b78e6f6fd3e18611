"""``rbztf import``: the published files, whole or in part, become bundles, embeddings and labels."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from helpers import (
    REAL_FRAMES,
    UPSTREAM,
    Bomb,
    files_below,
    make_oid,
    need,
    random_frames,
    random_sequences,
    refused,
    run_well,
    strict_json,
    tiny_classifier,
    tiny_encoder,
)

import rbztf
from rbztf.models.rnn.bundle import load_classifier
from rbztf.models.vae.bundle import load_encoder
from rbztf.prediction.remarks import NO_RANGES
from rbztf.stores.embeddings import open_embeddings

A, B = make_oid(1), make_oid(2)


def copy_of(folder: Path, *parts: str, latent: int = 4) -> Path:
    """A made-up copy of the published repository that holds ``parts`` alone."""
    writers = {
        "encoder": lambda path: torch.save(tiny_encoder(latent).encoder.state_dict(), path),
        "model": lambda path: torch.save(tiny_classifier(latent).network.state_dict(), path),
    }
    for part in parts:
        path = folder / part
        path.parent.mkdir(parents=True, exist_ok=True)
        if part.endswith(".json"):
            path.write_text(json.dumps([{"oid": A, "tags": ["artefact"]}, {"oid": B, "tags": []}]))
        elif part.endswith(".npy"):
            np.save(path, random_sequences([7], 2 * latent)[0])
        else:
            writers["encoder" if "vae" in part else "model"](path)
    return folder


ENCODER = "trained_models/vae/encoder.zip"
MODEL = "trained_models/rnn/wd_2dir/model0.zip"
LABELS = "akb.ztf.snad.space.json"
VECTORS = f"embeddings/{A}.npy"


def test_the_published_files(published: Path) -> None:
    names = {name for name in files_below(published) if name.endswith("model.yaml")}
    assert names == {
        *(f"{name}/model.yaml" for name in ("encoder", "encoder_aug", "encoder_ld78", "embeddings/encoder")),
        *(
            f"rnn/{name}/{place}model.yaml"
            for name in ("baseline/0", "baseline/1", "wd_2dir/0", "wd_2dir/1", "lstm/3")
            for place in ("", "encoder/")
        ),
    }
    assert (published / "labels.json").read_bytes() == (UPSTREAM / LABELS).read_bytes()
    stamp = open_embeddings(published / "embeddings").stamp
    encoder = load_encoder(published / "encoder")
    assert (stamp.encoder, stamp.latent, stamp.frames) == (
        encoder.hash,
        36,
        {"normaliser": "minmax", "invalid": "zero"},
    )
    classifier = load_classifier(published / "rnn/wd_2dir/1")
    assert classifier.encoder is not None
    assert classifier.encoder.hash == encoder.hash
    assert yaml.safe_load((published / "rbztf.yaml").read_text())["data"]["embeddings"] == "embeddings"


def test_what_was_found_and_what_is_missing_is_said(partial_copy: Path, tmp_path: Path) -> None:
    result = strict_json(run_well("import", partial_copy, "--out", tmp_path / "p", "--json").stdout)
    assert result["found"]["encoder_ld78"] == "78 latents"
    assert result["found"]["rnn/baseline"] == "models 0, 1"
    assert result["found"]["embeddings"] == "1784 objects, 805632 frames"
    assert result["found"]["labels.json"] == "2256 objects"
    assert "rnn/tversky/0" in result["missing"]
    assert "rnn/lstm/2" in result["missing"]
    assert "rnn/lstm/3" not in result["missing"]
    assert result["problems"] == []


@pytest.mark.parametrize("name", ["encoder", "encoder_aug", "encoder_ld78"])
def test_imported_encoders_give_the_reference_s_vectors(published: Path, tmp_path: Path, name: str) -> None:
    """24 real frames through ``import`` and ``embed``, against the reference's own code."""
    frames = need(REAL_FRAMES / "snad_artefacts")
    run_well("embed", "--model", published / name, "--data", frames, "--out", tmp_path / "e")
    with np.load(need(REAL_FRAMES / f"snad_artefacts_{name}.npz")) as content:
        expected = dict(zip(content["oid"].tolist(), content["latent"]))
    store = rbztf.open_embeddings(tmp_path / "e")
    assert len(store) == 24
    assert set(store) == set(expected)
    assert store.latent == expected[next(iter(expected))].size // 2
    for oid, latent in expected.items():
        assert np.abs(store.vectors(oid) - latent[None]).max() < 1e-4
        assert np.array_equal(store[oid][0], store.vectors(oid)[0, : store.latent])


@pytest.mark.parametrize("part", [ENCODER, MODEL, LABELS, VECTORS])
def test_any_part_is_worth_importing(tmp_path: Path, part: str) -> None:
    copy_of(tmp_path / "copy", part, latent=4 if part != VECTORS else 36)
    result = rbztf.import_published(tmp_path / "copy", tmp_path / "out")
    assert len(result.found) == 1
    assert result.problems == []
    if part == MODEL:
        model = load_classifier(tmp_path / "out/rnn/wd_2dir/0")
        assert model.encoder is None
        assert model.config.classifier.padding == "masked"
    if part == VECTORS:
        vectors = np.load(tmp_path / "copy" / VECTORS)
        store = open_embeddings(tmp_path / "out/embeddings")
        assert np.array_equal(store[A], vectors[:, :36])
        assert store.stamp.encoder == ""
    data = yaml.safe_load((tmp_path / "out/rbztf.yaml").read_text())["data"]
    assert (
        data
        == {
            ENCODER: {},
            MODEL: {"model": "rnn/wd_2dir/0"},
            LABELS: {"labels": "labels.json"},
            VECTORS: {"embeddings": "embeddings"},
        }[part]
    )


def test_an_imported_folder_is_ready_for_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy_of(tmp_path / "copy", ENCODER, MODEL, LABELS, VECTORS)
    run_well("import", tmp_path / "copy", "--out", tmp_path / "out")
    monkeypatch.chdir(tmp_path / "out")
    answer = strict_json(run_well("predict", A, "--json").stdout)
    vectors = open_embeddings("embeddings")[A]
    model = load_classifier("rnn/wd_2dir/0")
    assert answer["objects"][0]["p_bogus"] == pytest.approx(model.probabilities([vectors])[0], abs=1e-7)
    assert answer["warnings"] == [NO_RANGES]


def test_importing_again_gives_the_same_files(tmp_path: Path) -> None:
    copy_of(tmp_path / "copy", ENCODER, MODEL, LABELS, VECTORS)

    def imported() -> dict[str, bytes]:
        rbztf.import_published(tmp_path / "copy", tmp_path / "out")
        return {
            name: (tmp_path / "out" / name).read_bytes()
            for name in files_below(tmp_path / "out")
            if (tmp_path / "out" / name).is_file()
        }

    first = imported()
    assert imported() == first
    assert not [name for name in first if Path(name).name.startswith(".")]


def test_a_malicious_file_among_good_ones_is_refused_and_the_rest_imported(tmp_path: Path) -> None:
    copy_of(tmp_path / "copy", ENCODER, MODEL, LABELS, VECTORS)
    trace = tmp_path / "trace"
    torch.save({"x": Bomb(trace)}, tmp_path / "copy/trained_models/rnn/wd_2dir/model3.zip")
    result = run_well("import", tmp_path / "copy", "--out", tmp_path / "out", "--json", code=3)
    assert not trace.exists()
    answer = strict_json(result.stdout)
    assert [problem["where"] for problem in answer["problems"]] == ["rnn/wd_2dir/3"]
    assert "nothing in it was run" in answer["problems"][0]["what"]
    assert answer["found"]["rnn/wd_2dir"] == "models 0"
    assert "Not done: rnn/wd_2dir/3: " in result.stderr
    assert not (tmp_path / "out/rnn/wd_2dir/3").exists()
    assert load_classifier(tmp_path / "out/rnn/wd_2dir/0").latent == 4


@pytest.mark.parametrize("part", [ENCODER, MODEL])
def test_a_malicious_file_alone_is_refused(tmp_path: Path, part: str) -> None:
    trace, path = tmp_path / "trace", tmp_path / "copy" / part
    path.parent.mkdir(parents=True)
    torch.save(Bomb(trace), path)
    refused("import", tmp_path / "copy", "--out", tmp_path / "out", says=["nothing in it was run", path.name])
    assert not trace.exists()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("part", [ENCODER, MODEL, LABELS, VECTORS, "embeddings_mu.npz"])
@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x03\x04" + b"\x00" * 60, b"cut"])
def test_a_damaged_file_is_named_and_the_rest_imported(tmp_path: Path, part: str, content: bytes) -> None:
    good = {ENCODER, MODEL, LABELS, VECTORS} - {part}
    copy_of(tmp_path / "copy", *good, part if part != "embeddings_mu.npz" else LABELS, latent=36)
    path = tmp_path / "copy" / part
    if part == "embeddings_mu.npz":
        np.savez(path, oid=[B], n_frames=[3], upstream_fold=[0], mu=np.ones((3, 36), np.float16))
    path.write_bytes(path.read_bytes()[:-200] if content == b"cut" else content)
    result = run_well("import", tmp_path / "copy", "--out", tmp_path / "out", "--json", code=3)
    answer = strict_json(result.stdout)
    assert len(answer["problems"]) >= 1
    if part == "embeddings_mu.npz":
        good.remove(LABELS)
        assert answer["found"]["embeddings"] == "1 object, 7 frames"
    assert len(answer["found"]) == len(good) + (part == "embeddings_mu.npz")
    assert not [name for name in files_below(tmp_path / "out") if ".part" in name]


@pytest.mark.parametrize("part", [LABELS, VECTORS])
def test_a_damaged_file_alone_leaves_nothing(tmp_path: Path, part: str) -> None:
    copy_of(tmp_path / "copy", part)
    (tmp_path / "copy" / part).write_bytes(b"nonsense")
    refused("import", tmp_path / "copy", "--out", tmp_path / "out", says=["nothing of RB_ZTF"])
    assert not (tmp_path / "out").exists()


def test_vectors_that_fit_no_encoder_alone_leave_nothing(tmp_path: Path) -> None:
    copy_of(tmp_path / "copy", VECTORS, latent=5)
    refused("import", tmp_path / "copy", "--out", tmp_path / "out", says=["the encoder gives 36 means"])
    assert not (tmp_path / "out").exists()


def test_vectors_of_another_width_are_named(tmp_path: Path) -> None:
    copy_of(tmp_path / "copy", ENCODER, LABELS)
    (tmp_path / "copy/embeddings").mkdir()
    good, wide = random_sequences([3], 8)[0], random_sequences([3], 5)[0]
    np.save(tmp_path / f"copy/embeddings/{A}.npy", good)
    np.save(tmp_path / f"copy/embeddings/{B}.npy", wide)
    answer = strict_json(
        run_well("import", tmp_path / "copy", "--out", tmp_path / "out", "--json", code=3).stdout
    )
    assert len(answer["problems"]) == 1
    assert str(B) in json.dumps(answer["problems"])
    assert list(open_embeddings(tmp_path / "out/embeddings")) == [A]


def test_exact_vectors_are_preferred_to_rounded_ones(tmp_path: Path) -> None:
    copy_of(tmp_path / "copy", ENCODER, VECTORS)
    exact = np.load(tmp_path / "copy" / VECTORS)
    rounded = np.concatenate([exact[:, :4] + 0.5, np.ones((2, 4))]).astype(np.float16)
    np.savez(
        tmp_path / "copy/embeddings_mu.npz", oid=[A, B], n_frames=[7, 2], upstream_fold=[0, 1], mu=rounded
    )
    rbztf.import_published(tmp_path / "copy", tmp_path / "out")
    store = open_embeddings(tmp_path / "out/embeddings")
    assert list(store) == [A, B]
    assert np.array_equal(store[A], exact[:, :4])
    assert np.array_equal(store[B], np.ones((2, 4)))


def test_the_wrong_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    refused("import", tmp_path / "none", "--out", tmp_path / "out", says=["There is no folder"])
    refused("import", tmp_path / "empty", "--out", tmp_path / "out", says=["holds nothing of RB_ZTF"])
    refused("import", "http://github.com/semtim/RB_ZTF", "--out", tmp_path / "out", says=["not an HTTPS"])
    assert not (tmp_path / "out").exists()


def test_other_people_s_files_are_left_alone(tmp_path: Path) -> None:
    copy_of(tmp_path / "copy", ENCODER)
    (tmp_path / "out").write_text("a file")
    refused("import", tmp_path / "copy", "--out", tmp_path / "out", says=["cannot be written"])
    assert (tmp_path / "out").read_text() == "a file"
    (tmp_path / "out").unlink()
    (tmp_path / "out/encoder").mkdir(parents=True)
    (tmp_path / "out/encoder/thesis.tex").write_text("years of work")
    refused("import", tmp_path / "copy", "--out", tmp_path / "out", says=["exists and is not a model folder"])
    assert files_below(tmp_path / "out") == {"encoder", "encoder/thesis.tex"}


def test_frames_of_published_classifiers_go_through_the_encoder(published: Path, tmp_path: Path) -> None:
    """A classifier's bundle is complete: cutouts in, the same score as from vectors made apart."""
    from helpers import write_cutouts

    objects = {make_oid(i): random_frames(6 + i, seed=i) for i in range(3)}
    objects[make_oid(1)][2, :, :7] = np.nan
    write_cutouts(tmp_path / "c", objects)
    model = published / "rnn/wd_2dir/0"
    direct = strict_json(run_well("predict", "--model", model, "--data", tmp_path / "c", "--json").stdout)
    run_well("embed", "--model", model, "--data", tmp_path / "c", "--out", tmp_path / "e")
    shutil.rmtree(tmp_path / "c")
    apart = strict_json(
        run_well("predict", "--model", model, "--embeddings", tmp_path / "e", "--json").stdout
    )
    assert len(direct["objects"]) == 3
    for one, other in zip(direct["objects"], apart["objects"], strict=True):
        assert one.pop("p_bogus") == pytest.approx(other.pop("p_bogus"), abs=1e-5)
        assert one == other
    assert apart["warnings"] == [NO_RANGES]
