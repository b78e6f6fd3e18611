"""FITS headers of simulated images, with the keywords of real ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import log10, sqrt
from typing import Any

from rbztf.simulate.exposures import EXPTIME_S, MJD_OF_UNIX, Exposures
from rbztf.simulate.geometry import Quadrant, Window
from rbztf.times import MJD_TO_JD
from rbztf.ztf import Band

Cards = dict[str, Any]


def exposure_cards(quadrant: Quadrant, exposures: Exposures, visit: int, band: Band = Band.R) -> Cards:
    """Cards of a whole quadrant image of one exposure, without the structural ones."""
    gain, readnoise, saturate = quadrant.electronics
    name = image_name(exposures, visit, quadrant, band)
    mjd_d = float(exposures.mjd_d[visit])
    start = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=mjd_d - MJD_OF_UNIX)
    stop = start + timedelta(seconds=EXPTIME_S)
    fwhm_pix = float(exposures.fwhm_pix[visit])
    sky_dn = float(exposures.sky_dn[visit])
    magzp = float(exposures.magzp[visit])
    wcs = quadrant.cards
    return {
        "BUNIT": "Data Value",
        "ORIGIN": "Zwicky Transient Facility",
        "OBSERVER": "simulated",
        "INSTRUME": "ZTF/MOSAIC",
        "IMGTYPE": "object",
        "EXPOSURE": EXPTIME_S,
        "EXPTIME": EXPTIME_S,
        "CCDSUM": "1 1",
        "PIXSCALE": 1.012,
        "FILENAME": name.replace("_q" + str(quadrant.qid) + "_sciimg.fits", ".fits"),
        "FIELDID": quadrant.field,
        "PROGRMID": int(exposures.programid[visit]),
        "FILTERID": band.filter_id,
        "FILTER": f"ZTF_{band.value}",
        "FILTPOS": band.filter_id,
        "OBSJD": round(mjd_d + MJD_TO_JD, 7),
        "OBSMJD": round(mjd_d, 7),
        "HJD": round(mjd_d + MJD_TO_JD, 7),
        "AIRMASS": float(exposures.airmass[visit]),
        "MOONILLF": float(exposures.moonillf[visit]),
        "TELESCOP": "Palomar 48-inch",
        "OBSERVAT": "Palomar Observatory",
        "OBSLON": -116.8598,
        "OBSLAT": 33.3573,
        "OBSALT": 1668.0,
        "SHUTOPEN": start.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3],
        "SHUTCLSD": stop.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3],
        "CCD_ID": quadrant.ccd,
        "GAIN": gain,
        "READNOI": readnoise,
        "DARKCUR": 1.0,
        **wcs,
        "CRPIX1": wcs["CRPIX1"] + float(exposures.dx_pix[visit]),
        "CRPIX2": wcs["CRPIX2"] + float(exposures.dy_pix[visit]),
        "MAGZP": magzp,
        "MAGZPUNC": 4.0e-6,
        "MAGZPRMS": float(exposures.magzprms[visit]),
        "CLRCOEFF": float(exposures.clrcoeff[visit]),
        "CLRCOUNC": float(exposures.clrcounc[visit]),
        "SATURATE": saturate,
        "CCDID": quadrant.ccd,
        "QID": quadrant.qid,
        "RCID": 4 * (quadrant.ccd - 1) + quadrant.qid - 1,
        "EXPID": int(exposures.expid[visit]),
        "INFOBITS": int(exposures.infobits[visit]),
        "SEEING": round(fwhm_pix, 3),
        "MAGLIM": round(limiting_mag(magzp, sky_dn, fwhm_pix, gain, readnoise), 2),
        "STATUS": 1,
        "DBFIELD": quadrant.field,
        "DBEXPID": int(exposures.expid[visit]),
        "DBRCID": 4 * (quadrant.ccd - 1) + quadrant.qid - 1,
        "DBFID": band.filter_id,
    }


def limiting_mag(magzp: float, sky_dn: float, fwhm_pix: float, gain: float, readnoise: float) -> float:
    """5-sigma limit of PSF photometry of a faint source."""
    n_eff = 2.4 * fwhm_pix**2  # 1 / sum(P**2) of a Moffat of exponent 3
    return magzp - 2.5 * log10(5 * sqrt(n_eff * (sky_dn / gain + (readnoise / gain) ** 2)))


def cutout_cards(cards: Cards, window: Window) -> Cards:
    """Cards of a cutout: CRPIX moved by the pixels cut off."""
    return {**cards, "CRPIX1": cards["CRPIX1"] - window.x0, "CRPIX2": cards["CRPIX2"] - window.y0}


def image_name(exposures: Exposures, visit: int, quadrant: Quadrant, band: Band = Band.R) -> str:
    """File name of a science image in the archive."""
    return (
        f"ztf_{int(exposures.filefracday[visit])}_{quadrant.field:06d}_{band.filter_code}"
        f"_c{quadrant.ccd:02d}_o_q{quadrant.qid}_sciimg.fits"
    )


def image_path(filefracday: int, name: str) -> str:
    """Path of a science image below the archive's address."""
    digits = f"{filefracday:014d}"
    return f"/ibe/data/ztf/products/sci/{digits[:4]}/{digits[4:8]}/{digits[8:]}/{name}"
