"""Decisions: each by the rule for objects that have what it has, the same in ``cv`` and ``predict``."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import tiny_ensemble

from rbztf.config import Config
from rbztf.errors import DataError, UsageError
from rbztf.evaluation.crossval import score_ensemble
from rbztf.evaluation.operating_points import FAR10
from rbztf.models.decision import conformal
from rbztf.models.decision.decisions import FixedThreshold, Goal, decide
from rbztf.models.decision.thresholds import best_f1_threshold, threshold_at
from rbztf.models.ensemble.ensemble import Ensemble
from rbztf.models.objects.object_set import LabelledSet, Modality
from rbztf.models.objects.scores import ObjectScores
from rbztf.stores.labels import Labelled, LabelTable
from rbztf.ztf import Label, Oid

CONFIG = Config.model_validate(tiny_ensemble())


@pytest.fixture(scope="module")
def scores(model: Ensemble, data: LabelledSet) -> ObjectScores:
    return model.score(data.objects)


def test_the_objects_at_hand_have_this_and_that(scores: ObjectScores) -> None:
    both = (Modality.IMAGE, Modality.LIGHTCURVE)
    assert {*scores.inputs} == {(), both[:1], both[1:], both}


def test_each_object_is_judged_by_objects_like_it(model: Ensemble, scores: ObjectScores) -> None:
    assert CONFIG.ensemble is not None
    decided = decide(model, scores)
    for i, have in enumerate(scores.inputs):
        known = model.combinations[have or model.modalities]
        limits = conformal.fit(known.labels, known.scores, CONFIG.ensemble.error_rate)
        p = scores.p_bogus[i : i + 1]
        assert decided.thresholds[i] == best_f1_threshold(known.labels, known.scores)
        assert decided.words[i] == limits.decide(p)[0]
        assert (decided.sets[i] == limits.sets(p)[0]).all()
    assert len(set(decided.thresholds)) == 3


@pytest.mark.parametrize("goal", [Goal(max_false_alarm=0.1), Goal(max_missed=0.2), Goal(0.2, 0.8)])
def test_a_goal_is_kept_for_each_kind_of_object(model: Ensemble, scores: ObjectScores, goal: Goal) -> None:
    decided = decide(model, scores, goal)
    for i, have in enumerate(scores.inputs):
        known = model.combinations[have or model.modalities]
        cut = threshold_at(
            known.labels, known.scores, max_false_alarm=goal.max_false_alarm, max_missed=goal.max_missed
        )
        assert decided.thresholds[i] == cut
        assert decided.words[i] == ("bogus" if scores.p_bogus[i] >= cut else "real")
    assert (decided.sets[:, 1] == (decided.words == "bogus")).all()
    assert (decided.sets.sum(axis=1) == 1).all()


def test_another_error_rate_changes_how_many_are_unsure(model: Ensemble, scores: ObjectScores) -> None:
    strict, loose = (decide(model, scores, Goal(error_rate=rate)).words for rate in (0.02, 0.4))
    assert np.sum(strict == "unsure") > np.sum(loose == "unsure")


def test_an_object_of_which_nothing_is_known_is_judged_as_complete_ones(
    model: Ensemble, scores: ObjectScores
) -> None:
    nothing = ObjectScores(*(np.array([model.prior] * 1) for _ in range(3)), [()], {})
    full = ObjectScores(*(np.array([model.prior] * 1) for _ in range(3)), [model.modalities], {})
    assert model.modalities == (Modality.IMAGE, Modality.LIGHTCURVE)
    assert decide(model, nothing).thresholds == decide(model, full).thresholds
    assert decide(model, nothing).words == decide(model, full).words


def test_cross_validation_decides_alike(model: Ensemble, data: LabelledSet, scores: ObjectScores) -> None:
    known = zip(data.objects.oids.tolist(), data.labels.tolist())
    labels = LabelTable([Labelled(Oid(oid), Label(label)) for oid, label in known])
    scored = score_ensemble(model, scores, data.objects, labels)
    decided = decide(model, scores)
    assert scored.decisions is not None
    assert scored.sets is not None
    assert (scored.decisions == decided.words).all()
    assert (scored.sets == decided.sets).all()
    assert (scored.called == (scores.p_bogus >= decided.thresholds)).all()
    assert (scored.thresholds[FAR10] == decide(model, scores, Goal(max_false_alarm=0.1)).thresholds).all()


def test_goals_that_cannot_be() -> None:
    with pytest.raises(UsageError, match="either by a threshold"):
        Goal(max_false_alarm=0.1, error_rate=0.1)


def test_limits_that_no_threshold_keeps(model: Ensemble, scores: ObjectScores) -> None:
    with pytest.raises(DataError, match="No threshold keeps"):
        decide(model, scores, Goal(max_false_alarm=0.0, max_missed=0.0))


def test_a_score_at_the_threshold_is_bogus() -> None:
    decided = FixedThreshold(0.5).decide(np.array([0.49, 0.5, 0.51]), Goal())
    assert decided.words.tolist() == ["real", "bogus", "bogus"]
    assert decided.sets.tolist() == [[True, False], [False, True], [False, True]]
    assert decided.thresholds.tolist() == [0.5] * 3
