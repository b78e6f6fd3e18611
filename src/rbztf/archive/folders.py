"""Folders that appear whole, in the place of an older one of their kind or not at all."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from rbztf.errors import UsageError


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
