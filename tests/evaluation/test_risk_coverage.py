"""Errors among the surest objects, and calibration at stated priors, against plain loops and scikit-learn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers import make_oid
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn import metrics as sklearn

from rbztf.evaluation.bootstrap import field_weights, interval
from rbztf.evaluation.coverage import COVERAGES, Accepted, confidence, risk_coverage
from rbztf.evaluation.metrics import accuracy, brier, ece
from rbztf.evaluation.operating_points import PRIORS, at_priors, to_prior
from rbztf.evaluation.scores import Scored

Array = NDArray[np.float64]


def scored(labels: Array, scores: Array, threshold: float | Array = 0.5) -> Scored:
    oids = np.array([make_oid(i, field=300 + i % 12) for i in range(len(labels))], np.int64)
    return Scored(oids, np.asarray(labels, np.int64), np.asarray(scores, float), threshold)


def calibrated(n: int, seed: int = 0) -> Scored:
    """Scores that are right on average, half of the objects artefacts."""
    rng = np.random.default_rng(seed)
    scores = expit(2 * rng.normal(size=n))
    return scored((rng.random(n) < scores).astype(float), scores)


@st.composite
def objects_with_weights(draw: st.DrawFn) -> tuple[Scored, Array]:
    """Scores with ties and at the ends, a threshold each, and how often each object counts."""
    n = draw(st.integers(2, 40))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    scores, thresholds = rng.random(n), rng.uniform(0.2, 0.8, n)
    if draw(st.booleans()):
        scores = np.round(scores * draw(st.integers(1, 8))) / 8
        thresholds[:] = draw(st.sampled_from([0.0, 0.25, 0.5, 1.0, 1.1]))
    weights = rng.poisson(1.0, n).astype(float)
    weights[0] = 1
    labels = rng.integers(0, 2, n)
    labels[:2] = 0, 1
    return scored(labels, scores, thresholds), weights


@given(objects_with_weights())
def test_the_curve_is_that_of_a_plain_loop(given: tuple[Scored, Array]) -> None:
    found, weights = given
    times = weights.astype(int)
    sure, wrong = (
        np.repeat(values, times) for values in (confidence(found), found.called != (found.labels == 1))
    )
    made = Accepted.of(found, np.stack([np.ones(len(found)), weights]))
    for coverage, error in zip(COVERAGES, made.error(COVERAGES)[1]):
        wanted = next(k for k in range(1, len(sure) + 1) if k >= coverage * len(sure) - 1e-9)
        limit = sorted(sure, reverse=True)[wanted - 1]
        assert error == pytest.approx(wrong[sure >= limit].mean())
    assert made.area[1] == pytest.approx(np.mean([wrong[sure >= own].mean() for own in sure]))


def test_confidence_is_the_distance_to_the_objects_own_threshold() -> None:
    found = scored(
        np.array([0, 1, 0, 1, 1]), np.array([0.3, 0.9, 0.1, 0.0, 1.0]), np.array([0.3, 0.5, 0.5, 0.5, 0.5])
    )
    sure = confidence(found)
    assert sure[:3] == pytest.approx([0, logit(0.9), logit(0.9)])
    assert np.isfinite(sure).all()
    assert sure[3] == pytest.approx(sure[4], abs=0.1)


def test_all_objects_have_the_error_rate_of_the_metrics_and_the_surest_a_smaller_one() -> None:
    found = calibrated(3000)
    (weights,) = field_weights([found.fields], 200)
    table = risk_coverage(found, weights)
    whole = table["rows"][0]
    assert whole["n"] == 3000
    assert whole["error"]["value"] == pytest.approx(1 - accuracy(found, np.ones((1, 3000)))[0])
    assert whole["error"]["ci95"] == pytest.approx(interval(1 - accuracy(found, weights)))
    errors = [row["error"]["value"] for row in table["rows"]]
    assert errors == sorted(errors, reverse=True)
    assert [row["n"] for row in table["rows"]] == [3000, 2850, 2700, 2400, 2100, 1800, 1500]
    low, high = table["aurc"]["ci95"]
    assert 0 < low < table["aurc"]["value"] < high < errors[0]
    worst = replace(found, labels=1 - found.labels)  # right where it is unsure, wrong where it is sure
    assert risk_coverage(worst, weights)["aurc"]["value"] > 1 - errors[0]


def test_without_errors_the_interval_is_not_empty() -> None:
    labels = np.arange(60) % 2
    found = scored(labels, 0.1 + 0.8 * labels)
    (weights,) = field_weights([found.fields], 200)
    table = risk_coverage(found, weights)
    assert table["aurc"]["value"] == 0
    for row in table["rows"]:
        assert row["error"]["value"] == row["error"]["ci95"][0] == 0
        assert row["error"]["ci95"][1] >= 1 - 0.025 ** (1 / 12)
    assert table["rows"][0]["error"]["ci95"][1] == pytest.approx(1 - 0.025 ** (1 / 12))


@given(objects_with_weights(), st.sampled_from(PRIORS))
def test_figures_at_a_prior_are_those_of_weighted_objects(given: tuple[Scored, Array], prior: float) -> None:
    found, _ = given
    is_artefact = found.labels == 1
    (weights,) = field_weights([found.fields], 20)
    row = next(row for row in at_priors(found, weights) if row["prior"] == prior)
    mass = to_prior(np.ones((1, len(found))), is_artefact, prior)[0]
    assert mass[is_artefact].sum() == pytest.approx(prior)
    assert mass.sum() == pytest.approx(1)
    odds = np.array([p / (1 - p) if p < 1 else np.inf for p in found.scores])
    trained = is_artefact.mean()
    odds = odds * prior / (1 - prior) * (1 - trained) / trained
    p = np.array([ratio / (1 + ratio) if np.isfinite(ratio) else 1.0 for ratio in odds])
    if (np.abs(p - 0.5) < 1e-9).any():
        return  # on the edge, rounding decides
    assert row["brier"]["value"] == pytest.approx(
        sklearn.brier_score_loss(found.labels, p, sample_weight=mass)
    )
    called = p >= 0.5
    assert row["recall"]["value"] == pytest.approx(called[is_artefact].mean())
    assert row["false_alarms"]["value"] == pytest.approx(called[~is_artefact].mean())
    if not called.any():
        assert row["precision"] is None
        return
    precision = sklearn.precision_score(found.labels, called, sample_weight=mass)
    assert row["precision"]["value"] == pytest.approx(precision)
    low, high = row["precision"]["ci95"]
    assert np.isnan(low) or -1e-12 <= low <= high <= 1 + 1e-12


def test_bins_hold_equal_mass() -> None:
    rng = np.random.default_rng(3)
    found = calibrated(500)
    ones, mass = np.ones((1, 500)), rng.integers(1, 4, 500).astype(float)
    assert ece(found, ones, np.full(500, 0.7)) == pytest.approx(ece(found, ones))
    often = np.repeat(np.arange(500), mass.astype(int))
    copies = Scored(found.oids[often], found.labels[often], found.scores[often], 0.5)
    weighted = ece(found, mass[None], mass)[0]
    assert weighted == pytest.approx(ece(copies, np.ones((1, len(often))))[0], abs=0.01)


def test_shifted_scores_stay_calibrated_where_unshifted_ones_do_not() -> None:
    """Also: precision is that found among objects of which 2 % are artefacts."""
    found = calibrated(40000)
    is_artefact = found.labels == 1
    (weights,) = field_weights([found.fields], 50)
    table = {row["prior"]: row for row in at_priors(found, weights)}
    for row in table.values():
        assert row["ece"]["value"] < 0.01
        for name in ("brier", "precision", "recall", "false_alarms"):
            low, high = row[name]["ci95"]
            assert low < row[name]["value"] < high
    mass = to_prior(np.ones((1, 40000)), is_artefact, 0.02)
    assert ece(found, mass, mass[0])[0] > 0.1
    assert table[0.02]["brier"]["value"] < brier(found, mass)[0]
    real = np.flatnonzero(~is_artefact)
    few = np.flatnonzero(is_artefact)[: round(len(real) * 0.02 / 0.98)]
    there = np.concatenate([real, few])
    shifted = expit(logit(found.scores[there]) + logit(0.02) - logit(is_artefact.mean()))
    called = shifted >= 0.5
    precision = sklearn.precision_score(found.labels[there], called)
    assert table[0.02]["precision"]["value"] == pytest.approx(precision, abs=0.1)


def test_precision_without_false_alarms_has_the_interval_of_the_false_alarms() -> None:
    labels = np.arange(60) % 2
    found = scored(labels, 0.001 + 0.998 * labels)
    (weights,) = field_weights([found.fields], 100)
    row = at_priors(found, weights)[-1]
    assert (row["precision"]["value"], row["precision"]["ci95"][1]) == (1, 1)
    alarms = row["false_alarms"]["ci95"][1]
    assert row["precision"]["ci95"][0] == pytest.approx(0.02 / (0.02 + 0.98 * alarms))
    missed = at_priors(replace(found, labels=1 - labels), weights)[0]
    assert missed["precision"]["value"] == missed["precision"]["ci95"][0] == 0
    assert 0 < missed["precision"]["ci95"][1] < 1


def test_objects_of_one_class_have_no_prior_to_shift_from() -> None:
    found = scored(np.zeros(10), np.linspace(0.1, 0.9, 10))
    (weights,) = field_weights([found.fields], 5)
    assert at_priors(found, weights) == []
