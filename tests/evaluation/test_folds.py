"""Folds: whole fields, the published recipe, or a file."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import sklearn
import torch
from helpers import UPSTREAM, make_oid, need
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import GroupKFold
from torch.utils.data import random_split

from rbztf.errors import DataError, InputError, UsageError
from rbztf.evaluation.folds import Split, make_split, read_split, reference_split
from rbztf.stores.labels import Labelled, LabelTable
from rbztf.ztf import Label, Oid


def table(n: int, *, n_fields: int = 12, seed: int = 0) -> LabelTable:
    rng = np.random.default_rng(seed)
    fields, labels = rng.integers(300, 300 + n_fields, n), rng.integers(0, 2, n)
    return LabelTable(
        [
            Labelled(Oid(make_oid(i, field=int(f))), Label(int(y)))
            for i, (f, y) in enumerate(zip(fields, labels))
        ]
    )


@pytest.mark.parametrize("name", ["field", "random"])
@given(n=st.integers(60, 200), n_folds=st.integers(2, 5), seed=st.integers(0, 100), kept=st.integers(50, 60))
def test_every_object_is_tested_once(name: str, n: int, n_folds: int, seed: int, kept: int) -> None:
    labels = table(n, seed=seed)
    available = set(list(labels)[:kept])
    split = make_split(name, labels, n_folds, seed, available)
    assert list(split.folds) == list(range(n_folds))
    assert sorted(split.oids) == sorted(available)
    assert all(split.folds.values())
    assert make_split(name, labels, n_folds, seed, available) == split
    assert split.name == name


def test_a_field_is_in_one_fold_alone() -> None:
    labels = table(300)
    split = make_split("field", labels, 4, 0, set(labels))
    homes = [{oid.field for oid in fold} for fold in split.folds.values()]
    assert sum(map(len, homes)) == len(set().union(*homes)) == 12
    assert make_split("field", labels, 4, 1, set(labels)) != split


def test_random_folds_have_the_same_share_of_artefacts() -> None:
    labels = table(500)
    split = make_split("random", labels, 5, 0, set(labels))
    shares = [labels.labels(fold).mean() for fold in split.folds.values()]
    assert np.ptp(shares) < 0.02
    assert make_split("random", labels, 5, 1, set(labels)) != split


@pytest.mark.skipif(
    tuple(map(int, sklearn.__version__.split(".")[:2])) < (1, 6), reason="its GroupKFold cannot shuffle"
)
@pytest.mark.parametrize(("n_folds", "seed"), [(2, 0), (3, 1), (5, 42)])
def test_folds_of_fields_are_those_of_scikit_learn(n_folds: int, seed: int) -> None:
    labels = table(60, n_fields=11)
    oids = np.array(list(labels))
    fields = np.array([oid.field for oid in labels])
    splitter = GroupKFold(n_folds, shuffle=True, random_state=seed)
    expected = {k: oids[test].tolist() for k, (_, test) in enumerate(splitter.split(fields, groups=fields))}
    assert make_split("field", labels, n_folds, seed, set(labels)).folds == expected


def test_too_few_fields_or_objects_are_refused() -> None:
    labels = table(40, n_fields=3)
    with pytest.raises(DataError, match="3 fields, too few for 5 folds"):
        make_split("field", labels, 5, 0, set(labels))
    artefacts = LabelTable([Labelled(oid, Label.ARTEFACT) for oid in labels])
    with pytest.raises(DataError, match="rarer class has 0 of 40"):
        make_split("random", artefacts, 5, 0, set(labels))
    with pytest.raises(DataError):
        make_split("random", labels, 5, 0, set())


def test_the_published_recipe() -> None:
    """``torch.manual_seed(7)``, then ``random_split(range(2230), [0.2] * 5)``."""
    labels = table(2230)
    oids = list(labels)
    with torch.random.fork_rng():
        torch.manual_seed(7)
        parts = random_split(range(2230), [0.2] * 5)  # type: ignore[arg-type]
    split = reference_split(labels)
    assert split.folds == {k: [oids[i] for i in part.indices] for k, part in enumerate(parts)}
    assert [len(fold) for fold in split.folds.values()] == [446] * 5
    some = set(oids[::3])
    reduced = make_split("reference", labels, 3, 99, some)
    assert reduced.folds == {k: [oid for oid in fold if oid in some] for k, fold in split.folds.items()}
    with pytest.raises(DataError, match="whole label list of 2230 r-band objects, not 2229"):
        reference_split(LabelTable(list(labels.values())[:-1]))


def test_the_published_folds_in_their_published_order() -> None:
    path = need(UPSTREAM / "folds.csv")
    split = read_split(path)
    with path.open() as stream:
        rows = list(csv.DictReader(stream))
    assert {k: len(fold) for k, fold in split.folds.items()} == {0: 446, 1: 446, 2: 446, 3: 446}
    for row in rows:
        assert split.folds[int(row["fold"])][int(row["position"])] == int(row["oid"])


def test_a_file_of_folds(tmp_path: Path) -> None:
    oids = [make_oid(i) for i in range(5)]
    path = tmp_path / "folds.csv"
    lines = [f"{oids[0]},x,3", f"{oids[1]},y,0", f"{oids[2]},z,3", f"{oids[3]},,0"]
    path.write_text("\n".join(["oid,note,fold", *lines]))
    split = read_split(path)
    assert split.folds == {0: [oids[1], oids[3]], 3: [oids[0], oids[2]]}
    assert split.name == str(path)
    labels = LabelTable([Labelled(Oid(oid), Label.REAL) for oid in oids[1:]])
    made = make_split(str(path), labels, 5, 0, {Oid(oid) for oid in oids[:3]})
    assert made.folds == {0: [oids[1]], 3: [oids[2]]}


def test_position_is_the_order_within_a_fold(tmp_path: Path) -> None:
    """Where there is none, the order of the lines."""
    oids = [make_oid(i) for i in range(3)]
    path = tmp_path / "folds.csv"
    path.write_text(f"oid,fold,position\n{oids[0]},0,2\n{oids[1]},0,0\n{oids[2]},0,1\n")
    assert read_split(path).folds == {0: [oids[1], oids[2], oids[0]]}
    path.write_text(f"oid,fold,position\n{oids[0]},0,\n{oids[1]},0,\n{oids[2]},0,\n")
    assert read_split(path).folds == {0: oids}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"oid,part\n1,2\n", "lacks the column"),
        (b"", "lacks the column"),
        (b"oid,fold\n600203100000001,one\n", "not a whole number"),
        (b"oid,fold\n600203100000001\n", "not a whole number"),
        (b"oid,fold\n600203100000001,1.0\n", "not a whole number"),
        (b"oid,fold\n12,1\n", "not a ZTF OID"),
        (b"oid,fold\n600203100000001,1\n600203100000001,2\n", "is there twice"),
        (b"\x89PNG\xff\xfe", "is not text"),
        (b'oid,fold\n600203100000001,"' + b"1" * 200_000, "is not CSV"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "folds.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=says) as caught:
        read_split(path)
    assert str(path) in str(caught.value)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(UsageError, match=r"no split 'feild'.*Use field, reference, random"):
        make_split("feild", table(50), 5, 0, set())


def test_only() -> None:
    a, b, c = (Oid(make_oid(i)) for i in range(3))
    split = Split("x", {0: [c, a], 1: [b]})
    assert split.only({a, b}) == Split("x", {0: [a], 1: [b]})
    assert split.oids == [c, a, b]
