"""Each change of files that a process makes, told before it happens."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

RENAMES = frozenset({"os.rename", "os.link"})
OTHERS = frozenset({"os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree", "os.truncate", "shutil.copyfile"})
Step = Callable[[str], None]


def watch(folder: Path, step: Step) -> None:
    """Call ``step("rename")`` or ``step("other step")`` before each change of files below ``folder`` in this process."""
    inside = str(folder)

    def hook(event: str, words: tuple[object, ...]) -> None:
        if event == "ctypes.dlsym" and words[1] == "renameat2":
            step("rename")
        elif event in RENAMES | OTHERS and _within(inside, words):
            step("rename" if event in RENAMES else "other step")
        elif event == "open" and isinstance(words[0], str) and inside in words[0]:
            flags = words[2] if isinstance(words[2], int) else 0
            if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                step("other step")

    sys.addaudithook(hook)


def _within(folder: str, words: tuple[object, ...]) -> bool:
    return any(folder in os.fsdecode(word) for word in words if isinstance(word, str | Path))


def logged(log: Path, folder: Path) -> Callable[[], None]:
    """Prepares a process to write the kinds of its steps below ``folder`` to ``log``."""

    def prepare() -> None:
        handle = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND)

        def step(kind: str) -> None:
            os.write(handle, f"{kind}\n".encode())

        watch(folder, step)

    return prepare


def read_log(log: Path) -> tuple[str, ...]:
    """The kinds of the steps of a call that has ended."""
    return tuple(log.read_text().splitlines()) if log.exists() else ()
