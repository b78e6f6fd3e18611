"""Models in ONNX Runtime give what they give here, for any number of objects and frames."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from helpers import UPSTREAM, need, random_frames, random_sequences, tiny_classifier, tiny_encoder
from numpy.typing import NDArray

from rbztf.config.sections import NetworkMember
from rbztf.errors import UsageError
from rbztf.models.batching import pad
from rbztf.models.catalogue import shipped_model
from rbztf.models.ensemble.binned_trees import read_trees
from rbztf.models.ensemble.bundle import load_ensemble
from rbztf.models.ensemble.network_member import FittedNetwork, collate
from rbztf.models.ensemble.pooled_network import PooledNetwork
from rbztf.models.ensemble.row_encoding import RowEncoding
from rbztf.models.rnn.bundle import Standardisation
from rbztf.models.vae.bundle import EncoderBundle
from rbztf.models.vae.encoding import encode, encoder_input, folded

pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
lightgbm = pytest.importorskip("lightgbm")

from rbztf.models.onnx.graph import trees_model  # noqa: E402
from rbztf.models.onnx.networks import Pooled, written  # noqa: E402
from rbztf.models.onnx.trees import trees_node  # noqa: E402
from rbztf.models.onnx.write import export_model  # noqa: E402

Feed = dict[str, NDArray[Any]]
CPU = torch.device("cpu")


def answers(model: Any, feed: Feed) -> list[NDArray[Any]]:
    """What ONNX Runtime makes of the model."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return list(session.run(None, feed))


@cache
def shipped_texts() -> tuple[str, ...]:
    return tuple(member.text for member in load_ensemble(shipped_model()).members["lightcurve-trees"])


def hard_rows(n: int, columns: int) -> NDArray[np.float32]:
    """Values at the thresholds of the shipped trees and next to them, zeros, unknown and infinite ones."""
    known: list[list[float]] = [[0.0, 1e-36, -1e-36] for _ in range(columns)]
    for text in shipped_texts():
        for tree in read_trees(text):
            for feature, threshold in zip(tree.feature, tree.threshold):
                known[feature].append(float(threshold))
    rng = np.random.default_rng(0)
    rows = np.stack([rng.choice(np.array(values, np.float32), n) for values in known], axis=1)
    towards = rng.choice(np.array([-np.inf, np.inf], np.float32), rows.shape)
    rows = np.where(rng.random(rows.shape) < 0.6, np.nextafter(rows, towards), rows)
    rows[rng.random(rows.shape) < 0.05] = np.nan
    rows[rng.random(rows.shape) < 0.01] = np.inf
    return rows


def test_trees_go_to_the_leaves_that_lightgbm_goes_to() -> None:
    """A row in another leaf would be off by hundredths; sums are float32 at their end, and nowhere before."""
    members = load_ensemble(shipped_model()).members["lightcurve-trees"]
    rows = hard_rows(3000, len(members[0].names)).astype(np.float64)  # type: ignore[attr-defined]
    (found,) = answers(trees_model(members), {"rows": rows})  # type: ignore[arg-type]
    expected = [
        lightgbm.Booster(model_str=text).predict(rows, raw_score=True, num_threads=1)
        for text in shipped_texts()
    ]
    assert np.array_equal(found[:, :, 0], np.stack(expected, axis=1).astype(np.float32))


def test_trees_that_take_zeros_as_unknown_are_refused() -> None:
    text = shipped_texts()[0].replace("decision_type=2", "decision_type=6", 1)
    assert text != shipped_texts()[0]
    with pytest.raises(UsageError, match="zeros as unknown"):
        trees_node([text], "rows", "sums")


def network(frames: bool, rows: int, votes: bool = False, recurrent: int = 0) -> FittedNetwork:
    """A member with random weights."""
    encoding = RowEncoding.fit(np.random.default_rng(rows).normal(size=(60, rows)).round(1)) if rows else None
    inputs = ["image"] * frames + ["lightcurve"] * bool(rows)
    section = NetworkMember.model_validate({"kind": "network", "inputs": inputs, "recurrent": recurrent})
    width = encoding.width if encoding else 0
    built = PooledNetwork(12 * frames, width, 3, hidden=8, context=8, recurrent=recurrent, votes=votes)
    for parameter in built.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    names = tuple(f"f{k}" for k in range(rows))
    return FittedNetwork(section, built.eval(), encoding, names, ("a", "b"))


