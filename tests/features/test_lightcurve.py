"""Features of light curves: against numpy by hand, and against what must not change them."""

from __future__ import annotations

import builtins
import csv
import math
from typing import Any

import numpy as np
import pytest
from astropy.table import MaskedColumn, Table
from helpers import UPSTREAM, need
from numpy.typing import NDArray

from rbztf.errors import UsageError
from rbztf.features import snad_set
from rbztf.features.lightcurve import light_curve_features, usable_photometry
from rbztf.features.snad_set import ALL_FLAGS, FEATURE_NAMES, MAX_FREQUENCY, MIN_EPOCHS, RESOLUTION
from rbztf.stores.epochs import epoch_table

Series = NDArray[np.float64]


def light_curve(n: int = 120, span_d: float = 400.0, seed: int = 0) -> tuple[Series, Series, Series]:
    """Times (MJD), magnitudes of a noisy trend, and errors."""
    rng = np.random.default_rng(seed)
    time_d = 58300.0 + np.sort(rng.uniform(0, span_d, n))
    mag = 18.0 + 0.3 * (time_d - 58300.0) / span_d + rng.normal(0, 0.1, n)
    return time_d, mag.astype(np.float32).astype(np.float64), rng.uniform(0.05, 0.15, n).astype(np.float32)


def table_of(time_d: Series, mag: Series, magerr: Series, **more: Any) -> Table:
    return epoch_table({"hjd": time_d + 2400000.5, "mag": mag, "magerr": magerr, **more}, len(time_d))


def named(values: Series) -> dict[str, float]:
    """By name without the ending of the band."""
    return {name.removesuffix("_r"): value for name, value in zip(FEATURE_NAMES, values)}


@pytest.fixture(scope="module")
def series() -> tuple[Series, Series, Series]:
    return light_curve()


@pytest.fixture(scope="module")
def found(series: tuple[Series, Series, Series]) -> dict[str, float]:
    return named(light_curve_features(table_of(*series)))


def test_the_names_are_those_of_the_snad_table() -> None:
    with need(UPSTREAM / "lightcurve_features.csv").open(newline="", encoding="utf-8") as stream:
        header = next(csv.reader(stream))
    assert header[:2] == ["oid", "label"]
    assert list(FEATURE_NAMES) == header[2:]


def test_there_are_54_names() -> None:
    assert len(set(FEATURE_NAMES)) == len(FEATURE_NAMES) == 54
    shape, flux_shape = snad_set._extractors()
    spectrum = snad_set._periodogram(4)
    packages = [name for name, ours in zip(snad_set.PACKAGE_NAMES.values(), FEATURE_NAMES) if "_magn" in ours]
    assert sorted([*shape.names, *spectrum.names]) == sorted(packages)
    assert list(snad_set.PACKAGE_NAMES.values())[45:] == flux_shape.names


def test_moments(series: tuple[Series, Series, Series], found: dict[str, float]) -> None:
    _, mag, magerr = series
    weights = magerr.astype(float) ** -2
    mean = np.sum(weights * mag) / np.sum(weights)
    chi2 = np.sum(weights * (mag - mean) ** 2)
    by_hand = {
        "amplitude_magn": np.ptp(mag) / 2,
        "mean_magn": mag.mean(),
        "weighted_mean_magn": mean,
        "standard_deviation_magn": mag.std(ddof=1),
        "chi2_magn": chi2 / (len(mag) - 1),
        "stetson_K_magn": np.sum(np.abs(mag - mean) * np.sqrt(weights)) / np.sqrt(len(mag) * chi2),
        "beyond_1_std_magn": np.mean(np.abs(mag - mag.mean()) > mag.std(ddof=1)),
        "beyond_2_std_magn": np.mean(np.abs(mag - mag.mean()) > 2 * mag.std(ddof=1)),
        "cusum_magn": np.ptp(np.cumsum(mag - mag.mean())) / (len(mag) * mag.std(ddof=1)),
        "percent_amplitude_magn": np.abs(mag - np.median(mag)).max(),
        "median_absolute_deviation_magn": np.median(np.abs(mag - np.median(mag))),
    }
    assert {name: found[name] for name in by_hand} == pytest.approx(by_hand, rel=1e-6)


def test_slopes(series: tuple[Series, Series, Series], found: dict[str, float]) -> None:
    time_d, mag, magerr = series
    slope, _ = np.polyfit(time_d - time_d[0], mag, 1)
    fitted, _ = np.polyfit(time_d - time_d[0], mag, 1, w=1 / magerr)
    assert found["linear_trend_magn"] == pytest.approx(slope, rel=1e-6)
    assert found["linear_fit_slope_magn"] == pytest.approx(fitted, rel=1e-6)
    slopes = np.diff(mag) / np.diff(time_d)
    assert found["maximum_slope_magn"] == pytest.approx(np.abs(slopes).max(), rel=1e-5)
    n = len(mag)
    eta_e = np.ptp(time_d) ** 2 / (n - 1) ** 3 * np.sum(slopes**2) / mag.var(ddof=1)
    assert found["eta_e_magn"] == pytest.approx(eta_e, rel=1e-5)


