"""IRSA's dialect: which URL asks for what, and what its answers say.

Pure functions, nothing is sent from here: a request is a URL to be looked at, tested or
handed to :class:`rbztf.archive.http.ArchiveSession`.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import numpy as np
from numpy.typing import NDArray

from rbztf.errors import InputError, UnsoundAnswer
from rbztf.stores.consistency import MJD_RANGE
from rbztf.stores.epochs import COLUMNS
from rbztf.times import fill_hjd, mjd_of_filefracday
from rbztf.ztf import SIZE_PIX, Oid

ARCHIVE_URL = "https://irsa.ipac.caltech.edu"
COLLECTION = "ztf_dr24"
"""Newest data release known to this version; pinned, since the archive's default moves."""
PIXEL_ARCSEC = 1.012
"""``catflags`` bit of epochs that the survey itself calls bad."""
_SCIENCE = re.compile(r"ztf_(\d{14})_(\d{6})_(z[gri])_c(\d{2})_o_q([1-4])_sciimg\.fits(?:\.gz|\.fz)?$")
_ERROR = re.compile(r"<INFO[^>]*\bvalue=[\"']ERROR[\"'][^>]*>(.*?)</INFO>", re.IGNORECASE | re.DOTALL)
_NEEDED = ("oid", "mjd", "filefracday", "field", "ccdid", "qid", "ra", "dec")
_UNKNOWN = {"", "nan", "null", "none"}
_WHOLE = re.compile(r"(?<=\d)\.0+$")


@dataclass(frozen=True)
class Exposure:
    """What names one science image: exposure, field, filter and readout quadrant."""

    filefracday: int
    field: int
    filter_code: str
    ccd: int
    quadrant: int

    @property
    def stem(self) -> str:
        """``YYYY/MMDD/ffffff/ztf_..._sciimg.fits``, the path below the products folder."""
        digits = f"{self.filefracday:014d}"
        return (
            f"{digits[:4]}/{digits[4:8]}/{digits[8:]}/ztf_{digits}_{self.field:06d}_{self.filter_code}"
            f"_c{self.ccd:02d}_o_q{self.quadrant}_sciimg.fits"
        )


@dataclass(frozen=True)
class LightCurve:
    """One object's light curve as the archive serves it.

    Attributes
    ----------
    oid : Oid
    ra_deg, dec_deg : float
        Position (ICRS) in degrees.
    columns : dict of str to ndarray (n,)
        Columns of :data:`rbztf.stores.epochs.COLUMNS`, in the order of ``mjd``.
    text : str
        The lines it was read from, header first.
    n_rows : int
        How many lines that are: an exposure may come twice.
    """

    oid: Oid
    ra_deg: float
    dec_deg: float
    columns: dict[str, NDArray[Any]]
    text: str
    n_rows: int

    def __len__(self) -> int:
        return len(self.columns["mjd"])


def light_curves_url(
    oids: Iterable[int], collection: str = COLLECTION, archive_url: str = ARCHIVE_URL
) -> str:
    """URL of the light curves of some objects, as one CSV table."""
    query = {"ID": ",".join(str(int(oid)) for oid in oids), "COLLECTION": collection, "FORMAT": "CSV"}
    return f"{archive_url.rstrip('/')}/cgi-bin/ZTF/nph_light_curves?{urlencode(query, safe=',')}"


def image_url(exposure: Exposure, archive_url: str = ARCHIVE_URL) -> str:
    """URL of a whole science image (one quadrant, 38 MB)."""
    return f"{archive_url.rstrip('/')}/ibe/data/ztf/products/sci/{exposure.stem}"


def cutout_url(exposure: Exposure, ra_deg: float, dec_deg: float, archive_url: str = ARCHIVE_URL) -> str:
    """URL of the 28 x 28 pixels around a position (the service counts 27 as "to the next pixel")."""
    place = f"center={ra_deg:.7f},{dec_deg:.7f}&size={SIZE_PIX - 1}pix"
    return f"{image_url(exposure, archive_url)}?{place}&gzip=false"


def separation_deg(ra1_deg: float, dec1_deg: float, ra2_deg: float, dec2_deg: float) -> float:
    """Angle between two positions, all in degrees, by the haversine formula."""
    ra1, dec1, ra2, dec2 = (math.radians(angle) for angle in (ra1_deg, dec1_deg, ra2_deg, dec2_deg))
    a = math.sin((dec2 - dec1) / 2) ** 2
    a += math.cos(dec1) * math.cos(dec2) * math.sin((ra2 - ra1) / 2) ** 2
    return math.degrees(2 * math.asin(min(1.0, math.sqrt(a))))


def frame_urls(
    oid: Oid, columns: Mapping[str, NDArray[Any]], ra_deg: float, dec_deg: float, archive_url: str
) -> list[str]:
    """Where the frame of each epoch of a light curve is asked for."""
    days = (columns[name].tolist() for name in ("filefracday", "field", "ccdid", "qid"))
    code = oid.band.filter_code
    return [
        cutout_url(Exposure(day, number, code, ccd, quadrant), ra_deg, dec_deg, archive_url)
        for day, number, ccd, quadrant in zip(*days)
    ]


def exposure_of_name(name: str) -> Exposure | None:
    """The exposure behind the file name (or URL) of a science image; None if it is not one."""
    match = _SCIENCE.search(name.partition("?")[0])
    if match is None:
        return None
    filefracday, field, filter_code, ccd, quadrant = match.groups()
    return Exposure(int(filefracday), int(field), filter_code, int(ccd), int(quadrant))


