"""Write files and folders atomically: a reader sees the old whole or the new whole."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import re
import shutil
import stat
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rbztf.errors import DataError, RbztfError, UsageError, WriteError, reason
from rbztf.locks import hold, is_held, remove, remove_dead

_AGAIN = "Check the disk (space, permissions), then run the same command again."
_FREE = "Free some space, then run the same command again."
_ELSEWHERE = "Choose another place, or change its permissions."
_RENAME = "Choose another name."
_REASONS = {
    errno.ENOSPC: ("the disk is full", _FREE),
    errno.EDQUOT: ("your quota of disk space is used up", _FREE),
    errno.EFBIG: (
        "it would be larger than files may be here",
        "Raise the limit (see ulimit -f), then run it again.",
    ),
    errno.EROFS: ("the file system is read-only", _ELSEWHERE),
    errno.EACCES: ("permission denied", _ELSEWHERE),
    errno.EPERM: ("permission denied", _ELSEWHERE),
    errno.ENOENT: ("its folder is not there, or was deleted meanwhile", "Run the same command again."),
}
_WRONG_NAME = {
    errno.EEXIST: "a file is in the way",
    errno.ENOTDIR: "a file is in the way",
    errno.EISDIR: "it is a folder",
    errno.ENAMETOOLONG: "its name is too long",
    errno.ELOOP: "it is a link that leads to itself",
}


def cannot_write(path: Path, error: OSError) -> RbztfError:
    """The sentence for a failure to write ``path``: wrong use if no file of that name could be written."""
    what = f"{path} cannot be written"
    if error.errno in _WRONG_NAME:
        return UsageError(f"{what}: {_WRONG_NAME[error.errno]}.", _RENAME)
    unknown = (error.strerror or "only a part of it was taken", _AGAIN)  # NumPy gives no number
    reason, next_step = _REASONS.get(error.errno or 0, unknown)
    return WriteError(f"{what}: {reason}.", next_step)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Write to ``path`` within the block.

    Raises
    ------
    WriteError
        For a full disk, a missing permission, a folder that was deleted and the like.
    UsageError
        For a name that no file can have there.
    """
    try:
        yield
    except OSError as error:
        raise cannot_write(path, error) from None


