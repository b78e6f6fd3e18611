"""kill -9 at random moments, before every rename, and before other steps that change files."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
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
MOMENTS = 20
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
    planned = Counter(kind for plan in plans.values() for kind, *_ in plan)
    done: Counter[str] = Counter()
    for number in range(max(map(len, plans.values()))):
        for name, plan in plans.items():
            if number >= len(plan) or time.monotonic() > ends:
                continue
            verb, (kind, over_old, step) = shop.verbs[name], plan[number]
            done[kind] += 1
            if kind == "random moment":
                moment_s = chance.uniform(0.02, shop.expected(verb, over_old).seconds)
                faults = kill_and_go_on(shop, verb, over_old, None, moment_s)
            else:
                faults = kill_and_go_on(shop, verb, over_old, kill_at(shop, step), None)
            if faults is not None:
                part.figure(name, kind).add(faults)
    each = ", ".join(f"{kind}s {done[kind]} of {n}" for kind, n in planned.items())
    part.notes.append(
        f"Kills done, over an earlier output and without one: {each}. "
        "Not counted: those whose moment came after the end of the call."
    )
    part.figures.sort(key=lambda figure: list(plans).index(figure.what))
    return part


Plan = list[tuple[str, bool, int]]


def _plan(shop: Workshop, verb: Verb, chance: random.Random, most: int | None) -> Plan:
    """Renames and random moments in turn, then other steps; with ``most``, as many renames as other steps."""
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
    in_turn = [entry for pair in zip_longest(renames, moments) for entry in pair if entry is not None]
    return [*in_turn, *others]
