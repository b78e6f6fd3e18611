"""Locks that end with their process: who is writing, and what a writer that was killed left behind."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


def hold(handle: int) -> None:
    """Lock an open file or folder until it is closed; nothing happens where the system has no locks."""
    with contextlib.suppress(OSError):
        fcntl.flock(handle, fcntl.LOCK_EX)


def is_held(path: Path) -> bool:
    """Whether a living process holds ``path``; False where that cannot be told."""
    try:
        with _lock(path):
            return False
    except BlockingIOError:
        return True
    except OSError:
        return False


def remove_dead(paths: Iterable[Path]) -> None:
    """Remove the files and folders that no process holds; all stay where that cannot be told."""
    for path in paths:
        with contextlib.suppress(OSError), _lock(path):
            remove(path)


def remove(path: Path) -> None:
    """Remove a file, or a folder with all in it, as far as the system lets us."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)
