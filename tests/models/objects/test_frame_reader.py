"""What a network reads of frames and feature rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers import random_sequences
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rbztf.models.ensemble.row_encoding import BINS, RowEncoding
from rbztf.models.objects.frame_reader import (
    LARGEST_DEVIATION,
    PARTS,
    FrameReader,
)

VALUES = st.floats(-1e3, 1e3)


def reader_of(*sequences: NDArray[np.float32], latents: tuple[int, ...]) -> FrameReader:
    """A reader of some of the latents."""
    fitted = FrameReader.fit(sequences, 0.0)
    return replace(
        fitted, latents=latents, mean=fitted.mean[list(latents)], scale=fitted.scale[list(latents)]
    )


def test_frames_by_hand() -> None:
    sequences = random_sequences([20, 1, 7], 4, seed=3)
    reader = reader_of(*sequences, latents=(2, 0))
    frames = np.concatenate(sequences).astype(np.float64)[:, [2, 0]]
    np.testing.assert_allclose(reader.mean, frames.mean(axis=0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(reader.scale, frames.std(axis=0), rtol=1e-5)
    values = (sequences[2][:, [2, 0]] - frames.mean(axis=0)) / frames.std(axis=0)
    deviation = values - np.median(values, axis=0)
    spread = 1.4826 * np.median(np.abs(deviation), axis=0) + 0.1
    step = np.vstack([np.zeros((1, 2)), np.abs(values[1:] - values[:-1])])
    expected = np.hstack([values, deviation, step, deviation / spread / 3])
    got = reader.inputs(sequences[2])
    assert got.dtype == np.float32
    assert got.shape == (7, reader.width) == (7, 2 * PARTS)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


def test_one_frame_and_one_outlier() -> None:
    reader = reader_of(random_sequences([50], 2)[0], latents=(0, 1))
    alone = reader.inputs(np.ones((1, 2), np.float32))
    np.testing.assert_array_equal(alone[0, 2:], 0)
    frames = np.zeros((9, 2), np.float32)
    frames[4, 0] = 1e4
    inputs = reader.inputs(frames)
    assert inputs[4, 6] == LARGEST_DEVIATION / 3
    assert np.isfinite(inputs).all()


def test_latents_that_do_not_vary_are_left_out() -> None:
    sequences = random_sequences([30, 20], 4, seed=1)
    for sequence in sequences:
        sequence[:, 2] = 0.3
    reader = FrameReader.fit(sequences, 0.05)
    assert (reader.latents, reader.width) == ((0, 1, 3), 3 * PARTS)


def test_nothing_to_read() -> None:
    reader = FrameReader.fit([np.empty((0, 4), np.float32)], 0.05)
    assert (reader.latents, reader.width) == ((), 0)


def test_a_reader_comes_back() -> None:
    (sequence,) = random_sequences([30], 3)
    reader = FrameReader.fit([sequence], 0.0)
    again = FrameReader.restore(reader.tensors())
    assert again.latents == reader.latents
    np.testing.assert_array_equal(again.inputs(sequence), reader.inputs(sequence))


@given(training=st.lists(VALUES, min_size=2, max_size=40), values=st.lists(VALUES, min_size=2, max_size=20))
@example(training=[0.0, 8.9e-308], values=[0.0, 1.0])  # a bin so narrow that its share overflows
def test_codes_rise_with_the_value(training: list[float], values: list[float]) -> None:
    encoding = RowEncoding.fit(np.array(training)[:, None])
    codes = encoding(np.sort(np.array(values))[:, None])
    assert codes.shape == (len(values), BINS) == (len(values), encoding.width)
    assert (np.diff(codes, axis=0) >= 0).all()
    assert (np.abs(codes) <= 0.5).all()


def test_codes_by_hand() -> None:
    encoding = RowEncoding.fit(np.linspace(0, 24, 241)[:, None])  # 24 bins of width 1
    code = encoding(np.array([[2.25], [-9.0], [99.0]]))
    np.testing.assert_allclose(code[0], [0.5, 0.5, -0.25, *[-0.5] * 21], atol=1e-6)
    np.testing.assert_array_equal(code[1:], [[-0.5] * 24, [0.5] * 24])


@given(column=st.lists(st.sampled_from([0.0, 1.0, 5.0, np.nan, np.inf]), min_size=1, max_size=9))
def test_unknown_values_have_the_code_of_the_median(column: list[float]) -> None:
    values = np.array(column)[:, None]
    encoding = RowEncoding.fit(values)
    known = values[np.isfinite(values)]
    median = np.median(known) if len(known) else 0.0
    code = encoding(np.array([[np.nan], [np.inf], [median]]))
    np.testing.assert_array_equal(code[0], code[2])
    np.testing.assert_array_equal(code[1], code[2])
    assert np.isfinite(encoding(values)).all()


@pytest.mark.parametrize("constant", [0.0, -3.5, np.nan])
def test_a_constant_feature_is_harmless(constant: float) -> None:
    rng = np.random.default_rng(0)
    values = np.stack([rng.normal(size=30), np.full(30, constant)], axis=1)
    encoding = RowEncoding.fit(values)
    codes = encoding(values)
    np.testing.assert_array_equal(codes[:, BINS:], np.full((30, BINS), -0.5))
    np.testing.assert_array_equal(codes[:, :BINS], RowEncoding.fit(values[:, :1])(values[:, :1]))
    assert encoding(np.empty((0, 2))).shape == (0, 2 * BINS)
