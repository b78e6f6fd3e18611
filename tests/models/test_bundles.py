"""Model folders: complete, whole or not there, and unable to run code."""

from __future__ import annotations

import io
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from helpers import (
    Bomb,
    files_below,
    make_oid,
    random_frames,
    random_sequences,
    refusal,
    tensors_of,
    tiny_classifier,
    tiny_encoder,
    unseal,
    write_embeddings,
)
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load, save_file

from rbztf.errors import ConfigError, DataError, InputError, UsageError
from rbztf.formats.sums import SUMS
from rbztf.models.bundle import new_bundle, tensor_bytes, weights_hash
from rbztf.models.model import check_vectors
from rbztf.models.objects.read import FrameSelection
from rbztf.models.rnn.bundle import Standardisation, load_classifier
from rbztf.models.vae.bundle import load_encoder
from rbztf.stores.embeddings import open_embeddings

CPU = torch.device("cpu")
FILES = {"README.md", "SHA256SUMS", "model.yaml", "weights.safetensors"}
A, B = make_oid(1), make_oid(2)


def edit(folder: Path, **changes: Any) -> None:
    """Change the metadata of a bundle."""
    unseal(folder)
    path = folder / "model.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **changes}))


@pytest.mark.parametrize("decoder", [False, True])
def test_an_encoder_comes_back_the_same(tmp_path: Path, decoder: bool) -> None:
    made = tiny_encoder(5, decoder=decoder)
    made.save(tmp_path / "encoder")
    assert files_below(tmp_path) == {"encoder", *(f"encoder/{name}" for name in FILES)}
    found = load_encoder(tmp_path / "encoder")
    frames = random_frames(4)
    assert np.array_equal(found.embed(frames, CPU), made.embed(frames, CPU))
    assert (found.hash, found.latent, found.config, found.notes) == (made.hash, 5, made.config, made.notes)
    assert (found.decoder is not None) == decoder
    assert found.stamp == made.stamp
    card = (tmp_path / "encoder/README.md").read_text()
    assert made.hash in card
    assert "minmax" in card


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("complete", [False, True])
@pytest.mark.parametrize("inputs", ["vectors", "vectors+loss"])
def test_a_classifier_comes_back_the_same(tmp_path: Path, cell: str, complete: bool, inputs: str) -> None:
    encoder = tiny_encoder(4, decoder=True) if complete else None
    made = tiny_classifier(4, cell=cell, bidirectional=complete, inputs=inputs, encoder=encoder)
    made.save(tmp_path / "m")
    encoder_files = {"m/encoder", *(f"m/encoder/{name}" for name in FILES)} if complete else set()
    assert files_below(tmp_path) == {"m", *(f"m/{name}" for name in FILES)} | encoder_files
    found = load_classifier(tmp_path / "m")
    sequences = random_sequences([3, 8, 1], 4 + (inputs != "vectors"))
    assert np.array_equal(found.probabilities(sequences), made.probabilities(sequences))
    assert (found.config, found.threshold, found.notes) == (made.config, made.threshold, made.notes)
    assert (found.latent, found.selection.with_loss) == (4, inputs == "vectors+loss")
    if encoder is not None:
        assert found.encoder is not None
        assert found.encoder.hash == encoder.hash
        assert load_encoder(tmp_path / "m").hash == encoder.hash
    assert "Decision threshold 0.500" in (tmp_path / "m/README.md").read_text()


def test_padding_can_be_chosen_afterwards() -> None:
    model = tiny_classifier(3, bidirectional=True)
    sequences = random_sequences([3, 20], 3)
    padded = model.with_padding("reference")
    assert padded.config.classifier.padding == "reference"
    assert model.config.classifier.padding == "masked"
    assert np.array_equal(
        padded.with_padding("masked").probabilities(sequences), model.probabilities(sequences)
    )
    assert abs(padded.probabilities(sequences)[0] - model.probabilities(sequences)[0]) > 1e-4


def test_a_bundle_is_replaced_whole_and_other_folders_are_not(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    tiny_classifier(3, seed=1).save(folder)
    tiny_classifier(4, seed=2).save(folder)
    assert load_classifier(folder).latent == 4
    assert [entry.name for entry in tmp_path.iterdir()] == ["m"]
    other = tmp_path / "thesis"
    other.mkdir()
    (other / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match="is not a model folder"):
        tiny_classifier(3).save(other)
    assert files_below(tmp_path / "thesis") == {"thesis.tex"}


def test_a_bundle_that_fails_half_way_leaves_what_was_there(tmp_path: Path) -> None:
    tiny_encoder(3, seed=1).save(tmp_path / "m")
    before = {path: path.read_bytes() for path in (tmp_path / "m").iterdir()}

    def fail() -> None:
        with new_bundle(tmp_path / "m") as part:
            (part / "weights.safetensors").write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert {path: path.read_bytes() for path in (tmp_path / "m").iterdir()} == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["m"]


def pickled(content: object, *, as_zip: bool) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream, _use_new_zipfile_serialization=as_zip)
    return stream.getvalue()


