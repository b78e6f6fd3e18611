"""Archives that answer badly in every combination: what fetch makes of it."""

from __future__ import annotations

import random
import socket
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass

from chaos.attempt import call
from chaos.figures import Part
from chaos.lies import KINDS, Lies, LyingArchive
from chaos.outputs import clear, visible
from chaos.workshop import Workshop, archive, serving
from rbztf.simulate.archive.faults import HOSTILE_KINDS, PERSISTENT_KINDS, TRANSIENT_KINDS, Faults

HELD = (
    "Held: fetch ends; what it calls complete (exit code 0) with faults that pass away equals, byte by byte, the store of a "
    "good archive; a second fetch from the good archive makes that store out of what is there, except for images that "
    "were never there."
)
NEVER = {*PERSISTENT_KINDS, "bad_request", "status 404"}
"""Kinds that say of an image that it is not there."""
SLOW = {"trickle", "latency", "40 MB", "gzip bomb"}
"""Kinds that take time, so that no address answers like this more than three times."""
UNSEEN_TWICE = {"cut_line"}
"""Kinds that no client can notice where two answers are alike: each address answers so once."""
MODES = 300
N_OBJECTS = 2
ALL = (*TRANSIENT_KINDS, *HOSTILE_KINDS, *PERSISTENT_KINDS, *KINDS)


@dataclass(frozen=True)
class Mode:
    """How an archive is hostile: faults of the connection, and lies in its answers."""

    kinds: tuple[str, ...]
    faults: Faults
    lies: Lies

    @property
    def label(self) -> str:
        """For the table."""
        return self.kinds[0] if len(self.kinds) == 1 else f"{len(self.kinds)} kinds at once"

    def serve(self, shop: Workshop, port: int) -> AbstractContextManager[str]:
        """The archive at a port."""
        return serving(lambda: LyingArchive(shop.sky, self.lies, self.faults, port))


def modes(chance: random.Random, n: int) -> list[Mode]:
    """Each kind alone first, in every answer, then two to five of them in some."""
    found = []
    for number in range(n):
        alone = number < len(ALL)
        kinds = (ALL[number],) if alone else tuple(chance.sample(ALL, chance.randint(2, 5)))
        most = 1 if UNSEEN_TWICE & {*kinds} else chance.choice([1, 3, 3 if SLOW & {*kinds} else 1000])
        rate = chance.choice([1.0] if alone else [0.2, 0.5, 1.0])
        faults = Faults(
            rate=rate,
            kinds=tuple(kind for kind in kinds if kind not in KINDS),
            seed=chance.randrange(10**6),
            max_per_url=most,
            persistent_rate=chance.choice([0.1, 0.5]),
            latency_s=0.05,
            trickle_s=chance.choice([0.2, 1.5]),
        )
        lies = Lies(tuple(kind for kind in kinds if kind in KINDS), rate, most, chance.randrange(10**6))
        found.append(Mode(kinds, faults, lies))
    return found


def attack(shop: Workshop, chance: random.Random, seconds: float, most: int | None) -> Part:
    """One archive after the other until the time is over."""
    part = Part("Hostile archives", HELD)
    ends = time.monotonic() + seconds
    planned = modes(chance, MODES)
    if most is not None:
        planned = chance.sample(planned[: len(ALL)], 3 * most)
    done = 0
    for mode in planned:
        if time.monotonic() > ends:
            break
        part.figure("fetch", mode.label).add(try_mode(shop, mode))
        done += 1
    part.notes.append(
        f"{done} of {len(planned)} hostile archives were tried, {min(done, len(ALL))} of {len(ALL)} kinds alone."
    )
    return part


def try_mode(shop: Workshop, mode: Mode) -> list[str]:
    """A fetch of some objects from a bad archive, then from the good one under the same address."""
    oids = [str(int(oid)) for oid in shop.sky.oids[:N_OBJECTS]]
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
    with mode.serve(shop, port):
        first = call([*argv, out], shop.desk)
    left = visible(out)
    with archive(shop.sky, port=port):
        second = call([*argv, out], shop.desk)
    found = [*first.faults(), *second.faults()]
    if not set(mode.kinds) & NEVER:
        kinds = ", ".join(mode.kinds)
        if first.code == 0 and left != expected:
            found.append(f"exit code 0 and another store ({kinds})")
        if second.code not in (0, 3) or visible(out) != expected:
            found.append(
                f"another store after the second fetch ({kinds}; {second.code}: {second.err[-200:]})"
            )
    return found


def free_port(shop: Workshop) -> int:
    """One port for all archives, since addresses are stored."""
    kept = shop.root / "port"
    if not kept.exists():
        with socket.create_server(("127.0.0.1", 0)) as probe:
            kept.write_text(str(probe.getsockname()[1]))
    return int(kept.read_text())
