"""Single bits that change in stores and models, and who notices."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from chaos.figures import Part
from chaos.workshop import Workshop
from rbztf.errors import RbztfError
from rbztf.stores.cutouts import open_cutouts
from rbztf.verbs.check import check
from rbztf.verbs.embed import embed
from rbztf.verbs.predict import predict

HELD = (
    "Held: who reads the changed store names a problem, refuses it, or comes to the same values as before. `check` must "
    "name every changed bit but those of pictures and README.md files, which nothing reads."
)
FLIPS = 1000
"""Bits a store."""
NO_RESULTS = ("README.md", ".png")
"""Files that nothing reads."""
Read = Callable[[Path], tuple[object, object]]
"""Reads a store; returns the problems it names, and the values it comes to."""


def _checked(store: Path) -> tuple[object, object]:
    return check(store).problems, None


def _readers(shop: Workshop) -> dict[str, dict[str, Read]]:
    """Who reads each store."""
    at = shop.inputs
    vectors, few = shop.root / "vectors", at / "few-cutouts"

    def encoded(model: Path, data: Path) -> tuple[object, object]:
        shutil.rmtree(vectors, ignore_errors=True)
        found = embed(model, data, vectors)
        return found.problems, [
            (vectors / f"{name}.npy").read_bytes() for name in ("vectors", "times", "photometry")
        ]

    def scored(
        model: Path, data: Path | None = None, embeddings: Path | None = None
    ) -> tuple[object, object]:
        found = predict(model=model, data=data, embeddings=embeddings, fetch=False)
        return found.problems, repr([entry.p_bogus for entry in found.objects])

    def read(store: Path) -> tuple[object, object]:
        objects = list(open_cutouts(store).values())
        values = [
            (entry.frames.tobytes(), repr(entry.epochs.as_array()), entry.ra_deg, entry.dec_deg)
            for entry in objects
        ]
        return [problem for entry in objects for problem in entry.problems], values

    return {
        "few-cutouts": {
            "check": _checked,
            "reading": read,
            "embed": lambda store: encoded(at / "encoder", store),
            "predict": lambda store: scored(at / "classifier", data=store),
        },
        "embeddings": {
            "check": _checked,
            "predict": lambda store: scored(at / "classifier", embeddings=store),
        },
        "classifier": {
            "check": _checked,
            "embed": lambda store: encoded(store, few),
            "predict": lambda store: scored(store, data=few),
        },
    }


def attack(shop: Workshop, chance: random.Random, seconds: float, most: int | None) -> Part:
    """Bits of each store in turn until the time is over, at most 1,000 a store."""
    part = Part("Changed bits", HELD)
    ends = time.monotonic() + seconds
    readers = _readers(shop)
    good = {}
    for name, by in readers.items():
        shutil.copytree(shop.inputs / name, shop.root / name)
        good[name] = {who: read(shop.root / name)[1] for who, read in by.items()}
    n_flips = most * 3 if most else FLIPS
    done = 0
    while done < n_flips and time.monotonic() < ends:
        for name, by in readers.items():
            for who, faults in try_flip(shop.root / name, by, good[name], chance).items():
                part.figure(name, f"one bit, read by {who}").add(faults)
        done += 1
    part.figures.sort(key=lambda figure: list(readers).index(figure.what))
    part.notes.append(
        f"{done:,} of {n_flips:,} bits were changed in each, and each changed bit read by all of them."
    )
    return part


def try_flip(
    store: Path, readers: dict[str, Read], good: dict[str, object], chance: random.Random
) -> dict[str, list[str]]:
    """Change one bit, let all read, and change it back."""
    files = [path for path in sorted(store.rglob("*")) if path.is_file() and not path.name.startswith(".")]
    files = [path for path in files if path.stat().st_size]
    weights = [path.stat().st_size for path in files]
    path = chance.choices(files, weights if chance.random() < 0.5 else None)[0]
    content = path.read_bytes()
    changed = bytearray(content)
    changed[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(changed)
    try:
        return {who: _faults(who, read, store, path, good[who]) for who, read in readers.items()}
    finally:
        path.write_bytes(content)


def _faults(who: str, read: Read, store: Path, path: Path, good: object) -> list[str]:
    try:
        problems, values = read(store)
    except RbztfError:
        return []
    except Exception as error:  # noqa: BLE001 - what no reader has put in words
        return [f"{path.name}: {type(error).__name__}: {error}"[:300]]
    if problems or path.name.endswith(NO_RESULTS):
        return []
    if who == "check" or values != good:
        return [f"a bit of {path.relative_to(store.parent)} changed unnoticed"]
    return []