@contextmanager
def whole(path: Path, *, tidy: bool = True) -> Iterator[Path]:
    """Write a file that appears whole or not at all; missing folders are made.

    Parameters
    ----------
    path : Path
        Through a symbolic link, the file it points to.
    tidy : bool
        Look for what a writer of this file that was killed left beside it, and remove it. To be
        left out in folders of very many files.

    Yields
    ------
    Path
        An empty file beside ``path`` to write to. It takes the place of ``path`` when the block
        ends well, and is removed otherwise. Two writers at once do not share it.

    Raises
    ------
    WriteError, UsageError
        As :func:`writing`.
    """
    target = Path(os.path.realpath(path))
    with writing(path):
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, "")
        if target.exists() and not target.is_file():
            raise UsageError(f"{path} cannot be written: it is not a regular file.", _RENAME)
        target.parent.mkdir(parents=True, exist_ok=True)
        if tidy:
            remove_dead(_parts(target))
        with _part(target, Path.touch) as part:
            yield part
            _sync(part)
            part.replace(target)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8, its line ends as they are, by :func:`whole`."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes, *, tidy: bool = True) -> None:
    """Write ``content`` by :func:`whole`."""
    with whole(path, tidy=tidy) as part:
        part.write_bytes(content)


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Write a folder that appears whole, in the place of an older one, or not at all.

    Yields
    ------
    Path
        An empty folder beside ``folder``, which takes its place when the block ends well.

    Raises
    ------
    UsageError
        If another process is writing this folder, or as :func:`writing`.
    WriteError
        As :func:`writing`.
    """
    target = Path(os.path.realpath(folder))
    with writing(folder):
        target.parent.mkdir(parents=True, exist_ok=True)
        remove_dead(_parts(target))
        put_back(target)
        with _part(target, Path.mkdir) as part:
            _check_alone(folder, part, _parts(target))
            try:
                yield part
            except WriteError as error:  # of a file within it: name it as the user will
                message = error.message.replace(str(part), str(folder))
                raise WriteError(message, error.next_step) from None
            for path in part.rglob("*"):
                _sync(path)
            _swap(part, target)
            shutil.rmtree(_old(target), ignore_errors=True)


def _check_alone(folder: Path, part: Path, parts: Mapping[Path, int]) -> None:
    if any(is_held(other) for other, since in parts.items() if since < parts[part]):
        raise UsageError(
            f"Another process is writing {folder}.", "Wait until it has finished, or choose another --out."
        )


def is_taken(folder: Path, mark: str) -> bool:
    """Whether ``folder`` holds something, and not what a file called ``mark`` in it would tell."""
    if not folder.name or not folder.is_dir():
        return folder.exists()
    return any(folder.iterdir()) and not (folder / mark).is_file()


def put_back(folder: Path) -> None:
    """Bring back a folder whose replacement was killed half way, where folders cannot be exchanged."""
    old = _old(folder)
    while not folder.exists() and old.is_dir():
        if not any(map(is_held, _parts(folder))):
            with contextlib.suppress(OSError):
                old.rename(folder)
            return
        time.sleep(0.01)  # another process is between its two renames


def _old(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.old")


def _swap(new: Path, target: Path) -> None:
    """Put the folder ``new`` in the place of ``target``; the old one ends up in ``new`` or beside it."""
    if target.exists():
        if _exchange(new, target):
            return
        shutil.rmtree(_old(target), ignore_errors=True)
        target.rename(_old(target))
    new.rename(target)


_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two paths in one step; False where the system cannot."""
    try:
        renameat2 = ctypes.CDLL(None).renameat2
    except (AttributeError, OSError):  # not Linux
        return False
    paths = os.fsencode(one), os.fsencode(other)
    return bool(renameat2(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], _RENAME_EXCHANGE) == 0)


@contextmanager
def _part(target: Path, create: Callable[[Path], object]) -> Iterator[Path]:
    """A new ``.NAME.TIME.PID.part`` beside ``target``, locked as long as this process lives."""
    part, handle = _create(target, create)
    try:
        yield part
    finally:
        remove(part)
        os.close(handle)


def _create(target: Path, create: Callable[[Path], object]) -> tuple[Path, int]:
    while True:
        part = target.with_name(f".{target.name}.{time.time_ns()}.{os.getpid()}.part")
        create(part)
        try:
            handle = os.open(part, os.O_RDONLY)
        except FileNotFoundError:  # another writer took it for a leftover before it was locked
            continue
        hold(handle)
        if part.exists():
            return part, handle
        os.close(handle)


def _parts(target: Path) -> dict[Path, int]:
    """Parts of ``target``, finished by nobody or under way, each with the time of its name (ns)."""
    name = re.compile(rf"\.{re.escape(target.name)}\.(?:(\d+)\.)?(?:\d+\.)?part")
    with os.scandir(target.parent) as entries:
        found = [name.fullmatch(entry.name) for entry in entries]
    return {target.with_name(match[0]): int(match[1] or 0) for match in found if match}


def _sync(path: Path) -> None:
    """Have the system write a file to the disk, so that a power failure cannot empty it after its renaming."""
    if path.is_file():
        with path.open("rb") as stream:
            os.fsync(stream.fileno())


def regular(path: Path) -> Path:
    """``path`` itself, if it is there and is a file or a folder: a pipe could block for ever, a device never end.

    Raises
    ------
    OSError
        If it is not.
    """
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    return path


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
            if path.exists():
                regular(path)
            yield
    except RbztfError:
        raise
    except Exception as error:  # noqa: BLE001 - damaged bytes fail in a dozen ways, none of them documented
        raise DataError(f"{path} {what} ({reason(error)}).", next_step) from None