@pytest.mark.parametrize(
    ("frames", "rows", "votes", "recurrent"),
    [(True, 0, False, 0), (True, 0, True, 0), (False, 5, False, 0), (True, 5, False, 4)],
)
def test_networks_for_any_batch(frames: bool, rows: int, votes: bool, recurrent: int) -> None:
    torch.manual_seed(1)
    trained = [network(frames, rows, votes, recurrent) for _ in range(2)]
    inputs: dict[str, torch.Tensor] = {}
    if frames:
        inputs |= {"frames": torch.zeros(2, 3, 12), "lengths": torch.tensor([3, 2])}
    if rows:
        inputs["rows"] = torch.zeros(2, rows, dtype=torch.float64)
    model = written(Pooled(trained), inputs, ["logits"])
    rng = np.random.default_rng(0)
    for lengths in ([1], [4, 9, 1, 30], [2, 2]):
        sequences = random_sequences(lengths, 12 * frames)
        table = rng.normal(size=(len(lengths), rows))
        table[rng.random(table.shape) < 0.2] = rng.choice([np.nan, np.inf, -np.inf])
        expected, feed = [], dict[str, Any]()
        for member in trained:
            encoded = member.encoding(table) if member.encoding else np.zeros((len(lengths), 0), np.float32)
            batch = collate(sequences if frames else [s[:1] for s in sequences], encoded)
            with torch.inference_mode():
                expected.append(member.network(*batch).numpy())
        if frames:
            feed |= {"frames": pad(sequences)[0].numpy(), "lengths": np.array(lengths, np.int64)}
        if rows:
            feed["rows"] = table
        (found,) = answers(model, feed)
        assert found.shape == (len(lengths), 2, 3)
        np.testing.assert_allclose(found, np.stack(expected, axis=1), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("padding", ["masked", "reference"])
@pytest.mark.parametrize(("cell", "bidirectional"), [("gru", True), ("lstm", True), ("gru", False)])
def test_recurrent_networks_for_any_batch(cell: str, bidirectional: bool, padding: str) -> None:
    base = tiny_classifier(cell=cell, bidirectional=bidirectional, padding=padding)
    width = len(base.standardisation.mean)
    scale = Standardisation(np.full(width, 0.3, np.float32), np.full(width, 2, np.float32))
    bundle = replace(base, standardisation=scale)
    model = export_model(bundle).models["classifier.onnx"]
    for lengths in ([1], [5, 2, 9], [3, 3]):
        sequences = random_sequences(lengths, width)
        vectors, counts = pad(sequences)
        vectors[0, lengths[0] :] = 7  # padding may be anything
        logits, p = answers(model, {"vectors": vectors.numpy(), "lengths": counts.numpy()})
        np.testing.assert_allclose(logits, bundle.logits(sequences), atol=1e-6)
        np.testing.assert_allclose(p, bundle.probabilities(sequences), atol=1e-6)


def check_encoder(bundle: EncoderBundle) -> None:
    exported = export_model(bundle)
    inputs = bundle.inputs(random_frames(37))
    frames = encoder_input(inputs, bundle.encoder.channels, CPU).contiguous().numpy()
    expected = encode(folded(bundle.encoder.eval()), inputs, CPU)
    for n in (1, 37):
        (found,) = answers(exported.models["encoder.onnx"], {"frames": frames[:n]})
        np.testing.assert_allclose(found, expected[:n], rtol=1e-5, atol=1e-5)
    entry = exported.files["encoder.onnx"]
    assert entry["normaliser"] == bundle.config.frames.model_dump(mode="json")
    assert len(entry["channels"]) == bundle.encoder.channels


def test_an_encoder() -> None:
    check_encoder(tiny_encoder())


def test_the_published_encoder(published: Any) -> None:
    from rbztf.models.vae.bundle import load_encoder

    need(UPSTREAM)
    check_encoder(load_encoder(published / "encoder"))
