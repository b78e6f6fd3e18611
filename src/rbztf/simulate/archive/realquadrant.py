"""A real quadrant file, served in cutouts next to the simulated sky."""

from __future__ import annotations

import warnings
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbztf.errors import DataError, reason
from rbztf.simulate.archive.fitsbytes import STRUCTURAL, image_bytes
from rbztf.simulate.geometry import Window, cutout_window

_COMMENTARY = frozenset({"HISTORY", "COMMENT", ""})
_MAX_TEXT = 66


class RealQuadrant:
    """The science image of one readout channel, plain or tile-compressed FITS; read once.

    Raises
    ------
    DataError
        If the file holds no image.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.name = self.path.name.removesuffix(".fz").removesuffix(".gz")
        self.header, self.pixels = _read(self.path)
        self._lock = Lock()

    @cached_property
    def wcs(self) -> Any:
        """astropy WCS of the image."""
        from astropy.wcs import WCS

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return WCS(self.header)

    @cached_property
    def cards(self) -> dict[str, Any]:
        """Header cards without structure and comments."""
        return {
            card.keyword: card.value[:_MAX_TEXT] if isinstance(card.value, str) else card.value
            for card in self.header.cards
            if card.keyword not in _COMMENTARY | STRUCTURAL
            and isinstance(card.value, str | bool | int | float)
        }

    def cutout_bytes(self, centre: tuple[float, float] | None, size_pix: int) -> bytes | None:
        """A FITS file of the pixels around an ICRS position (degrees), None without overlap.

        ``centre`` None asks for the whole image.
        """
        rows, columns = self.pixels.shape
        if centre is None:
            return image_bytes(self.cards, self.pixels)
        with self._lock:
            x_pix, y_pix = self.wcs.all_world2pix([centre], 0)[0]
        if not (np.isfinite(x_pix) and np.isfinite(y_pix)):
            return None
        window = cutout_window(float(x_pix), float(y_pix), (rows, columns), size_pix)
        return None if window.empty else self._window_bytes(window)

    def _window_bytes(self, window: Window) -> bytes:
        cards = {
            **self.cards,
            "CRPIX1": self.cards["CRPIX1"] - window.x0,
            "CRPIX2": self.cards["CRPIX2"] - window.y0,
        }
        return image_bytes(cards, self.pixels[window.y0 : window.y1, window.x0 : window.x1])


def _read(path: Path) -> tuple[Any, NDArray[np.float32]]:
    from astropy.io import fits

    try:
        with fits.open(path, memmap=False) as hdus:
            for hdu in hdus:
                if hdu.data is not None and hdu.data.ndim == 2:
                    return hdu.header, np.asarray(hdu.data, np.float32)
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"{path} is not a readable FITS file ({reason(error)}).", "Check the file.") from None
    raise DataError(f"{path} holds no image.", "Give a ZTF science image (sciimg.fits or .fits.fz).")
