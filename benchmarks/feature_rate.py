"""Light-curve features a second: rbztf's 54 against the same set by bare ``light-curve``, on the same threads.

    python benchmarks/feature_rate.py

The bare extractor is the package's own, with SNAD's settings (a frequency grid to 48 rad/day), and computes the 54
features in one call of ``many`` for magnitudes and one for fluxes. Turns are interleaved; the ratio is of medians.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from pathlib import Path
from typing import Any

import light_curve as lc
import numpy as np

from rbztf.features import snad_set
from rbztf.features.snad_set import MAX_FREQUENCY, PEAKS, RESOLUTION, Curve, compute_many


def curves(n: int) -> list[Curve]:
    """Light curves of 100 to 900 epochs over five years, with nightly and yearly gaps."""
    rng = np.random.default_rng(0)
    made = []
    for _ in range(n):
        nights = np.unique(rng.integers(58200, 60000, int(rng.integers(150, 1300))))
        nights = nights[np.cos(2 * np.pi * nights / 365.25) > -0.5]
        time_d = np.sort(nights + rng.normal(0.3, 0.08, len(nights)))
        mag = 18 + 0.3 * np.sin(2 * np.pi * time_d / 0.61) + 0.05 * rng.standard_normal(len(time_d))
        made.append((time_d, mag, np.full(len(time_d), 0.05)))
    return made


def bare() -> tuple[Any, Any]:
    """The extractors of magnitudes and of fluxes, with a periodogram made by the package alone."""
    shape, flux_shape = snad_set._extractors()
    spectrum = [lc.Amplitude(), lc.BeyondNStd(2.0), lc.BeyondNStd(3.0), lc.StandardDeviation()]
    periodogram = lc.Periodogram(
        peaks=PEAKS, resolution=RESOLUTION, max_freq_factor=2.0, fast=True, features=spectrum
    )
    settings = json.loads(periodogram.to_json())
    grid = settings["Periodogram"]["freq_grid_strategy"]["Dynamic"]
    grid["nyquist"] = {"Fixed": MAX_FREQUENCY / grid["max_freq_factor"]}
    made = lc.feature_from_json(json.dumps(settings))
    return lc.Extractor(shape, made), flux_shape


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--curves", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    data = curves(options.curves)
    both, flux_shape = bare()

    def by_package(threads: int) -> list[Any]:
        fluxes = []
        for time_d, mag, magerr in data:
            flux = 10 ** (-0.4 * (mag - 8.9))
            fluxes.append((time_d, flux, 0.4 * math.log(10) * flux * magerr))
        ways = ((both, data), (flux_shape, fluxes))
        return [
            extractor.many(rows, sorted=True, check=False, fill_value=np.nan, n_jobs=threads)
            for extractor, rows in ways
        ]

    found = []
    for threads in options.threads:
        seconds: dict[str, list[float]] = {"light-curve": [], "rbztf": []}
        for _ in range(options.rounds):
            for name, run in (("light-curve", by_package), ("rbztf", lambda n: compute_many(data, n))):
                started = time.perf_counter()
                run(threads)
                seconds[name].append(time.perf_counter() - started)
        rates = {name: len(data) / statistics.median(values) for name, values in seconds.items()}
        ratio = rates["rbztf"] / rates["light-curve"]
        found.append({"threads": threads, **rates, "ratio": ratio})
        print(
            f"{threads} threads: light-curve {rates['light-curve']:.1f} objects/s, rbztf {rates['rbztf']:.1f}, ratio {ratio:.2f}"
        )
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
