"""What a Dask scheduler makes of our pieces of work: one worker against two, and very many light tasks.

    python benchmarks/dask_scaling.py

Light curves are made in memory and their 54 features computed, 40 a piece, by one worker and by two, in turn; the ratio
is of medians. Then 100,000 tasks that do nothing go through the same window of tasks: tasks a second, and the memory of
this process before and after. Needs: pip install "rbztf[dask,lightcurve]".
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time

import numpy as np

from rbztf.features.snad_set import compute_many
from rbztf.parallel.scheduler import open_scheduler

CURVES = 40


def piece(seed: int) -> float:
    """Features of some light curves."""
    rng = np.random.default_rng(seed)
    curves = []
    for _ in range(CURVES):
        time_d = np.sort(rng.uniform(58200, 60000, 450))
        curves.append((time_d, 18 + 0.1 * rng.standard_normal(450), np.full(450, 0.05)))
    return float(np.nansum(compute_many(curves)))


def nothing(number: int) -> int:
    """A light task."""
    return number


def seconds(workers: int, pieces: int) -> float:
    """To do all pieces, start of the workers and their first piece left out."""
    with open_scheduler("local", workers) as pool:
        list(pool.each(piece, range(2 * workers)))
        started = time.perf_counter()
        list(pool.each(piece, range(pieces)))
        return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pieces", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tasks", type=int, default=100_000)
    options = parser.parse_args()
    found: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(options.rounds):
        for workers, times in found.items():
            times.append(seconds(workers, options.pieces))
    one, two = (statistics.median(times) for times in found.values())
    print(
        f"{options.pieces * CURVES} light curves: one worker {one:.1f} s, two {two:.1f} s, ratio {one / two:.2f}"
    )
    with open_scheduler("local", 2) as pool:
        list(pool.each(nothing, range(100)))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        started = time.perf_counter()
        total = sum(1 for _ in pool.each(nothing, range(options.tasks)))
        took = time.perf_counter() - started
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{total} light tasks: {took:.0f} s, {total / took:.0f} tasks/s; memory {before:.0f} MB, then {after:.0f} MB"
    )


if __name__ == "__main__":
    main()
