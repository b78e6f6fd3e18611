"""The cutout store: all frames of an object and its light curve in one FITS file.

``FOLDER/OID.fits`` holds a primary header (OID, RA, DEC, COLLECT, SCHEMA), an image
``FRAMES`` (n, 28, 28) float32 in time order, in DN as served, NaN where the chip has no
pixel, and a table ``EPOCHS`` with one row per epoch (see :mod:`rbztf.stores.epochs`).
Two foreign layouts are read as well: the reference's ``FOLDER/OID/HMJD.fits`` and single
cutouts ``FOLDER/OID.fits``, each taken for an object of one frame.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rbztf.errors import InputError
from rbztf.files import reading
from rbztf.stores.object_file import ObjectCutouts, is_store_file, read_epochs, read_store_file
from rbztf.ztf import Oid

if TYPE_CHECKING:
    from astropy.table import Table


def read_object(path: Path) -> ObjectCutouts:
    """Read one object: a file of the store, a single cutout, or a folder of the reference.

    Raises
    ------
    DataError
        If nothing usable can be read from ``path``.
    """
    from rbztf.stores import irsa_cutouts

    if path.is_dir():
        return irsa_cutouts.read_folder(path)
    return read_store_file(path) or irsa_cutouts.read_single(path)


class CutoutStore(Mapping[Oid, ObjectCutouts]):
    """A folder of objects, as a mapping from OID to :class:`ObjectCutouts`.

    Raises
    ------
    InputError
        If the folder does not exist.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise InputError(
                f"There is no cutout folder {self.folder}.",
                "Fetch objects first (rbztf fetch OID --out DIR) or name the folder with --data.",
            )
        self._paths = dict(sorted(_objects_in(self.folder)))

    def __getitem__(self, oid: int | str) -> ObjectCutouts:
        return read_object(self._paths[Oid(oid)])

    def epochs(self, oid: int | str) -> Table:
        """As ``store[oid].epochs``, without reading the frames where they are apart."""
        path = self._paths[Oid(oid)]
        with reading(path, "cannot be read"):
            ours = path.is_file() and is_store_file(path)
        return read_epochs(path) if ours else read_object(path).epochs

    def __iter__(self) -> Iterator[Oid]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)

    def __contains__(self, oid: object) -> bool:
        return oid in self._paths

    def __repr__(self) -> str:
        return f"CutoutStore({str(self.folder)!r}, {len(self)} objects)"


def open_cutouts(folder: Path | str) -> CutoutStore:
    """Open a cutout store; ``open_cutouts(PATH)[oid]`` has ``.frames`` and ``.epochs``."""
    return CutoutStore(folder)


def _objects_in(folder: Path) -> Iterator[tuple[Oid, Path]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            stem, dot, ending = entry.name.partition(".")
            if not stem.isdigit() or (dot and ending != "fits"):
                continue
            try:
                yield Oid(stem), Path(entry.path)
            except InputError:
                continue
