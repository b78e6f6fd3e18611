"""Models are asked what they read; nothing looks at what they are."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
from helpers import ROOT, random_sequences, refusal, tiny_classifier

from rbztf.errors import UsageError
from rbztf.models.decision.decisions import Goal, decide
from rbztf.models.ensemble.ensemble import Ensemble
from rbztf.models.model import Model
from rbztf.models.objects.object_set import LabelledSet, Modality, ObjectSet

SOURCE = ROOT / "src" / "rbztf"
MODELS = {"Model", "Ensemble", "ClassifierBundle", "Member", "FittedNetwork", "FittedTrees"}
SECTIONS = {"MemberSection", "NetworkMember", "TreesMember"}
IMAGE, CURVE = Modality.IMAGE, Modality.LIGHTCURVE


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_code_asks_of_which_class_a_model_is(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("isinstance", "issubclass"):
            named = {name.id for name in ast.walk(node.args[1]) if isinstance(name, ast.Name)}
            assert not named & (MODELS | SECTIONS), f"{path}:{node.lineno}"


def test_what_both_kinds_answer(model: Ensemble, data: LabelledSet) -> None:
    network = tiny_classifier(4)
    answers: list[Model] = [model, network]
    assert [each.modalities for each in answers] == [(IMAGE, CURVE), (IMAGE,)]
    assert [each.can_score([CURVE]) for each in answers] == [True, False]
    assert [each.can_score([IMAGE]) for each in answers] == [True, True]
    assert not any(each.can_score([]) for each in answers)
    assert [each.selection.latent for each in answers] == [4, 4]
    assert [each.attributes_frames for each in answers] == [True, False]
    assert set(model.inner_auc) == {(IMAGE,), (CURVE,), (IMAGE, CURVE)}
    assert network.inner_auc == {}
    assert isinstance(refusal(lambda: network.frame_contributions(data.objects)), UsageError)


def test_one_network_scores_and_decides_as_an_ensemble_does() -> None:
    network = tiny_classifier(4)
    sequences = random_sequences([5, 9, 3], 4)
    scores = network.score(ObjectSet.of([1, 2, 3], sequences, network.reader, None))
    np.testing.assert_array_equal(scores.p_bogus, network.probabilities(sequences))
    assert np.isnan([scores.p_low, scores.p_high]).all()
    assert (scores.inputs, scores.kinds) == ([(IMAGE,)] * 3, {})
    decided = decide(network, scores, Goal())
    assert (decided.thresholds == network.threshold).all()
    assert decided.words.tolist() == ["bogus" if p >= 0.5 else "real" for p in scores.p_bogus]
    assert (decided.sets[:, 1] == (scores.p_bogus >= 0.5)).all()
    for goal in (Goal(max_missed=0.1), Goal(error_rate=0.1)):
        with pytest.raises(UsageError, match="one network without scores of its inner folds"):
            decide(network, scores, goal)
