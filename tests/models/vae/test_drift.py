"""The statistics of a training set tell strange vectors from usual ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbztf.models.vae.drift import VectorStatistics

NAMES = ("a", "b", "c")


def usual(n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    mixed = rng.normal(size=(n, 3)) @ np.array([[1, 0.5, 0], [0, 2, 0], [0, 0, 0.1]])
    return mixed.astype(np.float32)


@given(st.integers(0, 30))
def test_more_of_the_same_is_inside(seed: int) -> None:
    comparison = VectorStatistics.of(usual(4000, 1)).compare(usual(1500, 100 + seed))
    assert comparison.outside < 0.02
    assert comparison.shift.max() < 0.1
    assert comparison.warnings(NAMES) == ()


def test_others_are_outside_and_named() -> None:
    statistics = VectorStatistics.of(usual(4000, 1))
    strange = usual(500, 2)
    strange[:, 1] += 8
    comparison = statistics.compare(strange)
    assert comparison.outside > 0.5
    first, second = comparison.warnings(NAMES)
    assert "lie outside the training set" in first
    assert "b (" in second
    assert "a (" not in second


def test_a_correlation_turned_round_is_outside_though_every_column_is_usual() -> None:
    rng = np.random.default_rng(0)
    one = rng.normal(size=4000)
    together = np.stack([one, one + 0.1 * rng.normal(size=4000)], axis=1).astype(np.float32)
    comparison = VectorStatistics.of(together).compare(together * np.float32([1, -1]))
    assert comparison.shift.max() < 0.1
    assert comparison.outside > 0.5


def test_repeated_values_are_compared_at_both_sides() -> None:
    rng = np.random.default_rng(0)
    whole = np.where(rng.random(2000) < 0.97, 1.0, rng.random(2000)).astype(np.float32)[:, None]
    clipped = np.where(rng.random(2000) < 0.4, 1.0, rng.random(2000)).astype(np.float32)[:, None]
    statistics = VectorStatistics.of(np.repeat(whole, 2, axis=1))
    assert statistics.compare(np.repeat(whole[:1000], 2, axis=1)).shift.max() < 0.05
    assert statistics.compare(np.repeat(clipped, 2, axis=1)).shift.max() == pytest.approx(0.57, abs=0.05)


def test_statistics_come_back_from_tensors() -> None:
    made = VectorStatistics.of(usual(300, 0))
    found = VectorStatistics.from_tensors(made.tensors())
    assert found is not None
    assert np.array_equal(found.percentiles, made.percentiles)
    assert found.compare(usual(50, 3)).outside == made.compare(usual(50, 3)).outside
    assert VectorStatistics.from_tensors({}) is None
