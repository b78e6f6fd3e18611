"""How far objects are from the training set."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rbztf.models.objects.ranges import farther
from rbztf.models.objects.training_range import LEAST_OBJECTS, InputCheck, TrainingRange

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
    return np.array([each.check for each in known.check(values, NAMES)])


def test_new_objects_are_mostly_inside(known: TrainingRange) -> None:
    found = checks(known, drawn(2000, 1))
    assert np.mean(found == InputCheck.OUTSIDE) < 0.025
    assert np.mean(found == InputCheck.UNUSUAL) < 0.1
    assert {each.reason for each in known.check(drawn(50, 2), NAMES) if each.check is InputCheck.INSIDE} == {
        ""
    }


def test_a_value_far_off_is_outside_and_named(known: TrainingRange) -> None:
    for column, name in enumerate(NAMES):
        values = drawn(20, 3)
        values[:, column] = 633207400004730
        for each in known.check(values, NAMES):
            assert each.check is InputCheck.OUTSIDE
            assert each.reason.startswith(f"{name} 6.332e+14; the training has ")


def test_values_that_do_not_go_together_are_outside(known: TrainingRange) -> None:
    values = drawn(1000, 4)
    usual = np.abs(values[:, 0]) > 1.5
    values[:, 1] = -values[:, 0]
    assert np.mean(checks(known, values[usual]) == InputCheck.OUTSIDE) > 0.9
    reasons = [each.reason for each in known.check(values[usual], NAMES)]
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
    (found,) = FITTED.check(np.array([values]), NAMES)
    assert (found.reason == "") == (found.check is InputCheck.INSIDE)


FITTED = TrainingRange.fit(drawn(LEAST_OBJECTS, 0), np.arange(LEAST_OBJECTS) // 6, NONE, 0)


def test_it_is_the_same_from_its_tensors(known: TrainingRange) -> None:
    tensors = {f"x.{name}": tensor for name, tensor in known.tensors().items()}
    again = TrainingRange.restore(tensors, "x.")
    values = drawn(50, 7) * 3
    assert again.check(values, NAMES) == known.check(values, NAMES)
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
    far, near = known.check(np.stack([np.full(K, 1e9), drawn(1, 8)[0]]), NAMES)
    assert farther(far, near) is farther(near, far) is far
    assert farther(None, near) is farther(near, None) is near
    assert farther(None, None) is None
