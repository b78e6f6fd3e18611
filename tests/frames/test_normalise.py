"""Normalisers against the reference's formulas, one frame at a time, and their properties."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import REAL_FRAMES, Frames, need, random_frames
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rbztf.config import load_config
from rbztf.errors import ConfigError
from rbztf.frames.background import usable_frames
from rbztf.frames.normalise import NORMALISERS, Normaliser, RawFrames
from rbztf.frames.normalise import normalise as normalise_raw
from rbztf.models.vae.encoder_inputs import make_inputs
from rbztf.stores.cutouts import open_cutouts

NAMES = ["l2", "max", "minmax", "standard", "three_sigma"]
"""Those of the reference work."""
DN = st.floats(-5000, 60000, width=32, allow_subnormal=False)
COUNTS = st.integers(0, 1000).map(float)
CONTRASTED = hnp.arrays(np.float32, (2, 28, 28), elements=COUNTS, fill=COUNTS)


def reference(frame: Frames, name: str) -> np.ndarray:
    """The reference's formula for one frame, NaN as 0, in double precision."""
    pixels = np.nan_to_num(frame.astype(np.float64), nan=0.0)
    mean, sigma = pixels.mean(), pixels.std()
    low, high = mean - 3 * sigma, mean + 3 * sigma
    with np.errstate(invalid="ignore", divide="ignore"):
        if name == "minmax":
            return (pixels - pixels.min()) / (pixels.max() - pixels.min())
        if name == "l2":
            return pixels / np.sqrt((pixels**2).sum())
        if name == "max":
            return pixels / pixels.max()
        if name == "standard":
            return (pixels - mean) / sigma
        return (np.clip(pixels, low, high) - low) / (high - low)


def normalise(frames: Frames, name: str = "minmax", invalid: str = "zero") -> Frames:
    return normalise_raw(RawFrames(frames), name, invalid)


def noisy(n: int, seed: int, missing: float = 0.0) -> Frames:
    frames = random_frames(n, seed)
    frames[np.random.default_rng(seed).random(frames.shape) < missing] = np.nan
    return frames


@pytest.mark.parametrize("name", NAMES)
@given(seed=st.integers(0, 10**6), missing=st.sampled_from([0.0, 0.1, 0.9]))
def test_the_reference_s_formulas(name: str, seed: int, missing: float) -> None:
    frames = noisy(4, seed, missing)
    expected = np.stack([reference(frame, name) for frame in frames])
    found = normalise(frames, name)
    assert found.dtype == np.float32
    assert found.shape == frames.shape
    assert np.allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_minmax_has_the_very_bits_of_the_reference_on_real_frames() -> None:
    store = open_cutouts(need(REAL_FRAMES / "snad_artefacts"))
    for oid in store:
        frame = store[oid].frames[0]
        expected = (frame - frame.min()) / (frame.max() - frame.min())
        assert np.array_equal(normalise(frame[None])[0], expected)


@pytest.mark.parametrize("invalid", ["zero", "ignore"])
@pytest.mark.parametrize("name", NAMES)
@given(
    frames=hnp.arrays(
        np.float32, (2, 28, 28), elements=DN | st.sampled_from([np.nan, np.inf, -np.inf]), fill=DN
    )
)
def test_whatever_comes_in_finite_numbers_come_out(name: str, invalid: str, frames: Frames) -> None:
    before = frames.copy()
    found = normalise(frames, name, invalid)
    assert np.isfinite(found).all()
    assert found.shape == frames.shape
    assert np.array_equal(frames, before, equal_nan=True)


@given(frames=CONTRASTED)
def test_ranges(frames: Frames) -> None:
    varied = np.ptp(frames, axis=(1, 2)) > 0
    found = normalise(frames, "minmax")[varied]
    assert np.all(found.min(axis=(1, 2)) == 0)
    assert np.all(found.max(axis=(1, 2)) == 1)
    scaled = normalise(frames, "three_sigma")
    assert scaled.min() >= 0
    assert scaled.max() <= 1
    lit = frames.max(axis=(1, 2)) > 0
    assert np.allclose(normalise(frames, "max")[lit].max(axis=(1, 2)), 1)
    assert np.allclose(np.square(normalise(frames, "l2")[lit]).sum(axis=(1, 2)), 1, atol=1e-4)
    standard = normalise(frames, "standard")[varied]
    # A frame of 129 DN that varies by 0.04 DN: its mean is rounded to float32 before it is divided.
    rounding = (
        np.finfo(np.float32).eps * np.abs(frames[varied]).max(axis=(1, 2)) / frames[varied].std(axis=(1, 2))
    )
    assert np.all(np.abs(standard.mean(axis=(1, 2))) <= 1e-4 + rounding)
    assert np.allclose(standard.std(axis=(1, 2)), 1, atol=1e-3)


