"""The features of flags, PSF fit, gaps, single epochs and flares: against plain formulas, and what must not change them."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.table import Table
from helpers import ROOT, SHARED, need
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import skew, spearmanr

from rbztf.archive.irsa import parse_light_curves
from rbztf.features.columns import canonical, is_feature, name_warnings
from rbztf.features.epoch_set import EPOCH_FEATURES, EPOCH_NAMES, RESAMPLED, SEED, epoch_features
from rbztf.features.snad_set import FEATURE_NAMES
from rbztf.stores.epochs import COLUMNS, epoch_table

OF_THE_FIT = tuple(name for name in EPOCH_NAMES if name.startswith(("chi_", "sharp_")))
OF_FLAGS = ("flagged_share_epochs", "bad_share_epochs")
GRID = 1024
"""Magnitudes are whole multiples of 1 / GRID, so that sums with such constants are exact."""


def curve(n: int = 80, seed: int = 0) -> dict[str, NDArray[Any]]:
    """Columns of an object seen up to three times a night in two seasons; rows in random order."""
    rng = np.random.default_rng(seed)
    nights = np.sort(rng.integers(0, 150, n)) + 365 * (np.arange(n) % 7 == 0)
    time_d = 58300 + nights + rng.uniform(0.1, 0.4, n)
    mag = 18 + np.round(rng.normal(0, 0.1, n) * GRID) / GRID
    return {
        "hjd": time_d + 2400000.5,
        "mag": mag,
        "magerr": rng.uniform(0.02, 0.06, n),
        "catflags": np.where(rng.random(n) < 0.1, rng.choice([1, 32768], n), 0),
        "chi": rng.lognormal(-0.3, 0.3, n),
        "sharp": rng.normal(0, 0.05, n),
    }


def features_of(columns: dict[str, NDArray[Any]], **options: Any) -> dict[str, float]:
    values = epoch_features(Table(columns), **options)
    assert values.shape == (len(EPOCH_NAMES),)
    assert not np.isinf(values).any()
    return dict(zip(EPOCH_NAMES, values.tolist()))


def same(found: dict[str, float], expected: dict[str, float], **tolerance: float) -> None:
    np.testing.assert_allclose(list(found.values()), list(expected.values()), **tolerance)


def test_the_names_are_known_and_not_those_of_snad() -> None:
    assert len(set(EPOCH_NAMES)) == len(EPOCH_NAMES) == 37
    assert not set(EPOCH_NAMES) & set(FEATURE_NAMES)
    assert all(map(is_feature, EPOCH_NAMES))
    assert [canonical(name.upper()) for name in EPOCH_NAMES] == list(EPOCH_NAMES)
    assert name_warnings([*FEATURE_NAMES, *EPOCH_NAMES], Path("f.csv")) == []


def test_the_documentation_has_each_with_its_meaning() -> None:
    text = (ROOT / "docs" / "features.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| `") and "_epochs` |" in line]
    assert rows == [f"| `{name}` | {meaning} |" for name, meaning in EPOCH_FEATURES.items()]


def test_against_plain_formulas() -> None:
    columns = curve()
    found, good = features_of(columns), columns["catflags"] == 0
    order = np.argsort(columns["hjd"][good])
    time_d, mag, magerr, chi, sharp = (
        columns[name][good][order] for name in ("hjd", "mag", "magerr", "chi", "sharp")
    )
    time_d = time_d - 2400000.5
    n, off, gaps = len(mag), mag - np.median(mag), np.diff(time_d)
    nights = np.floor(time_d)
    extreme = int(np.argmax(abs(off)))
    few = max(1, int(0.1 * n))
    by_mag = np.argsort(mag, kind="stable")
    brightest, faintest = by_mag[:few], by_mag[-few:]
    draws = mag[np.random.default_rng(SEED).integers(n, size=(RESAMPLED, n))]
    peak = int(np.argmax(-off / magerr))
    low = np.flatnonzero(-off < -off[peak] / 2)
    above = np.maximum(-off, 0)
    own = [mag[nights == night] for night in np.unique(nights)]
    spare = sum(len(each) - 1 for each in own)
    within = np.sqrt(sum(((each - each.mean()) ** 2).sum() for each in own) / spare)
    misfit = 0.0
    for night in np.unique(nights):
        there = nights == night
        mean = np.average(mag[there], weights=magerr[there] ** -2)
        misfit += (((mag[there] - mean) / magerr[there]) ** 2).sum() / spare

    def spread(values: NDArray[Any]) -> float:
        return float(np.subtract(*np.quantile(values, (0.84, 0.16)))) / 2

    def contrast(values: NDArray[Any], chosen: NDArray[Any]) -> float:
        others = np.delete(values, chosen)
        return float(np.median(values[chosen]) - np.median(others)) / spread(values)

    def g1(values: NDArray[Any]) -> float:
        return float(skew(values, bias=False))

    def longest(hits: NDArray[np.bool_]) -> int:
        return max(len(list(run)) for hit, run in groupby(hits) if hit)

    def alone(reach_d: float) -> float:
        return float(np.mean([(abs(np.delete(time_d, k) - time_d[k]) <= reach_d).any() for k in range(n)]))

    expected = {
        "flagged_share_epochs": (columns["catflags"] != 0).mean(),
        "bad_share_epochs": (columns["catflags"] == 32768).mean(),
        "chi_median_epochs": np.median(chi),
        "chi_spread_epochs": spread(chi),
        "chi_max_epochs": chi.max(),
        "chi_deviation_epochs": spearmanr(chi, abs(off)).statistic,
        "chi_bright_epochs": contrast(chi, brightest),
        "chi_faint_epochs": contrast(chi, faintest),
        "sharp_median_epochs": np.median(sharp),
        "sharp_spread_epochs": spread(sharp),
        "sharp_max_epochs": abs(sharp).max(),
        "sharp_deviation_epochs": spearmanr(abs(sharp - np.median(sharp)), abs(off)).statistic,
        "sharp_bright_epochs": contrast(sharp, brightest),
        "sharp_faint_epochs": contrast(sharp, faintest),
        "span_epochs": np.ptp(time_d),
        "gap_median_epochs": np.median(gaps),
        "gap_max_epochs": gaps.max(),
        "seasons_epochs": 1 + (gaps > 60).sum(),
        "within_hour_epochs": alone(1 / 24),
        "within_day_epochs": alone(1),
        "one_epoch_std_epochs": 1 - np.delete(mag, extreme).std(ddof=1) / mag.std(ddof=1),
        "one_epoch_skew_epochs": g1(mag) - g1(np.delete(mag, extreme)),
        "one_epoch_amplitude_epochs": 1 - np.ptp(np.delete(mag, extreme)) / np.ptp(mag),
        "one_night_std_epochs": 1 - mag[nights != nights[extreme]].std(ddof=1) / mag.std(ddof=1),
        "one_night_skew_epochs": g1(mag) - g1(mag[nights != nights[extreme]]),
        "one_night_amplitude_epochs": 1 - np.ptp(mag[nights != nights[extreme]]) / np.ptp(mag),
        "resampled_std_epochs": draws.std(axis=1, ddof=1).std(ddof=1) / mag.std(ddof=1),
        "resampled_skew_epochs": skew(draws, axis=1, bias=False).std(ddof=1),
        "resampled_amplitude_epochs": np.ptp(draws, axis=1).std(ddof=1) / np.ptp(mag),
        "flare_height_epochs": (-off / magerr).max(),
        "flare_run_3_epochs": longest(-off / magerr > 3),
        "flare_run_5_epochs": longest(-off / magerr > 5),
        "flare_rise_epochs": time_d[peak] - time_d[low[low < peak][-1]],
        "flare_decay_epochs": time_d[low[low > peak][0]] - time_d[peak],
        "flare_night_epochs": max(above[nights == night].sum() for night in nights) / above.sum(),
        "night_scatter_epochs": within / np.std([each.mean() for each in own], ddof=1),
        "night_chi2_epochs": misfit,
    }
    assert list(expected) == list(EPOCH_NAMES)
    same(found, expected, rtol=1e-6)


def test_a_flare() -> None:
    n = 60
    columns = {
        "hjd": 2458300.75 + np.arange(n),
        "mag": np.full(n, 18.0) + 0.01 * (-1.0) ** np.arange(n),
        "magerr": np.full(n, 0.02),
    }
    quiet = features_of(columns)
    columns["mag"][20:25] -= [0.3, 1.0, 0.7, 0.6, 0.12]
    found = features_of(columns)
    assert found["flare_height_epochs"] == pytest.approx(50, abs=1.5)
    assert (found["flare_run_3_epochs"], found["flare_run_5_epochs"]) == (5, 4)
    assert found["flare_rise_epochs"] == pytest.approx(1)
    assert found["flare_decay_epochs"] == pytest.approx(3)
    assert (quiet["flare_run_3_epochs"], quiet["flare_run_5_epochs"]) == (0, 0)
    assert np.isnan([found[name] for name in (*OF_THE_FIT, *OF_FLAGS, "night_chi2_epochs")]).all()


def test_one_epoch_that_carries_all() -> None:
    columns = curve(40)
    columns["mag"][:] = 18.0
    constant = features_of(columns)
    assert np.isnan([constant[name] for name in EPOCH_NAMES if name.startswith(("one_", "resampled_"))]).all()
    columns["mag"][np.flatnonzero(columns["catflags"] == 0)[3]] = 17.0
    found = features_of(columns)
    for what in ("one_epoch", "one_night"):
        assert found[f"{what}_std_epochs"] == found[f"{what}_amplitude_epochs"] == 1.0
    assert found["flare_night_epochs"] == 1.0


@settings(max_examples=25, deadline=None)
@given(n=st.integers(5, 60), seed=st.integers(0, 1000), more=st.integers(-3, 3))
def test_neither_the_order_of_rows_nor_a_constant_matters(n: int, seed: int, more: int) -> None:
    columns = curve(n, seed)
    columns["catflags"] = columns["catflags"] * (np.arange(n) > 5)
    found = features_of(columns)
    shuffled = np.random.default_rng(seed + 1).permutation(n)
    same(features_of({name: values[shuffled] for name, values in columns.items()}), found, rtol=0)
    same(features_of(columns | {"mag": columns["mag"] + more + 1 / GRID}), found, rtol=0)
    same(features_of(columns | {"hjd": columns["hjd"] + 256}), found, rtol=1e-6, atol=1e-6)


def test_which_epochs_count() -> None:
    columns = curve()
    columns["magerr"][:3] = [0, -1, np.nan]
    columns["mag"][4] = np.nan
    kept = np.isfinite(columns["mag"]) & (columns["magerr"] > 0)
    clean = {name: values[kept] for name, values in columns.items()}
    same(features_of(columns), features_of(clean), rtol=0)
    good = {name: values[clean["catflags"] == 0] for name, values in clean.items()}
    unflagged = features_of(good)
    assert all(unflagged[name] == 0 for name in OF_FLAGS)
    rest = [name for name in EPOCH_NAMES if name not in OF_FLAGS]
    found = features_of(clean)
    assert [unflagged[name] for name in rest] == [found[name] for name in rest]
    with_flagged = features_of(clean, catflags=32768)
    assert with_flagged["bad_share_epochs"] == found["bad_share_epochs"] > 0
    assert with_flagged["chi_median_epochs"] != found["chi_median_epochs"]
    end = float(np.median(good["hjd"])) - 2400000.5
    early = {name: values[good["hjd"] - 2400000.5 <= end] for name, values in good.items()}
    same(features_of(good, until_mjd=end), features_of(early), rtol=0)
    twice = {name: np.concatenate([values, values]) for name, values in good.items()}
    same(features_of(twice), unflagged, rtol=0)


@pytest.mark.parametrize("n", [0, 1, 4, 5, 6, 2000])
def test_few_and_many_epochs(n: int) -> None:
    columns = curve(n) | {"catflags": np.zeros(n, int)}
    known = np.isfinite(list(features_of(columns).values()))
    assert known.sum() >= 30 if n >= 5 else not known.any()


def test_columns_that_lack() -> None:
    columns = curve()
    whole = features_of(columns)
    bare = features_of(
        {name: columns[name] for name in ("mag", "magerr", "catflags")} | {"mjd": columns["hjd"] - 2400000.5}
    )
    for name in EPOCH_NAMES:
        assert np.isnan(bare[name]) if name in OF_THE_FIT else bare[name] == whole[name]
    assert np.isnan(epoch_features(epoch_table({}, 9))).all()


def test_real_light_curves_have_all_features() -> None:
    n_long = 0
    for path in sorted(need(SHARED / "data" / "lightcurves").glob("*.csv")):
        for found in parse_light_curves(path.read_text()).values():
            columns = {name: values for name, values in found.columns.items() if name in COLUMNS}
            values = epoch_features(epoch_table(columns, len(found)))
            assert np.isfinite(values).all() or len(found) < 12
            n_long += len(found) >= 100
    assert n_long == 30
