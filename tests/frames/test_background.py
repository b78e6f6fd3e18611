"""Normalisers in units of the noise or of flux: what they keep, and what they do with bad pixels."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import random_frames
from hypothesis import given
from hypothesis import strategies as st

from rbztf.config import FramesSection
from rbztf.frames.background import SIDE_CHANNELS, FrameFacts, SkyLevel, flux_scale, side_channels, sky_level
from rbztf.frames.normalise import NORMALISERS, SOFTENING, RawFrames, ccd_noise_dn, normalise
from rbztf.models.vae.encoder_inputs import GOOD, NO_DATA, SATURATED, joined, make_inputs

PHYSICAL = [name for name, entry in NORMALISERS.items() if entry.needs_headers]
MASKED = FramesSection(normaliser="asinh_noise", invalid="mask")


def facts(n: int, **known: float) -> FrameFacts:
    found = FrameFacts.unknown(n)
    for name, value in known.items():
        getattr(found, name)[:] = value
    return found


@given(st.integers(0, 99), st.floats(20, 3000), st.floats(1, 60))
def test_sky_and_noise_are_found_beside_a_star(seed: int, sky: float, noise: float) -> None:
    rng = np.random.default_rng(seed)
    frames = rng.normal(sky, noise, (5, 28, 28)).astype(np.float32)
    frames[:, 12:16, 12:16] += 500 * noise
    level = sky_level(frames)
    assert np.all(np.abs(level.sky_dn - sky) < 0.35 * noise)
    assert np.all(np.abs(level.noise_dn / noise - 1) < 0.25)


@pytest.mark.parametrize("shape", [(3, 28, 28), (3, 21, 28)])
def test_sky_and_noise_are_medians(shape: tuple[int, ...]) -> None:
    """As written down in :func:`sky_level`, with numpy's own medians; pixels without data have no say."""
    rng = np.random.default_rng(2)
    frames = rng.normal(100, 8, shape).astype(np.float32)
    frames[0, 3:9, 5:11] += 300
    frames[1, :, :7] = np.nan
    frames[2, 0, 0] = np.inf
    level = sky_level(frames)
    for frame, sky, noise in zip(frames, level.sky_dn, level.noise_dn):
        pixels = np.where(np.isfinite(frame), frame, np.nan)
        expected = 1.4826 / np.sqrt(2) * np.nanmedian(np.abs(np.diff(pixels, axis=1)))
        assert noise == pytest.approx(expected, rel=1e-5)
        near = np.abs(pixels - np.nanmedian(pixels)) <= 3 * noise
        assert sky == pytest.approx(np.median(pixels[near]), rel=1e-5)


def test_a_ghost_does_not_pass_for_noise() -> None:
    rng = np.random.default_rng(0)
    frames = rng.normal(200, 10, (4, 28, 28)).astype(np.float32)
    frames[:, :, :14] += 100  # half of the frame, ten times the noise
    assert np.all(sky_level(frames).noise_dn < 13)


@given(st.integers(0, 99), st.floats(-200, 3000), st.floats(0.2, 20))
def test_gain_and_offset_cancel_and_stay_in_the_side_channels(seed: int, offset: float, gain: float) -> None:
    frames = random_frames(3, seed)
    inputs = make_inputs(frames, MASKED)
    changed = make_inputs((frames * np.float32(gain) + np.float32(offset)).astype(np.float32), MASKED)
    np.testing.assert_allclose(changed.values, inputs.values, atol=0.03)
    noise = SIDE_CHANNELS.index("noise")
    np.testing.assert_allclose(changed.side[:, noise] - inputs.side[:, noise], np.log10(gain), atol=0.01)


