"""Another prior: shifted probabilities, reweighted objects, limits chosen again."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbztf.errors import UsageError
from rbztf.models.decision import conformal
from rbztf.models.decision.decisions import FixedThreshold, Goal, InnerScores, apply_goal
from rbztf.models.decision.prior import Population, at_prior, shift
from rbztf.models.objects.object_set import Modalities, Modality
from rbztf.models.objects.scores import ObjectScores

SHARES = st.floats(0.001, 0.999)
INPUTS: Modalities = (Modality.LIGHTCURVE,)


def draw(n: int, artefact_share: float, seed: int, *, ordinary: int = 0) -> tuple[InnerScores, np.ndarray]:
    """Labels and calibrated probabilities of two classes of normal values, one unit either side of 0.

    Ordinary objects lie another two units below the real ones.
    """
    rng = np.random.default_rng(seed)
    labels = (rng.random(n) < artefact_share).astype(np.int64)
    x = rng.normal(2.0 * labels - 1)
    other = rng.normal(-3, 1, ordinary)
    log_odds = math.log(artefact_share / (1 - artefact_share))
    p, p_other = (1 / (1 + np.exp(-(2 * part + log_odds))) for part in (x, other))
    return InnerScores(labels, p, 0.05, artefact_share, p_other), x


def scores_of(p: np.ndarray, kinds: dict[str, np.ndarray] | None = None) -> ObjectScores:
    return ObjectScores(p, 0.8 * p, 0.2 + 0.8 * p, [INPUTS] * len(p), kinds or {})


class Model:
    """No more of a model than decisions need."""

    def __init__(self, rule: InnerScores | FixedThreshold, prior: float | None) -> None:
        self.rule, self.prior = rule, prior

    def decision_rule(self, inputs: Modalities) -> InnerScores | FixedThreshold:
        assert inputs == INPUTS
        return self.rule


@given(p=SHARES, trained=SHARES, prior=SHARES)
def test_a_shift_is_bayes_rule(p: float, trained: float, prior: float) -> None:
    likelihood_ratio = p / (1 - p) * (1 - trained) / trained
    expected = likelihood_ratio * prior / (likelihood_ratio * prior + 1 - prior)
    found = shift(np.array([p]), trained, prior)
    assert found[0] == pytest.approx(expected)
    assert shift(found, prior, trained)[0] == pytest.approx(p)


def test_shifted_probabilities_are_calibrated_where_the_classes_stay_as_they_are() -> None:
    rule, _ = draw(200_000, 0.03, 1)
    _, x = draw(200_000, 0.03, 1)
    trained = 1 / (1 + np.exp(-2 * x))  # of a model trained on as many artefacts as real objects
    p = shift(trained, 0.5, 0.03)
    np.testing.assert_allclose(p, rule.scores)
    for low, high in ((0.0, 0.02), (0.02, 0.2), (0.2, 1.0)):
        inside = (p >= low) & (p < high)
        assert rule.labels[inside].mean() == pytest.approx(p[inside].mean(), rel=0.1)


def test_certainty_and_ignorance_stay() -> None:
    np.testing.assert_array_equal(shift(np.array([0.0, 1.0, np.nan]), 0.5, 0.02), [0, 1, np.nan])


def test_interval_and_kinds_shift_too() -> None:
    p = np.array([0.2, 0.5, 0.95])
    kinds = {"ghost": np.array([0.1, np.nan, 0.9])}
    moved = at_prior(scores_of(p, kinds), 0.5, 0.02)
    assert moved.p_bogus[1] == pytest.approx(0.02)
    assert (moved.p_low < moved.p_bogus).all()
    assert (moved.p_bogus < moved.p_high).all()
    np.testing.assert_allclose(moved.kinds["ghost"] / moved.p_bogus, kinds["ghost"] / p)
    assert moved.inputs == [INPUTS] * 3
    same = scores_of(p)
    assert at_prior(same, 0.5, None) is same


@pytest.mark.parametrize("prior", [0.0, 1.0, -0.1, 2.0, math.nan])
def test_a_prior_is_a_share(prior: float) -> None:
    with pytest.raises(UsageError, match="not a share between 0 and 1"):
        at_prior(scores_of(np.array([0.5])), 0.5, prior)


def test_a_model_without_a_prior_cannot_be_asked_for_another() -> None:
    model = Model(FixedThreshold(0.5), None)
    scores = scores_of(np.array([0.4, 0.6]))
    with pytest.raises(UsageError, match="does not keep the share of artefacts"):
        apply_goal(model, scores, Goal(prior=0.02))
    assert apply_goal(model, scores)[1].words.tolist() == ["real", "bogus"]


def test_a_population_has_the_prior_and_as_many_picked_objects_beside_an_artefact_as_training() -> None:
    rule, _ = draw(1000, 0.4, 2, ordinary=300)
    asked = Population.of(rule.labels, rule.scores, rule.ordinary, 0.4, 0.02)
    n_artefacts, n_picked = len(asked.artefacts), len(asked.picked)
    assert (n_artefacts, n_picked, len(asked.ordinary)) == (rule.labels.sum(), 1000 - rule.labels.sum(), 300)
    shares = [part.sum() for part in np.split(asked.weights, [n_artefacts, n_artefacts + n_picked])]
    assert shares == pytest.approx([0.02, 0.02 * 0.6 / 0.4, 1 - 0.02 - 0.03])
    assert asked.labels.tolist() == [1] * n_artefacts + [0] * (n_picked + 300)
    np.testing.assert_allclose(asked.scores[:n_artefacts], shift(rule.scores[rule.labels == 1], 0.4, 0.02))
    without = Population.of(rule.labels, rule.scores, np.empty(0), 0.4, 0.02)
    assert without.weights.sum() == pytest.approx(1)
    assert without.weights[without.labels == 1].sum() == pytest.approx(0.02)


def test_at_the_prior_of_the_training_nothing_changes() -> None:
    rule, _ = draw(500, 0.5, 3)
    given = scores_of(np.linspace(0.01, 0.99, 99))
    model = Model(rule, 0.5)
    for goal in (Goal(), Goal(max_false_alarm=0.1), Goal(error_rate=0.2)):
        plain_scores, plain = apply_goal(model, given, goal)
        asked = Goal(goal.max_false_alarm, goal.max_missed, goal.error_rate, prior=0.5)
        moved_scores, moved = apply_goal(model, given, asked)
        np.testing.assert_array_equal(plain_scores.p_bogus, moved_scores.p_bogus)
        for name, values in vars(plain).items():
            np.testing.assert_array_equal(values, getattr(moved, name), name)


def test_without_ordinary_objects_a_threshold_by_rates_decides_as_before() -> None:
    rule, _ = draw(500, 0.5, 4)
    given = scores_of(np.linspace(0.01, 0.99, 99))
    for goal in (Goal(max_false_alarm=0.1), Goal(max_missed=0.2), Goal(0.3, 0.3)):
        _, plain = apply_goal(Model(rule, 0.5), given, goal)
        asked = Goal(goal.max_false_alarm, goal.max_missed, prior=0.02)
        _, moved = apply_goal(Model(rule, 0.5), given, asked)
        assert (plain.words == moved.words).all()
        np.testing.assert_allclose(moved.thresholds, shift(plain.thresholds, 0.5, 0.02))


@pytest.mark.parametrize("goal", [Goal(prior=0.02), Goal(max_false_alarm=0.1, prior=0.02)])
def test_ordinary_objects_count_where_they_are_given_alone(goal: Goal) -> None:
    rule, _ = draw(500, 0.5, 11)
    given = scores_of(np.linspace(0.01, 0.99, 99))
    plain, none, one = (
        apply_goal(Model(InnerScores(rule.labels, rule.scores, 0.05, 0.5, *ordinary), 0.5), given, goal)[1]
        for ordinary in ((), (np.empty(0),), (np.array([0.5]),))
    )
    for name, values in vars(plain).items():
        np.testing.assert_array_equal(values, getattr(none, name), name)
    assert (plain.thresholds != one.thresholds).all()


def test_ordinary_objects_lower_the_threshold_for_a_rate_of_false_alarms() -> None:
    rule, _ = draw(2000, 0.5, 5, ordinary=2000)
    (_, alone), (_, mixed) = (
        apply_goal(Model(part, 0.5), scores_of(np.array([0.5])), Goal(max_false_alarm=0.02, prior=0.02))
        for part in (InnerScores(rule.labels, rule.scores, 0.05, 0.5), rule)
    )
    assert mixed.thresholds[0] < alone.thresholds[0]
    asked = Population.of(rule.labels, rule.scores, rule.ordinary, 0.5, 0.02)
    called = (asked.scores >= mixed.thresholds[0]) & (asked.labels == 0)
    assert asked.weights[called].sum() / (1 - 0.02) == pytest.approx(0.02, abs=0.001)


@pytest.mark.parametrize("prior", [0.02, 0.1, 0.5])
def test_conformal_limits_keep_false_alarms_per_artefact_and_let_twice_as_many_be_missed(
    prior: float,
) -> None:
    rule, _ = draw(4000, 0.5, 6, ordinary=4000)
    fresh, _ = draw(40_000, 0.5, 7, ordinary=40_000)
    asked = Population.of(rule.labels, rule.scores, rule.ordinary, 0.5, prior)
    test = Population.of(fresh.labels, fresh.scores, fresh.ordinary, 0.5, prior)
    limits = conformal.fit_population(asked, 0.05)
    odds = prior / (1 - prior)
    assert asked.rarity == pytest.approx(odds)
    assert np.mean(test.picked > limits.q_real) <= 0.05 * 1.2
    assert np.mean(test.ordinary > limits.q_real) <= 0.05 * odds * 1.5
    missed = np.mean(1 - test.artefacts > limits.q_bogus)
    assert missed == pytest.approx(0.05 * (2 - odds), rel=0.15)


def test_few_ordinary_objects_still_leave_a_limit() -> None:
    rule, _ = draw(500, 0.5, 8, ordinary=30)
    asked = Population.of(rule.labels, rule.scores, rule.ordinary, 0.5, 0.001)
    assert conformal.fit_population(asked, 0.05).q_real >= asked.ordinary.max()
    assert math.isfinite(conformal.fit_population(asked, 0.05).q_real)
    assert math.isfinite(conformal.fit_population(asked, 0.9).q_bogus)


@pytest.mark.parametrize("goal", [Goal(), Goal(error_rate=0.4), Goal(max_missed=0.1), Goal(prior=0.02)])
@pytest.mark.parametrize("make", [lambda: draw(300, 0.5, 9, ordinary=200)[0], lambda: draw(30, 0.5, 9)[0]])
def test_limits_say_what_is_called_what(goal: Goal, make: Callable[[], InnerScores]) -> None:
    rule = make()
    p = np.unique(np.concatenate([rule.scores, np.linspace(0.001, 0.999, 500)]))
    scores, decided = apply_goal(Model(rule, 0.5), scores_of(p), goal)
    p = scores.p_bogus
    expected = np.where(
        p <= decided.limit_real, "real", np.where(p >= decided.limit_bogus, "bogus", "unsure")
    )
    at_limit = np.isclose(p, decided.limit_real, 0, 1e-12) | np.isclose(p, decided.limit_bogus, 0, 1e-12)
    assert (decided.words == expected)[~at_limit].all()
    assert len(set(decided.words)) > 1


def test_where_nothing_is_called_bogus_there_is_no_limit() -> None:
    rule, _ = draw(10, 0.5, 10)
    _, decided = apply_goal(Model(rule, 0.5), scores_of(np.array([0.999999])), Goal(error_rate=0.01))
    assert decided.words.tolist() == ["unsure"]
    assert np.isnan(decided.limit_bogus).all()
    assert np.isnan(decided.limit_real).all()
