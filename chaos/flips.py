"""Single bits that change in every store, and who notices."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from chaos.figures import Part
from chaos.workshop import Workshop
from rbztf.errors import RbztfError
from rbztf.verbs.check import check

HELD = "Held: `rbztf check` names a problem or refuses the store; pictures and README.md files, which nothing reads, do not count."
STORES = ("some-cutouts", "embeddings", "classifier", "encoder", "features.csv")
NO_RESULTS = ("README.md", ".png")
"""Files that nothing reads."""


def is_noticed(read: Callable[[Path], object], path: Path) -> bool:
    """Whether a reader refuses in words, or names a problem; any other error is one of ours."""
    try:
        found = read(path)
    except RbztfError:
        return True
    return bool(getattr(found, "problems", ()))


def flip(path: Path, chance: random.Random) -> None:
    """Change one bit of a file."""
    content = bytearray(path.read_bytes())
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)


def attack(shop: Workshop, chance: random.Random, seconds: float, most: int | None) -> Part:
    """Bits of each store in turn until the time is over, at most 1,000 a store."""
    part = Part("Changed bits", HELD)
    ends = time.monotonic() + seconds
    folder = shop.root / "flips"
    folder.mkdir()
    for name in STORES:
        source, target = shop.inputs / name, folder / name
        shutil.copytree(source, target) if source.is_dir() else shutil.copy2(source, target)
    for _ in range(most * 10 if most else 1000):
        for name in STORES:
            if time.monotonic() > ends:
                part.notes.append("The time was over before 1,000 bits a store were changed.")
                return part
            part.figure(name, "one bit").add(try_flip(folder / name, chance))
    return part


def try_flip(store: Path, chance: random.Random) -> list[str]:
    """Change one bit, look, and change it back."""
    files = [store] if store.is_file() else [path for path in store.rglob("*") if path.is_file()]
    files = [path for path in files if not path.name.startswith(".") and path.stat().st_size]
    weights = [path.stat().st_size for path in files]
    path = chance.choices(files, weights if chance.random() < 0.5 else None)[0]
    content = path.read_bytes()
    flip(path, chance)
    try:
        if is_noticed(check, store) or path.name.endswith(NO_RESULTS):
            return []
        return [f"a bit of {path.relative_to(store.parent)} changed unnoticed"]
    except Exception as error:  # noqa: BLE001 - what no reader has put in words
        return [f"{path.name}: {type(error).__name__}: {error}"[:300]]
    finally:
        path.write_bytes(content)
