"""Confident learning: which labels out-of-fold scores contradict."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rbztf.errors import DataError
from rbztf.models.decision.label_errors import find_label_errors, of_label

SEEDS = st.integers(0, 2**32 - 1)


def flipped(
    n: int, share: float, spread: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
    """Labels of which a share is wrong, scores that know the truth, and which are wrong.

    Log odds are normal, of mean 3 to the right side and of standard deviation ``spread``.
    """
    rng = np.random.default_rng(seed)
    truth = rng.permutation(np.arange(n) % 2)
    wrong = np.zeros(n, bool)
    wrong[rng.choice(n, round(share * n), replace=False)] = True
    log_odds = 3.0 * (2 * truth - 1) + rng.normal(0, spread, n)
    return np.where(wrong, 1 - truth, truth), 1 / (1 + np.exp(-log_odds)), wrong


def test_an_example_by_hand() -> None:
    """Of four objects labelled real two count as real, one as artefact, one as neither: 4 × 1/3 are expected to be wrong."""
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    p_bogus = np.array([0.1, 0.2, 0.5, 0.9, 0.9, 0.8, 0.7, 0.4])
    found = find_label_errors(labels, p_bogus)
    assert found.thresholds.tolist() == pytest.approx([0.575, 0.7])
    assert found.joint == pytest.approx(np.array([[8 / 3, 4 / 3], [1, 3]]))
    assert np.flatnonzero(found.doubted).tolist() == [3, 7]


@given(SEEDS, st.integers(100, 600), st.sampled_from([0.02, 0.05, 0.1]))
def test_flips_that_scores_see_are_the_first_and_all_that_is_doubted(seed: int, n: int, share: float) -> None:
    labels, p_bogus, wrong = flipped(n, share, 0.5, seed)
    ranked = np.argsort(of_label(labels, p_bogus), kind="stable")
    assert set(ranked[: wrong.sum()]) == set(np.flatnonzero(wrong))
    assert not (find_label_errors(labels, p_bogus).doubted & ~wrong).any()


def test_most_flips_rank_first_where_classes_overlap() -> None:
    """5 % of 2,000 labels flipped, scores of AUC 0.97: nine of ten flips are in the first 10 %."""
    labels, p_bogus, wrong = flipped(2000, 0.05, 2.2, seed=1)
    own = of_label(labels, p_bogus)
    first = np.argsort(own, kind="stable")[:200]
    assert wrong[first].sum() >= 0.85 * wrong.sum()
    found = find_label_errors(labels, p_bogus)
    assert wrong[found.doubted].mean() > 0.4
    assert 0.5 * wrong.sum() < found.doubted.sum() < 3 * wrong.sum()


@given(SEEDS, st.integers(20, 200), st.floats(0.1, 5))
def test_neither_the_order_nor_the_name_of_a_class_matters(seed: int, n: int, spread: float) -> None:
    labels, p_bogus, _ = flipped(n, 0.1, spread, seed)
    found = find_label_errors(labels, p_bogus)
    order = np.random.default_rng(seed).permutation(n)
    assert (find_label_errors(labels[order], p_bogus[order]).doubted == found.doubted[order]).all()
    other = find_label_errors(1 - labels, 1 - p_bogus)
    assert other.joint == pytest.approx(found.joint[::-1, ::-1])
    assert other.doubted.sum() == found.doubted.sum()
    assert (of_label(labels, p_bogus)[found.doubted] < 0.5).all()
    assert found.joint.sum() <= n + 1e-6


def test_equal_scores_doubt_nothing() -> None:
    labels = np.array([0, 1] * 7)
    assert not find_label_errors(labels, np.where(labels == 1, 0.9, 0.1)).doubted.any()
    assert not find_label_errors(labels, np.full(14, 0.5)).doubted.any()


def test_one_class_is_refused() -> None:
    with pytest.raises(DataError, match="both kinds are needed"):
        find_label_errors(np.ones(5, np.int64), np.full(5, 0.5))
