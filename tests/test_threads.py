"""Work on threads: results in order, errors where they belong, no more read than needed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from rbztf.parallel.threads import map_threads


def slow_first(number: int) -> int:
    time.sleep(0.02 if number == 0 else 0)
    return number * number


@pytest.mark.parametrize("n_threads", [0, 1, 3])
def test_results_come_in_order(n_threads: int) -> None:
    assert list(map_threads(slow_first, range(9), n_threads)) == [n * n for n in range(9)]
    assert list(map_threads(slow_first, (), n_threads)) == []


def test_items_are_made_here_and_at_most_one_ahead_of_the_threads() -> None:
    made: list[int] = []
    here = threading.get_ident()

    def items() -> Iterator[int]:
        for number in range(20):
            assert threading.get_ident() == here
            made.append(number)
            yield number

    for done, at in enumerate(map_threads(lambda _: threading.get_ident(), items(), 2)):
        assert at != here
        assert len(made) <= done + 3


@pytest.mark.parametrize("n_threads", [0, 2])
@pytest.mark.parametrize("where", ["items", "work"])
def test_an_error_is_raised_here(n_threads: int, where: str) -> None:
    def fail(number: int, place: str) -> int:
        if place == where and number == 5:
            raise ValueError("five")
        return number

    results = map_threads(lambda n: fail(n, "work"), (fail(n, "items") for n in range(9)), n_threads)
    assert [next(results) for _ in range(5 - n_threads)] == list(range(5 - n_threads))
    with pytest.raises(ValueError, match="five"):
        list(results)
