"""Every metric against scikit-learn's, with weights and ties, and the bootstrap over fields."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from helpers import make_oid
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics as sklearn

from rbztf.evaluation.bootstrap import estimates, field_weights, interval, share, spread
from rbztf.evaluation.metrics import FALSE_POSITIVE_RATES, METRICS, evaluate_fold
from rbztf.evaluation.scores import Scored, pool
from rbztf.models.decision.thresholds import best_f1_threshold

Array = NDArray[np.float64]


def scored(labels: Array, scores: Array, threshold: float = 0.5, fields: Array | None = None) -> Scored:
    fields = np.arange(len(labels)) % 5 if fields is None else fields
    oids = np.array([make_oid(i, field=300 + int(f)) for i, f in enumerate(fields)], np.int64)
    return Scored(oids, np.asarray(labels, np.int64), np.asarray(scores, float), threshold)


@st.composite
def folds_with_weights(draw: st.DrawFn) -> tuple[Scored, Array]:
    """Labels of both classes, scores with ties, and weights that count both classes."""
    n = draw(st.integers(4, 60))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    labels = rng.integers(0, 2, n)
    labels[:2] = 0, 1
    scores = rng.random(n)
    if draw(st.booleans()):
        scores = np.round(scores * draw(st.integers(1, 10))) / 10
    weights = rng.poisson(1.0, n).astype(float)
    weights[:2] = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    threshold = draw(st.sampled_from([0.0, 0.3, 0.5, 0.9, 1.1]))
    return scored(labels, scores, threshold), weights


def sklearn_tpr(limit: float) -> Callable[[Scored, Array], float]:
    def value(fold: Scored, weights: Array) -> float:
        fpr, tpr, _ = sklearn.roc_curve(
            fold.labels, fold.scores, sample_weight=weights, drop_intermediate=False
        )
        return float(tpr[fpr <= limit + 1e-12].max())

    return value


def naive_ece(fold: Scored, weights: Array) -> float:
    order = np.argsort(fold.scores, kind="stable")
    total = 0.0
    for members in np.array_split(order, 10):
        if weights[members].sum() > 0:
            predicted = np.average(fold.scores[members], weights=weights[members])
            found = np.average(fold.labels[members], weights=weights[members])
            total += weights[members].sum() * abs(predicted - found)
    return float(total / weights.sum())


ORACLES: dict[str, Callable[[Scored, Array], float]] = {
    "roc_auc": lambda f, w: sklearn.roc_auc_score(f.labels, f.scores, sample_weight=w),
    "average_precision": lambda f, w: sklearn.average_precision_score(f.labels, f.scores, sample_weight=w),
    "accuracy": lambda f, w: sklearn.accuracy_score(f.labels, f.scores >= f.threshold, sample_weight=w),
    "f1": lambda f, w: sklearn.f1_score(f.labels, f.scores >= f.threshold, sample_weight=w, zero_division=0),
    "brier": lambda f, w: sklearn.brier_score_loss(f.labels, f.scores, sample_weight=w),
    "ece": naive_ece,
    **{f"tpr_at_fpr.{limit}": sklearn_tpr(limit) for limit in FALSE_POSITIVE_RATES},
}


def test_every_metric_has_its_oracle() -> None:
    assert set(ORACLES) == set(METRICS)


@pytest.mark.parametrize("name", sorted(METRICS))
@given(case=folds_with_weights())
def test_a_metric_is_scikit_learn_s(name: str, case: tuple[Scored, Array]) -> None:
    fold, weights = case
    ones = np.ones(len(fold))
    found = METRICS[name](fold, np.stack([ones, weights]))
    assert found.shape == (2,)
    assert found[0] == pytest.approx(ORACLES[name](fold, ones), abs=1e-9)
    assert found[1] == pytest.approx(ORACLES[name](fold, weights), abs=1e-9)
    assert evaluate_fold(fold)[name] == pytest.approx(found[0])


@pytest.mark.parametrize("name", sorted(set(METRICS) - {"ece"}))  # its bins are of objects, not of weight
@given(case=folds_with_weights())
def test_a_weight_of_k_is_k_objects(name: str, case: tuple[Scored, Array]) -> None:
    fold, weights = case
    copies = np.repeat(np.arange(len(fold)), weights.astype(int))
    repeated = scored(fold.labels[copies], fold.scores[copies], fold.threshold)
    found = METRICS[name](fold, weights[None])[0]
    assert found == pytest.approx(METRICS[name](repeated, np.ones((1, len(copies))))[0], abs=1e-9)


def test_metrics_of_perfect_and_of_reversed_scores() -> None:
    labels = np.array([0, 0, 0, 1, 1])
    perfect, wrong = evaluate_fold(scored(labels, labels)), evaluate_fold(scored(labels, 1 - labels))
    for name in ("roc_auc", "average_precision", "accuracy", "f1", "tpr_at_fpr.0.01"):
        assert perfect[name] == 1
    assert (perfect["brier"], perfect["ece"]) == (0, 0)
    assert (wrong["roc_auc"], wrong["accuracy"], wrong["f1"], wrong["tpr_at_fpr.0.05"]) == (0, 0, 0, 0)
    assert wrong["brier"] == 1


def test_a_rate_of_false_alarms_at_the_limit_is_allowed() -> None:
    labels = np.array([0] * 20 + [1] * 4)
    scores = np.concatenate([[0.7], np.full(19, 0.1), [0.9, 0.6, 0.6, 0.05]])
    found = evaluate_fold(scored(labels, scores))
    assert found["tpr_at_fpr.0.05"] == 0.75
    assert found["tpr_at_fpr.0.01"] == 0.25


def test_a_missing_class_is_not_a_number_rather_than_a_guess() -> None:
    found = evaluate_fold(scored(np.zeros(5), np.linspace(0, 1, 5)))
    assert np.isnan(found["roc_auc"])
    assert np.isnan(found["tpr_at_fpr.0.01"])
    assert found["f1"] == 0
    assert np.isfinite([found["accuracy"], found["brier"], found["ece"]]).all()


def two_folds() -> list[Scored]:
    rng = np.random.default_rng(3)
    made = []
    for start in (0, 20):
        labels = rng.integers(0, 2, 80)
        scores = np.clip(labels * 0.3 + rng.random(80) * 0.7, 0, 1)
        made.append(scored(labels, scores, 0.5, start + np.arange(80) % 20))
    return made


def test_the_bootstrap_draws_whole_fields() -> None:
    folds = two_folds()
    draws = spread(folds, 50, seed=4).mean
    fields = np.unique(np.concatenate([fold.fields for fold in folds]))
    assert len(fields) == 40
    counts = np.random.default_rng(4).multinomial(40, np.full(40, 1 / 40), size=50)
    for name in ("roc_auc", "accuracy", "brier"):
        for draw in (0, 17, 49):
            weight = dict(zip(fields.tolist(), counts[draw].tolist()))
            expected = [
                ORACLES[name](fold, np.array([weight[f] for f in fold.fields], float)) for fold in folds
            ]
            assert draws[name][draw] == pytest.approx(np.mean(expected), abs=1e-9)


def test_the_bootstrap_is_repeatable_and_paired() -> None:
    folds = two_folds()
    first, again = (spread(folds, 40, seed=1) for _ in range(2))
    for name in METRICS:
        assert np.array_equal(first.mean[name], again.mean[name])
        assert np.array_equal(first.pooled[name], again.pooled[name])
    other = spread(folds, 40, seed=2)
    assert not np.array_equal(first.mean["roc_auc"], other.mean["roc_auc"])
    better = [Scored(f.oids, f.labels, 0.9 * f.scores + 0.1 * f.labels, f.threshold) for f in folds]
    after = spread(better, 40, seed=1)
    for new, old in ((after.mean, first.mean), (after.pooled, first.pooled)):
        gain = new["roc_auc"] - old["roc_auc"]
        assert np.all(gain >= 0)
        assert gain.std() < old["roc_auc"].std()


def test_an_estimate_is_over_folds_and_its_interval_around_it() -> None:
    folds = two_folds()
    drawn = spread(folds, 300)
    found = estimates(folds, drawn)
    for name, value in found.items():
        per_fold = [evaluate_fold(fold)[name] for fold in folds]
        assert value.mean == pytest.approx(np.mean(per_fold))
        assert value.std == pytest.approx(np.std(per_fold))
        assert value.ci95 == interval(drawn.mean[name])
        assert value.pooled_ci95 == interval(drawn.pooled[name])
    low, high = found["roc_auc"].ci95
    assert low < found["roc_auc"].mean < high
    assert set(found["roc_auc"].to_json()) == {"mean", "std", "ci95", "pooled", "pooled_ci95"}


def together(folds: list[Scored]) -> tuple[Array, Array, Array]:
    """Labels, scores and decisions of all folds, by hand."""
    return (
        np.concatenate([fold.labels for fold in folds]),
        np.concatenate([fold.scores for fold in folds]),
        np.concatenate([fold.scores >= fold.threshold for fold in folds]),
    )


def test_a_pooled_figure_is_of_all_scores_together_and_decided_fold_by_fold() -> None:
    first, second = two_folds()
    folds = [first, replace(second, threshold=0.9)]
    labels, scores, called = together(folds)
    found = {name: value.pooled for name, value in estimates(folds, spread(folds, 0)).items()}
    assert found["roc_auc"] == pytest.approx(sklearn.roc_auc_score(labels, scores))
    assert found["average_precision"] == pytest.approx(sklearn.average_precision_score(labels, scores))
    assert found["brier"] == pytest.approx(sklearn.brier_score_loss(labels, scores))
    assert found["accuracy"] == pytest.approx(sklearn.accuracy_score(labels, called))
    assert found["f1"] == pytest.approx(sklearn.f1_score(labels, called))
    assert found["ece"] == pytest.approx(naive_ece(scored(labels, scores), np.ones(len(labels))))
    fpr, tpr, _ = sklearn.roc_curve(labels, scores, drop_intermediate=False)
    assert found["tpr_at_fpr.0.05"] == pytest.approx(tpr[fpr <= 0.05].max())


def test_the_pooled_bootstrap_weighs_objects_by_how_often_their_field_is_drawn() -> None:
    folds = two_folds()
    labels, scores, called = together(folds)
    (weights,) = field_weights([np.concatenate([fold.fields for fold in folds])], 30, seed=5)
    found = spread(folds, 30, seed=5).pooled
    for draw in (0, 29):
        expected = sklearn.roc_auc_score(labels, scores, sample_weight=weights[draw])
        assert found["roc_auc"][draw] == pytest.approx(expected)
        expected = sklearn.f1_score(labels, called, sample_weight=weights[draw])
        assert found["f1"][draw] == pytest.approx(expected)


def test_draws_of_the_folds_are_pooled_one_by_one_and_averaged() -> None:
    folds = two_folds()
    worse = [replace(fold, scores=fold.scores[::-1].copy(), draw=1) for fold in folds]
    found = estimates([*folds, *worse], spread([*folds, *worse], 50))["roc_auc"]
    one, other = (estimates(part, spread(part, 50))["roc_auc"] for part in (folds, worse))
    assert found.pooled == pytest.approx((one.pooled + other.pooled) / 2)
    assert found.mean == pytest.approx((one.mean + other.mean) / 2)
    assert found.std > max(one.std, other.std)
    drawn = [spread(part, 50).pooled["roc_auc"] for part in (folds, worse)]
    assert found.pooled_ci95 == pytest.approx(interval(np.mean(drawn, axis=0)))


def test_pooling_keeps_what_every_fold_has() -> None:
    first, second = two_folds()
    n = len(first)
    kinds = {"ghost": np.full(n, 0.5), "track": np.zeros(n)}
    rich = replace(first, low=first.scores - 0.1, kinds=kinds, n_frames=np.arange(n))
    poor = replace(second, kinds={"ghost": np.ones(n)}, n_frames=np.arange(n))
    found = pool([rich, poor])
    assert found.low is None
    assert found.n_frames is not None
    assert found.n_frames.tolist() == [*range(n)] * 2
    assert found.kinds is not None
    assert set(found.kinds) == {"ghost"}
    assert found.kinds["ghost"].mean() == 0.75
    chosen = found.only(found.oids == first.oids[3])
    assert chosen.n_frames is not None
    assert (len(chosen), chosen.n_frames.tolist()) == (1, [3])
    with pytest.raises(ValueError, match="oids and low must have the same length: 80 != 3"):
        replace(first, low=np.zeros(3))
    with pytest.raises(ValueError, match=r"Unknown decisions \['perhaps'\]"):
        replace(first, decisions=np.full(n, "perhaps"))


def test_a_share_has_an_interval_over_fields() -> None:
    fields = np.repeat(np.arange(40), 5)
    chosen = fields % 4 == 0
    (weights,) = field_weights([fields], 2000)
    value, (low, high) = share(chosen, np.ones(200, bool), weights)
    assert value == 0.25
    half = 1.96 * np.sqrt(0.25 * 0.75 / 40)  # fields, not objects, are the independent draws
    assert (low, high) == pytest.approx((0.25 - half, 0.25 + half), abs=0.03)
    assert np.isnan(share(chosen, np.zeros(200, bool), weights)[0])


def test_intervals_leave_undefined_draws_out() -> None:
    values = np.append(np.linspace(0, 1, 101), [np.nan] * 50)
    assert interval(values) == pytest.approx((0.025, 0.975))
    assert np.isnan(interval(np.array([np.nan]))).all()
    assert np.isnan(interval(np.array([]))).all()


@given(case=folds_with_weights())
def test_the_best_threshold_has_no_better(case: tuple[Scored, Array]) -> None:
    fold, _ = case
    limit = best_f1_threshold(fold.labels, fold.scores)

    def f1(at: float) -> float:
        return float(sklearn.f1_score(fold.labels, fold.scores >= at, zero_division=0))

    assert f1(limit) == pytest.approx(max(f1(at) for at in np.unique(fold.scores)))


@pytest.mark.parametrize("n_fields", [1, 5, 40])
def test_a_share_of_none_or_all_is_not_certain(n_fields: int) -> None:
    fields = np.repeat(np.arange(n_fields + 3), 4)
    among = fields < n_fields
    (weights,) = field_weights([fields], 300)
    none, (low, high) = share(np.zeros(len(fields), bool), among, weights)
    assert (none, low) == (0, 0)
    assert (1 - high) ** n_fields == pytest.approx(0.025)
    every, (lowest, one) = share(among, among, weights)
    assert (every, one) == (1, 1)
    assert lowest == pytest.approx(1 - high)
    assert np.isnan(share(among, among, weights[:0])[1]).all()
