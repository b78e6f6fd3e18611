"""A second training, with less weight for labels that the scores of the first contradict."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import tiny_ensemble, tiny_objects

from rbztf.config import Config
from rbztf.models.ensemble.fit import TrainedMembers, train_members
from rbztf.models.objects.object_set import LabelledSet

CPU = torch.device("cpu")
N = 200


def train(data: LabelledSet, scratch: Path | None = None, **section: float) -> TrainedMembers:
    config = Config.model_validate(tiny_ensemble("curves", "statistics", **section))
    return train_members(data, config, device=CPU, scratch=scratch)


@pytest.fixture(scope="module")
def wrong() -> np.ndarray:
    """Which labels are wrong: a fifteenth."""
    return np.arange(N) % 15 == 7


@pytest.fixture(scope="module")
def data(wrong: np.ndarray) -> LabelledSet:
    """Objects whose features tell their class."""
    true = tiny_objects(N, seed=3)
    true.objects.lightcurve.values[:, 0] += 3.0 * true.labels
    return replace(true, labels=np.where(wrong, 1 - true.labels, true.labels))


def test_at_1_nothing_changes(data: LabelledSet, tmp_path: Path) -> None:
    first, second = train(data), train(data, tmp_path / "scratch", doubt_weight=1.0)
    for name, logits in first.logits.items():
        assert np.array_equal(logits, second.logits[name], equal_nan=True)
    assert not (tmp_path / "scratch-again").exists()


def test_below_1_wrong_labels_teach_less(data: LabelledSet, wrong: np.ndarray, tmp_path: Path) -> None:
    """Out-of-fold scores are nearer to the truth, and the same where the training was interrupted after its end."""
    truth = np.where(wrong, 1 - data.labels, data.labels)

    def loss(trained: TrainedMembers) -> float:
        logits = trained.logits["curves"]
        known = np.isfinite(logits)
        return float(np.logaddexp(0, np.where(truth == 1, -logits, logits)[known]).mean())

    once, twice = train(data), train(data, tmp_path / "scratch", doubt_weight=0.05)
    assert loss(twice) < loss(once)
    again = train(data, tmp_path / "scratch", doubt_weight=0.05)
    assert np.array_equal(again.logits["curves"], twice.logits["curves"], equal_nan=True)
