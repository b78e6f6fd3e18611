"""What experts said of objects, and how they weigh in training."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbztf.config import EnsembleSection, load_config
from rbztf.errors import ConfigError
from rbztf.features.table import FeatureTable
from rbztf.models.objects.object_set import ObjectSet, label_objects
from rbztf.stores.labels import Labelled, LabelTable
from rbztf.ztf import Label, Oid

MEMBERS = {"trees": {"kind": "trees", "inputs": ["lightcurve"]}}
TAGS = ("artefact", "uncertain", "column", "ghost", "M_dwarf_flare", "1-point", "SN")


def weights_of(tags: list[set[str]], **settings: object) -> list[float]:
    """Weights in training of objects with these tags."""
    section = EnsembleSection.model_validate({"members": MEMBERS, **settings})
    oids = np.array([401201100000001 + number for number in range(len(tags))])
    objects = ObjectSet.of(oids, [], None, FeatureTable(oids, ("a",), np.ones((len(oids), 1))))
    labels = LabelTable(
        [
            Labelled(Oid(oid), Label("artefact" in found), frozenset(found))
            for oid, found in zip(oids.tolist(), tags)
        ]
    )
    return label_objects(objects, labels, section).weights.tolist()


def test_weights_of_tags_multiply_those_of_doubtful_labels() -> None:
    found = weights_of(
        [
            {"SN"},
            {"M_dwarf_flare"},
            {"artefact", "column"},
            {"artefact", "column", "uncertain"},
            {"1-point"},
            {"SN", "uncertain"},
            {"artefact", "column", "ghost"},
        ],
        uncertain_weight=0.6,
        ambiguous_weight=0.3,
        tag_weights={"M_dwarf_flare": 4, "column": 3, "ghost": 0.5},
    )
    assert found == pytest.approx([1, 4, 3, 0.9, 0.3, 0.6, 3])


def test_a_name_of_a_tag_may_stand_for_several() -> None:
    assert weights_of([{"SN"}, {"SNIa"}, {"AGN"}], tag_weights={"supernova": 2}) == [2, 2, 1]


@given(st.lists(st.sets(st.sampled_from(TAGS)), min_size=1, max_size=8), st.floats(0.01, 100))
def test_without_settings_all_weigh_alike_and_a_tag_changes_its_own_objects_alone(
    tags: list[set[str]], weight: float
) -> None:
    assert weights_of(tags) == [1.0] * len(tags)
    found = weights_of(tags, tag_weights={"column": weight})
    assert found == [weight if "column" in each else 1.0 for each in tags]


def test_an_unknown_tag_is_named() -> None:
    with pytest.raises(
        ConfigError, match=r"ensemble.tag_weights.colum.*must be one of: ghost, track, column"
    ):
        load_config("default", ["ensemble.tag_weights.colum=3"], project_file=None)
    with pytest.raises(ConfigError, match="greater than 0"):
        load_config("default", ["ensemble.tag_weights.column=0"], project_file=None)
    made = load_config("default", ["ensemble.tag_weights.column=1"], project_file=None).ensemble
    assert made is not None
    assert made.tag_weights == {"M_dwarf_flare": 4, "column": 1}
