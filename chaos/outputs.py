"""What is below a folder, and whether two of them hold the same."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

WORKING = "checkpoints/"
"""Begins the names of files that lie in an output until it is whole."""
Tree = Mapping[str, bytes]
"""Content of every file that a user sees, by its path."""
RESULTS = (".safetensors", ".npy", ".npz", ".fits", ".csv", ".ecsv", ".txt")
"""Files that hold numbers: the same command writes the same bytes."""
SECONDS = re.compile(rb'"seconds": [0-9.e-]+')
"""How long something took, in a JSON file."""
TIMED = ("history.csv", "SHA256SUMS")
"""But for those that hold times, or sums of files that do."""


def visible(path: Path) -> dict[str, bytes]:
    """A file, or all files below a folder, but for hidden ones, journals and how long something took."""
    if path.is_file():
        return {path.name: path.read_bytes()}
    found = {}
    for entry in sorted(path.rglob("*")):
        inside = entry.relative_to(path)
        is_hidden = any(part.startswith(".") for part in inside.parts)
        if entry.is_file() and not is_hidden and entry.suffix != ".journal":
            content = entry.read_bytes()
            found[str(inside)] = SECONDS.sub(b'"seconds": 0', content) if entry.suffix == ".json" else content
    return found


def leftovers(folder: Path) -> list[str]:
    """Half-written files and folders that are still there after a good end."""
    return [
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.name.endswith((".part", ".old"))
    ]


def place(source: Path | None, target: Path) -> None:
    """Make ``target`` what ``source`` is: a copy of a file or folder, or nothing."""
    clear(target.parent)
    if source is not None and source.is_dir():
        shutil.copytree(source, target, symlinks=True)
    elif source is not None:
        shutil.copy2(source, target)


def clear(folder: Path) -> None:
    """An empty folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for entry in folder.iterdir():
        shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()


@dataclass(frozen=True)
class Expected:
    """What an undisturbed call leaves.

    Attributes
    ----------
    before, after : Tree
        Before and after the call.
    varying : frozenset of str
        Files that two undisturbed calls write differently: they hold times.
    steps : tuple of str
        The kinds of its changes of files (:mod:`chaos.steps`), in order.
    seconds : float
        How long it takes.
    """

    before: Tree
    after: Tree
    varying: frozenset[str]
    steps: tuple[str, ...] = ()
    seconds: float = 0.0

    def torn(self, found: Tree) -> list[str]:
        """Files that are neither the old whole nor the new whole."""
        return [
            name
            for name, content in found.items()
            if name not in self.varying
            and not name.startswith(WORKING)
            and content not in (self.before.get(name), self.after.get(name))
        ]

    def lost(self, found: Tree) -> list[str]:
        """Files that were there before and after an undisturbed call, and are gone."""
        return [name for name in self.before if name in self.after and name not in found]

    def mixed(self, found: Tree) -> bool:
        """Whether it is neither the old output as a whole nor the new one."""
        sides = (self.before, self.after)
        return not any(
            found.keys() == side.keys() and all(found[n] == side[n] for n in found.keys() - self.varying)
            for side in sides
        )

    def differing(self, found: Tree) -> list[str]:
        """Files that an undisturbed call would have left otherwise."""
        same_names = found.keys() & self.after.keys()
        others = {n for n in same_names - self.varying if found[n] != self.after[n]}
        return sorted(others | (found.keys() ^ self.after.keys()))
