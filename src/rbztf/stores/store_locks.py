"""Locks of a cutout store: one process writes an object at a time, and others can tell.

A lock is on one byte of the file ``.rbztf.lock``, at the OID, so that thousands of objects need
one open file; the system releases it however its holder ends. Some network file systems refuse
locks: then every lock is granted, and :attr:`StoreLocks.warning` says so.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from rbztf.errors import RbztfError
from rbztf.files import cannot_write
from rbztf.locks import remove_dead
from rbztf.progress import Progress, notify

LOCK_NAME = ".rbztf.lock"
IMAGES = 0
"""Stands for the cutting of whole images, which one process does at a time; it is not an OID."""
POLL_S = 0.2
"""Pause before a lock that another process holds is tried again."""
NOTIFY_EVERY_S = 30.0
_TAKEN = {errno.EAGAIN, errno.EACCES}
_OPEN_FILE_LOCK = getattr(fcntl, "F_OFD_SETLK", None)
"""Linux: a lock belongs to the opened file, so two threads of one process exclude each other too."""


class Busy(RbztfError):
    """Another process is writing what this one wants to write."""


class Patience:
    """Waiting for other processes: said at once and then now and again, and not for ever if so wished.

    Parameters
    ----------
    wait_s : float or None
        Longest time to wait without a rest, in seconds; None: without end.
    progress : Progress
    """

    def __init__(self, wait_s: float | None, progress: Progress) -> None:
        self._wait_s, self._progress = wait_s, progress
        self._since: float | None = None
        self._next_notice = 0.0

    def wait(self, sentence: str) -> bool:
        """Wait for a moment; False when the longest time is over."""
        now = time.monotonic()
        self._since = self._since or now
        if self._wait_s is not None and now - self._since >= self._wait_s:
            return False
        if now >= self._next_notice:
            self._next_notice = now + NOTIFY_EVERY_S
            notify(self._progress, sentence)
        time.sleep(POLL_S)
        return True

    def rest(self) -> None:
        """What was waited for is there: the time counts anew."""
        self._since = None


class StoreLocks:
    """The right to write objects of a store, one by one; a context manager.

    Parameters
    ----------
    folder : Path
        Made if it is not there; half files of writers that were killed are removed.

    Raises
    ------
    WriteError, UsageError
        If the folder cannot be made or written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._works = True
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise cannot_write(folder, error) from None
        remove_dead(folder.glob(".*.part"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let others write all objects."""
        os.close(self._file)

    def take(self, oid: int) -> bool:
        """Whether this process may write the object from now on; False while another one does."""
        try:
            _set_lock(self._file, oid, fcntl.F_WRLCK)
        except OSError as error:
            if error.errno in _TAKEN:
                return False
            self._works = False  # ENOLCK, ENOSYS, EOPNOTSUPP, ENOTSUPP: nobody can lock here
        return True

    def release(self, oid: int) -> None:
        """Let others write the object."""
        with contextlib.suppress(OSError):
            _set_lock(self._file, oid, fcntl.F_UNLCK)

    @contextmanager
    def held(self, oid: int, patience: Patience, what: str) -> Iterator[None]:
        """Hold the lock on one object, waiting for it if need be; ``what`` names it.

        Raises
        ------
        Busy
            If another process still holds it when the time to wait is over.
        """
        while not self.take(oid):
            if not patience.wait(f"Waiting for {what}, to which another process is writing."):
                raise Busy(f"Another process is writing to {what}.", "Run the same command again later.")
        patience.rest()
        try:
            yield
        finally:
            self.release(oid)

    @property
    def warning(self) -> str:
        """What users should know where the file system has no locks; empty where it has."""
        if self._works:
            return ""
        return (
            f"The file system of {self._folder} has no file locks (a network file system, perhaps). "
            "Make sure that no other process writes to this folder at the same time."
        )


def _set_lock(file: int, place: int, kind: int) -> None:
    """Lock or unlock one byte, without waiting."""
    if _OPEN_FILE_LOCK is not None:
        fcntl.fcntl(file, _OPEN_FILE_LOCK, struct.pack("hhqqi4x", kind, os.SEEK_SET, place, 1, 0))
        return
    flags = fcntl.LOCK_UN if kind == fcntl.F_UNLCK else fcntl.LOCK_EX | fcntl.LOCK_NB
    fcntl.lockf(file, flags, 1, place)