@given(st.integers(0, 99), st.sampled_from(PHYSICAL), st.data())
def test_values_are_finite_whatever_is_missing(seed: int, normaliser: str, data: st.DataObject) -> None:
    frames = random_frames(4, seed)
    share = data.draw(st.floats(0, 1))
    frames[np.random.default_rng(seed).random(frames.shape) < share] = np.nan
    frames[0, :3] = np.inf
    inputs = make_inputs(frames, FramesSection(normaliser=normaliser, invalid="mask"))
    assert np.isfinite(inputs.values).all()
    assert np.isfinite(inputs.side).all()
    assert np.array_equal(inputs.states == NO_DATA, ~np.isfinite(frames))
    assert (inputs.values[inputs.states == NO_DATA] == 0).all()


@given(st.integers(0, 99))
def test_pixels_without_data_change_no_other_pixel_much(seed: int) -> None:
    frames = random_frames(3, seed)
    clipped = frames.copy()
    clipped[:, :, :5] = np.nan
    whole, part = make_inputs(frames, MASKED), make_inputs(clipped, MASKED)
    np.testing.assert_allclose(part.values[:, :, 5:], whole.values[:, :, 5:], atol=0.4)


def test_zero_counts_missing_pixels_as_no_light() -> None:
    frames = random_frames(2)
    frames[:, :4] = np.nan
    values = make_inputs(frames, FramesSection(normaliser="asinh_noise", invalid="zero")).values
    assert (values[:, :4] < -1).all()


@given(st.integers(0, 99))
def test_the_stretch_can_be_taken_back(seed: int) -> None:
    frames = random_frames(3, seed)
    level = sky_level(frames)
    noise, sky = level.noise_dn[:, None, None], level.sky_dn[:, None, None]
    back = np.sinh(make_inputs(frames, MASKED).values) * SOFTENING * noise + sky
    np.testing.assert_allclose(back, frames, rtol=1e-3, atol=0.01)


def test_constant_and_empty_frames_are_harmless() -> None:
    frames = np.stack([np.full((28, 28), 300.0), np.full((28, 28), np.nan)]).astype(np.float32)
    inputs = make_inputs(frames, MASKED)
    assert (inputs.values == 0).all()
    assert np.isfinite(inputs.side).all()


def test_the_electronics_give_the_noise_where_they_are_known() -> None:
    rng = np.random.default_rng(1)
    gain, readnoise, sky = 6.2, 10.0, 400.0
    expected = np.sqrt(sky / gain + (readnoise / gain) ** 2)
    frames = rng.normal(sky, expected, (6, 28, 28)).astype(np.float32)
    level = sky_level(frames)
    known = ccd_noise_dn(RawFrames(frames, facts(6, gain=gain, readnoise=readnoise)))
    np.testing.assert_allclose(known, expected, rtol=0.01)
    assert np.array_equal(ccd_noise_dn(RawFrames(frames)), level.noise_dn)


def test_flux_is_scaled_by_the_zero_point() -> None:
    frames = random_frames(2)
    section = FramesSection(normaliser="asinh_flux", invalid="mask")
    deeper = ((frames - sky_level(frames).sky_dn[:, None, None]) * 10**0.4).astype(np.float32)
    one = make_inputs(frames, section, facts(2, magzp=26.2))
    other = make_inputs(deeper, section, facts(2, magzp=27.2))
    np.testing.assert_allclose(one.values, other.values, atol=2e-3)
    assert np.array_equal(flux_scale(facts(2)), [1, 1])
    brighter = make_inputs(3 * frames, section, facts(2, magzp=26.2))
    assert np.all(brighter.values.max(axis=(1, 2)) > one.values.max(axis=(1, 2)) + 0.5)


def test_the_flux_scale_follows_the_zero_point() -> None:
    assert flux_scale(facts(1, magzp=25.2))[0] == pytest.approx(10**-0.4, rel=1e-5)
    assert flux_scale(facts(1, magzp=28.7))[0] == pytest.approx(10, rel=1e-5)


def test_the_unit_of_flux_is_ten_dn_at_the_reference_zero_point() -> None:
    frames = random_frames(2)
    raw = RawFrames(frames, facts(2, magzp=28.7))
    above = frames - sky_level(frames).sky_dn[:, None, None]
    np.testing.assert_allclose(normalise(raw, "asinh_flux"), np.arcsinh(above / (3 * 10 * 10)), atol=1e-5)


