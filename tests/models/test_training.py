"""Where models run."""

from __future__ import annotations

import pytest
import torch

from rbztf.errors import UsageError
from rbztf.models.training import choose_device, threads


def test_auto_is_what_there_is() -> None:
    assert choose_device().type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["abacus", "cuda:99", "meta", "mps", "", "cpu:x"])
def test_devices_that_are_not_there_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match=r"--device|Use auto"):
        choose_device(name)


def test_threads_are_set_within_the_block_alone() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with threads(1):
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
        with pytest.raises(KeyError), threads(1):
            raise KeyError
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")
def test_scores_on_a_gpu_are_those_of_the_cpu() -> None:
    from helpers import random_sequences, tiny_classifier

    sequences = random_sequences([1, 30, 7, 200], 4)
    for both in (False, True):
        for padding in ("masked", "reference"):
            on_cpu = tiny_classifier(4, bidirectional=both, padding=padding).probabilities(sequences)
            model = tiny_classifier(4, bidirectional=both, padding=padding)
            assert model.probabilities(sequences, torch.device("cuda")) == pytest.approx(on_cpu, abs=1e-4)
