"""The simulated sky: what it holds, and that every frame stands by itself."""

from __future__ import annotations

import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import EarthLocation, SkyCoord
from astropy.io import fits
from astropy.time import Time
from astropy.utils import iers
from astropy.wcs import WCS

from rbztf.errors import InputError
from rbztf.simulate import exposures, render
from rbztf.simulate.archive.lightcurves import FIELDS
from rbztf.simulate.kinds.registry import KINDS
from rbztf.simulate.sky import SimulatedSky
from rbztf.simulate.variability import REAL_KINDS
from rbztf.ztf import ARTEFACT_TAG, Band, Label, Oid


def residual_chi2(sky: SimulatedSky, oid: Oid) -> np.ndarray:
    """Mean squared deviation of each frame from what it would be without an artefact, in units of the noise."""
    plan, frames = sky.plan(oid), sky.frames(oid).astype(float)
    gain, readnoise, _ = plan.quadrant.electronics
    chi2 = np.empty(len(frames))
    for k, frame in enumerate(frames):
        expected = plan.exposures.sky_dn[plan.visits[k]] + render.light(plan, k, None)
        chi2[k] = np.nanmean((frame - expected) ** 2 / (expected / gain + (readnoise / gain) ** 2))
    return chi2


def test_the_catalogue_is_a_spread_of_r_band_objects(sky: SimulatedSky) -> None:
    assert len(set(sky.oids)) == 48
    assert sky.oids == sorted(sky.oids)
    assert all(isinstance(oid, Oid) and oid.band is Band.R for oid in sky.oids)
    assert len({oid.field for oid in sky.oids}) >= 12
    labels = [sky.object(oid).label for oid in sky.oids]
    assert labels.count(Label.ARTEFACT) == 24


def test_tags_say_what_the_label_says(sky: SimulatedSky) -> None:
    for oid in sky.oids:
        entry = sky.object(oid)
        assert (ARTEFACT_TAG in entry.tags) == (entry.label is Label.ARTEFACT)
        assert entry.label is Label.REAL or entry.kind in entry.tags


def test_every_kind_of_object_occurs() -> None:
    sky = SimulatedSky(n_objects=120)
    kinds = {sky.object(oid).kind for oid in sky.oids}
    assert kinds == set(KINDS) | {kind.name for kind in REAL_KINDS}


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_the_share_of_artefacts_is_as_asked(share: float) -> None:
    sky = SimulatedSky(n_objects=40, n_epochs=6, artefact_share=share)
    assert sum(sky.object(oid).label for oid in sky.oids) == round(40 * share)


def test_frames_are_whole_float32_images(sky: SimulatedSky) -> None:
    oid = sky.oids[0]
    frames = sky.frames(oid)
    assert frames.shape == (len(sky.truth(oid)), 28, 28)
    assert frames.dtype == np.float32


def test_the_sky_of_a_seed_stays_as_it_is(sky: SimulatedSky) -> None:
    """Numbers of the first version; sums to a few digits, for rounding differs between processors."""
    found = Counter(kind for oid in sky.oids for kind in sky.truth(oid) if kind)
    assert found == {
        "ghost": 37,
        "spike": 33,
        "bright_star": 31,
        "defocusing": 18,
        "column": 16,
        "frame_edge": 12,
        "cosmic": 7,
        "track": 5,
    }
    assert (sky.oids[0], sky.oids[-1]) == (380206300037155, 824213300031971)
    frames = np.concatenate([sky.frames(oid) for oid in sky.oids])
    assert np.isnan(frames).sum() == 1876
    assert np.nansum(frames, dtype=np.float64) == pytest.approx(126859668.42, rel=1e-6)
    assert np.nanpercentile(frames, [1, 50, 99]) == pytest.approx([82.7652, 215.2866, 581.9841], rel=1e-5)
    magnitudes = np.concatenate([sky.light_curve(oid)["mag"] for oid in sky.oids])
    assert magnitudes.sum() == pytest.approx(11018.0709, rel=1e-7)


def test_a_frame_does_not_depend_on_order_or_company(sky: SimulatedSky) -> None:
    oid = sky.oids[7]
    together = sky.frames(oid)
    fresh = SimulatedSky(n_objects=48, n_epochs=12, seed=5)
    for epoch in reversed(range(len(together))):
        np.testing.assert_array_equal(fresh.frames(oid, [epoch])[0], together[epoch])


def test_threads_get_the_same_frames(sky: SimulatedSky) -> None:
    fresh = SimulatedSky(n_objects=48, n_epochs=12, seed=5)
    wanted = [(oid, epoch) for oid in sky.oids[:6] for epoch in range(4)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda item: fresh.frames(item[0], [item[1]])[0], wanted))
    for (oid, epoch), frame in zip(wanted, found, strict=True):
        np.testing.assert_array_equal(frame, sky.frames(oid, [epoch])[0])


def test_another_seed_is_another_sky(sky: SimulatedSky) -> None:
    other = SimulatedSky(n_objects=48, n_epochs=12, seed=6)
    assert set(other.oids).isdisjoint(sky.oids)


def test_the_truth_of_real_objects_is_mostly_clean() -> None:
    sky = SimulatedSky(n_objects=120, n_epochs=40, seed=2, artefact_share=0.0)
    spoiled = [kind != "" for oid in sky.oids for kind in sky.truth(oid)]
    assert 0.004 < np.mean(spoiled) < 0.02


def test_every_artefact_object_shows_its_own_kind(sky: SimulatedSky) -> None:
    for oid in sky.oids:
        entry = sky.object(oid)
        if entry.label is Label.ARTEFACT:
            assert entry.kind in sky.truth(oid)


