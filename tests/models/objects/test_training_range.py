"""How far objects are from the training set."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rbztf.features.table import FeatureTable
from rbztf.models.objects.object_set import Modality, ObjectSet
from rbztf.models.objects.ranges import check_objects
from rbztf.models.objects.training_range import LEAST_OBJECTS, ORDER, InputCheck, TrainingRange

K = 6
NAMES = tuple("abcdef")
NONE = np.empty((0, K))


def drawn(n: int, seed: int) -> np.ndarray:
    """Columns of several scales and shapes, two of them correlated, one constant."""
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((n, K))
    z[:, 1] = z[:, 0] + 0.1 * z[:, 1]
    z[:, 2] = np.exp(2 * z[:, 2])
    z[:, 3] = 1e6 + 1e3 * z[:, 3]
    z[:, 5] = 3.0
    return z


@pytest.fixture(scope="module")
def known() -> TrainingRange:
    return TrainingRange.fit(drawn(1000, 0), np.arange(1000) // 10, NONE, 0)


def checks(known: TrainingRange, values: np.ndarray) -> np.ndarray:
    return np.array(ORDER)[known.check(values, NAMES)[0]]


def test_new_objects_are_mostly_inside(known: TrainingRange) -> None:
    found = checks(known, drawn(2000, 1))
    assert np.mean(found == InputCheck.OUTSIDE) < 0.025
    assert np.mean(found == InputCheck.UNUSUAL) < 0.1
    levels, reasons = known.check(drawn(50, 2), NAMES)
    assert [reason == "" for reason in reasons] == (levels == 0).tolist()


def test_a_value_far_off_is_outside_and_named(known: TrainingRange) -> None:
    for column, name in enumerate(NAMES):
        values = drawn(20, 3)
        values[:, column] = 633207400004730
        for level, reason in zip(*known.check(values, NAMES)):
            assert ORDER[level] is InputCheck.OUTSIDE
            assert reason.startswith(f"{name} 6.332e+14; the training has ")


def test_values_that_do_not_go_together_are_outside(known: TrainingRange) -> None:
    values = drawn(1000, 4)
    usual = np.abs(values[:, 0]) > 1.5
    values[:, 1] = -values[:, 0]
    assert np.mean(checks(known, values[usual]) == InputCheck.OUTSIDE) > 0.9
    _, reasons = known.check(values[usual], NAMES)
    assert any(reason.startswith("its values together") for reason in reasons)


def test_a_constant_column_that_differs_is_outside(known: TrainingRange) -> None:
    values = drawn(20, 5)
    values[:, 5] = 4.0
    assert set(checks(known, values)) == {InputCheck.OUTSIDE}


def test_unknown_values_are_not_held_against_an_object(known: TrainingRange) -> None:
    values = drawn(20, 6)
    inside = checks(known, values) == InputCheck.INSIDE
    values[:, 2] = np.nan
    assert np.mean(checks(known, values)[inside] == InputCheck.INSIDE) > 0.9
    assert set(checks(known, np.full((2, K), np.nan))) == {InputCheck.INSIDE}


@given(st.lists(st.floats(allow_nan=True, allow_infinity=False), min_size=K, max_size=K))
def test_any_numbers_get_an_answer(values: list[float]) -> None:
    (level,), (reason,) = FITTED.check(np.array([values]), NAMES)
    assert (reason == "") == (ORDER[level] is InputCheck.INSIDE)


def test_the_worst_column_is_the_one_farthest_beyond_its_range(known: TrainingRange) -> None:
    values = drawn(40, 9)
    values[::2, 0], values[::2, 3] = 20.0, -9e9
    values[1::4, 3] = np.inf
    distance, excess, worst = known.measure(values)
    low, high = known.quantiles[0], known.quantiles[-1]
    width = np.maximum(high - low, 1e-9 * np.maximum(np.abs(high), 1))
    beyond = np.maximum(np.maximum(np.clip(values, -1e30, 1e30) - high, low - values), 0) / width
    np.testing.assert_allclose(excess, beyond.max(axis=1))
    assert (worst == beyond.argmax(axis=1))[excess > 0].all()
    assert np.isfinite(distance).all()


FITTED = TrainingRange.fit(drawn(LEAST_OBJECTS, 0), np.arange(LEAST_OBJECTS) // 6, NONE, 0)


def test_it_is_the_same_from_its_tensors(known: TrainingRange) -> None:
    tensors = {f"x.{name}": tensor for name, tensor in known.tensors().items()}
    again = TrainingRange.restore(tensors, "x.")
    values = drawn(50, 7) * 3
    assert again.check(values, NAMES)[1] == known.check(values, NAMES)[1]
    for broken in (
        tensors | {"x.mean": torch.zeros(K + 1, dtype=torch.float64)},
        tensors | {"x.limits": torch.full((2, 2), float("nan"), dtype=torch.float64)},
        tensors | {"x.quantiles": tensors["x.quantiles"].flip(0)},
    ):
        with pytest.raises(ValueError, match=r"range|finite"):
            TrainingRange.restore(broken, "x.")
    with pytest.raises(KeyError):
        TrainingRange.restore({}, "x.")


def test_the_farther_of_two_counts(known: TrainingRange) -> None:
    far, near = np.full(K, 1e9), drawn(9, 1)[5]
    frames = [np.full((1, K // 2), 1e6, np.float32)] * 2
    objects = ObjectSet(frames, FeatureTable(np.arange(2), NAMES, np.stack([far, near])))
    both, none = (Modality.IMAGE, Modality.LIGHTCURVE), ()
    ranges = {
        Modality.LIGHTCURVE: known,
        Modality.IMAGE: TrainingRange.fit(drawn(90, 1), np.arange(90) // 9, NONE, 0),
    }
    levels, reasons = check_objects(ranges, objects, [(Modality.LIGHTCURVE,)] * 2)
    assert levels.tolist() == [2, 0]
    assert reasons[0].startswith("f 1e+09")
    only_far = reasons[0]
    levels, reasons = check_objects(ranges, objects, [both, none])
    assert (levels.tolist(), reasons) == ([2, -1], [only_far, ""])
    levels, reasons = check_objects(ranges, objects.take([1]), [both])
    assert levels.tolist() == [2]
    assert reasons[0].startswith("the frames' ")
