"""kill -9 at random moments, before every rename, and before other steps that change files."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from itertools import zip_longest

from chaos.figures import Part
from chaos.outputs import leftovers, visible
from chaos.steps import watch
from chaos.workshop import Verb, Workshop

HELD = (
    "Held: after the kill every visible file is the old whole or the new whole; the same command again ends "
    "with the exit code and the bytes of an undisturbed one and leaves no half-written file."
)
MOMENTS = 40
"""Random moments a verb."""


def kill_at(shop: Workshop, number: int) -> Callable[[], None]:
    """Kill this process before its step of that number."""

    def prepare() -> None:
        left = number

        def step(_: str) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

        watch(shop.out_folder, step)

    return prepare


def kill_and_go_on(
    shop: Workshop, verb: Verb, over_old: bool, prepare: Callable[[], None] | None, after_s: float | None
) -> list[str] | None:
    """One kill and a second run; None if the call had ended before."""
    expected = shop.expected(verb, over_old)
    shop.start(verb, over_old)
    options = {} if after_s is None else {"kill_after_s": after_s}
    outcome = shop.run(verb, prepare, **options)
    if outcome.code != -signal.SIGKILL:
        return None
    found = visible(shop.out(verb))
    faults = [f"{name} is torn" for name in expected.torn(found)]
    again = shop.run(verb)
    faults += again.faults()
    if again.code not in (0, 3):
        faults.append(f"the second run ended with {again.code}: {again.err[-300:]}")
    faults += [f"the second run left another {name}" for name in expected.differing(visible(shop.out(verb)))]
    faults += [f"{name} is left over" for name in leftovers(shop.out_folder)]
    return faults


def attack(shop: Workshop, chance: random.Random, seconds: float, most: int | None) -> Part:
    """Kill each verb in turn until the time is over.

    Parameters
    ----------
    most : int, optional
        Kills a verb at most, at renames and other steps alone: the same ones for the same seed.
    """
    part = Part("Kills", HELD)
    ends = time.monotonic() + seconds
    plans = {verb.name: _plan(shop, verb, chance, most) for verb in shop.chosen}
    for number in range(max(map(len, plans.values()))):
        for name, plan in plans.items():
            if number >= len(plan):
                continue
            if time.monotonic() > ends:
                part.notes.append(_cut(plans, number))
                return part
            verb, (kind, over_old, step) = shop.verbs[name], plan[number]
            if kind == "random moment":
                moment_s = chance.uniform(0.02, shop.expected(verb, over_old).seconds)
                faults = kill_and_go_on(shop, verb, over_old, None, moment_s)
            else:
                faults = kill_and_go_on(shop, verb, over_old, kill_at(shop, step), None)
            if faults is not None:
                part.figure(name, kind).add(faults)
    return part


Plan = list[tuple[str, bool, int]]


def _plan(shop: Workshop, verb: Verb, chance: random.Random, most: int | None) -> Plan:
    """Renames, random moments and other steps in turn; with ``most``, as many renames as other steps."""
    renames: Plan = []
    others: Plan = []
    for over_old in (True, False) if most is None else (True,):
        for step, kind in enumerate(shop.expected(verb, over_old).steps):
            (renames if kind == "rename" else others).append((kind, over_old, step))
    chance.shuffle(renames)
    chance.shuffle(others)
    if most is not None:
        return [*renames[: most - most // 2], *others[: most // 2]]
    moments: Plan = [("random moment", bool(n % 2), 0) for n in range(MOMENTS)]
    return _in_turn(renames, moments, others)


def _in_turn(*plans: Plan) -> Plan:
    """The first of each, then the second of each …"""
    return [entry for entries in zip_longest(*plans) for entry in entries if entry is not None]


def _cut(plans: dict[str, Plan], done: int) -> str:
    left = sum(max(0, len(plan) - done) for plan in plans.values())
    return f"The time was over: {left} planned kills were not done."
