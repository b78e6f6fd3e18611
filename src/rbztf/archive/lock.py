"""One writer per store: a lock that the operating system releases however its holder ends."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rbztf.errors import InputError, UsageError

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