@pytest.mark.parametrize("gain", [-6.0, -1000.0])
def test_a_gain_that_makes_no_sense_is_not_used(gain: float) -> None:
    frames = random_frames(2)
    made = ccd_noise_dn(RawFrames(frames, facts(2, gain=gain, readnoise=0.0)))
    np.testing.assert_array_equal(made, sky_level(frames).noise_dn)


def test_without_its_sky_a_frame_has_the_noise_that_is_measured() -> None:
    frames = np.random.default_rng(0).normal(-0.5, 3, (2, 28, 28)).astype(np.float32)
    level = sky_level(frames)
    assert (np.abs(level.sky_dn + 0.5) < 0.5).all()
    made = ccd_noise_dn(RawFrames(frames, facts(2, gain=6.0, readnoise=10.0)))
    np.testing.assert_array_equal(made, level.noise_dn)


def test_side_channels_by_hand() -> None:
    frames = np.full((2, 28, 28), 40, np.float32)
    frames[0, :7] = np.nan
    frames[0, 7, :14] = 60_000
    level = SkyLevel(np.array([100, -30], np.float32), np.array([20, 5], np.float32))
    known = FrameFacts(
        *(np.array(column, np.float32) for column in ([6, 6], [10, 10], [5e4, 5e4], [28.7, np.nan]))
    )
    expected = [
        [np.log10(20 / 10), np.arcsinh(100 / 50), 21 / 28, 14 / (21 * 28)],
        [np.log10(5), np.arcsinh(-30 / 50), 1, 0],
    ]
    np.testing.assert_allclose(side_channels(frames, level, known), expected, rtol=1e-5)


def test_facts_of_some_frames() -> None:
    known = facts(3, gain=6.2)
    known.magzp[:] = 25, 26, 27
    some = known[np.array([True, False, True])]
    assert some.magzp.tolist() == [25, 27]
    assert some.gain.tolist() == known.gain[:2].tolist()
    assert np.isnan(some.saturate).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("normaliser", PHYSICAL)
def test_pixels_without_data_have_the_level_of_the_sky(normaliser: str, value: float) -> None:
    frames = random_frames(2)
    frames[:, 3, 4] = value
    made = normalise(RawFrames(frames), normaliser, "ignore")
    assert np.isfinite(made).all()
    assert (made[:, 3, 4] == 0).all()


def test_saturated_pixels_are_seen_but_marked() -> None:
    frames = random_frames(2)
    frames[0, 14, 14] = 60_000
    inputs = make_inputs(frames, MASKED, facts(2, saturate=50_000))
    assert inputs.states[0, 14, 14] == SATURATED
    assert inputs.values[0, 14, 14] > 5
    assert inputs.side[0, SIDE_CHANNELS.index("saturated")] == pytest.approx(1 / 784)
    assert (make_inputs(frames, MASKED).states == GOOD).all()


def test_parts_are_joined_in_order() -> None:
    frames = random_frames(5)
    whole = make_inputs(frames, MASKED)
    again = joined([make_inputs(frames[:2], MASKED), make_inputs(frames[2:], MASKED)])
    assert np.array_equal(again.values, whole.values)
    assert np.array_equal(again.side, whole.side)
    assert len(again[1:3]) == 2


def test_the_reference_s_normalisers_are_as_before_with_a_mask() -> None:
    frames = random_frames(3)
    frames[0, :4] = np.nan
    masked = make_inputs(frames, FramesSection(normaliser="minmax", invalid="mask"))
    ignored = make_inputs(frames, FramesSection(normaliser="minmax", invalid="ignore"))
    assert np.array_equal(masked.values, ignored.values)
    without = make_inputs(frames, FramesSection(), with_side=False)
    assert (without.side == 0).all()
