"""Batches of sequences: objects of similar length together, so that little is padding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

PUBLISHED_EDGES = (200, 400, 600, 800)
PUBLISHED_BATCH = 32


def by_bucket(
    lengths: NDArray[np.int64], edges: Sequence[int] = PUBLISHED_EDGES, batch_size: int = PUBLISHED_BATCH
) -> Iterator[NDArray[np.int64]]:
    """Batches as published: objects in their order, apart by length bucket.

    Parameters
    ----------
    lengths : ndarray (n,), int64
        Frames per object.
    edges : sequence of int
        A bucket holds lengths from one edge up to, but without, the next.

    Yields
    ------
    ndarray (at most batch_size,), int64
        Indices into ``lengths``.
    """
    bucket = np.searchsorted(np.asarray(edges), lengths, side="right")
    for number in range(len(edges) + 1):
        members = np.flatnonzero(bucket == number)
        for start in range(0, len(members), batch_size):
            yield members[start : start + batch_size]


def by_length(lengths: NDArray[np.int64], frames_per_batch: int) -> Iterator[NDArray[np.int64]]:
    """Batches sorted by length, each of at most ``frames_per_batch`` frames with padding.

    Yields
    ------
    ndarray, int64
        Indices into ``lengths``; an object longer than the limit is a batch of its own.
    """
    order = np.argsort(lengths, kind="stable")
    start = 0
    for stop in range(1, len(order) + 1):
        at_end = stop == len(order)
        if at_end or (stop + 1 - start) * lengths[order[stop]] > frames_per_batch:
            yield order[start:stop]
            start = stop


def draw_frames(
    sequence: NDArray[np.float32], count: int, random: np.random.Generator
) -> NDArray[np.float32]:
    """``count`` frames of ``sequence`` in their order; all of them where there are no more, or for 0."""
    if not count or len(sequence) <= count:
        return sequence
    return sequence[np.sort(random.permutation(len(sequence))[:count])]


def pad(sequences: Sequence[NDArray[np.float32]]) -> tuple[Tensor, Tensor]:
    """Pad sequences with zeros at their end.

    Parameters
    ----------
    sequences : sequence of ndarray (n_frames, columns), float32

    Returns
    -------
    batch : Tensor (n, longest, columns), float32
    lengths : Tensor (n,), int64
    """
    lengths = np.array([len(sequence) for sequence in sequences], np.int64)
    batch = np.zeros((len(sequences), int(lengths.max()), sequences[0].shape[1]), np.float32)
    for row, sequence in enumerate(sequences):
        batch[row, : len(sequence)] = sequence
    return torch.from_numpy(batch), torch.from_numpy(lengths)
