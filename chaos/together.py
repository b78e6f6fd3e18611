"""Two and four processes that write the same output at once."""

from __future__ import annotations

import random
import time

from chaos.attempt import Attempt
from chaos.figures import Part
from chaos.outputs import visible
from chaos.workshop import Verb, Workshop

HELD = (
    "Held: of processes that run two different commands, the output is that of one of them as a whole (an object's "
    "file in a folder of such); at least one ends well, every other one too or with one sentence."
)
BY_OBJECT = ("fetch", "clean", "cv")
"""Verbs whose files appear one by one."""


def attack(shop: Workshop, chance: random.Random, seconds: float, most: int | None) -> Part:
    """Each verb in turn, two and four at once."""
    part = Part("Concurrency", HELD)
    ends = time.monotonic() + seconds
    for _ in range(most or 1000):
        for verb in shop.chosen:
            for n in (2, 4) if most is None else (2,):
                if time.monotonic() > ends:
                    return part
                part.figure(verb.name, f"{n} processes").add(try_together(shop, verb, n, chance))
    return part


def try_together(shop: Workshop, verb: Verb, n: int, chance: random.Random) -> list[str]:
    """``n`` calls, started within a part of a run."""
    expected = shop.expected(verb, True)
    shop.start(verb, True)
    running = []
    for number in range(n):
        argv = verb.argv(shop.out(verb)) if number % 2 == 0 else verb.older_argv(shop.out(verb))
        running.append(Attempt(argv, shop.desk, name=str(number)))
        time.sleep(chance.uniform(0, expected.seconds / 4))
    outcomes = [attempt.wait() for attempt in running]
    faults = [fault for outcome in outcomes for fault in outcome.faults()]
    if not any(outcome.code in (0, 3) for outcome in outcomes):
        faults.append(f"none of them ended well: {outcomes[0].err[-200:]}")
    found = visible(shop.out(verb))
    faults += [f"{name} is torn" for name in expected.torn(found)]
    if verb.name not in BY_OBJECT and expected.mixed(found):
        faults.append("a mixture of both outputs")
    return faults
