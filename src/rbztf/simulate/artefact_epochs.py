"""Draw which epochs of an object show an artefact, and how it looks in each."""

from __future__ import annotations

import numpy as np

from rbztf.simulate.artefacts import ArtefactTraits, Bools, EpochConditions, Mark
from rbztf.simulate.kinds.registry import ACCIDENTS, KINDS
from rbztf.simulate.seeds import Stream, stream

BAD_FRAME_RATE = 0.01
"""Share of frames of any object, real or not, that an accident spoils."""


def marks_of(
    seed: int, oid: int, traits: ArtefactTraits | None, conditions: EpochConditions
) -> tuple[Mark | None, ...]:
    """The mark of each epoch, None where the frame is clean; ``traits`` is None for a real object."""
    rng = stream(seed, Stream.TROUBLE, oid)
    n = len(conditions)
    hit = np.zeros(n, bool) if traits is None else affected_epochs(rng, traits, conditions)
    accidents = rng.random(n) < BAD_FRAME_RATE
    marks: list[Mark | None] = [None] * n
    for k in np.flatnonzero(hit | accidents):
        epoch_rng = stream(seed, Stream.TROUBLE, oid, int(k))
        own = traits if hit[k] else None
        cause = own or draw_traits(epoch_rng, str(epoch_rng.choice(ACCIDENTS)))
        marks[k] = KINDS[cause.kind].in_epoch(epoch_rng, cause, conditions, int(k))
    return tuple(marks)


def affected_epochs(rng: np.random.Generator, traits: ArtefactTraits, conditions: EpochConditions) -> Bools:
    """Epochs in which the artefact is in the frame, (n,) bool; at least one."""
    n = len(conditions)
    hit = KINDS[traits.kind].affected(rng, traits, conditions, rng.random(n) < traits.share)
    if not hit.any():
        hit[rng.integers(n)] = True
    return hit


def draw_traits(rng: np.random.Generator, kind: str, edge: int = 0) -> ArtefactTraits:
    """How an artefact of this kind behaves on one object; ``edge`` 0-3: left, right, bottom, top."""
    mark = Mark(
        kind, 0.0, angle_rad=float(rng.uniform(0, np.pi)), variant=edge, seed=int(rng.integers(2**31))
    )
    return KINDS[kind].draw(rng, mark)