@pytest.mark.parametrize("name", ["minmax", "standard", "three_sigma"])
@given(seed=st.integers(0, 10**6), gain=st.floats(0.25, 16), sky=st.floats(-500, 5000))
def test_gain_and_sky_level_do_not_matter(name: str, seed: int, gain: float, sky: float) -> None:
    frames = random_frames(2, seed)
    changed = (frames.astype(np.float64) * gain + sky).astype(np.float32)
    assert np.allclose(normalise(changed, name), normalise(frames, name), atol=5e-3)


@pytest.mark.parametrize("name", ["l2", "max"])
@given(seed=st.integers(0, 10**6), gain=st.floats(0.25, 16))
def test_gain_does_not_matter(name: str, seed: int, gain: float) -> None:
    frames = np.abs(random_frames(2, seed))
    assert np.allclose(normalise(frames * np.float32(gain), name), normalise(frames, name), atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_a_frame_does_not_know_its_neighbours(name: str, data: st.DataObject) -> None:
    frames = noisy(6, data.draw(st.integers(0, 1000)), data.draw(st.sampled_from([0.0, 0.2])))
    chosen = data.draw(st.lists(st.integers(0, 5), min_size=1))
    assert np.array_equal(normalise(frames[chosen], name), normalise(frames, name)[chosen])


@pytest.mark.parametrize("invalid", ["zero", "ignore"])
@pytest.mark.parametrize("name", ["minmax", "standard", "three_sigma"])
@pytest.mark.parametrize("value", [0.0, 0.1, -7.3, 12345.678, 65535.0])
def test_a_constant_frame_becomes_zeros(name: str, invalid: str, value: float) -> None:
    frames = np.full((1, 28, 28), value, np.float32)
    assert np.array_equal(normalise(frames, name, invalid), np.zeros_like(frames))


@pytest.mark.parametrize("invalid", ["zero", "ignore"])
@pytest.mark.parametrize("name", NAMES)
def test_an_empty_frame_becomes_zeros(name: str, invalid: str) -> None:
    frames = np.full((2, 28, 28), np.nan, np.float32)
    assert np.array_equal(normalise(frames, name, invalid), np.zeros_like(frames))
    assert normalise(frames[:0], name, invalid).shape == (0, 28, 28)


@pytest.mark.parametrize("name", NAMES)
@given(seed=st.integers(0, 10**6), columns=st.integers(1, 27))
def test_ignored_pixels_have_no_say(name: str, seed: int, columns: int) -> None:
    """A frame clipped by the chip edge looks as the part of it that is there."""
    frame = random_frames(1, seed)
    clipped = frame.copy()
    clipped[:, :, :columns] = np.nan
    found = normalise(clipped, name, "ignore")
    alone = normalise(frame[:, :, columns:], name)
    assert np.allclose(found[:, :, columns:], alone, atol=1e-6)
    assert np.all(found[:, :, :columns] == alone.min())


def test_counting_invalid_pixels_as_zero_is_the_published_way() -> None:
    frame = random_frames(1)
    frame[:, :, :5] = np.nan
    assert np.array_equal(normalise(frame), normalise(np.nan_to_num(frame)))
    assert normalise(frame)[0, 0, 0] == 0
    assert not np.array_equal(normalise(frame), normalise(frame, invalid="ignore"))


def test_a_frame_is_usable_if_one_pixel_is_valid() -> None:
    frames = random_frames(3)
    frames[1] = np.nan
    frames[2] = np.inf
    frames[2, 4, 5] = 1
    assert usable_frames(frames).tolist() == [True, False, True]


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ValueError, match="minmax, l2, max"):
        normalise(random_frames(1), "zscale")
    with pytest.raises(ValueError, match="zero, ignore"):
        normalise(random_frames(1), "l2", "drop")


def test_what_is_read_and_known_of_each_normaliser() -> None:
    assert {name for name, entry in NORMALISERS.items() if entry.in_noise_units} == {
        "asinh_noise",
        "asinh_ccd",
    }
    assert {name for name, entry in NORMALISERS.items() if entry.needs_headers} == set(NORMALISERS) - set(
        NAMES
    )


def test_a_new_normaliser_needs_its_entry_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    halves = Normaliser(apply=lambda raw, as_zero: raw.pixels / 2, in_noise_units=False, needs_headers=False)
    monkeypatch.setitem(NORMALISERS, "halves", halves)
    section = load_config(None, ["frames.normaliser=halves"], project_file=None).frames
    frames = random_frames(2)
    assert np.array_equal(make_inputs(frames, section).values, frames / 2)


def test_configurations_accept_the_names_of_the_registry_only() -> None:
    for name in NORMALISERS:
        assert load_config(None, [f"frames.normaliser={name}"], project_file=None).frames.normaliser == name
    with pytest.raises(ConfigError, match=r"is 'zscale': must be one of: minmax, l2.*asinh_flux"):
        load_config(None, ["frames.normaliser=zscale"], project_file=None)
    with pytest.raises(ConfigError, match=r"vae.side_channels.*depth.*must be one of: noise, sky, valid"):
        load_config(None, ["vae.side_channels=[depth]"], project_file=None)
