"""Grey scales against astropy's, and frames that lack pixels."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.visualization import ZScaleInterval
from helpers import random_frames
from hypothesis import given
from hypothesis import strategies as st

from rbztf.reporting.stretches import STRETCHES, stretched, zscale_limits


@given(seed=st.integers(0, 1000), tail=st.sampled_from([0.0, 0.02, 0.2, 0.6]))
def test_zscale_is_astropy_s(seed: int, tail: float) -> None:
    rng = np.random.default_rng(seed)
    frames = random_frames(4, seed=seed)
    frames[rng.random(frames.shape) < tail] += np.float32(3000)
    low, high = zscale_limits(frames)
    expected = np.array([ZScaleInterval().get_limits(frame) for frame in frames])
    np.testing.assert_allclose(np.stack([low, high], axis=1), expected, rtol=1e-6, atol=1e-3)


@pytest.mark.parametrize("name", STRETCHES)
def test_brighter_pixels_are_never_darker(name: str) -> None:
    frame = np.linspace(100, 5000, 784, dtype=np.float32).reshape(1, 28, 28)
    grey = stretched(frame, name)[0].ravel().astype(int)
    assert (np.diff(grey) >= 0).all()
    assert grey[0] == 0
    assert grey[-1] == 255


@pytest.mark.parametrize("name", STRETCHES)
def test_pixels_without_data_do_not_count(name: str) -> None:
    frames = random_frames(3, seed=1)
    frames[0, :, 20:] = np.nan
    frames[1] = np.nan
    frames[2] = 7.0
    grey = stretched(frames, name)
    alone = frames[:1].copy()
    alone[np.isnan(alone)] = np.nanmedian(alone)
    np.testing.assert_array_equal(grey[0], stretched(alone, name)[0])
    assert len(np.unique(grey[1])) == len(np.unique(grey[2])) == 1
    assert stretched(frames[:0], name).shape == (0, 28, 28)
