"""The audit of sequence length, and the account of doubt."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers import make_oid
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from rbztf.errors import DataError
from rbztf.evaluation.bootstrap import field_weights
from rbztf.evaluation.coverage import covered, doubt
from rbztf.evaluation.length_bias import equal_length, equal_length_audit, length_auc, score_cut
from rbztf.evaluation.scores import Scored

N = 60


@given(lengths=st.lists(st.integers(4, 30), max_size=6), n=st.integers(1, 4), seed=st.integers(0, 99))
def test_sequences_are_cut_to_frames_of_their_own_in_order(lengths: list[int], n: int, seed: int) -> None:
    cut = equal_length(np.array(lengths, np.int64), n, seed)
    for part, length in zip(cut, lengths):
        assert part.shape == (n,)
        assert np.isin(part, np.arange(length)).all()
        assert (np.diff(part) > 0).all()
    again = equal_length(np.array(lengths[:2], np.int64), n, seed)
    assert all(np.array_equal(one, other) for one, other in zip(again, cut))


@pytest.mark.parametrize("n", [0, 5])
def test_sequences_cannot_be_cut_to_more_frames_than_they_have(n: int) -> None:
    with pytest.raises(ValueError, match=f"n = {n}, shortest 4"):
        equal_length(np.array([4, 9]), n)


def test_frames_are_drawn_evenly() -> None:
    drawn = np.concatenate([equal_length(np.array([10]), 3, seed)[0] for seed in range(500)])
    assert np.bincount(drawn, minlength=10) == pytest.approx(np.full(10, 150), abs=45)


def sky(seed: int = 0) -> tuple[Scored, NDArray[np.int64]]:
    """Artefacts are longer, and the number of frames is all that a counting model knows."""
    rng = np.random.default_rng(seed)
    labels = np.arange(N) % 2
    lengths = rng.integers(5, 20, N) + 15 * labels
    oids = np.array([make_oid(i, field=300 + i % 12) for i in range(N)], np.int64)
    scored = Scored(oids, labels, lengths / 100, 0.5, n_frames=lengths)
    return scored, lengths


def counting(frames: list[NDArray[np.int64]]) -> NDArray[np.float64]:
    return np.array([len(part) / 100 for part in frames], float)


def test_a_model_that_counts_frames_is_found_out() -> None:
    scored, lengths = sky()
    assert scored.n_frames is not None
    length = length_auc(scored.labels, scored.n_frames)
    assert length["value"] == pytest.approx(roc_auc_score(scored.labels, scored.scores))
    assert length["bogus_is"] == "longer"
    pair = score_cut(scored, lengths, counting, 8)
    found = equal_length_audit([pair], 8, draws=200)
    long = scored.n_frames >= 8
    assert (found["frames"], found["n_objects"]) == (8, long.sum())
    assert found["full"]["value"] == pytest.approx(roc_auc_score(scored.labels[long], scored.scores[long]))
    assert found["equal_length"]["value"] == 0.5
    assert found["difference"]["ci95"][1] < -0.3


def test_a_model_that_looks_loses_nothing() -> None:
    scored, lengths = sky()
    pairs = []
    for half in (np.arange(N) < N // 2, np.arange(N) >= N // 2):
        labels = scored.labels[half]
        fold = replace(scored.only(half), scores=(1.0 + labels) / 2)
        seen = (1.0 + labels[lengths[half] >= 6]) / 2
        pairs.append(score_cut(fold, lengths[half], lambda _, seen=seen: seen, 6))
    found = equal_length_audit(pairs, 6, draws=50)
    assert found["full"]["value"] == found["equal_length"]["value"] == 1
    assert found["difference"] == {"value": 0, "ci95": [0, 0]}


def test_the_direction_of_length_is_named_and_has_an_interval() -> None:
    scored, _ = sky()
    assert scored.n_frames is not None
    (weights,) = field_weights([scored.fields], 100)
    found = length_auc(1 - scored.labels, scored.n_frames, weights)
    same = length_auc(scored.labels, scored.n_frames, weights)
    assert (found["bogus_is"], same["bogus_is"]) == ("shorter", "longer")
    assert found["value"] == pytest.approx(same["value"])
    assert found["ci95"] == pytest.approx(same["ci95"])


def test_too_long_a_cut_leaves_nothing_to_judge() -> None:
    scored, lengths = sky()
    with pytest.raises(DataError, match="90 frames or more are not of both classes"):
        equal_length_audit([score_cut(scored, lengths, counting, 90)], 90)
    with pytest.raises(ValueError, match="60 != 59"):
        score_cut(scored, lengths[:-1], counting, 8)


def doubtful() -> Scored:
    decisions = np.array(["real", "bogus", "unsure", "unsure", "bogus", "real"] * 10)
    sets = np.array([[1, 0], [0, 1], [1, 1], [0, 0], [0, 1], [1, 0]] * 10, bool)
    scored, _ = sky()
    labels = np.array([0, 1, 0, 1, 0, 1] * 10)
    return replace(scored, labels=labels, decisions=decisions, sets=sets)


def test_coverage_is_of_sets_where_they_are_known() -> None:
    scored = doubtful()
    assert covered(scored).tolist() == [True, True, True, False, False, False] * 10
    only_decisions = replace(scored, sets=None)
    assert covered(only_decisions).tolist() == [True, True, True, True, False, False] * 10
    (weights,) = field_weights([scored.fields], 100)
    found = doubt(scored, weights)
    assert found is not None
    assert found["exact"] is True
    shares = {name: row["value"] for name, row in found["coverage"].items()}
    assert shares == pytest.approx({"all": 1 / 2, "real": 2 / 3, "artefact": 1 / 3})
    assert found["unsure"]["all"]["value"] == pytest.approx(1 / 3)
    assert found["accuracy_when_sure"]["all"]["value"] == pytest.approx(1 / 2)
    other = doubt(only_decisions, weights)
    assert other is not None
    assert other["exact"] is False
    assert other["coverage"]["artefact"]["value"] == pytest.approx(2 / 3)


def test_without_decisions_there_is_no_doubt_to_report() -> None:
    scored, _ = sky()
    (weights,) = field_weights([scored.fields], 5)
    assert doubt(scored, weights) is None
    with pytest.raises(ValueError, match="neither sets nor decisions"):
        covered(scored)
