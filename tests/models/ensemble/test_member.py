"""A kind of member is its section and one module: everything else finds it by its name."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import ClassVar, Literal, get_args

import numpy as np
import pytest
import torch
from helpers import tiny_ensemble
from numpy.typing import NDArray

from rbztf.config import Config, Member, MemberSection
from rbztf.errors import UsageError
from rbztf.files import write_text
from rbztf.models.ensemble.bundle import read_member, write_member
from rbztf.models.ensemble.fit import fit_ensemble
from rbztf.models.ensemble.member import Member as Trained
from rbztf.models.ensemble.member import member_class
from rbztf.models.objects.frame_reader import FrameReader
from rbztf.models.objects.object_set import LabelledSet, Modality, ObjectSet

CPU = torch.device("cpu")


class StumpSection(MemberSection):
    kind: Literal["stump"] = "stump"
    inputs: tuple[Literal["image", "lightcurve"], ...] = ("lightcurve",)
    slope: float = 2.0


@dataclass(frozen=True)
class FittedStump(Trained[StumpSection]):
    """The first feature against its middle."""

    ending: ClassVar[str] = ".json"
    section: StumpSection
    middle: float

    @classmethod
    def fit(
        cls, data: LabelledSet, section: StumpSection, seed: int, device: torch.device, held_out: LabelledSet
    ) -> FittedStump:
        values = data.objects.lightcurve.values[:, 0]
        return cls(section, float(np.mean([values[data.labels == label].mean() for label in (0, 1)])))

    def outputs(self, objects: ObjectSet, device: torch.device | None = None) -> NDArray[np.float64]:
        return self.section.slope * (objects.lightcurve.values[:, :1] - self.middle)

    def save(self, path: Path) -> None:
        write_text(path, json.dumps(self.middle))

    @classmethod
    def load(cls, path: Path, section: StumpSection, reader: FrameReader) -> FittedStump:
        return cls(section, float(json.loads(path.read_text())))


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch) -> Config:
    """An ensemble of trees and of a kind that was not there before."""
    module = ModuleType("rbztf.models.ensemble.stump_member")
    module.__dict__["MEMBER"] = FittedStump
    monkeypatch.setitem(sys.modules, module.__name__, module)
    plain = Config.model_validate(tiny_ensemble("curves", "statistics"))
    assert plain.ensemble is not None
    members = {**plain.ensemble.members, "stump": StumpSection()}
    return plain.model_copy(update={"ensemble": plain.ensemble.model_copy(update={"members": members})})


def test_a_new_kind_is_trained_combined_and_kept(config: Config, data: LabelledSet, tmp_path: Path) -> None:
    model = fit_ensemble(data, config, device=CPU)
    assert model.modalities == (Modality.IMAGE, Modality.LIGHTCURVE)
    assert set(model.combinations[(Modality.LIGHTCURVE,)].members) == {"curves", "stump"}
    scores = model.score(data.objects)
    assert scores.inputs[:3] == [(Modality.LIGHTCURVE,), (Modality.IMAGE,), ()]
    with_features = data.objects.lightcurve.known()
    p, labels = scores.p_bogus[with_features], data.labels[with_features]
    assert p[labels == 1].mean() > p[labels == 0].mean() + 0.1
    one, other = model.members["stump"]
    assert one != other
    assert isinstance(one, FittedStump)
    write_member(tmp_path, "stump", 1, one)
    reader = data.objects.frame_reader
    assert read_member(tmp_path, "stump", 1, one.section, reader) == one
    assert read_member(tmp_path, "stump", 0, one.section, reader) is None
    (tmp_path / "stump-1.json").write_text("x")
    with pytest.raises(UsageError, match=r"stump-1\.json is damaged"):
        read_member(tmp_path, "stump", 1, one.section, reader)


def test_what_a_new_kind_need_not_say(config: Config, data: LabelledSet) -> None:
    """No auxiliary outputs, no contributions of frames, unless it says so."""
    stump = fit_ensemble(data, config, device=CPU).members["stump"][0]
    assert (stump.tag_names, stump.attributes_frames) == ((), False)
    with pytest.raises(NotImplementedError):
        stump.contributions(data.objects)


@pytest.mark.parametrize("section", get_args(get_args(Member)[0]))
def test_every_kind_of_the_configuration_has_its_module(section: type[MemberSection]) -> None:
    (kind,) = get_args(section.model_fields["kind"].annotation)
    assert issubclass(member_class(kind), Trained)
    assert section.__name__ in str(member_class(kind).__annotations__["section"])
