"""The order in which objects are to be labelled."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rbztf.evaluation.label_queue import FURTHEST, closeness, doubt, novelty, order, standardise

SHARE = st.floats(0, 1)


def of(*values: float) -> np.ndarray:
    return np.array(values, float)


def test_closeness_is_1_at_the_threshold_and_0_at_the_ends() -> None:
    found = closeness(of(0, 0.1, 0.2, 0.6, 1, 0, 1), of(0.2, 0.2, 0.2, 0.2, 0.2, 0, 1))
    assert found == pytest.approx([0, 0.5, 1, 0.5, 0, 1, 1])


def test_doubt_by_hand() -> None:
    assert doubt(of(0, 0.25, 0.5), of(0.5, 0.5, 0.5), of(0.4, 0.4, np.nan)) == pytest.approx([0.4, 0.7, 1])


@given(SHARE, SHARE, SHARE, SHARE, SHARE)
def test_who_is_nearer_the_threshold_or_has_the_wider_interval_is_doubted_no_less(
    threshold: float, p: float, part: float, width: float, more: float
) -> None:
    nearer, wider = p + part * (threshold - p), width + more * (1 - width)
    first, second = doubt(of(p, nearer), of(threshold, threshold), of(width, wider))
    assert 0 <= first <= second + 1e-9
    assert second <= 1 + 1e-9


@given(st.lists(SHARE, max_size=30), st.integers(1, 40))
def test_without_vectors_doubt_falls(doubts: list[float], number: int) -> None:
    places, novelties = order(np.array(doubts), number)
    taken = [doubts[place] for place in places]
    assert taken == sorted(doubts, reverse=True)[:number]
    assert len(set(places.tolist())) == len(places)
    assert np.isnan(novelties).all()


@given(st.data(), st.integers(1, 12), st.integers(0, 4), st.integers(1, 3))
def test_each_is_the_best_of_those_left(data: st.DataObject, n: int, m: int, columns: int) -> None:
    """Against distances to all that was taken, counted anew each time."""
    values = st.floats(-3, 3, width=16)
    doubts = data.draw(arrays(np.float64, n, elements=SHARE))
    points = data.draw(arrays(np.float64, (n, columns), elements=values))
    labelled = data.draw(arrays(np.float64, (m, columns), elements=values))
    unknown = data.draw(st.sets(st.integers(0, n - 1)))
    points[sorted(unknown)] = np.nan
    places, novelties = order(doubts, n, points, labelled)
    assert sorted(places.tolist()) == list(range(n))
    before = list(labelled)
    for rank, place in enumerate(places.tolist()):

        def new(i: int) -> float:
            if i in unknown:
                return 0.0
            away = [float(np.sqrt(np.mean((points[i] - other) ** 2))) for other in before]
            return min(away) / (1 + min(away)) if away else 1.0

        worth = {i: (doubts[i] + new(i)) / 2 for i in places[rank:].tolist()}
        assert worth[place] >= max(worth.values()) - 1e-9
        assert np.isnan(novelties[rank]) if place in unknown else novelties[rank] == pytest.approx(new(place))
        if place not in unknown:
            before.append(points[place])


def test_of_equals_in_doubt_the_farthest_comes_first() -> None:
    points = of(0.0, 0.1, 1.0, 3.0)[:, None]
    places, novelties = order(of(0.5, 0.5, 0.5, 0.5), 3, points, of(0.0)[:, None])
    assert places.tolist() == [3, 2, 1]
    assert novelties == pytest.approx([0.75, 0.5, novelty(of(0.1))[0]])


def test_columns_count_alike_and_wild_values_are_cut_off() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(0, 1, (200, 3)) * [1, 1e-6, 1e6] + [0, 5, -3]
    points[0, 0], points[1, 1], points[2, 2] = 1e3, np.nan, -np.inf
    points = np.column_stack([points, np.full(200, 7.0)])
    points[3] = np.nan
    found = standardise(points, np.arange(200) < 150)
    assert found[0, 0] == FURTHEST
    assert found[1, 1] == found[2, 2] == 0
    assert np.isnan(found[3]).all()
    assert not found[:3, 3].any()
    assert found[4:150, 1:3].std(axis=0) == pytest.approx([1, 1], abs=0.05)


def test_the_largest_numbers_do_no_harm() -> None:
    found = standardise(of(1e308, -1e308, 0, 1e308)[:, None], np.ones(4, bool))
    assert np.isfinite(found).all()
    assert found[0] > found[2] > found[1]
