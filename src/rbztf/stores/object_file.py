"""The FITS file of one object: its frames and its epochs."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rbztf.errors import InputError, Problem
from rbztf.files import reading, write_bytes
from rbztf.stores import fastfits
from rbztf.stores.epochs import COLUMNS, PHOTOMETRY
from rbztf.ztf import SIZE_PIX, Oid

if TYPE_CHECKING:
    from astropy.table import Table

SCHEMA = 1
FRAMES = "FRAMES"
EPOCHS = "EPOCHS"


@dataclass(frozen=True)
class ObjectCutouts:
    """Frames and epochs of one object.

    Attributes
    ----------
    oid : Oid
    frames : ndarray (n, 28, 28), float32
        Pixels in DN, sky included, in time order; NaN where the chip has no pixel.
    path : Path
        Where they were read from.
    ra_deg, dec_deg : float
        Position of the object (ICRS), NaN where unknown.
    collection : str
        Data release the light curve was taken from, e.g. ``ztf_dr24``; empty if unknown.
    problems : tuple of Problem
        Frames of a foreign layout that could not be read.
    """

    oid: Oid
    frames: NDArray[np.float32]
    path: Path
    ra_deg: float = float("nan")
    dec_deg: float = float("nan")
    collection: str = ""
    problems: tuple[Problem, ...] = ()
    _epochs: Table | None = field(default=None, repr=False, compare=False)

    @cached_property
    def epochs(self) -> Table:
        """One row per epoch of the light curve, with or without a frame (astropy Table)."""
        if self._epochs is not None:
            return self._epochs
        return read_epochs(self.path)

    def frame_photometry(self) -> NDArray[np.float64]:
        """Time (HJD, d), magnitude and its error of each frame, (n, 3) float64; NaN where unknown."""
        columns = [self.frame_column(name).astype(np.float64) for name in PHOTOMETRY]
        return np.stack(columns, axis=1)

    def frame_column(self, name: str) -> NDArray[Any]:
        """A column of the table of epochs, one value a frame, (n,); its "unknown" value for a frame without epoch.

        Raises
        ------
        DataError
            If the table does not fit the frames.
        """
        dtype, _, unknown = COLUMNS[name]
        values = np.full(len(self.frames), unknown, dtype)
        with reading(self.path, f"has an {EPOCHS} table that does not fit its frames"):
            index = np.asarray(self.epochs["frame"])
            with_frame = index >= 0
            if name in self.epochs.colnames:
                values[index[with_frame]] = np.asarray(self.epochs[name])[with_frame]
        return values


def write_object(
    folder: Path,
    oid: Oid,
    frames: NDArray[np.float32],
    epochs: Table,
    *,
    ra_deg: float,
    dec_deg: float,
    collection: str = "",
) -> Path:
    """Write ``folder/OID.fits``; the file appears whole or not at all.

    Parameters
    ----------
    frames : ndarray (n, 28, 28), float32
        Pixels in DN, in time order.
    epochs : Table
        From :func:`rbztf.stores.epochs.epoch_table`; its ``frame`` column points into ``frames``.
    ra_deg, dec_deg : float
        Position (ICRS) in degrees.

    Returns
    -------
    Path
        The file written.
    """
    from astropy.io import fits

    if frames.ndim != 3 or frames.shape[1:] != (SIZE_PIX, SIZE_PIX):
        raise ValueError(f"frames must have the shape (n, {SIZE_PIX}, {SIZE_PIX}): {frames.shape}")
    primary = fits.PrimaryHDU()
    primary.header["SCHEMA"] = (SCHEMA, "version of this layout")
    primary.header["OID"] = (str(int(oid)), "ZTF data-release object")
    if np.isfinite(ra_deg) and np.isfinite(dec_deg):
        primary.header["RA"] = (float(ra_deg), "[deg] ICRS")
        primary.header["DEC"] = (float(dec_deg), "[deg] ICRS")
    primary.header["COLLECT"] = (collection, "light-curve collection")
    image = fits.ImageHDU(np.ascontiguousarray(frames, np.float32), name=FRAMES)
    image.header["BUNIT"] = "adu"
    table = fits.table_to_hdu(epochs)
    table.name = EPOCHS
    path = folder / f"{int(oid)}.fits"
    stream = io.BytesIO()
    fits.HDUList([primary, image, table]).writeto(stream)
    write_bytes(path, stream.getvalue(), tidy=False)  # the store's lock sees to leftovers
    return path


def is_store_file(path: Path) -> bool:
    """Whether ``path`` is a file of this layout (and not, say, a single cutout ``OID.fits``)."""
    with path.open("rb") as stream:
        start = stream.read(fastfits.BLOCK)
    return start.startswith(b"SIMPLE  =") and b"SCHEMA  =" in start


def _check_schema(path: Path, schema: int) -> None:
    if schema > SCHEMA:
        raise InputError(
            f"{path} has the layout version {schema}; this rbztf knows {SCHEMA}.", "Update rbztf."
        )


def read_epochs(path: Path) -> Table:
    """The ``EPOCHS`` table of a file of the store.

    Raises
    ------
    DataError
        If it cannot be read.
    InputError
        If a newer rbztf wrote the file.
    """
    from astropy.io import fits
    from astropy.table import Table

    with reading(path, f"has no readable {EPOCHS} table"), fits.open(path, memmap=False) as hdus:
        _check_schema(path, int(hdus[0].header.get("SCHEMA", 0)))
        return Table.read(hdus[EPOCHS], mask_invalid=False)
