"""The FITS file of one object: its frames and its epochs."""

from __future__ import annotations

import io
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rbztf.errors import DataError, InputError, Problem
from rbztf.figures import notebook
from rbztf.files import reading, regular, write_bytes
from rbztf.stores import fastfits
from rbztf.stores.epochs import COLUMNS, PHOTOMETRY
from rbztf.stores.fitsimages import GZIP_MAGIC, fits_content, stem_of
from rbztf.stores.sealing import AGAIN, has_checksums, parts_of, sealed_bytes
from rbztf.wording import counted
from rbztf.ztf import SIZE_PIX, Oid

if TYPE_CHECKING:
    from astropy.table import Table
    from matplotlib.figure import Figure

    from rbztf.figures.object_figure import Blame

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
    pixel_scale_arcsec : float
        Of the frames, by their headers; NaN where those are not at hand.
    sealed : bool or None
        Whether its file has checksums, which were found right; None for foreign layouts.
    """

    oid: Oid
    frames: NDArray[np.float32]
    path: Path
    ra_deg: float = float("nan")
    dec_deg: float = float("nan")
    collection: str = ""
    problems: tuple[Problem, ...] = ()
    pixel_scale_arcsec: float = float("nan")
    sealed: bool | None = None
    _epochs: Table | None = field(default=None, repr=False, compare=False)
    _table: bytes = field(default=b"", repr=False, compare=False)

    @cached_property
    def epochs(self) -> Table:
        """One row per epoch of the light curve, with or without a frame (astropy Table)."""
        return self._epochs if self._epochs is not None else _parse_epochs(self.path, self._table)

    @property
    def n_epochs(self) -> int:
        """Epochs of the light curve, with or without a frame."""
        with reading(self.path, f"has no readable {EPOCHS} table"):
            return len(self._columns["frame"])

    def frame_photometry(self) -> NDArray[np.float64]:
        """Time (HJD, d), magnitude and its error of each frame, (n, 3) float64; NaN where unknown."""
        columns = [column.astype(np.float64) for column in self.frame_columns(*PHOTOMETRY)]
        return np.stack(columns, axis=1)

    def frame_columns(self, *names: str) -> list[NDArray[Any]]:
        """Columns of the table of epochs, one value a frame, (n,) each; the "unknown" value for a frame without epoch.

        Raises
        ------
        DataError
            If the table does not fit the frames.
        """
        found = []
        with reading(self.path, f"has an {EPOCHS} table that does not fit its frames"):
            columns = self._columns
            index = np.asarray(columns["frame"])
            with_frame = index >= 0
            for name in names:
                dtype, _, unknown = COLUMNS[name]
                values = np.full(len(self.frames), unknown, dtype)
                if name in columns:
                    values[index[with_frame]] = np.asarray(columns[name])[with_frame]
                found.append(values)
        return found

    def plot(self, blamed: Sequence[Blame] = (), about: str = "") -> Figure:
        """Draw the light curve over a strip of frames; a prediction's own ``plot`` adds what it blames.

        Parameters
        ----------
        blamed : sequence of Blame
            What frames contribute to a score, in falling order: the worst are shown, in red what is to be dropped.
        about : str
            Further words for the title.

        Returns
        -------
        matplotlib.figure.Figure
            To be saved by ``savefig``; a notebook shows it.

        Raises
        ------
        DataError
            If the table of epochs cannot be read.
        UsageError
            If matplotlib is not installed.
        """
        from rbztf.figures.object_figure import EPOCH_COLUMNS, ObjectView, draw_object

        title = f"ZTF {self.oid}, {self.oid.band} band" + (f": {about}" if about else "")
        epochs = self.epoch_columns(*EPOCH_COLUMNS)
        return draw_object(ObjectView.of_epochs(title, epochs, self.frames, blamed))

    def _repr_html_(self) -> str:
        about = f"{counted(len(self.frames), 'frame')}, {counted(self.n_epochs, 'epoch')}"
        return notebook.picture(self.plot(about=about), f"ZTF {self.oid}: {about}")

    def epoch_columns(self, *names: str) -> dict[str, NDArray[Any]]:
        """Columns of the table of epochs, (n_epochs,) each; those that it lacks are left out.

        Raises
        ------
        DataError
            If the table cannot be read.
        """
        with reading(self.path, f"has no readable {EPOCHS} table"):
            return {name: np.asarray(self._columns[name]) for name in names if name in self._columns}

    @cached_property
    def _columns(self) -> dict[str, Any]:
        """The columns of the table of epochs, without making a table of them, which takes milliseconds."""
        if self._epochs is None:
            try:
                rows = fastfits.read_table(self._table, list(fastfits.hdus(self._table))[1])
            except (fastfits.NotPlain, IndexError):
                pass  # astropy knows what to make of it, or says what is wrong
            else:
                return {name: rows[name] for name in rows.dtype.names or ()}
        return {name: self.epochs[name] for name in self.epochs.colnames}


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
    content = sealed_bytes(fits.HDUList([primary, image, table]))
    write_bytes(path, content, tidy=False)  # the store's lock sees to leftovers
    return path


def is_store_file(path: Path) -> bool:
    """Whether ``path`` is a file of this layout (and not, say, a single cutout ``OID.fits``)."""
    with regular(path).open("rb") as stream:
        start = stream.read(fastfits.BLOCK)
    return _is_ours(fits_content(path) if start.startswith(GZIP_MAGIC) else start)


def _is_ours(content: bytes) -> bool:
    return content.startswith(b"SIMPLE  =") and b"SCHEMA  =" in content[: fastfits.BLOCK]


def read_store_file(path: Path) -> ObjectCutouts | None:
    """Read an object from a file of the store; None if ``path`` is a file of another layout.

    Checksums are verified where the file has them: of headers, frames and epochs.

    Raises
    ------
    DataError
        If it is damaged, or holds another object than its name says.
    InputError
        If a newer rbztf wrote it.
    """
    content = _content(path)
    if not _is_ours(content):
        return None
    parts, sealed = _sound_parts(path, content)
    try:
        frames = fastfits.read_extension(content, parts, FRAMES)
    except fastfits.NotPlain:
        raise DataError(f"{path} does not begin with an image {FRAMES}.", AGAIN) from None
    if frames.ndim != 3 or frames.shape[1:] != (SIZE_PIX, SIZE_PIX):
        shape = f"(n, {SIZE_PIX}, {SIZE_PIX})"
        raise DataError(f"{path} holds frames of the shape {frames.shape}, not {shape}.", AGAIN)
    first = parts[0].cards
    ra_deg, dec_deg = _position(path, first)
    return ObjectCutouts(
        oid=Oid(stem_of(path.name) or path.name),
        frames=frames,
        path=path,
        ra_deg=ra_deg,
        dec_deg=dec_deg,
        collection=str(first.get("COLLECT", "")),
        sealed=sealed,
        _table=content[: parts[0].end] + content[parts[1].end :],
    )


def _sound_parts(path: Path, content: bytes) -> tuple[list[fastfits.Hdu], bool]:
    """The parts of a file in a layout that we know, of the object of its name, and whether it has checksums."""
    parts = parts_of(path, content)
    named = stem_of(path.name)
    schema, held = parts[0].cards.get("SCHEMA", 0), parts[0].cards.get("OID", named)
    if isinstance(schema, int) and schema > SCHEMA:
        raise InputError(
            f"{path} has the layout version {schema}; this rbztf knows {SCHEMA}.", "Update rbztf."
        )
    sealed = has_checksums(path, content, parts)
    if str(held) != named:
        raise DataError(
            f"{path} holds the object {str(held)[:20]}, not the one of its name.",
            "Give it its own name, or remove it and fetch the object again.",
        )
    return parts, sealed


def _content(path: Path) -> bytes:
    try:
        return fits_content(path)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path} cannot be read ({reason}).", "Check the file and its permissions.") from None


def _position(path: Path, cards: fastfits.Cards) -> tuple[float, float]:
    """RA and Dec of the object in degrees, NaN where they are not known."""
    ra_deg, dec_deg = cards.get("RA", math.nan), cards.get("DEC", math.nan)
    if isinstance(ra_deg, float | int) and isinstance(dec_deg, float | int):
        if math.isnan(ra_deg) and math.isnan(dec_deg):
            return math.nan, math.nan
        if 0 <= ra_deg <= 360 and -90 <= dec_deg <= 90:
            return float(ra_deg), float(dec_deg)
    raise DataError(f"{path} has the position {ra_deg}, {dec_deg}, which is not one.", AGAIN)


def read_epochs(path: Path) -> Table:
    """The ``EPOCHS`` table of a file of the store.

    Raises
    ------
    DataError
        If it cannot be read.
    InputError
        If a newer rbztf wrote the file.
    """
    content = _content(path)
    _sound_parts(path, content)
    return _parse_epochs(path, content)


def _parse_epochs(path: Path, content: bytes) -> Table:
    from astropy.io import fits
    from astropy.table import Table

    with reading(path, f"has no readable {EPOCHS} table"), fits.open(io.BytesIO(content)) as hdus:
        return Table.read(hdus[EPOCHS], mask_invalid=False)
