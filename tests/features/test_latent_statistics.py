"""Statistics of frame vectors against numpy and scipy by hand, and tables of features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from helpers import make_oid, random_sequences
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from rbztf.features.latent_statistics import (
    LENGTH,
    QUANTILES,
    STATISTICS,
    frame_moments,
    image_features,
    latent_statistics,
    varying_latents,
)
from rbztf.features.table import Definition, FeatureTable

OF_ORDER = ("step_mean", "step_median_std", "von_neumann", "autocorrelation", "step_max")
WITH_UNIT = ("std", "step_mean", "mad", "step_max")
WITH_PLACE = ("mean", "min", "max", *(f"q{round(100 * share):02d}" for share in QUANTILES))
SEEDS = st.integers(0, 2**32 - 1)
LENGTHS = st.integers(3, 40)


def named(vectors: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
    return dict(zip(STATISTICS, latent_statistics(vectors), strict=True))


def vectors_of(n: int, seed: int) -> NDArray[np.float32]:
    return random_sequences([n], 3, seed)[0]


@pytest.mark.parametrize("n", [2, 3, 10, 251])
def test_by_hand(n: int) -> None:
    x = vectors_of(n, seed=n)
    found, y = named(x), x.astype(np.float64)
    std, median, steps = y.std(axis=0), np.median(y, axis=0), np.abs(np.diff(y, axis=0))
    mad = stats.median_abs_deviation(y, axis=0)
    expected = {
        "mean": y.mean(axis=0),
        "std": std,
        **{f"q{round(100 * share):02d}": np.quantile(y, share, axis=0) for share in QUANTILES},
        "min": y.min(axis=0),
        "max": y.max(axis=0),
        "step_mean": steps.mean(axis=0),
        "skew": stats.skew(y),
        "kurtosis": stats.kurtosis(y),
        "mad": mad,
        "mad_std": mad / std,
        "step_median_std": np.median(steps, axis=0) / std,
        "von_neumann": (steps**2).mean(axis=0) / std**2,
        "autocorrelation": ((y - y.mean(axis=0))[1:] * (y - y.mean(axis=0))[:-1]).mean(axis=0) / std**2,
        "step_max": steps.max(axis=0),
        "peak_up": (y.max(axis=0) - median) / std,
        "peak_down": (median - y.min(axis=0)) / std,
    }
    assert set(found) == set(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-4, atol=1e-4, err_msg=name)


@given(seed=SEEDS, n=LENGTHS, shift=st.floats(-100, 100), scale=st.floats(0.1, 100))
def test_shift_and_scale(seed: int, n: int, shift: float, scale: float) -> None:
    x = np.asarray(np.random.default_rng(seed).normal(size=(n, 3)))
    before, after = named(x), named(scale * x + shift)
    for name, values in before.items():
        expected = values
        if name in WITH_UNIT:
            expected = scale * values
        elif name in WITH_PLACE:
            expected = scale * values + shift
        np.testing.assert_allclose(after[name], expected, rtol=1e-3, atol=1e-3, err_msg=name)


@given(seed=SEEDS, n=LENGTHS)
def test_order_of_frames(seed: int, n: int) -> None:
    x = vectors_of(n, seed)
    before, after = named(x), named(np.random.default_rng(seed).permutation(x))
    for name in set(STATISTICS) - {*OF_ORDER}:
        np.testing.assert_allclose(after[name], before[name], rtol=1e-9, atol=1e-9, err_msg=name)
    back = named(x[::-1])
    for name in STATISTICS:
        np.testing.assert_allclose(back[name], before[name], rtol=1e-9, atol=1e-9, err_msg=name)


def test_order_matters_where_it_should() -> None:
    rising = np.arange(20, dtype=np.float32)[:, None]
    mixed = np.random.default_rng(1).permutation(rising)
    for name in OF_ORDER:
        assert abs(named(rising)[name] - named(mixed)[name]) > 0.1, name
    assert named(rising)["autocorrelation"] > 0.7


@pytest.mark.parametrize("frames", [np.full((1, 2), 7.0), np.full((30, 2), 7.0)])
def test_one_frame_and_a_constant_latent(frames: NDArray[np.float64]) -> None:
    found = named(frames.astype(np.float32))
    assert all(np.isfinite(values).all() for values in found.values())
    for name in (*WITH_UNIT, *OF_ORDER, "skew", "mad_std", "peak_up", "peak_down"):
        np.testing.assert_array_equal(found[name], 0, err_msg=name)
    for name in WITH_PLACE:
        np.testing.assert_array_equal(found[name], 7, err_msg=name)
    np.testing.assert_array_equal(found["kurtosis"], -3)


def test_the_table() -> None:
    sequences = random_sequences([5, 0, 1], 6, seed=2)
    oids = [make_oid(i) for i in range(3)]
    table = image_features(oids, sequences, (4, 1))
    assert table.oids.tolist() == oids
    assert len(set(table.names)) == len(table.names) == 2 * len(STATISTICS) + 1
    assert table.names[:3] == ("mean_4", "mean_1", "std_4")
    assert table.names[-1] == LENGTH
    assert table.known().tolist() == [True, False, True]
    for name, values in named(sequences[0][:, [4, 1]]).items():
        got = table.columns([f"{name}_4", f"{name}_1"]).values[0]
        np.testing.assert_array_equal(got, values, err_msg=name)
    np.testing.assert_allclose(table.columns([LENGTH]).values[[0, 2], 0], np.log([5, 1]))


def varying(sequences: Sequence[NDArray[np.float32]], least_spread: float) -> tuple[int, ...]:
    return varying_latents(frame_moments(sequences)[1], least_spread)


def test_latents_that_vary() -> None:
    rng = np.random.default_rng(0)
    spread = np.array([1.0, 0.051, 0.049, 0.0, 0.3])
    sequences = [(5 + rng.normal(size=(n, 5)) * spread).astype(np.float32) for n in (4000, 0, 4000)]
    assert varying(sequences, 0.05) == (0, 1, 4)
    assert varying(sequences, 0.0) == (0, 1, 2, 4)
    assert varying([np.ones((4, 3), np.float32)], 0.0) == ()
    whole, _, other = sequences
    parts = [whole[:1000], whole[1000:], other]
    assert varying(parts, 0.2) == varying(sequences, 0.2) == (0, 4)


@pytest.fixture
def table() -> FeatureTable:
    values = np.arange(6.0).reshape(3, 2)
    values[1] = np.nan
    return FeatureTable(np.array([10, 11, 12]), ("a", "b"), values, Definition("x", 0, (1.0, 2.0)))


def test_rows(table: FeatureTable) -> None:
    rows = table.rows([12, 99, 10, 12])
    assert rows.oids.tolist() == [12, 99, 10, 12]
    np.testing.assert_array_equal(rows.values, [[4, 5], [np.nan, np.nan], [0, 1], [4, 5]])
    assert rows.definition == table.definition
    assert table.rows([]).values.shape == (0, 2)


def test_columns(table: FeatureTable) -> None:
    columns = table.columns(["b", "c", "b"])
    assert columns.names == ("b", "c", "b")
    np.testing.assert_array_equal(columns.values[0], [1, np.nan, 1])
    assert columns.oids.tolist() == [10, 11, 12]


def test_take_and_known(table: FeatureTable) -> None:
    np.testing.assert_array_equal(table.known(), [True, False, True])
    assert table.take(table.known()).oids.tolist() == [10, 12]
    taken = table.take(np.array([2, 0]))
    assert (taken.oids.tolist(), taken.values[:, 0].tolist()) == ([12, 10], [4, 0])
    assert not FeatureTable(np.array([1, 2]), (), np.empty((2, 0))).known().any()


def test_beside(table: FeatureTable) -> None:
    other = FeatureTable(table.oids, ("c",), np.array([[7.0], [8.0], [np.nan]]), Definition("y"))
    both = table.beside(other)
    assert both.names == ("a", "b", "c")
    np.testing.assert_array_equal(both.values[:, 2], other.values[:, 0])
    np.testing.assert_array_equal(both.known(), [True, True, True])
    assert both.definition.source == ""  # two recipes are no recipe
    with pytest.raises(ValueError, match="same objects"):
        table.beside(other.take(np.array([1, 0, 2])))


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match=r"\(2, 1\) != \(2, 2\)"):
        FeatureTable(np.array([1, 2]), ("a", "b"), np.zeros((2, 1)))


def test_definitions() -> None:
    one = Definition("x", 0, (1.0, 2.0))
    assert one.same_as(Definition("x", 0, None))
    for other in (Definition("y", 0), Definition("x", 1), Definition("x"), Definition()):
        assert not one.same_as(other)
    assert not Definition().same_as(Definition())
    for made in (one, Definition(), Definition("x")):
        assert Definition.from_json(made.to_json()) == made
