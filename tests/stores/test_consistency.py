"""What contradicts itself in an object of the store, and what only looks odd."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import random_frames

from rbztf.stores.consistency import contradictions
from rbztf.stores.epochs import Columns, blank_columns


def columns_of(n_frames: int = 3) -> Columns:
    """Epochs of as many frames, and one without."""
    columns = blank_columns(n_frames + 1)
    columns["mjd"] = 58300.25 + np.arange(n_frames + 1.0)
    columns["frame"][:-1] = np.arange(n_frames)
    columns["status"][:-1] = "ok"
    columns["status"][-1] = "missing"
    columns["filefracday"] = 20180701000000 + np.arange(n_frames + 1)
    return columns


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("mjd", [50000.0, 50000.0, 100000.0, 100000.0]),
        ("mjd", [np.nan] * 4),
        ("filefracday", [-1, -1, 0, 0]),  # unknown of all
    ],
)
def test_nothing_is_wrong_with(column: str, values: list[float]) -> None:
    assert list(contradictions(random_frames(3), columns_of())) == []
    assert list(contradictions(random_frames(3), {**columns_of(), column: np.array(values)})) == []
    assert list(contradictions(random_frames(0), blank_columns(0))) == []


@pytest.mark.parametrize(
    ("column", "values", "what"),
    [
        ("mjd", [49999.5, 50001, 50002, 50003], "at times at which nothing was observed"),
        ("mjd", [58300, 58301, 58302, 100000.5], "at times at which nothing was observed"),
        ("mjd", [58300, 58302, 58301, 58303], "not in time order"),
        ("frame", [0, 2, 1, -1], "do not point at its 3 frames"),
        ("frame", [1, 2, 3, -1], "do not point at its 3 frames"),
        ("frame", [0, 1, 1, -1], "do not point at its 3 frames"),
        ("filefracday", [5, 6, 7, 5], "an exposure twice"),
    ],
)
def test_one_thing_is_wrong_with(column: str, values: list[float], what: str) -> None:
    (found,) = contradictions(random_frames(3), {**columns_of(), column: np.array(values)})
    assert what in found


def test_statuses_belong_to_frames() -> None:
    columns = columns_of()
    columns["status"][-1] = "ok"
    assert list(contradictions(random_frames(3), columns)) == ["its statuses contradict its frames."]
    columns["status"][-1] = "lost"
    (found,) = contradictions(random_frames(3), columns)
    assert found == "its epochs have the unknown status lost."


@pytest.mark.parametrize(
    ("value", "sound"), [(1e9, True), (-1e9, True), (1.1e9, False), (-1.1e9, False), (np.nan, True)]
)
def test_pixels_have_values_that_a_detector_can_give(value: float, sound: bool) -> None:
    frames = random_frames(3)
    frames[1, 2, 3] = value
    assert (not list(contradictions(frames, columns_of()))) == sound
    assert "the shape (28, 27)" in next(contradictions(frames[:, :, :27], columns_of()))
