"""Repeated draws of the folds, and the classes of tags."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import make_oid

from rbztf.config import Config
from rbztf.errors import UsageError
from rbztf.evaluation.crossval import FoldResult
from rbztf.evaluation.folds import Split, make_split
from rbztf.evaluation.repeats import make_splits, over_draws
from rbztf.evaluation.scores import Scored
from rbztf.evaluation.subgroups import CLASS_TAGS, classes_of
from rbztf.stores.labels import Labelled, LabelTable
from rbztf.ztf import Label, Oid

OIDS = [Oid(make_oid(i, field=300 + i % 15)) for i in range(60)]
LABELS = LabelTable([Labelled(oid, Label(i % 2)) for i, oid in enumerate(OIDS)])


@pytest.mark.parametrize("name", ["field", "random"])
def test_each_draw_is_a_split_of_all_objects_with_folds_of_its_own(name: str) -> None:
    splits = make_splits(name, LABELS, 4, 5, set(OIDS), repeats=3)
    numbers = [number for split in splits for number in split.folds]
    assert numbers == list(range(12))
    for draw, split in enumerate(splits):
        assert sorted(split.oids) == sorted(OIDS)
        alone = make_split(name, LABELS, 4, 5 + draw, set(OIDS))
        assert list(split.folds.values()) == list(alone.folds.values())
    assert splits[0].oids != splits[1].oids != splits[2].oids


def test_one_draw_is_the_split_itself(tmp_path: object) -> None:
    assert make_splits("field", LABELS, 4, 0, set(OIDS)) == [make_split("field", LABELS, 4, 0, set(OIDS))]


def test_a_split_that_is_always_the_same_is_not_drawn_twice() -> None:
    for name in ("reference", "folds.csv"):
        with pytest.raises(UsageError, match=f"The split {name} is always the same"):
            make_splits(name, LABELS, 5, 0, set(OIDS), repeats=2)


def test_every_draw_trains_with_its_own_seed_and_marks_its_scores() -> None:
    splits = make_splits("field", LABELS, 3, 10, set(OIDS), repeats=2)
    seen: list[tuple[int, list[int]]] = []

    def run(configs: object, split: Split) -> list[list[FoldResult]]:
        assert isinstance(configs, list)
        seen.append((configs[0].seed, list(split.folds)))
        results = []
        for config in configs:
            folds = []
            for number, oids in split.folds.items():
                scored = Scored(np.array(oids, np.int64), LABELS.labels(oids), np.full(len(oids), 0.5), 0.5)
                history = {"": [{"epoch": 1, "loss": float(config.seed), "seconds": 0.0}]}
                folds.append(FoldResult(number, scored, history, 0.0, (scored, scored), {"a part": scored}))
            results.append(folds)
        return results

    first, second = over_draws([Config(seed=10), Config(seed=20)], splits, run)
    assert seen == [(10, [0, 1, 2]), (11, [3, 4, 5])]
    assert [result.fold for result in first] == list(range(6))
    for result in (*first, *second):
        draw = result.fold // 3
        assert result.cut is not None
        every = [result.scored, *result.cut, result.variants["a part"]]
        assert [scored.draw for scored in every] == [draw] * 4
    assert [result.histories[""][0]["loss"] for result in second] == [20, 20, 20, 21, 21, 21]


def test_tags_amount_to_classes() -> None:
    tags = [tag for group in CLASS_TAGS.values() for tag in group]
    assert len(tags) == len(set(tags))
    assert classes_of({"SN", "SNIa", "TNS_candidate"}, False) == {"supernova"}
    assert classes_of({"QSO", "AGN", "VAR"}, False) == {"active nucleus"}
    assert classes_of({"STAR", "M_dwarf_flare"}, False) == {"M-dwarf flare"}
    assert classes_of({"STAR", "VAR"}, False) == {"star", "variable of unknown type"}
    assert classes_of({"SN", "Galaxy"}, False) == {"supernova", "galaxy"}
    assert classes_of({"uncertain"}, False) == {"unclassified"}
    assert classes_of({"artefact", "ghost", "Galaxy"}, True) == {"artefact"}