def test_quantiles(series: tuple[Series, Series, Series], found: dict[str, float]) -> None:
    _, mag, _ = series

    def width(p: float) -> float:
        return float(np.quantile(mag, 1 - p, method="hazen") - np.quantile(mag, p, method="hazen"))

    by_hand = {
        "inter_percentile_range_2_magn": width(0.02),
        "inter_percentile_range_10_magn": width(0.1),
        "inter_percentile_range_25_magn": width(0.25),
        "magnitude_percentage_ratio_40_5_magn": width(0.4) / width(0.05),
        "magnitude_percentage_ratio_20_5_magn": width(0.2) / width(0.05),
        "percent_difference_magnitude_percentile_5_magn": width(0.05) / np.median(mag),
        "percent_difference_magnitude_percentile_10_magn": width(0.1) / np.median(mag),
        "median_buffer_range_percentage_10_magn": np.mean(
            np.abs(mag - np.median(mag)) < 0.1 * np.ptp(mag) / 2
        ),
    }
    assert {name: found[name] for name in by_hand} == pytest.approx(by_hand, rel=1e-5)


def test_flux(series: tuple[Series, Series, Series], found: dict[str, float]) -> None:
    _, mag, magerr = series
    flux = 10 ** (-0.4 * (mag - 8.9))
    error = 0.4 * math.log(10) * flux * magerr
    weights = error**-2
    mean = np.sum(weights * flux) / np.sum(weights)
    assert found["mean_variance_flux"] == pytest.approx(flux.std(ddof=1) / flux.mean(), rel=1e-6)
    excess = (flux.var(ddof=1) - np.mean(error**2)) / flux.mean() ** 2
    assert found["excess_variance_flux"] == pytest.approx(excess, rel=1e-6)
    assert found["chi2_flux"] == pytest.approx(
        np.sum(weights * (flux - mean) ** 2) / (len(flux) - 1), rel=1e-6
    )


@pytest.mark.parametrize("period_d", [0.31, 2.7, 41.0])
def test_the_period_of_a_sinusoid_is_found(period_d: float) -> None:
    time_d, _, magerr = light_curve(300, 900.0)
    mag = 17 + 0.4 * np.sin(2 * np.pi * time_d / period_d)
    features = named(light_curve_features(table_of(time_d, mag, magerr)))
    assert features["period_0_magn"] == pytest.approx(period_d, rel=period_d / 900 / RESOLUTION * 2)
    assert features["period_s_to_n_0_magn"] > 3 * features["period_s_to_n_1_magn"]


def test_what_must_not_change_features(
    series: tuple[Series, Series, Series], found: dict[str, float]
) -> None:
    time_d, mag, magerr = series
    later = named(light_curve_features(table_of(time_d + 500, mag, magerr)))
    assert later == pytest.approx(found, rel=1e-4, abs=1e-6)
    fainter = named(light_curve_features(table_of(time_d, mag + 2, magerr)))
    moved = [name for name in found if fainter[name] != pytest.approx(found[name], rel=1e-3, abs=1e-5)]
    assert set(moved) == {
        "mean_magn",
        "weighted_mean_magn",
        "percent_difference_magnitude_percentile_5_magn",
        "percent_difference_magnitude_percentile_10_magn",
    }
    slower = named(light_curve_features(table_of(58300 + 3 * (time_d - 58300), mag, magerr)))
    for name in ("eta_e_magn", "eta_e_flux"):
        assert slower[name] == pytest.approx(found[name], rel=1e-4)
    assert slower["maximum_slope_magn"] == pytest.approx(found["maximum_slope_magn"] / 3, rel=1e-4)


def test_epochs_that_are_left_out(series: tuple[Series, Series, Series]) -> None:
    time_d, mag, magerr = series
    n = len(mag)
    flags = np.zeros(n, int)
    flags[3], flags[4] = 32768, 2
    bad_mag, bad_err, hjd = mag.copy(), magerr.copy(), time_d + 2400000.5
    bad_mag[10], bad_err[11], bad_err[12], bad_err[13], hjd[14] = np.nan, np.nan, 0, -1, np.nan
    columns = {"hjd": hjd, "mag": bad_mag, "magerr": bad_err, "catflags": flags}
    spoilt = epoch_table(columns, n)[::-1]
    gone = [3, 4, 10, 11, 12, 13, 14]
    expected = np.delete(np.stack([time_d, mag, magerr]), gone, axis=1)
    np.testing.assert_allclose(usable_photometry(spoilt), expected, rtol=1e-7)
    assert usable_photometry(spoilt, catflags=32768).shape[1] == n - len(gone) + 1
    assert usable_photometry(spoilt, catflags=0).shape[1] == n - len(gone) + 2
    day = float(time_d[50])
    assert usable_photometry(table_of(*series), until_mjd=day + 1e-6).shape[1] == 51
    cut = light_curve_features(table_of(*series), until_mjd=day + 1e-6)
    first = light_curve_features(table_of(*(part[:51] for part in series)))
    np.testing.assert_array_equal(cut, first)