def parse_light_curves(text: str) -> dict[Oid, LightCurve]:
    """Read the CSV answer of the light-curve service.

    Returns
    -------
    dict of Oid to LightCurve
        Only the objects with rows: the service answers an unknown object with the header alone.

    Raises
    ------
    UnsoundAnswer
        If it is an error message, a web page, a table cut short, or holds values that no epoch can have.
    """
    lines = text.split("\n")
    if not lines[0].strip().lower().startswith("oid"):
        raise UnsoundAnswer(_error_message(text))
    names = [name.strip().lower() for name in lines[0].split(",")]
    missing = [name for name in _NEEDED if name not in names]
    if missing:
        raise UnsoundAnswer(f"The light-curve table lacks the columns {', '.join(missing)}.")
    rows: dict[Oid, list[list[str]]] = {}
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        values = [value.strip() for value in line.split(",")]
        if len(values) != len(names):
            raise UnsoundAnswer(
                f"Line {number} of the light curves has {len(values)} of {len(names)} values."
            )
        rows.setdefault(_oid(values[names.index("oid")]), []).append(values)
    found = {oid: _light_curve(oid, names, taken) for oid, taken in rows.items()}
    if not text.endswith("\n") or text.rstrip().endswith(","):
        raise UnsoundAnswer("The light-curve table breaks off within its last line.")
    return found


def _oid(text: str) -> Oid:
    try:
        return Oid(parse_integer(text))
    except (ValueError, InputError):
        raise UnsoundAnswer(f"The light curves hold {text[:40]!r} for an OID.") from None


def _light_curve(oid: Oid, names: list[str], rows: list[list[str]]) -> LightCurve:
    """Rows of one object, one per exposure, in time order."""
    by_name = {name: [row[i] for row in rows] for i, name in enumerate(names)}
    try:
        columns = {name: _column(by_name[name], name) for name in names if name in COLUMNS}
        ra_deg, dec_deg = _position(by_name["ra"], by_name["dec"])
        for day, mjd in zip(columns["filefracday"].tolist(), columns["mjd"].tolist()):
            _check_time(day, mjd)
    except ValueError as error:
        raise UnsoundAnswer(f"The light curve of {int(oid)} cannot be read: {error}.") from None
    _, first = np.unique(columns["filefracday"], return_index=True)
    order = first[np.lexsort((columns["filefracday"][first], columns["mjd"][first]))]
    columns = {name: values[order] for name, values in columns.items()}
    unknown = np.full(len(order), np.nan)
    exptime, hjd = columns.get("exptime", unknown), columns.get("hjd", unknown)
    columns["hjd"] = fill_hjd(hjd, columns["mjd"], np.asarray(exptime, float), ra_deg, dec_deg)
    text = "\n".join([",".join(names), *(",".join(row) for row in rows)]) + "\n"
    return LightCurve(oid, ra_deg, dec_deg, columns, text, len(rows))


def _column(values: list[str], name: str) -> NDArray[Any]:
    """Numbers of one column; the value for "unknown" where a cell is empty or not finite.

    Raises
    ------
    ValueError
        For a cell that is not a number, or not one that the column can hold.
    """
    dtype, _, default = COLUMNS[name]
    if not dtype.startswith("i"):
        floats = np.array([np.nan if v.lower() in _UNKNOWN else float(v) for v in values])
        floats[~(np.abs(floats) <= np.finfo(dtype).max)] = np.nan
        return floats.astype(dtype)
    integers = [default if v.lower() in _UNKNOWN else parse_integer(v) for v in values]
    limits = np.iinfo(dtype)
    for value in integers:
        if not limits.min <= value <= limits.max:
            raise ValueError(f"{name} {str(value)[:40]} is out of range")
    return np.array(integers, dtype)


def _position(ra: list[str], dec: list[str]) -> tuple[float, float]:
    """The median of the positions of all epochs, in degrees: single ones are off by up to an arcsecond.

    Raises
    ------
    ValueError
        If no epoch has a position.
    """
    ra_deg, dec_deg = (np.array([float(v or "nan") for v in values]) for values in (ra, dec))
    known = (ra_deg >= 0) & (ra_deg <= 360) & (dec_deg >= -90) & (dec_deg <= 90)
    if not known.any():
        raise ValueError(f"ra {ra[0][:20]!r}, dec {dec[0][:20]!r} is not a position")
    first = ra_deg[known][0]
    offsets = (ra_deg[known] - first + 180) % 360 - 180  # positions on both sides of 0 h
    return float((first + np.median(offsets)) % 360), float(np.median(dec_deg[known]))


def _check_time(filefracday: int, mjd: float) -> None:
    """Raise ValueError for an epoch without a time, or with one at which nothing was observed."""
    if filefracday <= 0 or not np.isfinite(mjd):
        raise ValueError("it has epochs without a time")
    mjd_of_filefracday(filefracday)
    if not MJD_RANGE[0] <= mjd <= MJD_RANGE[1]:
        raise ValueError(f"MJD {mjd} is not a time of the survey")


def parse_integer(text: str) -> int:
    """An integer in any of the ways the archive has written them: ``13``, ``0xd``, ``013``, ``13.0``."""
    text = _WHOLE.sub("", text)
    try:
        return int(text, 0)
    except ValueError:
        return int(text)


def _error_message(text: str) -> str:
    """What an answer says that is not a table."""
    match = _ERROR.search(text)
    if match:
        message = " ".join(html.unescape(match[1]).replace("<![CDATA[", "").replace("]]>", "").split())
        return f"The archive answers with an error: {message[:300] or 'no message'}."
    start = " ".join(text[:80].split())
    return f"The archive answered with {start[:60]!r}, which is not a light-curve table."
