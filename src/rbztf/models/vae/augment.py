"""Augmentation of frames: rotations, reflections, subpixel shifts, hidden edges.

All draws come from torch's global generator, which each epoch seeds anew.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from rbztf.config import VaeSection
from rbztf.frames.normalise import SOFTENING
from rbztf.models.vae.encoder_inputs import NO_DATA
from rbztf.ztf import SIZE_PIX

BORDER_PIX = 4
"""Width of a hidden border: the labelled 20 x 20-pixel cutouts lack as much."""
DEEPEST_SIDE_PIX = SIZE_PIX // 2 - 2
"""Most columns of a hidden side; the object itself stays visible."""


def augment(values: Tensor, states: Tensor, section: VaeSection, *, stretched: bool) -> tuple[Tensor, Tensor]:
    """Change each frame at random, as ``section`` says.

    Parameters
    ----------
    values : Tensor (batch, 1, 28, 28)
    states : Tensor (batch, 1, 28, 28), uint8
        States of the pixels (:mod:`rbztf.models.vae.encoder_inputs`).
    stretched : bool
        Whether ``values`` are in units of the noise, stretched by asinh: only then is it known
        how much noise a shift removes.
    """
    if section.rotation_deg:
        angles = (2 * _draw(values.device, len(values)) - 1) * math.radians(section.rotation_deg)
        values = rotate(values, angles)
    if section.mask_share:
        states = hide_edges(states, section.mask_share)
        values = torch.where(states == NO_DATA, 0, values)
    if section.flips:
        values, states = flip(values, states)
    if section.shift_share:
        values, states = shift(values, states, section.shift_share, stretched=stretched)
    return values, states


def _draw(device: torch.device, *shape: int) -> Tensor:
    """Uniform numbers, drawn on the CPU, so that the same seed gives the same on every device."""
    return torch.rand(*shape).to(device)


def rotate(frames: Tensor, angles_rad: Tensor) -> Tensor:
    """Rotate frames about their centre, bilinearly, with zeros in the corners.

    Parameters
    ----------
    frames : Tensor (batch, 1, 28, 28)
    angles_rad : Tensor (batch,)
    """
    cosine, sine, zero = torch.cos(angles_rad), torch.sin(angles_rad), torch.zeros_like(angles_rad)
    rows = [torch.stack([cosine, -sine, zero], dim=1), torch.stack([sine, cosine, zero], dim=1)]
    grid = F.affine_grid(torch.stack(rows, dim=1), list(frames.shape), align_corners=False)
    return F.grid_sample(frames, grid, align_corners=False)


def flip(values: Tensor, states: Tensor) -> tuple[Tensor, Tensor]:
    """One of the eight quarter turns and mirror images for each frame."""
    turned, mirrored, upturned = _draw(values.device, 3, len(values), 1, 1, 1) < 0.5
    flipped = []
    for planes in (values, states):
        planes = torch.where(turned, planes.transpose(2, 3), planes)
        planes = torch.where(mirrored, planes.flip(3), planes)
        flipped.append(torch.where(upturned, planes.flip(2), planes))
    return flipped[0], flipped[1]


def shift(values: Tensor, states: Tensor, share: float, *, stretched: bool) -> tuple[Tensor, Tensor]:
    """Move a ``share`` of the frames by part of a pixel along both axes, bilinearly.

    Interpolating averages the noise of neighbours: with fractions fx and fy its variance falls
    to (fx^2 + (1 - fx)^2)(fy^2 + (1 - fy)^2). Of stretched frames, whose noise is known to be
    one unit, the lost noise is added again, so that the signal-to-noise ratio stays the same.
    Pixels into which one without data is mixed lose theirs.
    """
    moved = _draw(values.device, len(values)) < share
    fx, fy = (_draw(values.device, 2, len(values)) * moved)[:, :, None, None, None]
    linear = SOFTENING * torch.sinh(values) if stretched else values
    linear = _mix(_mix(linear, fx, 3), fy, 2)
    if stretched:
        kept = (fx**2 + (1 - fx) ** 2) * (fy**2 + (1 - fy) ** 2)
        linear = linear + torch.randn_like(linear) * torch.sqrt(1 - kept)
        linear = torch.asinh(linear / SOFTENING)
    states = _worst(_worst(states, fx, 3), fy, 2)
    return torch.where(states == NO_DATA, 0, linear), states


def _mix(planes: Tensor, fraction: Tensor, axis: int) -> Tensor:
    neighbour = torch.cat([planes.narrow(axis, 0, 1), planes.narrow(axis, 0, planes.shape[axis] - 1)], axis)
    return planes + fraction * (neighbour - planes)


def _worst(states: Tensor, fraction: Tensor, axis: int) -> Tensor:
    """The state that counts where a pixel and its neighbour are mixed: no data, saturated, good."""
    neighbour = torch.cat([states.narrow(axis, 0, 1), states.narrow(axis, 0, states.shape[axis] - 1)], axis)
    both = torch.where((states == NO_DATA) | (neighbour == NO_DATA), 0, torch.maximum(states, neighbour))
    return torch.where(fraction > 0, both.to(states.dtype), states)


def hide_edges(states: Tensor, share: float) -> Tensor:
    """Hide a border of half of ``share`` of the frames, some columns at the left of the other half.

    Before :func:`flip`, which brings the hidden side to any other.
    """
    draw, depth = _draw(states.device, 2, len(states))[:, :, None, None, None]
    size = states.shape[-1]
    place = torch.arange(size, device=states.device)
    near = torch.minimum(place, size - 1 - place) < BORDER_PIX
    border = near[:, None] | near[None, :]
    side = place[None, None, None, :] < 1 + (depth * DEEPEST_SIDE_PIX).floor()
    hidden = ((draw < share / 2) & border) | ((draw >= share / 2) & (draw < share) & side)
    return torch.where(hidden, NO_DATA, states).to(states.dtype)
