"""Augmentations leave what a frame shows: pixels, noise, and which pixels count."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from rbztf.config import VaeSection
from rbztf.models.vae.augment import BORDER_PIX, augment, flip, hide_edges, shift
from rbztf.models.vae.encoder_inputs import GOOD, NO_DATA, SATURATED


def planes(n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(seed)
    states = torch.full((n, 1, 28, 28), GOOD, dtype=torch.uint8)
    states[:, :, :, :5] = NO_DATA
    states[:, :, 3, 9] = SATURATED
    return torch.randn(n, 1, 28, 28) * (states != NO_DATA), states


@given(st.integers(0, 50))
def test_a_flip_moves_pixels_with_their_states(seed: int) -> None:
    values, states = planes(16, seed)
    flipped, flipped_states = flip(values, states)
    assert torch.equal(flipped.flatten(1).sort().values, values.flatten(1).sort().values)
    assert torch.equal((flipped_states == NO_DATA).sum((1, 2, 3)), (states == NO_DATA).sum((1, 2, 3)))
    assert (flipped[flipped_states == NO_DATA] == 0).all()


def test_all_eight_orientations_come_up() -> None:
    torch.manual_seed(0)
    picture = torch.rand(1, 1, 28, 28)
    flipped, _ = flip(picture.expand(200, -1, -1, -1), torch.ones(200, 1, 28, 28, dtype=torch.uint8))
    assert len({tuple(frame.flatten()[:40].tolist()) for frame in flipped}) == 8


def test_a_shift_keeps_noise_at_its_level_and_moves_light_by_less_than_a_pixel() -> None:
    torch.manual_seed(0)
    values = torch.asinh(torch.randn(400, 1, 28, 28) / 3)
    states = torch.full(values.shape, GOOD, dtype=torch.uint8)
    moved, _ = shift(values, states, 1.0, stretched=True)
    noise = 3 * torch.sinh(moved)
    assert abs(float(noise.std()) - 1) < 0.03
    star = torch.zeros(50, 1, 28, 28)
    star[:, :, 14, 14] = 100.0
    moved, _ = shift(star, states[:50], 1.0, stretched=False)
    assert torch.allclose(moved.sum((1, 2, 3)), torch.tensor(100.0))
    place = (moved.sum((1, 2)) * torch.arange(28)).sum(1) / 100
    assert (place >= 14).all()
    assert (place < 15).all()


@given(st.integers(0, 50))
def test_a_shift_lets_no_pixel_without_data_leak(seed: int) -> None:
    values, states = planes(8, seed)
    moved, moved_states = shift(values, states, 1.0, stretched=True)
    assert ((moved_states == NO_DATA) | (states != NO_DATA)).all()  # none comes back
    assert (moved_states[:, :, :, 5] == NO_DATA).all()  # its neighbour is lost with it
    assert (moved[moved_states == NO_DATA] == 0).all()
    assert (moved_states == SATURATED).sum() > (states == SATURATED).sum()


def test_hidden_edges_leave_the_object() -> None:
    torch.manual_seed(0)
    states = torch.full((400, 1, 28, 28), GOOD, dtype=torch.uint8)
    hidden = hide_edges(states, 0.5)
    touched = (hidden == NO_DATA).any(dim=3).any(dim=2)[:, 0]
    assert 0.4 < float(touched.float().mean()) < 0.6
    assert (hidden[:, :, 13:15, 13:15] == GOOD).all()
    assert int((hidden == NO_DATA).sum((1, 2, 3)).max()) <= 784 - (28 - 2 * BORDER_PIX) ** 2
    assert torch.equal(hide_edges(states, 0.0), states)


def test_without_augmentation_nothing_changes() -> None:
    values, states = planes(4, 0)
    again, again_states = augment(values, states, VaeSection(), stretched=True)
    assert torch.equal(again, values)
    assert torch.equal(again_states, states)


def test_one_seed_one_augmentation() -> None:
    section = VaeSection(flips=True, shift_share=0.5, mask_share=0.3, rotation_deg=10)
    values, states = planes(6, 0)
    made = []
    for _ in range(2):
        torch.manual_seed(3)
        made.append(augment(values, states, section, stretched=True))
    assert torch.equal(made[0][0], made[1][0])
    assert torch.equal(made[0][1], made[1][1])
