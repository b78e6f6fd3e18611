"""SNAD's tables of features for whole data releases: a pair of raw binary files and a list of names.

``sid_NAME.dat`` holds the OIDs (uint64), ``feature_NAME.dat`` the values (float32, a row an object, C order),
both little-endian and without a header, ``feature_NAME.name`` the names of the columns with blanks between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from rbztf.errors import InputError
from rbztf.files import whole, write_text

ENDINGS = (".dat", ".name")
PREFIXES = ("sid_", "feature_")
_HELP = "Give sid_NAME.dat, feature_NAME.dat and feature_NAME.name, in one folder."


@dataclass(frozen=True)
class BinaryFiles:
    """An open pair, mapped into memory.

    Attributes
    ----------
    oids : ndarray (n,), uint64
    values : ndarray (n, k), float32
    names : tuple of str
        Of the k columns.
    """

    oids: NDArray[np.uint64]
    values: NDArray[np.float32]
    names: tuple[str, ...]

    @staticmethod
    def named(path: Path) -> bool:
        """Whether ``path`` has the name of one of the three files."""
        return path.suffix in ENDINGS and path.name.startswith(PREFIXES)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the pair that ``path``, one of the three files, belongs to.

        Raises
        ------
        InputError
            If one is missing, or their sizes do not fit together.
        """
        sids, values, listed = places(path)
        try:
            names = tuple(listed.read_text(encoding="utf-8").split())
            sizes = [file.stat().st_size for file in (sids, values)]
        except (OSError, UnicodeDecodeError) as error:
            what = getattr(error, "strerror", None) or "it is not text"
            raise InputError(
                f"{getattr(error, 'filename', None) or listed} cannot be read ({what}).", _HELP
            ) from None
        n_rows, rest = divmod(sizes[0], 8)
        expected = n_rows * len(names) * 4
        if rest or sizes[1] != expected:
            raise InputError(
                f"{values} has {sizes[1]} bytes; {sids} ({sizes[0]} bytes) and {len(names)} names in {listed} ask for {expected}.",
                "One of the three is cut short, or they are not of one table.",
            )
        if not n_rows or not names:
            raise InputError(f"{sids if names else listed} is empty.", _HELP)
        try:
            oids: NDArray[np.uint64] = np.memmap(sids, "<u8", "r")
            table: NDArray[np.float32] = np.memmap(values, "<f4", "r", shape=(n_rows, len(names)))
        except OSError as error:
            raise InputError(f"{values} cannot be read ({error.strerror}).", _HELP) from None
        return cls(oids, table, names)


def places(path: Path) -> tuple[Path, Path, Path]:
    """The files of OIDs, values and names that belong to ``path``, one of the three."""
    stem = path.stem
    for prefix in PREFIXES:
        stem = stem.removeprefix(prefix)
    return (
        path.with_name(f"sid_{stem}.dat"),
        path.with_name(f"feature_{stem}.dat"),
        path.with_name(f"feature_{stem}.name"),
    )


def write_binary(
    path: Path, oids: NDArray[np.int64], values: NDArray[np.floating], names: Sequence[str]
) -> None:
    """Write a table as SNAD does; each of the three files appears whole or not at all.

    Raises
    ------
    WriteError, UsageError
        If one cannot be written.
    """
    sids, table, listed = places(path)
    for target, content in ((sids, oids.astype("<u8")), (table, np.ascontiguousarray(values, "<f4"))):
        with whole(target) as part:
            content.tofile(part)
    write_text(listed, " ".join(names) + "\n")
