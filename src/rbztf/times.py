"""Convert exposure names and modified Julian dates to heliocentric Julian dates."""

from __future__ import annotations

from datetime import date

import numpy as np
from numpy.typing import NDArray

MJD_TO_JD = 2400000.5
SECONDS_PER_DAY = 86400.0
_ORDINAL_OF_MJD_0 = date(1858, 11, 17).toordinal()


def mjd_of_filefracday(filefracday: int) -> float:
    """Start of an exposure, MJD in days (UTC), from its name ``YYYYMMDDffffff``.

    Raises
    ------
    ValueError
        If the digits are not a date.
    """
    day, fraction = divmod(int(filefracday), 10**6)
    year, month_day = divmod(day, 10**4)
    ordinal = date(year, *divmod(month_day, 100)).toordinal()
    return ordinal - _ORDINAL_OF_MJD_0 + fraction / 1e6


def heliocentric_jd(mjd_mid: NDArray[np.float64], ra_deg: float, dec_deg: float) -> NDArray[np.float64]:
    """Heliocentric Julian dates of moments seen from the Earth's centre.

    Works offline (the ephemeris built into astropy). The Earth's own size, at most 0.02 s of
    light travel, is left out.

    Parameters
    ----------
    mjd_mid : ndarray (n,), float64
        Middle of each exposure, MJD in days (UTC).
    ra_deg, dec_deg : float
        Position (ICRS) in degrees.

    Returns
    -------
    ndarray (n,), float64
        Days.
    """
    from astropy import constants, units
    from astropy.coordinates import get_body_barycentric
    from astropy.time import Time

    times = Time(np.asarray(mjd_mid, float), format="mjd", scale="utc")
    earth_from_sun = get_body_barycentric("earth", times, ephemeris="builtin") - get_body_barycentric(
        "sun", times, ephemeris="builtin"
    )
    ra, dec = np.radians(ra_deg), np.radians(dec_deg)
    towards = np.array([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])
    lead_days = (earth_from_sun.xyz.T @ towards / constants.c).to_value(units.day)
    hjd: NDArray[np.float64] = np.asarray(mjd_mid, float) + MJD_TO_JD + np.asarray(lead_days, float)
    return hjd


def fill_hjd(
    hjd: NDArray[np.float64],
    mjd: NDArray[np.float64],
    exptime_s: NDArray[np.float64],
    ra_deg: float,
    dec_deg: float,
) -> NDArray[np.float64]:
    """``hjd`` with its gaps computed from the start of exposure; each array is (n,), in days and seconds.

    The archive serves NaN for some good points. An unknown exposure time is taken for 30 s,
    the survey's own.
    """
    gaps = ~np.isfinite(hjd) & np.isfinite(mjd)
    if not gaps.any():
        return hjd
    exposure = np.where(np.isfinite(exptime_s), exptime_s, 30.0)[gaps]
    filled = hjd.copy()
    filled[gaps] = heliocentric_jd(mjd[gaps] + exposure / 2 / SECONDS_PER_DAY, ra_deg, dec_deg)
    return filled
