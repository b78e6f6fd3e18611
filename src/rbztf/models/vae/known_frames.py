"""Frames whose artefact is known, simulated or labelled, for the auxiliary head of an encoder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from rbztf.config import FramesSection
from rbztf.frames.background import FrameFacts
from rbztf.models.vae.encoder_inputs import joined, make_inputs
from rbztf.models.vae.training_frames import KnownFrames
from rbztf.progress import Progress, silent
from rbztf.simulate.sky import SimulatedSky
from rbztf.stores.labels import LabelTable
from rbztf.ztf import FRAME_KINDS, Oid

KINDS = ("", *FRAME_KINDS)
"""Meaning of the numbers in :attr:`rbztf.models.vae.training_frames.KnownFrames.kinds`."""
FRAMES_PER_OBJECT = 10
EPOCHS_PER_OBJECT = 30
SEED_OFFSET = 1_000_000
"""Keeps the seeds of these skies apart from those of demos and benchmarks."""
OBJECTS_PER_SKY = 2000
"""A simulated sky has a limited number of fields."""


def known_frames(
    count: int, section: FramesSection, seed: int, *, progress: Progress = silent
) -> KnownFrames:
    """``count`` frames of a simulated sky; up to half of those of an artefact object show its artefact.

    Parameters
    ----------
    count : int
        At least 1.
    seed : int
        Of the training.
    """
    n_objects = -(-count // FRAMES_PER_OBJECT)
    rng = np.random.default_rng(seed)
    parts, kinds = [], []
    for number, (sky, oid) in enumerate(_objects(n_objects, seed)):
        truth = sky.truth(oid)
        epochs = _choose(truth, rng)
        headers = [sky.frame_header(oid, epoch) for epoch in epochs]
        parts.append(make_inputs(sky.frames(oid, epochs), section, _facts(headers)))
        kinds += [KINDS.index(truth[epoch]) for epoch in epochs]
        progress("simulate", number + 1, n_objects)
    return KnownFrames(joined(parts)[:count], np.array(kinds[:count], np.int64))


def labelled_kinds(labels: LabelTable) -> dict[Oid, int]:
    """Kind of the frames of labelled objects, an index into :data:`KINDS`.

    Frames of real objects count as clean, and those of artefacts tagged with one kind as that kind,
    although only some of them show it. Artefacts of several kinds or none are left out.
    """
    kinds: dict[Oid, int] = {}
    for oid, entry in labels.items():
        tagged = [number for number, kind in enumerate(KINDS) if kind in entry.tags]
        if not entry.label:
            kinds[oid] = KINDS.index("")
        elif len(tagged) == 1:
            kinds[oid] = tagged[0]
    return kinds


def _objects(count: int, seed: int) -> Iterator[tuple[SimulatedSky, Oid]]:
    """Objects of as many skies as it takes: one holds :data:`OBJECTS_PER_SKY`."""
    for number in range(-(-count // OBJECTS_PER_SKY)):
        here = min(OBJECTS_PER_SKY, count - number * OBJECTS_PER_SKY)
        sky = SimulatedSky(here, EPOCHS_PER_OBJECT, seed=SEED_OFFSET * (number + 1) + seed)
        yield from ((sky, oid) for oid in sky.oids)


def _choose(truth: Sequence[str], rng: np.random.Generator) -> list[int]:
    """Epochs of an object: up to half with the artefact, then clean ones, then the rest."""
    order = rng.permutation(len(truth)).tolist()
    affected = [epoch for epoch in order if truth[epoch]]
    clean = [epoch for epoch in order if not truth[epoch]]
    half = FRAMES_PER_OBJECT // 2
    return (affected[:half] + clean + affected[half:])[:FRAMES_PER_OBJECT]


def _facts(headers: list[dict[str, object]]) -> FrameFacts:
    def column(card: str) -> NDArray[np.float32]:
        return np.array([header.get(card, np.nan) for header in headers], np.float32)

    return FrameFacts(column("GAIN"), column("READNOI"), column("SATURATE"), column("MAGZP"))
