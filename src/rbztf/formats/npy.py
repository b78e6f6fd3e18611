"""NumPy's files that anyone may have written: the header is checked before it is believed."""

from __future__ import annotations

import math
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from rbztf.errors import reason
from rbztf.files import regular

MOST_BYTES = 2**32
"""Of what a ``.npz`` file holds, unpacked."""


def map_array(path: Path, dtype: DTypeLike, *columns: int | None) -> NDArray[Any]:
    """Map a file that holds exactly an array of one type, row by row; its numbers are read when used.

    Parameters
    ----------
    columns : int or None
        Lengths of the axes after the first; None for any.

    Raises
    ------
    OSError, ValueError
        Saying what is wrong with the file.
    """
    array = _load(path, "r")
    if array.dtype != np.dtype(dtype):
        raise ValueError(f"{path.name} holds {array.dtype}, not {np.dtype(dtype)}")
    shape = (*array.shape[:1], *columns)
    fits = array.ndim == len(shape) and all(n in (None, m) for n, m in zip(shape, array.shape))
    if not fits or not array.flags.c_contiguous:
        raise ValueError(f"{path.name} has the shape {array.shape}, which does not fit the others")
    return array


def map_if_there(path: Path, dtype: DTypeLike, *columns: int | None) -> NDArray[Any] | None:
    """As :func:`map_array`; None for a file that older versions did not write."""
    return map_array(path, dtype, *columns) if path.exists() else None


def crcs_of(*arrays: NDArray[Any]) -> list[int]:
    """CRC-32 of the bytes of each array."""
    return [zlib.crc32(np.ascontiguousarray(array).tobytes()) for array in arrays]


def check_index(objects: NDArray[Any], n_rows: int) -> None:
    """Refuse an index whose objects do not share out ``n_rows`` rows among them, in whatever order.

    Parameters
    ----------
    objects : structured ndarray (n,)
        With the whole numbers oid, start and n.

    Raises
    ------
    ValueError
        Saying what is wrong.
    """
    if len(np.unique(objects["oid"])) < len(objects):
        raise ValueError("its index names an object twice")
    if (objects["n"] < 0).any() or (objects["n"] > n_rows).any():
        raise ValueError("its index goes beyond its vectors")
    placed = objects[np.lexsort((objects["start"], objects["start"] + objects["n"]))]
    ends = np.cumsum(placed["n"])
    if not np.array_equal(placed["start"], ends - placed["n"]):
        raise ValueError("the rows of its index overlap, or leave vectors out")
    if ends[-1:].sum() != n_rows:
        raise ValueError("its index does not cover its vectors")


def read_array(path: Path) -> NDArray[Any]:
    """Read an array of numbers, of whatever shape: a ``.npy`` file, or the one array of a ``.npz`` file.

    Raises
    ------
    OSError, ValueError
        Saying what is wrong with the file.
    """
    if path.suffix != ".npz":
        return np.asarray(_load(path, None))
    arrays = read_arrays(path)
    if len(arrays) != 1:
        raise ValueError(f"it holds {len(arrays)} arrays")
    return next(iter(arrays.values()))


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read the arrays of numbers of a ``.npz`` file, by name.

    Raises
    ------
    OSError, ValueError
        Saying what is wrong with the file.
    """
    try:
        with zipfile.ZipFile(regular(path)) as packed:
            entries = packed.infolist()
            n_bytes = sum(entry.file_size for entry in entries)
            if n_bytes > MOST_BYTES:
                raise ValueError(f"it holds {n_bytes} bytes, more than {MOST_BYTES}")
            return {entry.filename.removesuffix(".npy"): _unpacked(packed, entry) for entry in entries}
    except (OSError, ValueError):
        raise
    except MemoryError:
        raise ValueError(f"{path.name} does not fit into memory") from None
    except Exception as error:  # noqa: BLE001 - a damaged ZIP file fails in a dozen ways
        raise ValueError(f"{path.name} is not a sound ZIP file ({reason(error)})") from None


def _unpacked(packed: zipfile.ZipFile, entry: zipfile.ZipInfo) -> NDArray[Any]:
    with packed.open(entry) as stream:
        _check(stream, entry.filename, entry.file_size)
    with packed.open(entry) as stream, warnings.catch_warnings(action="ignore"):
        return np.asarray(np.lib.format.read_array(stream, allow_pickle=False))


def _load(path: Path, mmap_mode: Any) -> NDArray[Any]:
    with regular(path).open("rb") as stream:
        _check(stream, path.name, path.stat().st_size)
    try:
        with warnings.catch_warnings(action="ignore"):
            return np.asanyarray(np.load(path, mmap_mode=mmap_mode, allow_pickle=False))
    except MemoryError:
        raise ValueError(f"{path.name} does not fit into memory") from None


def _check(stream: IO[bytes], name: str, size: int) -> None:
    """Refuse a header that is not one, or that promises another number of bytes than follow it."""
    try:
        with warnings.catch_warnings(action="ignore"):
            version = np.lib.format.read_magic(stream)
            read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
            shape, _, dtype = read[version](stream)
        n_bytes = math.prod(shape) * dtype.itemsize
        sound = not dtype.hasobject and all(n >= 0 for n in shape)
    except Exception:  # noqa: BLE001 - a forged header fails in a dozen ways, none of them documented
        raise ValueError(f"{name} is not a NumPy array") from None
    if not sound:
        raise ValueError(f"{name} holds something else than numbers")
    follow = size - stream.tell()
    if n_bytes != follow:
        raise ValueError(f"{name} promises {n_bytes} bytes of numbers and holds {follow}")
