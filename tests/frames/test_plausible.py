"""Frames that are no images of the sky are told from those that are."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import SHARED, need, random_frames

from rbztf.frames.plausible import LEAST_FRAMES, frames_fault

MANY = 30


def noise(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(150, 8, (n, 28, 28)).astype(np.float32)


@pytest.mark.parametrize("n", [1, 3, MANY, 200])
def test_a_star_over_a_sky_is_sound(n: int) -> None:
    frames = random_frames(n)
    assert frames_fault(frames) == ""
    frames[:, :, :9] = np.nan
    assert frames_fault(frames) == ""


@pytest.mark.parametrize("n", [1, MANY])
def test_constant_and_negated_frames_are_told(n: int) -> None:
    assert "constant" in frames_fault(np.full((n, 28, 28), 100.0, np.float32))
    assert "sky of 0 DN or less" in frames_fault(-random_frames(n))


def test_noise_is_told_where_there_is_enough_of_it() -> None:
    told = [bool(frames_fault(noise(MANY, seed))) for seed in range(50)]
    assert np.mean(told) >= 0.9
    uniform = np.random.default_rng(0).uniform(1, 2, (MANY, 28, 28)).astype(np.float32)
    assert "noise" in frames_fault(uniform)
    assert frames_fault(noise(LEAST_FRAMES - 1)) == ""


def test_few_bad_frames_among_many_do_not_count() -> None:
    frames = random_frames(MANY)
    frames[:5] = 7.0
    frames[5:10] *= -1
    assert frames_fault(frames) == ""


def test_no_frames_no_fault() -> None:
    assert frames_fault(np.empty((0, 28, 28), np.float32)) == ""


def test_real_frames_are_sound() -> None:
    with np.load(need(SHARED / "data" / "frames" / "labelled_cutouts_20pix.npz")) as packed:
        frames = packed["science"]
    assert {frames_fault(frame[None]) for frame in frames} == {""}
    assert frames_fault(frames) == ""
