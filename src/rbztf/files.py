"""Folders that appear whole, in the place of an older one of their kind or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rbztf.errors import DataError, InputError, RbztfError, UsageError


def is_taken(folder: Path, mark: str) -> bool:
    """Whether ``folder`` holds something, and not what a file called ``mark`` in it would tell."""
    if not folder.name or not folder.is_dir():
        return folder.exists()
    return any(folder.iterdir()) and not (folder / mark).is_file()


def new_folder(folder: Path) -> Path:
    """Make ``folder``, empty, with its parents.

    Raises
    ------
    UsageError
        If it cannot be made.
    """
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise UsageError(
            f"{folder.parent} cannot be written to ({error.strerror}).", "Choose another --out."
        ) from None
    return folder


def replace_folder(new: Path, target: Path) -> None:
    """Put the folder ``new`` in the place of ``target``, with no moment of half a folder."""
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    with contextlib.suppress(FileNotFoundError):
        target.rename(old)
    new.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def _write(path: Path, write: Callable[[Path], object]) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(part)
        part.replace(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror}).", "Choose another place.") from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def json_text(content: Any) -> str:
    """Indented JSON; NaN and infinity, for which JSON has no name, become null."""
    return json.dumps(_finite(content), indent=1, allow_nan=False) + "\n"


def _finite(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_finite(value) for value in content]
    if isinstance(content, float) and not math.isfinite(content):
        return None
    return content


LOCK_NAME = ".rbztf.lock"


@contextmanager
def store_lock(folder: Path) -> Iterator[Path]:
    """Hold the only right to write into the store ``folder`` (made if it is not there).

    Leftovers of a writer that was killed (``.OID.PID.part``) are removed on entry.

    Raises
    ------
    InputError
        If the folder cannot be made or written.
    UsageError
        If another process is writing there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = (folder / LOCK_NAME).open("ab")
    except OSError as error:
        raise InputError(
            f"{folder} cannot be used as a store ({error.strerror}).", "Choose another folder with --out."
        ) from None
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f"Another process is writing to the store {folder}.",
                "Wait until it has finished, or choose another folder with --out.",
            ) from None
        for leftover in folder.glob(".*.part"):
            leftover.unlink()
        yield folder


@contextmanager
def reading(
    path: Path, what: str = "is not a readable FITS file", next_step: str = "Fetch it again."
) -> Iterator[None]:
    """Read from ``path`` within the block; ``what`` says what it is not, if that fails.

    Raises
    ------
    DataError
        For any error but our own.
    """
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    except RbztfError:
        raise
    except Exception as error:  # noqa: BLE001 - damaged bytes fail in a dozen ways, none of them documented
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{path} {what} ({reason}).", next_step) from None
