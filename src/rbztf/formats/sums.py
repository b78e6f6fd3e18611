"""SHA-256 sums of the files of a folder, kept in it: a changed bit is noticed.

``SHA256SUMS`` has one line a file, as ``sha256sum`` writes it, so ``sha256sum -c SHA256SUMS`` checks
a folder too. A folder within that has a list of its own (an encoder within a model) is left to it.
Folders without a list, as older versions wrote them, are read as before.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from rbztf.errors import InputError, Problem
from rbztf.files import cannot_write, regular, write_text

SUMS = "SHA256SUMS"
CARD = "README.md"
"""Nothing is read from it, so whoever uses a model may write into it."""
MOST_BYTES = 2**20
"""Of a list: some 10,000 files."""
_LINE = re.compile(r"([0-9a-f]{64})  ([^\s/](?:[^\r\n]*[^\s])?)")
_AGAIN = "Make or get it again."
_CHANGED = f"Make or get it again; after a change of your own, remove {SUMS} and run rbztf check --seal."


def write_sums(folder: Path, *names: str) -> None:
    """Write the list of the files in ``folder``, whole or not at all.

    Parameters
    ----------
    folder : Path
    *names : str
        Files that have just been written there: a list must not vouch for a folder that lost one since.

    Raises
    ------
    WriteError, UsageError
        If it cannot be written, or one of ``names`` is not there.
    """
    try:
        for name in names:
            (folder / name).stat()
        lines = [f"{_hash(path)}  {path.relative_to(folder).as_posix()}\n" for path in _files(folder)]
    except OSError as error:
        raise cannot_write(folder / SUMS, error) from None
    write_text(folder / SUMS, "".join(lines))


def verify(folder: Path, *names: str, others: bool = False) -> None:
    """Compare files with the list of their folder, if it has one.

    Parameters
    ----------
    names : str
        Files that the list must have.
    others : bool
        Compare the other files of the list too, but :data:`CARD`.

    Raises
    ------
    InputError
        Naming the first file that is not as it was written, or is missing.
    """
    if not has_sums(folder):
        return
    listed = _read(folder)
    for name in names:
        if name not in listed:
            raise InputError(f"{folder / SUMS} lacks {name}: it is not whole.", _AGAIN)
    asked = {name: total for name, total in listed.items() if name in names or (others and name != CARD)}
    for fault in _faults(folder, asked):
        raise InputError(f"{fault.where} {fault.what}", _CHANGED)


def lists(folder: Path, name: str) -> bool:
    """Whether the list of ``folder`` has this file; also where there is no list.

    Raises
    ------
    InputError
        If the list is damaged.
    """
    return not has_sums(folder) or name in _read(folder)


def faults(folder: Path) -> list[Problem]:
    """All that differs from the list of ``folder``, which there is; files added since do not count.

    Raises
    ------
    InputError
        If the list itself is damaged.
    """
    return list(_faults(folder, _read(folder)))


def has_sums(folder: Path) -> bool:
    """Whether ``folder`` has a list of its files."""
    return (folder / SUMS).exists()


def _faults(folder: Path, listed: Mapping[str, str]) -> Iterator[Problem]:
    for name, expected in listed.items():
        path = folder / name
        try:
            found = _hash(path)
        except OSError as error:
            yield Problem(str(path), f"cannot be read ({error.strerror}).")
            continue
        if found != expected:
            yield Problem(str(path), f"is damaged or was changed: its sum is not that in {SUMS}.")


def _read(folder: Path) -> dict[str, str]:
    """Sum of each file, by its name within ``folder``."""
    path = folder / SUMS
    try:
        with regular(path).open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
        text = content.decode("utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise InputError(f"{path} cannot be read ({reason}).", _AGAIN) from None
    found: dict[str, str] = {}
    for number, line in enumerate(text.split("\n")[:-1], start=1):
        match = _LINE.fullmatch(line)
        if match is None or match[2] in found or ".." in PurePosixPath(match[2]).parts:
            raise InputError(f"{path}, line {number} is not a sum and the name of a file.", _AGAIN)
        found[match[2]] = match[1]
    if len(content) > MOST_BYTES or not found or not text.endswith("\n"):
        raise InputError(f"{path} is not a whole list of sums.", _AGAIN)
    return found


def _files(folder: Path) -> Iterator[Path]:
    """Files of ``folder``, in order; not the list itself, hidden ones, or a folder with a list of its own."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name == SUMS:
            continue
        if path.is_dir():
            if not has_sums(path):
                yield from _files(path)
        elif path.is_file():
            yield path


def _hash(path: Path) -> str:
    with regular(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
