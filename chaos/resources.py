"""Too little of everything: disk, size of files, permission, open files, memory; and an output that is deleted."""

from __future__ import annotations

import os
import random
import resource
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from chaos.attempt import Attempt
from chaos.figures import Part
from chaos.outputs import leftovers, visible
from chaos.workshop import Verb, Workshop

HELD = (
    "Held: what was whole stays whole, nothing half-written is seen, and the same command with enough of everything "
    "ends with the bytes of an undisturbed one."
)


def limited(kind: int, value: int) -> Callable[[], None]:
    """Prepares a process to have no more than that of a resource."""

    def prepare() -> None:
        resource.setrlimit(kind, (value, resource.getrlimit(kind)[1]))

    return prepare


def virtual_memory() -> int:
    """Address space of this process, bytes."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


@contextmanager
def small_disk(folder: Path, n_bytes: int) -> Iterator[None]:
    """What is in ``folder``, on a file system of that size of its own; needs root."""
    mount(folder, f"size={n_bytes}")
    try:
        yield
    finally:
        unmount(folder)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """What is in ``folder``, and nobody may write it; needs root."""
    mount(folder, "size=64m")
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["mount", "-o", "remount,rw", folder], check=True)
        unmount(folder)


def mount(folder: Path, options: str) -> None:
    """A file system in memory, with what was in the folder; what does not fit is left out."""
    aside = folder.with_name("aside")
    shutil.copytree(folder, aside, dirs_exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "chaos", folder], check=True)
    shutil.copytree(aside, folder, dirs_exist_ok=True)
    shutil.rmtree(aside)


def unmount(folder: Path) -> None:
    """Take the file system away and keep what it held."""
    aside = folder.with_name("aside")
    shutil.copytree(folder, aside, dirs_exist_ok=True)
    subprocess.run(["umount", folder], check=True)
    shutil.rmtree(folder)
    aside.rename(folder)


def attack(shop: Workshop, chance: random.Random, seconds: float, most: int | None) -> Part:
    """Each verb with each lack in turn until the time is over, or ``most`` rounds of each lack with one verb."""
    part = Part("Resources", HELD)
    ends = time.monotonic() + seconds
    is_root = os.geteuid() == 0
    if not is_root:
        part.notes.append("Not done, since it needs root: a full disk and a read-only folder.")
    lacks = [lack for lack in LACKS if is_root or lack not in NEED_ROOT]
    n_verbs = len(shop.chosen)
    for _ in range(most or 1000):
        for number, verb in enumerate(shop.chosen):
            for lack in lacks if most is None else lacks[number::n_verbs]:
                if time.monotonic() > ends:
                    return part
                part.figure(verb.name, lack).add(try_lack(shop, verb, lack, chance))
    return part


NEED_ROOT = ("full disk", "read-only folder")
LACKS = ("file size", "few handles", "little memory", "deleted output", *NEED_ROOT)


def _lists_some(content: bytes, whole: bytes) -> bool:
    """Whether every line is one of the whole list, and ends."""
    return content.endswith(b"\n") and set(content.splitlines()) <= set(whole.splitlines())


def try_lack(shop: Workshop, verb: Verb, lack: str, chance: random.Random) -> list[str]:
    """One call with a lack over an older output, and a second one without."""
    expected = shop.expected(verb, True)
    shop.start(verb, True)
    size = sum(map(len, expected.before.values()))
    limits = {
        "file size": (resource.RLIMIT_FSIZE, chance.choice([4096, 8192, 20_000])),
        "few handles": (
            resource.RLIMIT_NOFILE,
            len(list(Path("/proc/self/fd").iterdir())) + chance.randint(0, 18),
        ),
        "little memory": (resource.RLIMIT_AS, virtual_memory() + chance.randint(1, 60) * 2**20),
    }
    # a disk with the older output on it and little besides
    places = {
        "full disk": lambda: small_disk(shop.out_folder, size + 65_536 + 4096 * len(expected.before)),
        "read-only folder": lambda: read_only(shop.out_folder),
    }
    prepare = limited(*limits[lack]) if lack in limits else None
    with places.get(lack, nullcontext)():
        running = Attempt(verb.argv(shop.out(verb)), shop.desk, prepare)
        if lack == "deleted output":
            time.sleep(chance.uniform(0, expected.seconds))
            shutil.rmtree(shop.out_folder, ignore_errors=True)
            shop.out_folder.mkdir(exist_ok=True)
        outcome = running.wait()
    faults = outcome.faults()
    found = visible(shop.out(verb))
    torn = expected.torn(found)
    if lack == "deleted output":  # a list of what the deletion has left is whole
        torn = [name for name in torn if not _lists_some(found[name], expected.after.get(name, b""))]
    faults += [f"{name} is torn" for name in torn]
    if lack != "deleted output":
        faults += [f"{name} is lost" for name in expected.lost(found)]
        again = shop.run(verb)
        faults += again.faults()
        faults += [
            f"the second run left another {name}" for name in expected.differing(visible(shop.out(verb)))
        ]
        faults += [f"{name} is left over" for name in leftovers(shop.out_folder)]
    return faults
