"""Conformal sets: their finite-sample limits, and the coverage they promise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbztf.errors import UsageError
from rbztf.models.decision.conformal import Conformal, fit, fit_population
from rbztf.models.decision.prior import Population


@given(n=st.integers(0, 40), error_rate=st.floats(0.01, 0.99), seed=st.integers(0, 10**6), ties=st.booleans())
def test_the_limit_is_the_right_order_statistic(n: int, error_rate: float, seed: int, ties: bool) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.random(n)
    if ties:
        scores = np.round(scores, 1)
    fitted = fit(np.zeros(n, np.int64), scores, error_rate)
    assert fitted.q_bogus == math.inf  # no artefact: nothing is known of them
    rank = math.ceil((n + 1) * (1 - error_rate) - 1e-9)
    if rank > n:
        assert fitted.q_real == math.inf
        assert fitted.sets(np.array([0.0, 0.5, 1.0]))[:, 0].all()
    else:
        assert fitted.q_real == sorted(scores)[rank - 1]
        assert (scores <= fitted.q_real).mean() >= 1 - error_rate


def test_the_rank_is_not_spoilt_by_rounding() -> None:
    scores = np.arange(1, 10) / 10
    assert fit(np.zeros(9, np.int64), scores, 0.1).q_real == 0.9  # rank 10 × 0.9 = 9, not 10
    assert fit(np.zeros(19, np.int64), np.arange(19) / 19, 0.05).q_real == 18 / 19
    assert fit(np.zeros(18, np.int64), np.arange(18) / 18, 0.05).q_real == math.inf


@pytest.mark.parametrize("error_rate", [0.05, 0.1, 0.3])
@pytest.mark.parametrize("skew", [1.0, 3.0])
def test_each_class_is_covered_as_promised(error_rate: float, skew: float) -> None:
    """Exchangeable data, however badly calibrated: the mean coverage over many calibration sets."""
    rng = np.random.default_rng(7)
    repeats, n_calibration, n_test = 300, 60, 100
    hits = {0: 0.0, 1: 0.0}
    for _ in range(repeats):
        n = n_calibration + n_test
        labels = (rng.random(n) < 0.3).astype(np.int64)
        scores = (1 / (1 + np.exp(-(2 * labels - 1 + 1.5 * rng.normal(size=n))))) ** skew
        fitted = fit(labels[:n_calibration], scores[:n_calibration], error_rate)
        sets = fitted.sets(scores[n_calibration:])
        for label in hits:
            hits[label] += sets[labels[n_calibration:] == label, label].mean() / repeats
    for label, covered in hits.items():
        n_class = n_calibration * (0.7, 0.3)[label]
        spread = 4 * np.sqrt(error_rate * (1 - error_rate) / repeats * (1 / n_test + 1 / n_class) * 4)
        assert 1 - error_rate - spread <= covered <= 1 - error_rate + 1.5 / n_class + spread


def test_a_decision_needs_a_set_of_one_class() -> None:
    overlapping = Conformal(q_real=0.6, q_bogus=0.7, error_rate=0.1)
    scores = np.array([0.1, 0.3, 0.45, 0.6, 0.61, 0.9])
    assert overlapping.decide(scores).tolist() == ["real", *["unsure"] * 3, "bogus", "bogus"]
    apart = Conformal(q_real=0.3, q_bogus=0.3, error_rate=0.4)
    assert apart.decide(scores).tolist() == ["real", "real", *["unsure"] * 3, "bogus"]
    assert apart.sets(np.array([0.5])).tolist() == [[False, False]]


@pytest.mark.parametrize("error_rate", [0.0, 1.0, -0.1, float("nan")])
def test_an_error_rate_out_of_range_is_refused(error_rate: float) -> None:
    with pytest.raises(UsageError, match="not between 0 and 1"):
        fit(np.array([0, 1]), np.array([0.1, 0.9]), error_rate)


BELOW, ABOVE = -math.inf, math.inf


@pytest.mark.parametrize(
    ("q_real", "q_bogus", "limit_real", "limit_bogus"),
    [
        (0.4, 0.4, 0.4, 0.6),  # between the limits no class fits
        (0.75, 0.75, np.nextafter(0.25, BELOW), np.nextafter(0.75, ABOVE)),  # between them both fit
        (0.0, 0.2, 0.0, 0.8),
        (0.2, 0.0, 0.2, 1.0),
        (ABOVE, ABOVE, math.nan, math.nan),
        (ABOVE, 0.25, np.nextafter(0.75, BELOW), math.nan),
        (0.25, ABOVE, math.nan, np.nextafter(0.25, ABOVE)),
    ],
)
def test_limits_are_where_decisions_change(
    q_real: float, q_bogus: float, limit_real: float, limit_bogus: float
) -> None:
    fitted = Conformal(q_real, q_bogus, 0.1)
    assert fitted.limit_real == pytest.approx(limit_real, nan_ok=True, rel=0, abs=0)
    assert fitted.limit_bogus == pytest.approx(limit_bogus, nan_ok=True, rel=0, abs=0)
    scores = np.linspace(0, 1, 101)
    words = fitted.decide(scores)
    assert np.array_equal(words == "real", scores <= limit_real)
    assert np.array_equal(words == "bogus", scores >= limit_bogus)


def test_limits_of_a_population_by_hand() -> None:
    artefacts, picked = np.linspace(0.05, 0.95, 19), np.full(19, 0.01)
    asked = Population(artefacts, picked, np.linspace(0.1, 0.9, 9), prior=0.02, rarity=0.1)
    fitted = fit_population(asked, 0.1)
    # of 9 ordinary objects 1 in 10 may be missed at the least: the limit is the largest of them
    assert fitted.q_real == pytest.approx(0.9)
    # of 19 artefacts 0.1 × (2 − 0.1) may be missed: rank ⌈20 × 0.81⌉ = 17 of the nonconformities
    assert fitted.q_bogus == pytest.approx(0.85)
    assert fitted.error_rate == 0.1
    # a rate of 0.9 may grow to (1 + 0.9) / 2, not beyond 1: rank ⌈20 × 0.05⌉ = 1
    assert fit_population(asked, 0.9).q_bogus == pytest.approx(0.05)