@pytest.mark.parametrize("form", ["pickle", "torch", "torch zip"])
@pytest.mark.parametrize("place", ["", "encoder"])
def test_a_pickle_in_a_bundle_is_refused_and_not_run(tmp_path: Path, form: str, place: str) -> None:
    trace = tmp_path / "trace"
    tiny_classifier(4, encoder=tiny_encoder(4)).save(tmp_path / "m")
    content = pickle.dumps(Bomb(trace)) if form == "pickle" else pickled(Bomb(trace), as_zip="zip" in form)
    (tmp_path / "m" / place / "weights.safetensors").write_bytes(content)
    with pytest.raises(InputError, match=r"not a safetensors file .*nothing in it was run"):
        load_classifier(tmp_path / "m")
    assert not trace.exists()


def test_yaml_in_a_bundle_cannot_run_code(tmp_path: Path) -> None:
    tiny_classifier(4).save(tmp_path / "m")
    path = tmp_path / "m/model.yaml"
    trace = tmp_path / "trace"
    path.write_text(path.read_text() + f"\nx: !!python/object/apply:os.system ['touch {trace}']\n")
    with pytest.raises(InputError, match=r"model\.yaml, line \d+ holds something else than plain data"):
        load_classifier(tmp_path / "m")
    assert not trace.exists()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"schema": 2}, "written by a newer rbztf .*Update rbztf"),
        ({"schema": "two"}, "does not say what kind of model"),
        ({"kind": "encoder"}, "kind 'encoder', not 'classifier'"),
        ({"latent": 9}, "of its 9 inputs"),
        ({"latent": "many"}, "lacks"),
        ({"threshold": None}, "lacks"),
        ({"config": {"classifier": {"hidden": 9}}}, "do not fit"),
        ({"config": {"classifier": {"hidden": 8, "bidirectional": True}}}, "do not fit"),
        ({"config": {"classifier": {"hiden": 9}}}, "classifier.hiden"),
    ],
)
def test_metadata_that_does_not_fit_is_refused(tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    tiny_classifier(4).save(tmp_path / "m")
    edit(tmp_path / "m", **changes)
    with pytest.raises((InputError, ConfigError), match=says) as caught:
        load_classifier(tmp_path / "m")
    assert str(tmp_path / "m") in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["weights.safetensors", "model.yaml"])