def test_times_given_twice_and_times_without_hjd(series: tuple[Series, Series, Series]) -> None:
    time_d, mag, magerr = series
    twice = table_of(*(np.repeat(part, 2) for part in (time_d, mag, magerr)))
    np.testing.assert_array_equal(
        light_curve_features(twice), light_curve_features(table_of(time_d, mag, magerr))
    )
    by_mjd = epoch_table({"mjd": time_d, "mag": mag, "magerr": magerr}, len(mag))
    np.testing.assert_allclose(usable_photometry(by_mjd)[0], time_d)
    bare = Table({"mjd": time_d, "mag": MaskedColumn(mag, mask=time_d > time_d[9]), "magerr": magerr})
    assert usable_photometry(bare).shape == (3, 10)


@pytest.mark.parametrize("n", range(MIN_EPOCHS + 2))
def test_few_points_give_nan_and_no_crash(n: int) -> None:
    features = light_curve_features(table_of(*light_curve(n)))
    assert features.shape == (54,)
    assert np.isfinite(features).all() if n >= MIN_EPOCHS else np.isnan(features).all()


def test_a_constant_has_no_shape() -> None:
    time_d, _, magerr = light_curve()
    features = named(light_curve_features(table_of(time_d, np.full(len(time_d), 18.0), magerr)))
    assert features["amplitude_magn"] == features["standard_deviation_magn"] == 0
    assert np.isnan([features[name] for name in ("skew_magn", "kurtosis_flux", "stetson_K_magn")]).all()


@pytest.mark.parametrize("span_d", [1e-5, 1e7])
def test_senseless_spans_are_no_crash(span_d: float) -> None:
    assert light_curve_features(table_of(*light_curve(30, span_d))).shape == (54,)


@pytest.mark.parametrize("until", [math.nan, math.inf, -1.0, 2458849.5])
def test_an_end_that_is_no_mjd(until: float, series: tuple[Series, Series, Series]) -> None:
    with pytest.raises(UsageError, match="not a modified Julian date") as caught:
        light_curve_features(table_of(*series), until_mjd=until)
    assert ("MJD 58849?" in str(caught.value)) == (until == 2458849.5)


def test_without_the_package(monkeypatch: pytest.MonkeyPatch, series: tuple[Series, Series, Series]) -> None:
    real = builtins.__import__

    def refuse(name: str, *rest: Any, **more: Any) -> Any:
        if name == "light_curve":
            raise ModuleNotFoundError(name)
        return real(name, *rest, **more)

    snad_set._extractors.cache_clear()
    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(UsageError, match=r"pip install 'rbztf\[lightcurve\]'"):
        light_curve_features(table_of(*series))


def test_the_frequency_grid_is_that_of_the_snad_table() -> None:
    """Peaks lie on whole steps of the grid, which gives its step, and fractions of it tell its size."""
    with need(UPSTREAM / "lightcurve_features.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    agreed = n_seen = 0
    for row in rows[:120]:
        periods_d = np.array([float(row[f"period_{peak}_magn_r"] or "nan") for peak in range(5)])
        fraction = float(row["periodogram_beyond_2_std_magn_r"] or "nan")
        if not np.isfinite([*periods_d, fraction]).all():
            continue
        spans_d = np.arange(1, 400_000) * periods_d.max() / RESOLUTION
        ratios = spans_d[spans_d < 2400, None] * RESOLUTION / periods_d
        on_grid = np.abs(ratios - np.round(ratios)).max(axis=1) < 1e-6
        span_d = spans_d[np.flatnonzero(on_grid)[0]]
        if span_d < 910:  # might be half of the true one
            continue
        size = 2 ** math.ceil(math.log2(MAX_FREQUENCY * RESOLUTION * span_d / (2 * math.pi)))
        n_seen += 1
        assert fraction * size == pytest.approx(round(fraction * size), abs=1e-6)
        agreed += round(fraction * size) % 2
    assert n_seen > 80
    assert agreed == pytest.approx(n_seen / 2, rel=0.3)


def test_every_flag_counts_by_default() -> None:
    assert ALL_FLAGS == 2**16 - 1
