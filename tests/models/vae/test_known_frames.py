"""Simulated and labelled frames whose artefact is known."""

from __future__ import annotations

import numpy as np
from helpers import make_oid

from rbztf.config import FramesSection
from rbztf.models.vae.known_frames import KINDS, known_frames, labelled_kinds
from rbztf.stores.labels import Labelled, LabelTable
from rbztf.ztf import Label, Oid

MASKED = FramesSection(normaliser="asinh_noise", invalid="mask")


def test_simulated_frames_are_known_and_repeatable() -> None:
    first, again = (known_frames(40, MASKED, 3) for _ in range(2))
    assert len(first.inputs) == len(first.kinds) == 40
    assert np.array_equal(first.inputs.values, again.inputs.values)
    assert set(first.kinds.tolist()) <= set(range(len(KINDS)))
    assert 0 < np.mean(first.kinds > 0) < 1
    assert not np.array_equal(known_frames(40, MASKED, 4).inputs.values, first.inputs.values)


def test_what_labels_say_of_frames() -> None:
    """Real objects are clean, artefacts of one kind are of that kind; who knows of the others."""
    rows = [
        (Label.REAL, {"VAR"}),
        (Label.ARTEFACT, {"artefact", "ghost", "M_dwarf_flare"}),
        (Label.ARTEFACT, {"artefact", "spike", "bright_star"}),
        (Label.ARTEFACT, {"artefact"}),
    ]
    oids = [Oid(make_oid(i)) for i in range(len(rows))]
    table = LabelTable([Labelled(oid, label, frozenset(tags)) for oid, (label, tags) in zip(oids, rows)])
    assert labelled_kinds(table) == {oids[0]: KINDS.index(""), oids[1]: KINDS.index("ghost")}