@pytest.mark.parametrize("content", [None, b"", b"{", b"\xff\xfe\x00\x01", b"[1, 2]", b"null"])
def test_a_damaged_bundle_is_refused(tmp_path: Path, name: str, content: bytes | None) -> None:
    tiny_encoder(3).save(tmp_path / "m")
    if content is None:
        (tmp_path / "m" / name).unlink()
    else:
        (tmp_path / "m" / name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        load_encoder(tmp_path / "m")
    assert str(tmp_path / "m") in str(caught.value)


@given(data=st.data())
def test_flipped_bytes_give_a_model_or_a_refusal(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("flipped") / "m"
    tiny_classifier(3).save(folder)
    unseal(folder)
    path = folder / data.draw(st.sampled_from(["weights.safetensors", "model.yaml"]))
    content = bytearray(path.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    error = refusal(lambda: load_classifier(folder).probabilities(random_sequences([4], 3)))
    assert error is None or str(folder) in str(error)


def test_the_same_tensors_and_texts_are_the_same_bytes() -> None:
    """The library alone writes texts in any order, and so many texts never twice in the same one."""
    tensors = {"b": torch.arange(3.0), "a": torch.ones(2, 2, dtype=torch.float64)}
    texts = {f"text {number}": "ä" * number for number in range(12)}
    content = tensor_bytes(tensors, texts)
    assert {tensor_bytes(tensors, dict(reversed(texts.items()))) for _ in range(5)} == {content}
    back = load(content)
    assert back.keys() == tensors.keys()
    assert all(torch.equal(back[name], tensors[name]) for name in tensors)


def test_the_hash_is_that_of_the_weights() -> None:
    tensors = {"a": torch.arange(6.0), "b": torch.ones(2, 3)}
    assert weights_hash(tensors) == weights_hash(dict(reversed(tensors.items())))
    assert weights_hash(tensors) == weights_hash({name: tensor.clone() for name, tensor in tensors.items()})
    for changed in (
        {"a": torch.arange(6.0), "b": torch.ones(3, 2)},
        {"a": torch.arange(6.0), "c": torch.ones(2, 3)},
        {"a": torch.arange(6.0) + 1e-6, "b": torch.ones(2, 3)},
        {"a": torch.arange(6.0).double(), "b": torch.ones(2, 3)},
    ):
        assert weights_hash(changed) != weights_hash(tensors)


def test_standardisation_is_over_all_frames() -> None:
    sequences = random_sequences([3, 50, 7], 4)
    for sequence in sequences:
        sequence[:, 1] = 5.25
        sequence[:, 2] = sequence[:, 2] * 0.01 + 3
    frames = np.concatenate(sequences).astype(np.float64)
    found = Standardisation.fit(sequences)
    assert np.allclose(found.mean, frames.mean(axis=0), rtol=1e-5)
    assert found.scale[1] == 1
    assert np.allclose(found.scale[[0, 2, 3]], frames.std(axis=0)[[0, 2, 3]], rtol=1e-4)
    made = found(frames.astype(np.float32))
    assert made.dtype == np.float32
    assert np.allclose(made.mean(axis=0), 0, atol=1e-3)
    assert np.array_equal(Standardisation.identity(4)(sequences[0]), sequences[0])


def test_only_vectors_of_the_model_s_own_kind_are_taken(tmp_path: Path) -> None:
    encoder = tiny_encoder(4)
    model = tiny_classifier(4, encoder=encoder)
    vectors = {A: np.ones((5, 8), np.float32)}
    own = open_embeddings(write_embeddings(tmp_path / "own", vectors, 4, encoder=encoder.hash))
    assert check_vectors(model, own, "own") == []
    unknown = open_embeddings(write_embeddings(tmp_path / "unknown", vectors, 4))
    assert len(check_vectors(model, unknown, "unknown")) == 1
    other = open_embeddings(write_embeddings(tmp_path / "other", vectors, 4, encoder="0123"))
    with pytest.raises(InputError, match="made by the encoder 0123"):
        check_vectors(model, other, "other")
    wider = open_embeddings(write_embeddings(tmp_path / "wider", vectors, 8))
    with pytest.raises(InputError, match="wider holds 8 columns per frame; the model takes 4 latent means"):
        check_vectors(model, wider, "wider")


def test_foreign_vectors_may_have_log_variances(tmp_path: Path) -> None:
    model = tiny_classifier(4)
    for width, fine in ((4, True), (8, True), (3, False), (5, False), (16, False)):
        folder = tmp_path / str(width)
        folder.mkdir()
        vectors = random_sequences([6], width)[0]
        np.save(folder / f"{A}.npy", vectors)
        embeddings = open_embeddings(folder, model.latent)
        if fine:
            assert "does not say which encoder" in check_vectors(model, embeddings, "folder")[0]
            assert np.array_equal(model.selection.read(embeddings, A), vectors[:, :4])
        else:
            with pytest.raises(InputError, match=f"holds {width} columns per frame"):
                check_vectors(model, embeddings, "folder")


def test_the_loss_of_each_frame_follows_its_means(tmp_path: Path) -> None:
    vectors = random_sequences([5], 9)[0]
    with_loss = open_embeddings(write_embeddings(tmp_path / "a", {A: vectors}, 4, has_loss=True))
    expected = np.concatenate([vectors[:, :4], vectors[:, 8:]], axis=1)
    reads_loss, reads_means = FrameSelection(4, 1, with_loss=True), FrameSelection(4, 1)
    assert np.array_equal(reads_loss.read(with_loss, A), expected)
    assert np.array_equal(reads_means.read(with_loss, A), vectors[:, :4])
    without = open_embeddings(write_embeddings(tmp_path / "b", {A: vectors}, 4))
    with pytest.raises(DataError, match="do not hold the VAE loss"):
        reads_loss.read(without, A)


def test_a_bundle_outlives_changes_to_the_training_settings(tmp_path: Path) -> None:
    tiny_classifier(4, encoder=tiny_encoder(4)).save(tmp_path / "model")
    unseal(tmp_path)
    for path in tmp_path.rglob("model.yaml"):
        content = yaml.safe_load(path.read_text())
        content["config"]["training"]["a_setting_of_another_version"] = 1
        path.write_text(yaml.safe_dump(content))
    assert load_classifier(tmp_path / "model").encoder is not None


def set_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    """Change the tensors of a bundle that has no sums."""
    unseal(folder)
    tensors = tensors_of(folder / "weights.safetensors")
    change(tensors)
    save_file(tensors, folder / "weights.safetensors")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("part", ["network.clf.0.weight", "standardisation.mean", "standardisation.scale"])
def test_a_number_that_is_not_finite_is_refused_by_name(tmp_path: Path, part: str, value: float) -> None:
    tiny_classifier(4).save(tmp_path / "m")
    set_weights(tmp_path / "m", lambda found: found[part].view(-1)[:1].fill_(value))
    error = refusal(lambda: load_classifier(tmp_path / "m"))
    assert isinstance(error, InputError)
    assert part.removeprefix("network.") in error.message
    assert "finite" in error.message
    assert str(tmp_path / "m") in error.message


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda found: found["standardisation.scale"].view(-1)[:1].fill_(0), "scale above 0"),
        (lambda found: found["standardisation.scale"].neg_(), "scale above 0"),
        (lambda found: found.update({"standardisation.mean": torch.zeros(5)}), "of its 4 inputs"),
        (lambda found: found.update({"standardisation.mean": torch.zeros(4, 1)}), "of its 4 inputs"),
        (
            lambda found: found.update({"standardisation.mean": found["standardisation.mean"].double()}),
            "mean as torch.float32",
        ),
        (
            lambda found: found.update({"network.clf.0.weight": found["network.clf.0.weight"].half()}),
            "do not fit their model .clf.0.weight is torch.float16",
        ),
    ],
)
def test_tensors_that_are_not_sound_are_refused(
    tmp_path: Path, change: Callable[[dict[str, torch.Tensor]], object], says: str
) -> None:
    tiny_classifier(4).save(tmp_path / "m")
    set_weights(tmp_path / "m", change)
    with pytest.raises(InputError, match=says):
        load_classifier(tmp_path / "m")


