"""Archives that answer badly in every combination: what fetch makes of it."""

from __future__ import annotations

import random
import socket
import time

from chaos.attempt import call
from chaos.figures import Part
from chaos.outputs import clear, visible
from chaos.workshop import Workshop, archive
from rbztf.simulate.archive.faults import HOSTILE_KINDS, PERSISTENT_KINDS, TRANSIENT_KINDS, Faults

HELD = (
    "Held: fetch ends; what it calls complete (exit code 0) with faults that pass away equals, byte by byte, the store of a "
    "good archive; a second fetch from the good archive makes that store out of what is there, except for images that "
    "were never there."
)
NEVER = {*PERSISTENT_KINDS, "bad_request"}
"""Kinds that say of an image that it is not there."""
MODES = 300


def modes(chance: random.Random, n: int) -> list[Faults]:
    """Combinations of faults: each kind alone first, then two to five of them."""
    kinds = (*TRANSIENT_KINDS, *HOSTILE_KINDS, *PERSISTENT_KINDS)
    found = []
    for number in range(n):
        chosen = [kinds[number]] if number < len(kinds) else chance.sample(kinds, chance.randint(2, 5))
        found.append(
            Faults(
                rate=chance.choice([0.2, 0.5, 1.0]),
                kinds=tuple(chosen),
                seed=chance.randrange(10**6),
                max_per_url=chance.choice([1, 3, 1000]),
                persistent_rate=chance.choice([0.1, 0.5]),
                latency_s=0.05,
                trickle_s=chance.choice([0.2, 4.0]),
            )
        )
    return found


def attack(shop: Workshop, chance: random.Random, seconds: float, most: int | None) -> Part:
    """One archive after the other until the time is over."""
    part = Part("Hostile archives", HELD)
    ends = time.monotonic() + seconds
    planned = modes(chance, MODES)
    if most is not None:
        planned = chance.sample(planned[: len(TRANSIENT_KINDS)], 3 * most)
    for number, faults in enumerate(planned):
        if time.monotonic() > ends:
            part.notes.append(f"The time was over after {number} of {len(planned)} modes.")
            break
        label = faults.kinds[0] if len(faults.kinds) == 1 else f"{len(faults.kinds)} kinds of faults"
        part.figure("fetch", label).add(try_mode(shop, faults))
    return part


def try_mode(shop: Workshop, faults: Faults) -> list[str]:
    """A fetch of an object from a bad archive, then from the good one under the same address."""
    oids = [str(int(oid)) for oid in shop.sky.oids[:1]]
    port = free_port(shop)
    good = shop.root / "good" / "store"
    url = f"http://127.0.0.1:{port}"
    argv = ["fetch", *oids, "--archive", url, "--quiet", "--out"]
    if not good.exists():
        with archive(shop.sky, port=port):
            call([*argv, good], shop.desk)
    expected = visible(good)
    clear(shop.out_folder)
    out = shop.out_folder / "store"
    with archive(shop.sky, faults, port):
        first = call([*argv, out], shop.desk)
    left = visible(out)
    with archive(shop.sky, port=port):
        second = call([*argv, out], shop.desk)
    found = [*first.faults(), *second.faults()]
    if not set(faults.kinds) & NEVER:
        kinds = ", ".join(faults.kinds)
        if first.code == 0 and left != expected:
            found.append(f"exit code 0 and another store ({kinds})")
        if second.code == 0 and visible(out) != expected:
            found.append(f"another store after the second fetch ({kinds})")
    return found


def free_port(shop: Workshop) -> int:
    """One port for all archives, since addresses are stored."""
    kept = shop.root / "port"
    if not kept.exists():
        with socket.create_server(("127.0.0.1", 0)) as probe:
            kept.write_text(str(probe.getsockname()[1]))
    return int(kept.read_text())
