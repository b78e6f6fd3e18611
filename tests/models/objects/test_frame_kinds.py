"""The network that learns on simulated frames what a frame shows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from rbztf.config import FramesSection
from rbztf.models.objects.frame_kinds import FLOOR, FrameKinds, SimulatedVectors
from rbztf.models.objects.frame_reader import PARTS, FrameReader
from rbztf.models.vae import known_frames as known

Floats = NDArray[np.float32]


def draw(n: int, seed: int) -> tuple[Floats, NDArray[np.int64]]:
    """Frames of three kinds that differ in their first two columns; the third column is noise, the fourth fixed."""
    rng = np.random.default_rng(seed)
    kinds = rng.choice(3, n, p=[0.6, 0.2, 0.2])
    vectors = rng.normal(size=(n, 4))
    vectors[:, 3] = 1.0
    vectors[:, :2] += 4 * np.array([[0, 0], [1, 0], [0, 1]])[kinds]
    return vectors.astype(np.float32), kinds


@pytest.fixture(scope="module")
def fitted() -> FrameKinds:
    made, kinds = draw(6000, 0)
    real, _ = draw(2000, 1)
    return FrameKinds.fit(moved(real), SimulatedVectors(made, kinds), (0, 1, 2), 0)


def moved(vectors: Floats) -> Floats:
    """As real frames lie: elsewhere, and stretched."""
    return np.asarray(vectors * [3, 0.5, 1, 1] + [7, -2, 0, 0], np.float32)


def test_what_is_learnt_on_simulated_frames_holds_where_real_ones_lie(fitted: FrameKinds) -> None:
    vectors, kinds = draw(3000, 2)
    found = fitted.probabilities(moved(vectors))
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)
    assert (found.argmax(axis=1) == kinds).mean() > 0.93
    assert (fitted.probabilities(vectors).argmax(axis=1) == kinds).mean() < 0.8


def test_answers_by_their_formula(fitted: FrameKinds) -> None:
    frames = moved(draw(50, 3)[0])
    p, read = fitted.probabilities(frames).astype(float), fitted.read(frames)
    assert (read.shape, read.dtype) == ((50, len(fitted)), np.float32)
    np.testing.assert_allclose(
        read[:, 0], np.log((p[:, 0] + FLOOR) / (1 - p[:, 0] + FLOOR)), rtol=1e-4, atol=1e-4
    )
    expected = np.log((p[:, 1:] + FLOOR) / (fitted.usual[1:].astype(float) + FLOOR))
    np.testing.assert_allclose(read[:, 1:], expected, rtol=1e-4, atol=1e-4)
    alone = np.concatenate([fitted.read(frames[i : i + 1]) for i in range(len(frames))])
    np.testing.assert_allclose(alone, read, atol=2e-5)


def test_the_same_seed_gives_the_same_network(fitted: FrameKinds) -> None:
    made, kinds = draw(6000, 0)
    real, _ = draw(2000, 1)
    again = FrameKinds.fit(moved(real), SimulatedVectors(made, kinds), (0, 1, 2), 0)
    other = FrameKinds.fit(moved(real), SimulatedVectors(made, kinds), (0, 1, 2), 1)
    np.testing.assert_array_equal(again.layers[0][0], fitted.layers[0][0])
    assert (other.layers[0][0] != fitted.layers[0][0]).any()


def test_a_reader_keeps_it(fitted: FrameKinds) -> None:
    made, kinds = draw(3000, 4)
    sequences = [moved(draw(n, n)[0]) for n in (30, 1, 12)]
    reader = FrameReader.fit(sequences, 0.0, SimulatedVectors(made, kinds))
    assert reader.latents == (0, 1, 2, 4, 5, 6)
    inputs = reader.inputs(sequences[0])
    assert inputs.shape == (30, 6 * PARTS)
    assert np.isfinite(inputs).all()
    assert reader.read(sequences[0][:0]).shape == (0, 7)
    again = FrameReader.restore(reader.tensors())
    np.testing.assert_array_equal(again.inputs(sequences[0]), inputs)
    values = np.concatenate([reader.read(sequence) for sequence in sequences])[:, list(reader.latents)]
    np.testing.assert_allclose(reader.mean, values.mean(axis=0), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("0.weight", lambda t: t[:, :2]),
        ("1.bias", lambda t: t[:5]),
        ("scale", lambda t: t * 0),
        ("mean", lambda t: t * torch.nan),
        ("usual", lambda t: t + 2),
        ("usual", lambda t: t[:2]),
        ("columns", lambda t: t - 9),
        ("2.weight", lambda t: t.double()),
    ],
)
def test_a_damaged_network_is_refused(fitted: FrameKinds, name: str, change: object) -> None:
    tensors = fitted.tensors()
    tensors[f"reader.kinds.{name}"] = change(tensors[f"reader.kinds.{name}"])  # type: ignore[operator]
    with pytest.raises(ValueError, match=r"[a-z]"):
        FrameKinds.restore(tensors)


def test_frames_of_as_many_skies_as_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "OBJECTS_PER_SKY", 3)
    made = known.known_frames(65, FramesSection(), 0)
    assert len(made.inputs) == len(made.kinds) == 65
    monkeypatch.setattr(known, "OBJECTS_PER_SKY", 2000)
    whole = known.known_frames(30, FramesSection(), 0)
    assert (whole.kinds >= 0).all()
