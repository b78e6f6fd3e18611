"""Batches of frames as tensors on a device, read ahead for CUDA."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from rbztf.models.vae.training_frames import Batch, FrameSet

Item = TypeVar("Item")


class Loaded(NamedTuple):
    """``values`` (b, 1, 28, 28) float32, ``states`` (b, 1, 28, 28) uint8, ``kinds`` (b,) int64."""

    values: Tensor
    states: Tensor
    kinds: Tensor


def loaded(data: FrameSet, batch_size: int, seed: int, epoch: int, device: torch.device) -> Iterator[Loaded]:
    """The batches of an epoch; for CUDA the next one is read and pinned while the last is used."""
    batches = data.batches(batch_size, seed, epoch)
    if device.type != "cuda":
        yield from map(_tensors, batches)
        return
    pinned = (Loaded(*(tensor.pin_memory() for tensor in _tensors(batch))) for batch in batches)
    for batch in ahead(pinned):
        yield Loaded(*(tensor.to(device, non_blocking=True) for tensor in batch))


def ahead(items: Iterable[Item]) -> Iterator[Item]:
    """The same items in the same order, the next one made by a thread while one is used."""
    iterator = iter(items)
    end = object()
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, iterator, end)
        while (item := coming.result()) is not end:
            coming = thread.submit(next, iterator, end)
            yield item  # type: ignore[misc]


def _tensors(batch: Batch) -> Loaded:
    values, states, kinds = (torch.from_numpy(array) for array in batch)
    return Loaded(values[:, None], states[:, None], kinds)
