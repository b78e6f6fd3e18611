"""``/ibe/data`` and ``/ibe/search``: science images, whole or cut out, and their metadata."""

from __future__ import annotations

import gzip
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from threading import Lock

import numpy as np

from rbztf.archive.irsa import separation_deg
from rbztf.simulate.archive.answers import Answer, BadRequest, Query
from rbztf.simulate.archive.fitsbytes import image_bytes
from rbztf.simulate.archive.quadrant import epoch_of, quadrant_bytes
from rbztf.simulate.archive.realquadrant import RealQuadrant
from rbztf.simulate.geometry import N_COLUMNS, N_ROWS, PIXEL_DEG, Quadrant, Window, cutout_window
from rbztf.simulate.sky import SimulatedSky
from rbztf.ztf import SIZE_PIX, Oid

ROOT = "/ibe/data/ztf/products/sci/"
_PATH = re.compile(
    r"/ibe/data/ztf/products/sci/(?P<year>\d{4})/(?P<day>\d{4})/(?P<fraction>\d{6})/"
    r"(?P<name>ztf_(?P<filefracday>\d{14})_(?P<field>\d{6})_(?P<band>z[gri])"
    r"_c(?P<ccd>\d\d)_o_q(?P<qid>[1-4])_sciimg\.fits)"
)
_ANGLE = re.compile(r"([-+]?[\d.]+(?:e[-+]?\d+)?)\s*(deg|arcmin|arcsec|pix)?", re.IGNORECASE)
_PIXELS_PER_UNIT = {
    "pix": 1.0,
    "deg": 1 / PIXEL_DEG,
    "arcmin": 1 / 60 / PIXEL_DEG,
    "arcsec": 1 / 3600 / PIXEL_DEG,
}
SAME_PLACE_DEG = 0.3 / 3600


@dataclass(frozen=True)
class Image:
    """A simulated science image that the archive holds."""

    name: str
    quadrant: Quadrant
    visit: int


class ImageService:
    """Cutouts of the simulated sky and of real quadrant files."""

    def __init__(self, sky: SimulatedSky, real: Iterable[RealQuadrant] = ()) -> None:
        self._sky = sky
        self._real = {image.name: image for image in real}
        self._lock = Lock()
        self._quadrants = {(item.field, item.ccd, item.qid): item for item in sky.quadrants()}

    def answer(self, path: str, query: Query) -> Answer:
        """Answer a request below :data:`ROOT`.

        Raises
        ------
        BadRequest
            If centre or size are malformed.
        """
        match = _PATH.fullmatch(path)
        if not match or match["filefracday"] != match["year"] + match["day"] + match["fraction"]:
            return _not_found()
        centre, size_pix = _centre(query), _size_pix(query)
        if match["name"] in self._real:
            body = self._real[match["name"]].cutout_bytes(centre, size_pix)
        else:
            image = self._find(match)
            if image is None:
                return _not_found()
            body = self._cutout(image, centre, size_pix)
        if body is None:
            return Answer(b"Requested region does not overlap the image\n", status=400)
        if centre is None or query.last("GZIP").lower() in ("false", "0"):
            return Answer(body, "application/fits")
        return Answer(gzip.compress(body, 1, mtime=0), "application/x-gzip")

    def elsewhere(self, path: str, query: Query) -> Answer | None:
        """The cutout of an object of another field, for archives that mix up their answers."""
        match = _PATH.fullmatch(path)
        field = int(match["field"]) if match else -1
        others = [oid for oid in self._sky.oids if oid.field != field]
        if not others or not query.last("CENTER"):
            return None
        oid = others[sum(path.encode()) % len(others)]
        body = self._frame_bytes(oid, 0)
        if query.last("GZIP").lower() in ("false", "0"):
            return Answer(body, "application/fits")
        return Answer(gzip.compress(body, 1, mtime=0), "application/x-gzip")

    def _find(self, match: re.Match[str]) -> Image | None:
        quadrant = self._quadrants.get((int(match["field"]), int(match["ccd"]), int(match["qid"])))
        if quadrant is None or match["band"] != "zr":
            return None
        days = self._sky.exposures(quadrant.field).filefracday
        visit = int(np.searchsorted(days, int(match["filefracday"])))
        if visit == len(days) or days[visit] != int(match["filefracday"]):
            return None
        return Image(match["name"], quadrant, visit)

    def _cutout(self, image: Image, centre: tuple[float, float] | None, size_pix: int) -> bytes | None:
        if centre is None:
            return quadrant_bytes(self._sky, image.quadrant, image.visit)
        found = self._object_at(image, centre) if size_pix == SIZE_PIX else None
        if found is not None:
            return None if self._sky.window(*found).empty else self._frame_bytes(*found)
        with self._lock:  # wcslib is not safe to use from several threads
            x_pix, y_pix = image.quadrant.sky_to_pixel(*centre)
        if not (math.isfinite(x_pix) and math.isfinite(y_pix)):
            return None
        exposures = self._sky.exposures(image.quadrant.field)
        x_pix += float(exposures.dx_pix[image.visit])
        y_pix += float(exposures.dy_pix[image.visit])
        window = cutout_window(x_pix, y_pix, (N_ROWS, N_COLUMNS), size_pix)
        return None if window.empty else quadrant_bytes(self._sky, image.quadrant, image.visit, window)

    def _object_at(self, image: Image, centre: tuple[float, float]) -> tuple[Oid, int] | None:
        """The object at a position and the row of its light curve for this image."""
        for oid in self._sky.objects_in(image.quadrant):
            entry = self._sky.object(oid)
            if separation_deg(entry.ra_deg, entry.dec_deg, *centre) < SAME_PLACE_DEG:
                epoch = epoch_of(self._sky.plan(oid), image.visit)
                return None if epoch is None else (oid, epoch)
        return None

    def _frame_bytes(self, oid: Oid, epoch: int) -> bytes:
        window: Window = self._sky.window(oid, epoch)
        pixels = self._sky.frames(oid, [epoch])[0][window.inside]
        return image_bytes(self._sky.frame_header(oid, epoch), pixels)


def _not_found() -> Answer:
    return Answer(b"Not Found\n", status=404)


def _centre(query: Query) -> tuple[float, float] | None:
    """ICRS degrees asked for; None for the whole image."""
    text = query.last("CENTER")
    if not text:
        return None
    try:
        ra_deg, dec_deg = (float(part.lower().removesuffix("deg")) for part in text.split(","))
    except ValueError:
        raise BadRequest(f"center must be RA,DEC in degrees: {text}") from None
    return ra_deg, dec_deg


def _size_pix(query: Query) -> int:
    """Pixels a side: IRSA answers an odd size with one pixel more."""
    text = query.last("SIZE") or "0.01"
    match = _ANGLE.fullmatch(text.split(",")[0].strip())
    if not match:
        raise BadRequest(f"size must be a number with deg, arcmin, arcsec or pix: {text}")
    wanted = float(match[1]) * _PIXELS_PER_UNIT[(match[2] or "deg").lower()]
    if not 1 <= wanted <= N_ROWS:
        raise BadRequest(f"size is out of range: {text}")
    return 2 * math.ceil(wanted / 2)
