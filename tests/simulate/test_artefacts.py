"""Kinds of artefacts: which epochs they affect and how they look."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rbztf.simulate.artefact_epochs import draw_traits, marks_of
from rbztf.simulate.artefacts import ArtefactKind, ArtefactTraits, EpochConditions, Mark
from rbztf.simulate.kinds.registry import KINDS
from rbztf.simulate.psf import Image, Seeing
from rbztf.simulate.render import paint
from rbztf.simulate.sky import SimulatedSky
from rbztf.ztf import FRAME_KINDS

SEEING = Seeing(fwhm_pix=2.2)


def setting(n: int = 20) -> EpochConditions:
    rng = np.random.default_rng(0)
    return EpochConditions(np.full(n, 8.0), rng.normal(0, 6, n), rng.normal(0, 6, n), rng.normal(8, 6, n))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_leaves_marks_of_its_own(kind: str) -> None:
    for seed in range(8):
        traits = draw_traits(np.random.default_rng(seed), kind, edge=seed % 4)
        marks = marks_of(seed, 1, traits, setting())
        assert len(marks) == 20
        assert kind in {mark.kind for mark in marks if mark is not None}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "defocusing"])
def test_every_kind_is_visible_in_some_frame(kind: str) -> None:
    traits = draw_traits(np.random.default_rng(1), kind)
    marks = [mark for mark in marks_of(1, 1, traits, setting()) if mark is not None and mark.kind == kind]
    images = np.stack([paint(mark, SEEING, 13.5, 13.5) for mark in marks])
    assert images.shape[1:] == (28, 28)
    assert np.isfinite(images).all()
    assert np.abs(images).max() > 8


def test_tracks_and_cosmics_are_rare_columns_and_stars_are_not() -> None:
    def share(kind: str) -> float:
        hit = []
        for seed in range(20):
            traits = draw_traits(np.random.default_rng(seed), kind)
            marks = marks_of(seed, 1, traits, setting(60))
            hit.append(np.mean([mark is not None and mark.kind == kind for mark in marks]))
        return float(np.mean(hit))

    assert share("track") < 0.2
    assert share("cosmic") < 0.2
    assert share("column") > 0.4
    assert share("spike") > 0.5
    assert share("bright_star") == 1


def test_a_column_stays_on_the_chip_while_the_object_moves() -> None:
    traits = draw_traits(np.random.default_rng(3), "column")
    places = setting()
    for k, mark in enumerate(marks_of(3, 1, traits, places)):
        if mark is not None and mark.kind == "column":
            assert mark.x_pix + places.dx_pix[k] == pytest.approx(traits.mark.x_pix)


def test_defocusing_adds_no_light_but_widens_stars() -> None:
    mark = Mark("defocusing", 5.0, angle_rad=0.3, size_pix=4.0)
    assert not paint(mark, SEEING, 13.5, 13.5).any()
    assert KINDS["defocusing"].seeing(mark, SEEING) == Seeing(2.2, angle_rad=0.3, donut_pix=4.0)


class Spot(ArtefactKind):
    """A square that every frame has."""

    share = 10.0

    def draw(self, rng: np.random.Generator, mark: Mark) -> ArtefactTraits:
        return ArtefactTraits(1.0, 1000.0, mark)

    def in_epoch(
        self, rng: np.random.Generator, traits: ArtefactTraits, conditions: EpochConditions, k: int
    ) -> Mark:
        return replace(traits.mark, level_dn=traits.strength)

    def paint(self, mark: Mark, dx: Image, dy: Image, seeing: Seeing) -> Image:
        return mark.level_dn * (np.abs(dx) < 3) * (np.abs(dy) < 3)


def test_a_new_kind_needs_its_name_and_its_module_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert tuple(KINDS) == FRAME_KINDS
    for name, kind in KINDS.items():
        assert type(kind).__module__ == f"rbztf.simulate.kinds.{name}"
    monkeypatch.setitem(KINDS, "spot", Spot())
    sky = SimulatedSky(n_objects=12, n_epochs=6, artefact_share=1.0)
    spotted = [oid for oid in sky.oids if sky.object(oid).kind == "spot"]
    assert len(spotted) >= 10
    assert set(sky.truth(spotted[0])) == {"spot"}
    assert (np.nanmax(sky.frames(spotted[0]), axis=(1, 2)) > 900).all()