@pytest.mark.parametrize("threshold", [float("nan"), float("inf"), -0.1, 1.1, True, "0.5"])
def test_a_threshold_that_is_no_probability_is_refused(tmp_path: Path, threshold: object) -> None:
    tiny_classifier(4).save(tmp_path / "m")
    edit(tmp_path / "m", threshold=threshold)
    with pytest.raises(InputError, match="threshold"):
        load_classifier(tmp_path / "m")


@pytest.mark.parametrize("part", ["encoder.", "decoder."])
def test_an_encoder_with_a_number_that_is_not_finite_is_refused(tmp_path: Path, part: str) -> None:
    tiny_encoder(3, decoder=True).save(tmp_path / "m")

    def spoil(found: dict[str, torch.Tensor]) -> None:
        name = next(name for name in found if name.startswith(part) and name.endswith("weight"))
        found[name].view(-1)[:1].fill_(float("nan"))

    set_weights(tmp_path / "m", spoil)
    with pytest.raises(InputError, match="finite"):
        load_encoder(tmp_path / "m")


def test_changed_weights_are_noticed_by_the_hash_in_older_bundles_too(tmp_path: Path) -> None:
    tiny_encoder(3).save(tmp_path / "m")
    set_weights(tmp_path / "m", lambda found: found["encoder.6.weight"].view(-1)[:1].add_(1e-3))
    with pytest.raises(InputError, match=r"not those that its model\.yaml names"):
        load_encoder(tmp_path / "m")


def test_another_encoder_within_a_classifier_is_refused(tmp_path: Path) -> None:
    tiny_classifier(4, encoder=tiny_encoder(4)).save(tmp_path / "m")
    shutil.rmtree(tmp_path / "m/encoder")
    tiny_encoder(4, seed=9).save(tmp_path / "m/encoder")
    with pytest.raises(InputError, match="is not the encoder that belongs to"):
        load_classifier(tmp_path / "m")


@given(data=st.data())
def test_every_flipped_bit_of_a_bundle_is_noticed(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("flipped") / "m"
    tiny_classifier(3, encoder=tiny_encoder(3)).save(folder)
    files = sorted(
        path for path in folder.rglob("*") if path.is_file() and path.name not in ("README.md", SUMS)
    )
    path = data.draw(st.sampled_from(files))
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    error = refusal(lambda: load_classifier(folder))
    assert isinstance(error, UsageError)
    assert str(folder) in str(error)


def test_a_training_that_came_to_no_finite_weights_writes_nothing(tmp_path: Path) -> None:
    model = tiny_classifier(3)
    model.network.clf[0].weight.data[0, 0] = float("nan")
    with pytest.raises(DataError, match=r"came to no finite network\.clf\.0\.weight"):
        model.save(tmp_path / "m")
    assert files_below(tmp_path) == set()


@pytest.mark.parametrize("weight", [float("nan"), float("inf")])
def test_a_logit_that_is_not_finite_gives_no_probability(weight: float) -> None:
    model = tiny_classifier(3, seed=5)
    sequences = random_sequences([4, 5], 3)
    assert np.isfinite(model.probabilities(sequences)).all()
    model.network.clf[-1].bias.data[1] = weight
    assert np.isnan(model.probabilities(sequences)).all()
