"""How members' logits become one calibrated probability."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.metrics import log_loss, roc_auc_score

from rbztf.models.ensemble.stacking import LARGEST_LOGIT, Combination, platt, sigmoid

SEEDS = st.integers(0, 2**32 - 1)


def members_of(
    seed: int, n: int = 400, useful: int = 2, useless: int = 1
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Logits of members that know something and of members that guess, and labels."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % 3 == 0).astype(np.int64)
    good = (2 * labels[:, None] - 1) * 1.0 + rng.normal(0, 1.2, (n, useful))
    return np.concatenate([good, rng.normal(0, 2, (n, useless))], axis=1), labels


@settings(max_examples=15)
@given(seed=SEEDS)
def test_weights_and_calibration(seed: int) -> None:
    logits, labels = members_of(seed)
    made = Combination.fit(["a", "b", "guess"], logits, labels)
    assert (made.weights >= 0).all()
    assert made.scores.mean() == pytest.approx(labels.mean(), abs=2e-3)
    assert made.weights[2] < 0.4 * made.weights[:2].min()
    np.testing.assert_array_equal(made.probabilities(logits), made.scores)
    assert made.auc == roc_auc_score(labels, made.scores)
    assert made.auc > max(roc_auc_score(labels, logits[:, k]) for k in range(3)) - 0.01


@settings(max_examples=15)
@given(seed=SEEDS, step=st.floats(0, 5), member=st.integers(0, 2))
def test_the_score_rises_with_each_member(seed: int, step: float, member: int) -> None:
    logits, labels = members_of(seed, n=60)
    made = Combination.fit(["a", "b", "guess"], logits, labels)
    more = logits.copy()
    more[:, member] += step
    assert (made.probabilities(more) >= made.probabilities(logits)).all()


def test_a_member_that_errs_gets_no_weight_and_twins_share() -> None:
    logits, labels = members_of(3, useful=1, useless=0)
    wrong = Combination.fit(["a", "liar"], np.concatenate([logits, -3 * logits], axis=1), labels)
    assert wrong.weights[1] == 0
    twins = Combination.fit(["a", "b"], np.repeat(logits, 2, axis=1), labels)
    assert twins.weights[0] == pytest.approx(twins.weights[1], abs=1e-3)


def test_one_sure_member_cannot_overrule_all() -> None:
    logits, labels = members_of(0)
    made = Combination.fit(["a", "b", "guess"], logits, labels)
    sure = np.array([[1e6, 0.0, 0.0], [LARGEST_LOGIT, 0.0, 0.0]])
    assert made.logits(sure)[0] == made.logits(sure)[1]
    assert np.isfinite(made.logits(sure)).all()
    bags = np.stack([logits, logits + 1])
    np.testing.assert_array_equal(made.logits(bags)[1], made.logits(logits + 1))


@pytest.mark.parametrize("seed", range(4))
def test_weights_are_where_cross_entropy_and_ridge_are_least(seed: int) -> None:
    """The same sum, written down again and made least without its gradient."""
    logits, labels = members_of(seed, n=60)

    def cost(parameters: NDArray[np.float64]) -> float:
        weights, bias = np.abs(parameters[:3]), parameters[3]
        p = sigmoid(logits.clip(-8, 8) @ weights + bias)
        ridge = 0.02 * ((weights - weights.mean()) ** 2).sum()
        return float(log_loss(labels, p) + ridge)

    made = Combination.fit(["a", "b", "guess"], logits, labels)
    best = minimize(
        cost,
        [0.5, 0.5, 0.1, 0.0],
        method="Nelder-Mead",
        options={"xatol": 1e-6, "fatol": 1e-10, "maxiter": 4000},
    )
    assert np.append(made.weights, made.bias) == pytest.approx([*np.abs(best.x[:3]), best.x[3]], abs=2e-3)


def one_member(scores: NDArray[np.float64]) -> Combination:
    """A combination that takes the logits of its only member as they are."""
    return Combination(("a",), np.ones(1), 0.0, scores, np.zeros(len(scores), np.int64))


def test_the_width_of_an_interval_on_given_logits() -> None:
    """Student's 2.776 for five trainings, their variance, and the error of offset and slope."""
    made = one_member(np.repeat(sigmoid(np.array([2.0, -2.0])), 500))  # p (1 - p) = 0.10499359
    logits = np.array([[0.8, 3.0], [0.9, 3.0], [1.0, 3.0], [1.1, 3.0], [1.2, 3.0]])[:, :, None]
    offset, slope = 1 / 105.99359, 1 / 420.97434  # 1000 objects and the prior: 1 + Σ p (1 - p) (1, 2²)
    half = 2.7764451 * np.sqrt([0.025 + offset + slope, 0 + offset + 9 * slope])
    p, low, high = made.with_interval(logits)
    np.testing.assert_array_equal(p, made.probabilities(logits.mean(axis=0)))
    assert low == pytest.approx(sigmoid(np.array([1.0, 3.0]) - half), rel=1e-6)
    assert high == pytest.approx(sigmoid(np.array([1.0, 3.0]) + half), rel=1e-6)
    assert low == pytest.approx([0.6148, 0.9250], abs=1e-4)
    assert high == pytest.approx([0.8224, 0.9703], abs=1e-4)
    _, low, high = made.with_interval(logits[1:4:2, :1])  # of two trainings
    half = 12.7062047 * np.sqrt([0.02 + offset + slope])
    assert low == pytest.approx(sigmoid(1 - half), rel=1e-6)
    assert high == pytest.approx(sigmoid(1 + half), rel=1e-6)


def test_the_variance_of_a_calibration_is_that_of_fits_to_other_labels() -> None:
    rng = np.random.default_rng(0)
    log_odds = rng.normal(0.5, 1.5, 1000)
    asked = np.array([-3.0, 0.0, 4.0])
    fits = [
        slope * asked + offset
        for slope, offset in (platt(log_odds, rng.uniform(size=1000) < sigmoid(log_odds)) for _ in range(300))
    ]
    expected = one_member(sigmoid(log_odds)).calibration_variance(asked)
    assert np.var(fits, axis=0) == pytest.approx(expected, rel=0.25)


def test_classes_apart_leave_the_interval_finite() -> None:
    made = one_member(np.repeat([0.0, 1.0], 50))
    assert made.calibration_variance(np.array([0.0, 3.0])) == pytest.approx([1, 10], rel=1e-4)


def test_platt_finds_the_slope() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(0, 2, 20000)
    labels = (rng.uniform(size=20000) < sigmoid(truth)).astype(np.float32)
    slope, offset = platt(truth / 2 + 1, labels)
    assert slope == pytest.approx(2, rel=0.06)
    assert offset == pytest.approx(-2, rel=0.06)
    assert platt(-truth, labels)[0] == 0


def test_sigmoid_of_large_numbers() -> None:
    np.testing.assert_array_equal(sigmoid(np.array([-1e4, 0, 1e4])), [0, 0.5, 1])