def test_frames_called_clean_are_clean_and_spoiled_ones_mostly_are_not(sky: SimulatedSky) -> None:
    clean, spoiled = [], []
    for oid in sky.oids:
        for value, kind in zip(residual_chi2(sky, oid), sky.truth(oid), strict=True):
            (spoiled if kind else clean).append(value)
    assert np.quantile(clean, 0.99) < 1.3
    assert abs(np.median(clean) - 1) < 0.05
    assert np.mean(np.array(spoiled) > 1.3) > 0.7
    assert np.quantile(spoiled, 0.1) < 2  # some are hard to see


def test_light_curves_have_the_columns_of_the_service(sky: SimulatedSky) -> None:
    curve = sky.light_curve(sky.oids[0])
    assert list(curve) == list(FIELDS)
    assert {len(values) for values in curve.values()} == {len(sky.truth(sky.oids[0]))}
    assert np.all(np.diff(curve["mjd"]) > 0)
    for name in ("oid", "expid", "filefracday"):
        assert curve[name].dtype == np.int64


def test_artefacts_make_the_light_curve_vary() -> None:
    sky = SimulatedSky(n_objects=120, n_epochs=20, seed=4, artefact_share=1.0)
    in_spoiled, in_clean = [], []
    for oid in sky.oids:
        curve, bad = sky.light_curve(oid), np.array([kind != "" for kind in sky.truth(oid)])
        if (~bad).sum() >= 3 and bad.any():
            deviation = np.abs(curve["mag"] - np.median(curve["mag"][~bad])) / curve["magerr"]
            in_spoiled.append(np.median(deviation[bad]))
            in_clean.append(np.median(deviation[~bad]))
    assert np.median(in_spoiled) > 3 * np.median(in_clean)


def test_the_number_of_epochs_says_nothing_about_the_label() -> None:
    sky = SimulatedSky(n_objects=600, n_epochs=40, seed=1)
    labels = np.array([sky.object(oid).label for oid in sky.oids], bool)
    lengths = np.array([len(sky.plan(oid)) for oid in sky.oids])
    higher = np.mean(lengths[labels][:, None] > lengths[~labels]) + 0.5 * np.mean(
        lengths[labels][:, None] == lengths[~labels]
    )
    assert 0.44 < higher < 0.56
    assert lengths.min() >= 24
    assert lengths.max() <= 56
    assert len(set(lengths)) > 20


def test_the_header_puts_the_object_where_irsa_would(sky: SimulatedSky) -> None:
    for oid in sky.oids[:12]:
        entry, window, cards = sky.object(oid), sky.window(oid, 0), sky.frame_header(oid, 0)
        assert (cards["CTYPE1"], cards["CTYPE2"]) == ("RA---TPV", "DEC--TPV")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            wcs = WCS(fits.Header(cards))
        x_pix, y_pix = wcs.all_world2pix([[entry.ra_deg, entry.dec_deg]], 0)[0]
        left, bottom = window.x0 - window.x_first, window.y0 - window.y_first
        assert 12.99 < x_pix + left < 14.01
        assert 12.99 < y_pix + bottom < 14.01


def test_the_header_and_the_light_curve_agree(sky: SimulatedSky) -> None:
    oid = sky.oids[3]
    cards, curve = sky.frame_header(oid, 2), sky.light_curve(oid)
    for keyword, column in (
        ("FIELDID", "field"),
        ("CCDID", "ccdid"),
        ("QID", "qid"),
        ("EXPID", "expid"),
        ("MAGZP", "magzp"),
        ("PROGRMID", "programid"),
        ("OBSMJD", "mjd"),
    ):
        assert cards[keyword] == pytest.approx(curve[column][2])
    assert cards["FILTERID"] == 2
    assert str(curve["filefracday"][2]) in cards["FILENAME"]
    assert cards["RCID"] == 4 * (cards["CCDID"] - 1) + cards["QID"] - 1


def test_frames_at_the_chip_edge_lack_pixels() -> None:
    sky = SimulatedSky(n_objects=160, n_epochs=10, seed=3)
    for oid in sky.oids:
        for epoch, frame in enumerate(sky.frames(oid)):
            inside = np.isfinite(frame)
            assert inside.sum() == np.prod(sky.window(oid, epoch).shape)
            if not inside.all():
                assert sky.truth(oid)[epoch] == "frame_edge"


def test_heliocentric_times_agree_with_astropy() -> None:
    mjd = np.array([58300.25, 59000.4, 59350.3])
    palomar = EarthLocation.from_geodetic(-116.86 * u.deg, 33.356 * u.deg, 1700 * u.m)
    times = Time(mjd, format="mjd", scale="utc", location=palomar)
    target = SkyCoord(123.4 * u.deg, 45.6 * u.deg)
    with iers.conf.set_temp("auto_download", False), iers.conf.set_temp("iers_degraded_accuracy", "ignore"):
        expected = (times + times.light_travel_time(target, kind="heliocentric", ephemeris="builtin")).jd
    found = exposures.heliocentric_jd_d(mjd, 123.4, 45.6)
    np.testing.assert_allclose(found * 86400, expected * 86400, atol=3)


def test_exposure_names_are_utc_dates() -> None:
    assert exposures.filefracday(58323.3541088) == 20180724354109
    assert exposures.filefracday(59116.4317708) == 20200924431771


def test_an_unknown_object_is_refused(sky: SimulatedSky) -> None:
    with pytest.raises(InputError, match="no object 686103400034440"):
        sky.object(686103400034440)


@pytest.mark.parametrize("wrong", [{"n_objects": 0}, {"n_epochs": 0}, {"artefact_share": 1.5}])
def test_impossible_skies_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="need n_objects"):
        SimulatedSky(**wrong)  # type: ignore[arg-type]
