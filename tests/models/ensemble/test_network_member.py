"""Training of a network of the ensemble: its targets, its loss, its steps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import TINY_MEMBERS, tiny_objects
from scipy.special import expit

from rbztf.config import NetworkMember
from rbztf.models.ensemble import network_member
from rbztf.models.ensemble.network_member import FittedNetwork, _loss, _targets

CPU = torch.device("cpu")
SECTION = NetworkMember.model_validate(TINY_MEMBERS["frames"])


def test_targets_keep_a_distance_from_0_and_1_and_tags_do_not() -> None:
    data = tiny_objects(12)
    made = _targets(data, SECTION.model_copy(update={"smoothing": 0.1}), 2)
    assert made.dtype == np.float32
    np.testing.assert_allclose(made[:, 0], np.where(data.labels == 1, 0.9, 0.1), rtol=1e-6)
    np.testing.assert_array_equal(made[:, 1:], data.tags[:, :2])


@pytest.mark.parametrize("n_tags", [0, 1, 3])
@pytest.mark.parametrize("auxiliary", [0.0, 0.3])
def test_the_loss_by_hand(n_tags: int, auxiliary: float) -> None:
    rng = np.random.default_rng(n_tags)
    logits, weights = rng.normal(size=(7, 1 + n_tags)), rng.uniform(0.1, 1, 7)
    targets = rng.uniform(size=logits.shape)
    p = 1 / (1 + np.exp(-logits))
    entropy = -targets * np.log(p) - (1 - targets) * np.log(1 - p)
    expected = np.average(entropy[:, 0], weights=weights) + auxiliary * entropy[:, 1:].sum(axis=1).mean()
    found = _loss(*(torch.from_numpy(part) for part in (logits, targets, weights)), auxiliary)
    assert float(found) == pytest.approx(expected)


@pytest.mark.parametrize(("batch_size", "n_batches"), [(100, 1), (21, 1), (20, 2), (7, 3)])
def test_every_epoch_shows_each_object_once_and_the_rate_rises_and_falls(
    batch_size: int, n_batches: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tiny_objects(24).take(np.arange(3, 24))
    sizes, rates = list[int](), list[float]()

    def take(network: Any, optimiser: Any, loss: Any, rate: float, clip: float) -> None:
        assert network.training
        rates.append(rate)

    def collate(frames: Any, rows: Any) -> Any:
        sizes.append(len(frames))
        return collated(frames, rows)

    collated = network_member.collate
    monkeypatch.setattr(network_member, "take_step", take)
    monkeypatch.setattr(network_member, "collate", collate)
    section = SECTION.model_copy(update={"batch_size": batch_size, "epochs": 5, "learning_rate": 0.1})
    network = FittedNetwork.fit(data, section, 0, CPU, data.take(np.arange(0))).network
    assert not network.training
    assert len(sizes) == len(rates) == 5 * n_batches
    assert np.reshape(sizes, (5, n_batches)).sum(axis=1).tolist() == [21] * 5
    peak = int(np.argmax(rates))
    assert rates[peak] == 0.1
    assert peak == n_batches  # after a fifth of the steps
    assert rates[0] < 0.01
    assert (np.diff(rates[peak:]) < 0).all()


def test_what_is_drawn_depends_on_the_seed_and_weights_on_nothing_else() -> None:
    data = tiny_objects(24).take(np.arange(3, 24))
    section = SECTION.model_copy(update={"epochs": 2})
    one, again, other = (
        FittedNetwork.fit(data, section, seed, CPU, data.take(np.arange(0))).outputs(data.objects)
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, again)
    assert np.abs(one - other).max() > 1e-3
    heavier = replace(data, weights=3 * data.weights)  # only relative weights count
    np.testing.assert_allclose(
        FittedNetwork.fit(heavier, section, 1, CPU, data.take(np.arange(0))).outputs(data.objects),
        one,
        atol=1e-4,
    )


IDLE_VALUES: dict[str, Any] = {"hidden": 6, "heads": 3, "recurrent": 3, "subsample": 2, "context": 6}
"""Values that differ from those of the tiny members."""


@pytest.mark.parametrize(
    ("inputs", "pooling"), [("image", "context"), ("image", "votes"), ("lightcurve", "context")]
)
@pytest.mark.parametrize("key", IDLE_VALUES)
def test_a_setting_that_counts_as_idle_changes_nothing_and_no_other_does(
    inputs: str, pooling: str, key: str
) -> None:
    data = tiny_objects(24).take(np.arange(3, 24))
    tree = {**TINY_MEMBERS["votes"], "inputs": [inputs], "pooling": pooling, "epochs": 1}
    one, other = (NetworkMember.model_validate({**tree, **more}) for more in ({}, {key: IDLE_VALUES[key]}))
    first, second = (
        FittedNetwork.fit(data, section, 0, torch.device("cpu"), data.take(np.arange(0))).outputs(
            data.objects
        )
        for section in (one, other)
    )
    assert np.array_equal(first, second) == (key in one.idle())


@pytest.mark.parametrize(
    ("inputs", "layers"),
    [
        (("image",), {"encode", "see"}),
        (("lightcurve",), {"read_row"}),
        (("image", "lightcurve"), {"encode", "see", "read_row"}),
    ],
)
def test_a_network_has_layers_for_what_it_reads_alone(inputs: tuple[str, ...], layers: set[str]) -> None:
    data = tiny_objects(12).take(np.arange(3, 12))
    section = SECTION.model_copy(update={"inputs": inputs, "epochs": 1})
    network = FittedNetwork.fit(data, section, 0, CPU, data.take(np.arange(0))).network
    names = {name.partition(".")[0] for name in network.state_dict()}
    assert names & {"encode", "see", "read_row"} == layers


def test_a_training_is_watched_on_objects_left_out_and_not_changed_by_it(tmp_path: Path) -> None:
    data = tiny_objects(24).take(np.arange(3, 24))
    rest, others = data.take(np.arange(15)), data.take(np.arange(15, 21))
    section = SECTION.model_copy(update={"epochs": 4})
    watched = FittedNetwork.fit(rest, section, 1, CPU, others)
    alone = FittedNetwork.fit(rest, section, 1, CPU, others.take(np.arange(0)))
    np.testing.assert_array_equal(watched.outputs(data.objects), alone.outputs(data.objects))
    curve = watched.learning_curve(rest, others)
    assert [row["epoch"] for row in curve] == [1, 2, 3, 4]
    assert [row["loss"] for row in curve] == [row["loss"] for row in alone.history]
    assert set(alone.history[0]) == {"epoch", "loss"}
    logits = watched.outputs(others.objects)[:, 0]  # all their frames are drawn
    expected = np.mean(-np.log(np.where(others.labels == 1, expit(logits), expit(-logits))))
    assert curve[-1]["held_out_loss"] == pytest.approx(expected, abs=1e-5)
    watched.save(tmp_path / "member.safetensors")
    read = FittedNetwork.load(tmp_path / "member.safetensors", section, data.objects.frame_reader)
    assert read.learning_curve(rest, others) == curve
