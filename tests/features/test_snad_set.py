"""The recipe of the features against the extractor that SNAD publishes."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from helpers import UPSTREAM, need
from numpy.typing import NDArray

from rbztf.features import snad_set
from rbztf.features.snad_set import FEATURE_NAMES, MAX_FREQUENCY, PACKAGE_NAMES, RESOLUTION

Series = NDArray[np.float64]


def modern(part: Any, max_freq_factor: float | None = None) -> Any:
    """SNAD's JSON as light-curve 0.13 reads it; with another end of the periodogram, if one is given."""
    if isinstance(part, list):
        return [modern(entry, max_freq_factor) for entry in part]
    if not isinstance(part, dict):
        return part
    if "Periodogram" not in part:
        return {name: modern(entry, max_freq_factor) for name, entry in part.items()}
    old = part["Periodogram"]
    grid = {name: old[name] for name in ("resolution", "max_freq_factor", "nyquist")}
    assert grid == {"resolution": RESOLUTION, "max_freq_factor": 2.0, "nyquist": {"Fixed": MAX_FREQUENCY / 2}}
    grid["max_freq_factor"] = max_freq_factor or grid["max_freq_factor"]
    rest = {name: old[name] for name in ("peaks", "periodogram_algorithm")}
    made = {"spectrum_features": old["features"], "phase_features": [], "normalization": "Psd"}
    return {"Periodogram": {**rest, **made, "freq_grid_strategy": {"Dynamic": grid}}}


def snad_features(time_d: Series, mag: Series, magerr: Series, factor: float | None) -> dict[str, float]:
    """What SNAD's extractor finds, by the names of its table."""
    light_curve = snad_set.package()
    parts = json.loads(need(UPSTREAM / "feature_snad4_r_100.json").read_text())
    shape = light_curve.feature_from_json(json.dumps(modern(parts["magn"], factor)))
    flux_shape = light_curve.feature_from_json(json.dumps(modern(parts["flux"]["extractor"])))
    flux = 10 ** (-0.4 * (mag - parts["flux"]["zero_point"]))
    fluxerr = 0.4 * math.log(10) * flux * magerr
    found = {
        f"magn {name}": value for name, value in zip(shape.names, shape(time_d, mag, magerr, sorted=True))
    }
    fluxes = flux_shape(time_d, flux, fluxerr, sorted=True)
    found |= {f"flux {name}": value for name, value in zip(flux_shape.names, fluxes)}
    return {name: found[f"{name[-6:-2]} {PACKAGE_NAMES[name]}"] for name in FEATURE_NAMES}


@pytest.mark.parametrize("seed", range(20))
def test_all_features_are_those_of_snads_extractor(seed: int) -> None:
    """Where today's package rounds the size of its grid down, the grid is given the end that the table has."""
    pytest.importorskip("light_curve")
    rng = np.random.default_rng(seed)
    n, span_d = int(np.exp(rng.uniform(np.log(30), np.log(1000)))), rng.uniform(100, 1900)
    time_d = 58200 + np.sort(rng.uniform(0, span_d, n))
    mag = rng.uniform(14, 20) + rng.normal(0, rng.uniform(0.01, 0.5), n)
    magerr = rng.uniform(0.01, 0.2, n)
    step = 2 * math.pi * (n - 1) / (n * RESOLUTION * np.ptp(time_d))
    power = math.log2(MAX_FREQUENCY / step)
    factor = (
        None if round(power) == math.ceil(power) else 2.0 ** math.ceil(power) * step / (MAX_FREQUENCY / 2)
    )
    theirs = snad_features(time_d, mag, magerr, factor)
    ours = dict(zip(FEATURE_NAMES, snad_set.compute(time_d, mag, magerr)))
    assert len(theirs) == 54
    assert ours == pytest.approx(theirs, rel=1e-6, abs=1e-12)
