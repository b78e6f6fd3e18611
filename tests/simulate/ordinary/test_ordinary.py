"""Ordinary objects: repeatable, sampled and measured as ZTF does, each kind with the variation it is named for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("light_curve")

from rbztf.features.snad_set import FEATURE_NAMES
from rbztf.simulate.ordinary.kinds import KINDS, OrdinaryKind
from rbztf.simulate.ordinary.observing import measure, visits
from rbztf.simulate.ordinary.table import FEWEST, light_curve, ordinary_features
from rbztf.ztf import Oid


def test_the_seed_decides_and_the_number_does_not() -> None:
    few, more = ordinary_features(3, 7), ordinary_features(5, 7)
    assert np.array_equal(few.values, more.values[:3])
    assert few.names == FEATURE_NAMES
    assert np.isfinite(few.values).all()
    assert not np.isclose(few.values[0], ordinary_features(1, 8).values[0]).all()
    assert few.definition.same_as(more.definition)
    assert more.definition.span_mjd is not None
    assert len({Oid(int(oid)).field for oid in ordinary_features(11, 7).oids}) == 2


@given(st.integers(0, 10**6))
def test_visits_are_in_order_and_within_the_survey(seed: int) -> None:
    times = visits(np.random.default_rng(seed))
    assert (np.diff(times) > 0).all()
    assert times[0] >= 58194
    assert times[-1] < 60003
    in_a_night = np.diff(times) < 0.5
    assert 0 < in_a_night.mean() < 0.95


def test_errors_grow_with_faintness_and_hold_the_scatter() -> None:
    rng = np.random.default_rng(0)
    ratios, medians = [], []
    for true_mag in (14.0, 17.0, 19.5) * 20:
        mag, magerr, _ = measure(rng, np.full(400, true_mag))
        medians.append(np.median(magerr))
        ratios.append(1.4826 * np.median(np.abs(mag - np.median(mag))) / medians[-1])
    bright, middle, faint = np.reshape(medians, (20, 3)).mean(axis=0)
    assert 0.01 < bright < middle < faint < 0.2
    assert 0.6 < np.median(ratios) < 1.1


def test_what_is_too_faint_is_not_detected() -> None:
    _, _, detected = measure(np.random.default_rng(0), np.repeat([15.0, 22.5], 200))
    assert detected[:200].mean() > 0.98
    assert detected[200:].mean() < 0.05


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name.replace(" ", "-"))
def test_kinds(kind: OrdinaryKind) -> None:
    """Every kind but the quiet star varies by more than its errors, and has enough epochs."""
    excess = []
    for seed in range(12):
        _, mag, magerr = light_curve(np.random.default_rng(seed), kind)
        assert len(mag) >= FEWEST
        excess.append(np.std(mag) / np.median(magerr))
    assert np.median(excess) < 1.3 if kind.name == "quiet star" else np.max(excess) > 2.5


def test_shares_add_up() -> None:
    assert sum(kind.share for kind in KINDS) == pytest.approx(1)
