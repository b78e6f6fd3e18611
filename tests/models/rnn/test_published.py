"""Published weight files: read without being run, recognised by their content."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import UPSTREAM, Bomb, need, random_sequences, refusal, tiny_classifier, tiny_encoder
from hypothesis import given
from hypothesis import strategies as st

from rbztf.config import Config
from rbztf.errors import InputError
from rbztf.models.rnn.published import classifier_from, encoder_from, read_state_dict


class NotWeights:
    """Any object that is no tensor."""


@pytest.mark.parametrize("form", ["pickle", "torch", "torch zip"])
def test_a_malicious_file_is_refused_and_not_run(tmp_path: Path, form: str) -> None:
    trace, path = tmp_path / "trace", tmp_path / "model0.zip"
    content = {"rnn_layer.weight_ih_l0": torch.ones(3), "x": Bomb(trace)}
    if form == "pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization="zip" in form)
    with pytest.raises(InputError, match="more than weights; it was refused and nothing in it was run"):
        read_state_dict(path)
    assert not trace.exists()
    torch.load(path, weights_only=False) if form != "pickle" else pickle.loads(path.read_bytes())  # noqa: S301
    assert trace.exists()  # the file does harm where it is let


def test_other_content_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    for content in ([torch.ones(2)], torch.ones(2), {"a": 3}, {"a": [torch.ones(2)]}):
        torch.save(content, path)
        with pytest.raises(InputError, match="not hold a state dict"):
            read_state_dict(path)
    torch.save({"a": NotWeights()}, path)
    with pytest.raises(InputError, match="more than weights"):
        read_state_dict(path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"text", bytes(range(256)) * 4])
def test_files_that_are_no_weights_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.zip"):
        read_state_dict(path)
    with pytest.raises(InputError, match="not a torch weight file"):
        read_state_dict(tmp_path / "none.zip")


@given(data=st.data())
def test_damaged_weights_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("damaged") / "a.zip"
    torch.save(
        {"a": torch.ones(4), "b": torch.arange(9)},
        path,
        _use_new_zipfile_serialization=data.draw(st.booleans(), "zip"),
    )
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans(), "cut short"):
        content = content[: data.draw(st.integers(0, len(content)))]
    else:
        for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
            content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    error = refusal(lambda: read_state_dict(path))
    if error is None:
        assert all(isinstance(tensor, torch.Tensor) for tensor in read_state_dict(path).values())
    else:
        assert isinstance(error, InputError)
        assert str(path) in str(error)
        assert "\n" not in str(error)


@pytest.mark.parametrize("latent", [3, 36])
def test_an_encoder_is_recognised_by_its_weights(tmp_path: Path, latent: int) -> None:
    made = tiny_encoder(latent)
    torch.save(made.encoder.state_dict(), tmp_path / "encoder.zip")
    found = encoder_from(tmp_path / "encoder.zip", Config())
    assert (found.latent, found.config.vae.latent, found.hash) == (latent, latent, made.hash)
    assert not found.encoder.training
    assert "encoder.zip" in found.notes["source"]


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("hidden", [8, 12])
def test_a_classifier_is_recognised_by_its_weights(
    tmp_path: Path, cell: str, both: bool, hidden: int
) -> None:
    made = tiny_classifier(5, cell=cell, bidirectional=both, hidden=hidden, standardise=False)
    path = tmp_path / "rnn" / "model3.zip"
    path.parent.mkdir()
    torch.save(made.network.state_dict(), path)
    found = classifier_from(path, Config(), None)
    section = found.config.classifier
    assert (section.cell, section.bidirectional, section.hidden, section.padding) == (
        cell,
        both,
        hidden,
        "masked",
    )
    assert (section.standardise, found.latent, found.threshold) == (False, 5, 0.5)
    sequences = random_sequences([4, 9], 5)
    assert np.array_equal(found.probabilities(sequences), made.probabilities(sequences))
    assert "but fold 3" in found.notes["trained on"]


def test_files_in_each_other_s_place_are_refused(tmp_path: Path) -> None:
    torch.save(tiny_encoder(4).encoder.state_dict(), tmp_path / "e.zip")
    torch.save(tiny_classifier(4).network.state_dict(), tmp_path / "c.zip")
    with pytest.raises(InputError, match="does not hold an encoder"):
        encoder_from(tmp_path / "c.zip", Config())
    with pytest.raises(InputError, match="does not hold a recurrent classifier"):
        classifier_from(tmp_path / "e.zip", Config(), None)


def test_weights_that_do_not_fit_each_other_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    tensors = tiny_encoder(4).encoder.state_dict()
    for change in (
        {"encoder.6.weight": torch.ones(7, 2048)},
        {"encoder.6.weight": torch.ones(8, 100)},
        {"extra": torch.ones(1)},
    ):
        torch.save({**tensors, **change}, path)
        with pytest.raises(InputError, match=r"x\.zip"):
            encoder_from(path, Config())
    tensors = tiny_classifier(4).network.state_dict()
    for change in (
        {"clf.0.weight": torch.ones(3, 8)},
        {"rnn_layer.weight_hh_l0": torch.ones(24, 0)},
        {"rnn_layer.weight_ih_l0": torch.ones(24)},
        {"rnn_layer.weight_ih_l1": torch.ones(24, 4)},
    ):
        torch.save({**tensors, **change}, path)
        with pytest.raises(InputError, match=r"x\.zip"):
            classifier_from(path, Config(), None)
    torch.save(tensors, path)
    with pytest.raises(InputError, match="reads 4 latents; the encoder gives 6"):
        classifier_from(path, Config(), tiny_encoder(6))


def test_every_published_file_is_recognised() -> None:
    for name, cell, both in (
        ("baseline", "gru", False),
        ("wd_2dir", "gru", True),
        ("tversky", "gru", False),
        ("lstm", "lstm", False),
    ):
        for k in range(5):
            found = classifier_from(
                need(UPSTREAM / f"trained_models/rnn/{name}/model{k}.zip"), Config(), None
            )
            section = found.config.classifier
            assert (section.cell, section.bidirectional, section.hidden, found.latent) == (
                cell,
                both,
                128,
                36,
            )
