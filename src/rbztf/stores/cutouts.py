"""The cutout store: all frames of an object and its light curve in one FITS file.

``FOLDER/OID.fits`` holds a primary header (OID, RA, DEC, COLLECT, SCHEMA), an image
``FRAMES`` (n, 28, 28) float32 in time order, in DN as served, NaN where the chip has no
pixel, and a table ``EPOCHS`` with one row per epoch (see :mod:`rbztf.stores.epochs`).
Two foreign layouts are read as well: the reference's ``FOLDER/OID/HMJD.fits`` and single
cutouts ``FOLDER/OID.fits``, each taken for an object of one frame. Other endings of FITS files are
read too (:mod:`rbztf.stores.fitsimages`), and what is not read is named.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rbztf.errors import InputError, Problem
from rbztf.figures import notebook
from rbztf.files import reading
from rbztf.stores.fitsimages import fits_like, stem_of
from rbztf.stores.object_file import ObjectCutouts, is_store_file, read_epochs, read_store_file
from rbztf.wording import counted
from rbztf.ztf import Oid

if TYPE_CHECKING:
    from astropy.table import Table

OTHER_ENDINGS = tuple(
    plain + packed for plain in (".fits", ".fit", ".fts", ".FITS", ".FIT") for packed in ("", ".gz", ".fz")
)[1:]


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

    Attributes
    ----------
    strangers : tuple of Path
        FITS files in the folder whose name is not an OID.

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
        self._paths, self._others, self.strangers = _objects_in(self.folder)

    def __getitem__(self, oid: int | str) -> ObjectCutouts:
        cutouts = read_object(self._paths[Oid(oid)])
        others = self._others.get(Oid(oid), ())
        if others:
            what = f"it is of the object that {cutouts.path.name} holds, which is read."
            told = (Problem(str(path), what) for path in others)
            cutouts = replace(cutouts, problems=(*cutouts.problems, *told))
        return cutouts

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

    def _repr_html_(self) -> str:
        rows = [[int(oid), oid.field, oid.ccd, oid.quadrant, oid.band] for oid in self]
        header = ("oid", "field", "CCD", "quadrant", "band")
        return notebook.table(f"Cutouts in {self.folder}: {counted(len(self), 'object')}", header, rows)

    def __repr__(self) -> str:
        return f"CutoutStore({str(self.folder)!r}, {counted(len(self), 'object')})"


def open_cutouts(folder: Path | str) -> CutoutStore:
    """Open a cutout store; ``open_cutouts(PATH)[oid]`` has ``.frames`` and ``.epochs``."""
    return CutoutStore(folder)


def path_beside(folder: Path, oid: Oid) -> Path | None:
    """A file or folder of an object in another form than ``OID.fits``, which would be in the way of that one."""
    names = (f"{int(oid)}", *(f"{int(oid)}{ending}" for ending in OTHER_ENDINGS))
    return next((folder / name for name in names if (folder / name).exists()), None)


def _objects_in(folder: Path) -> tuple[dict[Oid, Path], dict[Oid, list[Path]], tuple[Path, ...]]:
    """What each object is read from, its other files, and FITS files that are of no object."""
    found: dict[Oid, list[Path]] = {}
    strangers: list[Path] = []
    with os.scandir(folder) as entries:
        paths = sorted((Path(entry.path), entry.name) for entry in entries if entry.name[0] != ".")
    for path, name in paths:
        stem = name if "." not in name else fits_like(name)
        if stem is None:
            continue
        try:
            found.setdefault(Oid(stem), []).append(path)
        except InputError:
            if stem != name:
                strangers.append(path)
    for oid, several in found.items():
        several.sort(key=lambda path: (path.name != f"{int(oid)}.fits", stem_of(path.name) is None))
    chosen = {oid: several[0] for oid, several in sorted(found.items())}
    others = {oid: several[1:] for oid, several in found.items() if len(several) > 1}
    return chosen, others, tuple(strangers)
