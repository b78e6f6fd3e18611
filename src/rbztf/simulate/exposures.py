"""Draw the exposures of a field: times, sky level, seeing, zero point, pointing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from rbztf.simulate.seeds import Stream, stream
from rbztf.times import MJD_TO_JD

FIRST_MJD_D = 58197.0  # 2018-03-20, start of the survey
SURVEY_D = 1400.0
MJD_OF_UNIX = 40587
MJD_OF_EXPID = 57754  # ZTF counts expid in 1e-5 days from 2017-01-01 (read off real headers)
EXPTIME_S = 30.0
DAY_S = 86400.0
LIGHT_PER_AU_S = 499.005
OBLIQUITY_RAD = np.radians(23.439)
SKY_MEDIAN_DN = 225.0
"""Typical r-band sky of a 30 s exposure, from real science stamps (16 to 84 %: 172 to 301 DN)."""
SKY_SCATTER = 0.34  # of the natural logarithm
SEEING_MEDIAN_PIX = 1.8
SEEING_SCATTER = 0.24
POINTING_SCATTER_PIX = 6.0


@dataclass(frozen=True)
class Exposures:
    """All visits of one field in one band, in time order; each array has shape (n,).

    Attributes
    ----------
    mjd_d : float64
        Start of the exposure, days.
    filefracday, expid : int64
        Names of the exposure in the archive.
    sky_dn, fwhm_pix, axis_ratio, angle_rad, magzp, magzprms, clrcoeff, clrcounc, airmass, moonillf : float64
        Sky level, PSF width and shape, photometric zero point and its colour term, and so on.
    dx_pix, dy_pix : float64
        Where the pointing put the sky on the chip, relative to the nominal pointing.
    programid, infobits : int64
    """

    mjd_d: NDArray[np.float64]
    filefracday: NDArray[np.int64]
    expid: NDArray[np.int64]
    sky_dn: NDArray[np.float64]
    fwhm_pix: NDArray[np.float64]
    axis_ratio: NDArray[np.float64]
    angle_rad: NDArray[np.float64]
    magzp: NDArray[np.float64]
    magzprms: NDArray[np.float64]
    clrcoeff: NDArray[np.float64]
    clrcounc: NDArray[np.float64]
    airmass: NDArray[np.float64]
    moonillf: NDArray[np.float64]
    dx_pix: NDArray[np.float64]
    dy_pix: NDArray[np.float64]
    programid: NDArray[np.int64]
    infobits: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.mjd_d)

    def hjd_d(self, ra_deg: float, dec_deg: float) -> NDArray[np.float64]:
        """Heliocentric Julian date of mid-exposure for a position, (n,) float64, days."""
        return heliocentric_jd_d(self.mjd_d + EXPTIME_S / 2 / DAY_S, ra_deg, dec_deg)


def field_exposures(seed: int, field: int, n: int) -> Exposures:
    """All ``n`` visits of ``field``; the same for every object and quadrant in it."""
    rng = stream(seed, Stream.EXPOSURES, field, n)
    mjd_d = _visit_times(rng, n)
    moonillf = 0.5 * (1 - np.cos(2 * np.pi * (mjd_d - FIRST_MJD_D) / 29.53))
    airmass = 1.0 + rng.gamma(2.0, 0.11, n)
    moonlight = 1 + 0.5 * moonillf**2 * (rng.random(n) < 0.6)
    fwhm_pix = np.clip(SEEING_MEDIAN_PIX * np.exp(rng.normal(0, SEEING_SCATTER, n)) * airmass**0.6, 1.3, 4.2)
    return Exposures(
        mjd_d=mjd_d,
        filefracday=np.array([filefracday(t) for t in mjd_d], np.int64),
        expid=np.round((mjd_d - MJD_OF_EXPID) * 1e5).astype(np.int64),
        sky_dn=np.clip(0.9 * SKY_MEDIAN_DN * np.exp(rng.normal(0, SKY_SCATTER, n)) * moonlight, 70, 1100),
        fwhm_pix=fwhm_pix,
        axis_ratio=1 - np.abs(rng.normal(0, 0.06, n)).clip(0, 0.25),
        angle_rad=rng.uniform(0, np.pi, n),
        magzp=np.round(rng.normal(26.25, 0.05, n) - 0.08 * (airmass - 1.1), 6),
        magzprms=np.round(rng.uniform(0.013, 0.024, n), 6),
        clrcoeff=np.round(rng.normal(0.079, 0.006, n), 6),
        clrcounc=np.round(rng.uniform(0.5e-5, 5e-5, n), 10),
        airmass=np.round(airmass, 3),
        moonillf=np.round(moonillf, 6),
        dx_pix=rng.normal(0, POINTING_SCATTER_PIX, n),
        dy_pix=rng.normal(0, POINTING_SCATTER_PIX, n),
        programid=rng.choice([1, 2, 3], n, p=[0.6, 0.3, 0.1]),
        infobits=np.zeros(n, np.int64),
    )


def _visit_times(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    """Start times on different nights, (n,) float64, days, kept to ZTF's six decimals."""
    nights = np.sort(rng.choice(int(max(SURVEY_D, 2 * n)), n, replace=False))
    return np.round(FIRST_MJD_D + nights + rng.uniform(0.13, 0.5, n), 6)


def filefracday(mjd_d: float) -> int:
    """ZTF's name of an exposure, YYYYMMDDffffff: the UTC date and the fraction of the day."""
    day, fraction = divmod(mjd_d, 1.0)
    date = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=int(day) - MJD_OF_UNIX)
    return int(date.strftime("%Y%m%d")) * 10**6 + round(fraction * 1e6)


def heliocentric_jd_d(mjd_d: NDArray[np.float64], ra_deg: float, dec_deg: float) -> NDArray[np.float64]:
    """Julian date at the Sun, from a low-precision orbit of the Earth (good to about a second).

    Source: Astronomical Almanac, low-precision formulas for the Sun.
    """
    day = mjd_d + MJD_TO_JD - 2451545.0
    anomaly = np.radians(357.528 + 0.9856003 * day)
    longitude = np.radians(280.460 + 0.9856474 * day + 1.915 * np.sin(anomaly) + 0.020 * np.sin(2 * anomaly))
    distance_au = 1.00014 - 0.01671 * np.cos(anomaly) - 0.00014 * np.cos(2 * anomaly)
    ra, dec = np.radians(ra_deg), np.radians(dec_deg)
    toward_sun = np.cos(longitude) * np.cos(dec) * np.cos(ra) + np.sin(longitude) * (
        np.cos(OBLIQUITY_RAD) * np.cos(dec) * np.sin(ra) + np.sin(OBLIQUITY_RAD) * np.sin(dec)
    )
    result: NDArray[np.float64] = mjd_d + MJD_TO_JD - LIGHT_PER_AU_S / DAY_S * distance_au * toward_sun
    return result
