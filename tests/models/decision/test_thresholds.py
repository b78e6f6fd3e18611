"""Thresholds by goal keep their limit and are no stricter than they must be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rbztf.errors import DataError, UsageError
from rbztf.models.decision.thresholds import best_f1_threshold, threshold_at

Objects = tuple[NDArray[np.int64], NDArray[np.float64]]


@st.composite
def objects(draw: st.DrawFn) -> Objects:
    """Labels of both classes and scores, often with ties."""
    n = draw(st.integers(2, 60))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    labels = rng.integers(0, 2, n)
    labels[:2] = 0, 1
    scores = rng.random(n)
    steps = draw(st.sampled_from([0, 2, 5, 20]))
    return labels, np.round(scores * steps) / steps if steps else scores


limits = st.floats(0, 0.999)


def false_alarms(case: Objects, threshold: float) -> float:
    labels, scores = case
    return float((scores[labels == 0] >= threshold).mean())


def missed(case: Objects, threshold: float) -> float:
    labels, scores = case
    return float((scores[labels == 1] < threshold).mean())


@given(case=objects(), limit=limits)
def test_the_lowest_threshold_within_the_false_alarms_allowed(case: Objects, limit: float) -> None:
    threshold = threshold_at(*case, max_false_alarm=limit)
    assert false_alarms(case, threshold) <= limit + 1e-9
    lower = case[1][case[1] < threshold]
    assert all(false_alarms(case, other) > limit for other in lower)


@given(case=objects(), limit=limits)
def test_the_highest_threshold_within_the_misses_allowed(case: Objects, limit: float) -> None:
    threshold = threshold_at(*case, max_missed=limit)
    assert missed(case, threshold) <= limit + 1e-9
    higher = case[1][case[1] > threshold]
    assert all(missed(case, other) > limit for other in higher)


@given(case=objects(), alarm=limits, miss=limits)
def test_both_limits_hold_or_no_threshold_can(case: Objects, alarm: float, miss: float) -> None:
    try:
        threshold = threshold_at(*case, max_false_alarm=alarm, max_missed=miss)
    except DataError:
        assert not any(false_alarms(case, t) <= alarm and missed(case, t) <= miss for t in [*case[1], 2.0])
    else:
        assert false_alarms(case, threshold) <= alarm + 1e-9
        assert missed(case, threshold) <= miss + 1e-9


def test_one_false_alarm_in_ten_is_ten_percent() -> None:
    labels = np.array([0] * 10 + [1] * 4)
    scores = np.concatenate([np.arange(10) / 10, [0.95, 0.85, 0.5, 0.1]])
    assert threshold_at(labels, scores, max_false_alarm=0.1) == 0.85
    assert threshold_at(labels, scores, max_missed=0.25) == 0.5
    nothing = threshold_at(labels, np.where(labels == 0, 1.0, scores), max_false_alarm=0.0)
    assert nothing > 1


def test_the_threshold_of_the_best_f1_does_not_divide_a_tie() -> None:
    """Bogus from 0.5 on takes all three real objects with it: F1 0.57 rather than 0.67 from 0.9 on.

    That of the first of the tied objects alone (F1 1.0) cannot be had.
    """
    labels, scores = np.array([1, 1, 0, 0, 0]), np.array([0.9, 0.5, 0.5, 0.5, 0.5])
    assert best_f1_threshold(labels, scores) == 0.9


@given(case=objects())
def test_the_best_f1(case: Objects) -> None:
    labels, scores = case
    f1 = {s: 2 * labels[scores >= s].sum() / ((scores >= s).sum() + labels.sum()) for s in scores.tolist()}
    assert f1[best_f1_threshold(labels, scores)] == pytest.approx(max(f1.values()))


@pytest.mark.parametrize(
    ("labels", "given_limits", "error", "says"),
    [
        ([0, 1], {}, UsageError, "No limit is given"),
        ([0, 1], {"max_missed": 1.0}, UsageError, "max_missed is 1.0"),
        ([0, 1], {"max_false_alarm": -0.1}, UsageError, "max_false_alarm is -0.1"),
        ([0, 1], {"max_false_alarm": float("nan")}, UsageError, "max_false_alarm is nan"),
        ([1, 1], {"max_false_alarm": 0.1}, DataError, "no real objects"),
        ([0, 0], {"max_missed": 0.1}, DataError, "no artefacts"),
        ([1, 0], {"max_missed": 0.0, "max_false_alarm": 0.0}, DataError, "No threshold keeps"),
    ],
)
def test_what_cannot_be_is_refused(
    labels: list[int], given_limits: dict[str, float], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        threshold_at(np.array(labels), np.array([0.2, 0.8]), **given_limits)


@given(case=objects(), seed=st.integers(0, 100), alarm=limits, miss=limits)
def test_a_whole_weight_is_as_many_objects(case: Objects, seed: int, alarm: float, miss: float) -> None:
    counts = np.random.default_rng(seed).integers(1, 4, len(case[0]))
    repeated = tuple(np.repeat(part, counts) for part in case)
    weighted = *case, counts.astype(float)
    assert best_f1_threshold(*weighted) == best_f1_threshold(*repeated)
    for goal in ({"max_false_alarm": alarm}, {"max_missed": miss}):
        assert threshold_at(*weighted, **goal) == threshold_at(*repeated, **goal)
