"""Batches: each object once, the published ones as published."""

from __future__ import annotations

import numpy as np
from helpers import random_sequences
from hypothesis import given
from hypothesis import strategies as st

from rbztf.models.batching import PUBLISHED_BATCH, PUBLISHED_EDGES, by_bucket, by_length, pad

LENGTHS = st.lists(st.integers(1, 1200), max_size=150).map(lambda lengths: np.array(lengths, np.int64))


def published_batches(lengths: np.ndarray) -> list[list[int]]:
    """The reference's sampler: buckets [0, 200), [200, 400) …, each cut into batches of 32."""
    low_high = zip([0, *PUBLISHED_EDGES], [*PUBLISHED_EDGES, 10**9])
    buckets = [[i for i, n in enumerate(lengths) if low <= n < high] for low, high in low_high]
    return [
        bucket[start : start + PUBLISHED_BATCH]
        for bucket in buckets
        for start in range(0, len(bucket), PUBLISHED_BATCH)
    ]


@given(LENGTHS)
def test_published_batches(lengths: np.ndarray) -> None:
    assert [members.tolist() for members in by_bucket(lengths)] == published_batches(lengths)


@given(LENGTHS, st.integers(1, 5000))
def test_batches_by_length_hold_each_object_once_and_keep_the_limit(lengths: np.ndarray, limit: int) -> None:
    batches = list(by_length(lengths, limit))
    assert sorted(i for members in batches for i in members) == list(range(len(lengths)))
    ordered = [lengths[i] for members in batches for i in members]
    assert ordered == sorted(ordered)
    for number, members in enumerate(batches):
        assert len(members) == 1 or len(members) * lengths[members].max() <= limit
        if number + 1 < len(batches):  # no batch could have taken one more
            following = lengths[batches[number + 1][0]]
            assert (len(members) + 1) * following > limit


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6))
def test_padding_is_zeros_at_the_end(lengths: list[int]) -> None:
    sequences = random_sequences(lengths, 3)
    batch, counts = pad(sequences)
    assert batch.shape == (len(lengths), max(lengths), 3)
    assert counts.tolist() == lengths
    for row, sequence in zip(batch, sequences):
        assert np.array_equal(row[: len(sequence)], sequence)
        assert not row[len(sequence) :].any()
