"""``rbztf embed``: every usable frame becomes a vector; what is not usable is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import (
    files_below,
    make_oid,
    random_frames,
    refused,
    run_well,
    strict_json,
    tiny_classifier,
    tiny_encoder,
    write_cutouts,
    write_embeddings,
    write_frame,
)

import rbztf
from rbztf.stores.epochs import epoch_table
from rbztf.stores.object_file import write_object

CPU = torch.device("cpu")
A, B, C, D = (make_oid(i) for i in range(1, 5))


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    tiny_encoder(4).save(tmp_path / "encoder")
    return tmp_path / "encoder"


def test_every_frame_of_a_store(tmp_path: Path, encoder: Path) -> None:
    objects = {oid: random_frames(n, seed=n) for oid, n in ((A, 4), (B, 1), (C, 9))}
    objects[A][1, 3:9, :] = np.nan
    objects[C][5] = 100.0
    write_cutouts(tmp_path / "c", objects)
    result = run_well(
        "embed", "--model", encoder, "--data", tmp_path / "c", "--out", tmp_path / "e", "--json"
    )
    answer = strict_json(result.stdout)
    assert (answer["n_objects"], answer["n_frames"], answer["latent"]) == (3, 14, 4)
    assert answer["problems"] == []
    model, store = rbztf.load_encoder(encoder), rbztf.open_embeddings(tmp_path / "e")
    assert answer["encoder"] == store.stamp.encoder == model.hash
    assert store.stamp.frames == {"normaliser": "minmax", "invalid": "zero"}
    for oid, frames in objects.items():
        np.testing.assert_allclose(store.vectors(oid), model.embed(frames, CPU), atol=1e-5)
        assert np.array_equal(store.times(oid), 2458300.5 + np.arange(len(frames)))
        held = rbztf.open_cutouts(tmp_path / "c")[oid].frame_photometry()
        assert np.array_equal(store.photometry(oid), held, equal_nan=True)
        assert np.isfinite(store.vectors(oid)).all()


def test_a_vector_does_not_depend_on_the_object_s_other_frames(tmp_path: Path, encoder: Path) -> None:
    frames = random_frames(6)
    write_cutouts(tmp_path / "c", {A: frames, B: frames[2:3]})
    rbztf.embed(encoder, tmp_path / "c", tmp_path / "e")
    store = rbztf.open_embeddings(tmp_path / "e")
    assert np.allclose(store[B][0], store[A][2], atol=1e-5)


def test_objects_and_problems_keep_their_order_whatever_their_groups(
    tmp_path: Path, encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = {make_oid(i): random_frames(1 + i % 4, seed=i) for i in range(1, 30)}
    for i in (3, 17, 18):
        objects[make_oid(i)][:] = np.nan
    write_cutouts(tmp_path / "c", objects)
    stores = []
    for n_frames in (1, 7, 10_000):
        monkeypatch.setattr("rbztf.verbs.embed.GROUP_FRAMES", n_frames)
        result = rbztf.embed(encoder, tmp_path / "c", tmp_path / f"e{n_frames}")
        assert [problem.where for problem in result.problems] == [str(make_oid(i)) for i in (3, 17, 18)]
        assert "all its frames are empty (NaN)" in result.problems[0].what
        assert list(rbztf.open_embeddings(result.out)) == [
            make_oid(i) for i in range(1, 30) if i not in (3, 17, 18)
        ]
        stores.append({path.name: path.read_bytes() for path in result.out.iterdir() if path.is_file()})
    assert stores[0] == stores[1] == stores[2]


def test_threads_are_given_back(tmp_path: Path, encoder: Path) -> None:
    before = torch.get_num_threads()
    write_cutouts(tmp_path / "c", {A: random_frames(2)})
    rbztf.embed(encoder, tmp_path / "c", tmp_path / "e")
    assert torch.get_num_threads() == before


def test_the_same_again(tmp_path: Path, encoder: Path) -> None:
    write_cutouts(tmp_path / "c", {A: random_frames(5)})
    for out in ("e", "f"):
        rbztf.embed(encoder, tmp_path / "c", tmp_path / out)
    for name in ("vectors.npy", "times.npy", "objects.npy", "store.yaml"):
        assert (tmp_path / "e" / name).read_bytes() == (tmp_path / "f" / name).read_bytes()


def test_the_encoder_of_a_classifier_is_used(tmp_path: Path) -> None:
    own = tiny_encoder(4, seed=5)
    tiny_classifier(4, encoder=own).save(tmp_path / "m")
    write_cutouts(tmp_path / "c", {A: random_frames(5)})
    rbztf.embed(tmp_path / "m", tmp_path / "c", tmp_path / "e")
    assert rbztf.open_embeddings(tmp_path / "e").stamp.encoder == own.hash
    tiny_classifier(4).save(tmp_path / "n")
    refused("embed", "--model", tmp_path / "n", "--data", tmp_path / "c", "--out", tmp_path / "f")


@pytest.mark.parametrize("name", ["minmax", "l2", "max", "standard", "three_sigma"])
def test_the_encoder_s_own_normaliser_is_used(tmp_path: Path, name: str) -> None:
    from dataclasses import replace

    from rbztf.models.vae.encoder_inputs import make_inputs
    from rbztf.models.vae.encoding import encode, folded

    made = tiny_encoder(4)
    frames_section = made.config.frames.model_copy(update={"normaliser": name, "invalid": "ignore"})
    replace(made, config=made.config.model_copy(update={"frames": frames_section})).save(tmp_path / "m")
    frames = random_frames(3)
    frames[0, :4] = np.nan
    write_cutouts(tmp_path / "c", {A: frames})
    rbztf.embed(tmp_path / "m", tmp_path / "c", tmp_path / "e")
    store = rbztf.open_embeddings(tmp_path / "e")
    assert np.array_equal(
        store.vectors(A), encode(folded(made.encoder), make_inputs(frames, frames_section), CPU)
    )
    assert store.stamp.frames == {"normaliser": name, "invalid": "ignore"}


def test_bad_frames_and_objects_are_left_out_and_named(tmp_path: Path, encoder: Path) -> None:
    partly = random_frames(4)
    partly[1] = np.nan
    write_cutouts(tmp_path / "c", {A: partly, B: np.full((3, 28, 28), np.nan, np.float32)})
    write_object(tmp_path / "c", C, random_frames(0), epoch_table({"hjd": [1.0]}, 1), ra_deg=0.0, dec_deg=0.0)
    (tmp_path / "c" / f"{D}.fits").write_bytes(b"SIMPLE  = corrupt")
    result = run_well(
        "embed", "--model", encoder, "--data", tmp_path / "c", "--out", tmp_path / "e", "--json", code=3
    )
    answer = strict_json(result.stdout)
    assert (answer["n_objects"], answer["n_frames"]) == (1, 3)
    said = {problem["where"]: problem["what"] for problem in answer["problems"]}
    assert set(said) == {str(oid) for oid in (A, B, C, D)}
    assert "1 of 4 frames are empty" in said[str(A)]
    assert "all its frames are empty" in said[str(B)]
    assert "it has no frame" in said[str(C)]
    assert f"{D}.fits" in said[str(D)]
    assert result.stderr.count("Not done: ") == 4
    store = rbztf.open_embeddings(tmp_path / "e")
    assert list(store) == [A]
    assert np.array_equal(store.times(A), 2458300.5 + np.array([0, 2, 3]))
    assert np.array_equal(store.vectors(A), rbztf.load_encoder(encoder).embed(partly[[0, 2, 3]], CPU))


def test_corrupt_frames_of_the_reference_s_layout_are_named(tmp_path: Path, encoder: Path) -> None:
    frames = random_frames(3)
    for hmjd, frame in zip((58301.5, 58300.5, 58302.5), frames):
        write_frame(tmp_path / "c" / str(A) / f"{hmjd}.fits", frame)
    (tmp_path / "c" / str(A) / "58303.5.fits").write_bytes(b"")
    (tmp_path / "c" / str(B)).mkdir()
    (tmp_path / "c" / str(B) / "58303.5.fits").write_bytes(b"<html>")
    result = run_well(
        "embed", "--model", encoder, "--data", tmp_path / "c", "--out", tmp_path / "e", "--json", code=3
    )
    answer = strict_json(result.stdout)
    assert (answer["n_objects"], answer["n_frames"]) == (1, 3)
    assert sorted(Path(problem["where"]).name for problem in answer["problems"]) == sorted(
        ["58303.5.fits", str(B)]
    )
    store = rbztf.open_embeddings(tmp_path / "e")
    assert np.array_equal(store.vectors(A), rbztf.load_encoder(encoder).embed(frames[[1, 0, 2]], CPU))


def test_nothing_usable_writes_nothing(tmp_path: Path, encoder: Path) -> None:
    write_cutouts(tmp_path / "c", {A: np.full((3, 28, 28), np.nan, np.float32)})
    before = files_below(tmp_path)
    refused(
        "embed",
        *("--model", encoder, "--data", tmp_path / "c", "--out", tmp_path / "e"),
        code=1,
        says=["no object that could be embedded", str(A)],
    )
    (tmp_path / "none").mkdir()
    refused("embed", "--model", encoder, "--data", tmp_path / "none", "--out", tmp_path / "e", code=1)
    (tmp_path / "none").rmdir()
    assert files_below(tmp_path) == before
    write_embeddings(tmp_path / "e", {B: np.ones((1, 8), np.float32)}, 4)
    refused("embed", "--model", encoder, "--data", tmp_path / "c", "--out", tmp_path / "e", code=1)
    assert list(rbztf.open_embeddings(tmp_path / "e")) == [B]


def test_other_people_s_files_are_left_alone(tmp_path: Path, encoder: Path) -> None:
    write_cutouts(tmp_path / "c", {A: random_frames(2)})
    (tmp_path / "thesis.tex").write_text("years of work")
    for out in (tmp_path / "c", tmp_path / "thesis.tex", tmp_path / "thesis.tex" / "e"):
        refused("embed", "--model", encoder, "--data", tmp_path / "c", "--out", out)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"
    assert len(rbztf.open_cutouts(tmp_path / "c")) == 1
