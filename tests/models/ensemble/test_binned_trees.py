"""Trees scored for many rows at once: the same numbers as LightGBM's, bit for bit."""

from __future__ import annotations

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rbztf.models.catalogue import shipped_model
from rbztf.models.ensemble import binned_trees
from rbztf.models.ensemble.binned_trees import BinnedTrees
from rbztf.models.ensemble.ensemble import Ensemble
from rbztf.models.load import load_model

K = 5


def booster(seed: int, **settings: object) -> lightgbm.Booster:
    """Trees of a small problem with a constant, a rounded and a sparse column, and unknown values."""
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((400, K))
    values[:, 2], values[:, 3] = np.round(values[:, 2]), 1.0
    values[:, 4] *= rng.random(400) < 0.3
    if seed % 2:
        values[rng.random(values.shape) < 0.1] = np.nan
    labels = (np.nan_to_num(values[:, 0] * values[:, 1]) + np.isnan(values[:, 4]) > 0).astype(int)
    known = {"objective": "binary", "verbosity": -1, "num_threads": 1, "min_data_in_leaf": 5, "seed": seed}
    return lightgbm.train({**known, **settings}, lightgbm.Dataset(values, labels), 12)


def by_lightgbm(boosters: list[lightgbm.Booster], values: np.ndarray) -> np.ndarray:
    return np.array([each.predict(values, raw_score=True, num_threads=1) for each in boosters])


@pytest.mark.parametrize("leaves", [2, 15, 16, 17, 50, 64])
def test_sums_are_those_of_lightgbm_bit_for_bit(leaves: int, monkeypatch: pytest.MonkeyPatch) -> None:
    boosters = [booster(seed, num_leaves=leaves) for seed in (1, 2, 3)]
    trees = BinnedTrees([each.model_to_string() for each in boosters])

    @settings(max_examples=30, deadline=None)
    @given(st.lists(st.lists(st.floats(width=32), min_size=K, max_size=K), min_size=1, max_size=20))
    def for_any_rows(rows: list[list[float]]) -> None:
        values = np.array(rows)
        expected = by_lightgbm(boosters, values)
        for few in (0, 100):  # by numbers of thresholds, and walking
            monkeypatch.setattr(binned_trees, "FEW", few)
            assert np.array_equal(trees.sums(values), expected)
            assert np.array_equal(trees.sums(values.astype(np.float32)), expected)

    for_any_rows()


def test_rows_on_a_threshold_and_next_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    boosters = [booster(seed, num_leaves=15) for seed in (4, 5)]
    trees = BinnedTrees([each.model_to_string() for each in boosters])
    splits = [
        split
        for each in boosters
        for tree in binned_trees.read_trees(each.model_to_string())
        for split in zip(tree.feature.tolist(), tree.threshold.tolist())
    ]
    values = np.zeros((3 * len(splits), K))
    for row, (feature, threshold) in enumerate(splits):
        for side, direction in enumerate((threshold, -np.inf, np.inf)):
            values[3 * row + side, feature] = np.nextafter(threshold, direction)
    expected = by_lightgbm(boosters, values)
    assert len(np.unique(expected)) > 10
    assert np.array_equal(trees.sums(values), expected)
    monkeypatch.setattr(binned_trees, "ROWS", 7)  # blocks that do not fit evenly
    assert np.array_equal(trees.sums(values), expected)
    assert trees.sums(values[:0]).shape == (2, 0)


@pytest.mark.parametrize("settings", [{"zero_as_missing": True}, {"num_leaves": 90, "min_data_in_leaf": 1}])
def test_trees_without_numbers_are_walked(
    settings: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [booster(6, **settings), booster(7, **settings)]
    values = np.random.default_rng(0).standard_normal((500, K))
    values[::3, 1], values[::7, 0], values[1::5, 2] = 0.0, np.nan, -1e-36
    expected = by_lightgbm(made, values)
    assert np.array_equal(BinnedTrees([each.model_to_string() for each in made]).sums(values), expected)
    monkeypatch.setattr(binned_trees, "WORDS", {2: np.uint16})
    assert np.array_equal(BinnedTrees([each.model_to_string() for each in made]).sums(values), expected)


def test_a_tree_of_one_leaf_adds_its_value() -> None:
    made = booster(2, min_gain_to_split=1e9)
    values = np.zeros((3, K))
    assert np.array_equal(BinnedTrees([made.model_to_string()]).sums(values), by_lightgbm([made], values))


def test_the_shipped_model_scores_many_as_it_scores_few() -> None:
    model = load_model(shipped_model())
    assert isinstance(model, Ensemble)
    (trained,) = model.members.values()
    texts = [member.text for member in trained]  # type: ignore[attr-defined]
    boosters = [lightgbm.Booster(model_str=text) for text in texts]
    rng = np.random.default_rng(0)
    low, high = model.ranges["lightcurve"].quantiles[[0, -1]]  # type: ignore[index]
    values = low + (high - low) * rng.random((600, len(low)))
    values[rng.random(values.shape) < 0.05] = np.nan
    expected = by_lightgbm(boosters, values)
    assert np.array_equal(BinnedTrees(texts).sums(values), expected)
    assert np.array_equal(BinnedTrees(texts).sums(values[:40]), expected[:, :40])
