"""Faster training on a CPU: two layers of the reference's decoder rewritten as equal operations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rbztf.models.vae.network import Decoder, Vae

BLOCK_PIX = 4
"""Side of the blocks of output pixels that the last layer computes together."""


@contextmanager
def fast_on_cpu(vae: Vae, device: torch.device) -> Iterator[None]:
    """Train the same network at 1.3 to 1.4 times the rate on a CPU; no change on other devices.

    Two layers of the reference's decoder are slow as convolutions on a CPU; both are computed
    as matrix products or blocks of the same weights, equal up to rounding. Activations
    overwrite their input.
    """
    if device.type != "cpu":
        yield
        return
    activations = [layer for layer in vae.modules() if isinstance(layer, (nn.LeakyReLU, nn.ReLU))]
    rewritten: list[Any] = []
    if isinstance(vae.decoder, Decoder):
        layers: Any = vae.decoder.decoder
        first, last = layers[2][0], layers[-2]
        first.forward, last.forward = partial(_from_one_pixel, first), partial(_in_blocks, last)
        rewritten = [first, last]
    for layer in activations:
        layer.inplace = True
    try:
        yield
    finally:
        for layer in rewritten:
            del layer.forward
        for layer in activations:
            layer.inplace = False


def _from_one_pixel(layer: nn.ConvTranspose2d, inputs: Tensor) -> Tensor:
    """The first ``layer`` of the decoder: from one pixel to 2 x 2 only four of its nine taps count.

    Parameters
    ----------
    inputs : Tensor (batch, channels, 1, 1)
    """
    taps = layer.weight[:, :, 1:, 1:].permute(0, 2, 3, 1).flatten(1)
    outputs = (inputs.flatten(1) @ taps).view(-1, 2, 2, layer.out_channels).permute(0, 3, 1, 2)
    return outputs if layer.bias is None else outputs + layer.bias[:, None, None]


def _in_blocks(layer: nn.Conv2d, inputs: Tensor) -> Tensor:
    """The last ``layer`` of the decoder, which has one channel out: a block of pixels at a time.

    Its kernel, shifted to each pixel of a block, makes as many kernels as the block has
    pixels; a convolution that steps from block to block then has that many channels out.

    Parameters
    ----------
    inputs : Tensor (batch, channels, 32, 32)
    """
    spare, side = BLOCK_PIX - 1, range(BLOCK_PIX)
    shifted = [F.pad(layer.weight[0], (x, spare - x, y, spare - y)) for y in side for x in side]
    bias = None if layer.bias is None else layer.bias.expand(BLOCK_PIX**2)
    blocks = F.conv2d(inputs, torch.stack(shifted), bias, stride=BLOCK_PIX, padding=1)
    return F.pixel_shuffle(blocks, BLOCK_PIX)
