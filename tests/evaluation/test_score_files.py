"""Scores files: everything comes back from them bit by bit, and nothing wrong gets in."""

from __future__ import annotations

import csv
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from helpers import make_oid

from rbztf.errors import InputError
from rbztf.evaluation.score_files import read_scores, write_scores
from rbztf.evaluation.scores import Scored
from rbztf.evaluation.summary import Evaluation, summarise
from rbztf.evaluation.table_files import write_tables
from rbztf.stores.labels import LabelTable

N = 24


def folds(seed: int, *, rich: bool, draws: int = 1) -> dict[int, Scored]:
    rng = np.random.default_rng(seed)
    made = {}
    for number in range(2 * draws):
        places = np.arange(N // 2) + (number % 2) * N // 2
        oids = np.array([make_oid(int(i), field=300 + int(i) % 8) for i in places], np.int64)
        scores = rng.random(N // 2)
        fold = Scored(oids, places % 2, scores, float(rng.random()), draw=number // 2)
        if rich:
            sets = np.stack([scores < 0.6, scores > 0.3], axis=1)
            decisions = np.where(sets.all(axis=1), "unsure", np.where(sets[:, 0], "real", "bogus"))
            mags = rng.uniform(14, 21, N // 2)
            mags[0] = np.nan
            fold = replace(
                fold,
                low=scores * 0.9,
                high=np.minimum(scores * 1.1, 1),
                decisions=decisions,
                sets=sets,
                kinds={"ghost": rng.random(N // 2), "frame_edge": rng.random(N // 2)},
                threshold=rng.random(N // 2),
                thresholds={"far10": rng.random(N // 2), "strict": float(rng.random())},
                n_frames=rng.integers(5, 900, N // 2),
                mags=mags,
            )
        made[number] = fold
    return made


def evaluation(name: str, seed: int, *, rich: bool = True, draws: int = 1, **extra: str) -> Evaluation:
    scored = folds(seed, rich=rich, draws=draws)
    return summarise(name, "field", scored, LabelTable([]), draws=20, seconds=0, extra=extra)


def same(one: Scored, other: Scored) -> bool:
    for column in fields(Scored):
        left, right = getattr(one, column.name), getattr(other, column.name)
        if isinstance(left, np.ndarray):
            is_text = left.dtype.kind == "U"
            if right is None or not np.array_equal(left, right, equal_nan=not is_text):
                return False
        elif isinstance(left, dict):
            if not all(np.array_equal(left[name], right[name]) for name in left | right):
                return False
        elif left != right:
            return False
    return True


def test_what_is_written_comes_back_bit_by_bit(tmp_path: Path) -> None:
    entries = [
        evaluation("a", 1, draws=3),
        evaluation("b", 2, rich=False),
        evaluation("c", 3, padding="masked"),
        evaluation("c", 4, padding="reference"),
    ]
    path = tmp_path / "scores.csv"
    write_scores(path, entries)
    read = read_scores(path)
    assert [(model.name, model.variant) for model in read] == [
        ("a", ""),
        ("b", ""),
        ("c", "masked"),
        ("c", "reference"),
    ]
    for model, entry in zip(read, entries):
        assert list(model.folds) == list(entry.folds)
        assert all(same(model.folds[k], entry.folds[k]) for k in entry.folds)
        again = summarise("x", "field", model.folds, LabelTable([]), draws=20, seconds=0)
        assert again.metrics == entry.metrics
        assert str(again.tables) == str(entry.tables)


def test_a_file_of_the_columns_that_must_be_is_enough(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    path.write_text(
        "config,oid,fold,label,p_bogus,threshold\n"
        f"mine,{make_oid(1)},0,0,0.25,0.5\nmine,{make_oid(2)},1,1,1,0.25\n"
    )
    (model,) = read_scores(path)
    assert (model.name, model.variant, list(model.folds)) == ("mine", "", [0, 1])
    assert model.folds[0].scores.tolist() == [0.25]
    assert model.folds[1].threshold == 0.25
    assert model.folds[0].decisions is None


HEAD = "config,draw,oid,fold,label,p_bogus,threshold,decision,set,n_frames,threshold_far10\n"
GOOD = f"m,0,{make_oid(1)},0,0,0.2,0.5,real,real,9,0.7\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "lacks the column 'config' and 'oid'"),
        ("config,oid,fold,label,p_bogus\n", "lacks the column 'threshold'"),
        (HEAD, "holds no scores"),
        (HEAD + GOOD.replace(",0.2,", ",1.2,"), "line 2: p_bogus is 1.2, which is not between 0 and 1"),
        (
            HEAD + GOOD + GOOD.replace(",0.2,", ",nan,"),
            "line 3: p_bogus is 'nan', which is not a finite number",
        ),
        (HEAD + GOOD.replace(",0.2,", ",,"), "p_bogus is '', which is not a finite number"),
        (HEAD + GOOD.replace(",0,0,0.2", ",0,2,0.2"), "label is '2', not one of 0, 1"),
        (HEAD + GOOD.replace(",0,0,0.2", ",x,0,0.2"), "fold is 'x', which is not a whole number"),
        (HEAD + GOOD.replace("0.5,real", "0.5,perhaps"), "decision is 'perhaps', not one of real"),
        (HEAD + GOOD.replace("real,9", "all,9"), "set is 'all', not one of real, bogus, both, none"),
        (HEAD + GOOD.replace(",9,", ",-9,"), "n_frames is '-9', which is not a whole number"),
        (HEAD + GOOD.replace(",0.7\n", ",low\n"), "threshold_far10 is 'low', which is not a finite number"),
        (HEAD + GOOD.replace(str(make_oid(1)), "12"), "line 2: '12' is not a ZTF OID"),
        (HEAD + GOOD + GOOD, "twice for m"),
        (HEAD + GOOD + GOOD.replace("m,0", "m,1").replace(",0,0,0.2", ",1,1,0.2"), "both 0 and 1"),
        (
            HEAD + GOOD + GOOD.replace(str(make_oid(1)), str(make_oid(2))).replace("m,0", "m,1"),
            "fold 0 is in more than one draw",
        ),
        (HEAD + GOOD.replace("\n", ",1,2\n"), "line 2: it has 13 cells; the header has 11"),
        (HEAD + "m,0\n", "fold is '', which is not a whole number"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "scores.csv"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_scores(path)
    assert says in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_missing_or_binary_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_scores(tmp_path / "none.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00\x80" * 40)
    with pytest.raises(InputError, match="cannot be read"):
        read_scores(tmp_path / "binary.csv")


def test_tables_are_written_with_their_intervals(tmp_path: Path) -> None:
    entries = [evaluation("a", 1), evaluation("b", 2, rich=False)]
    write_tables(tmp_path, entries)
    written = {path.stem for path in tmp_path.iterdir()}
    always = {"metrics", "operating_points", "risk_coverage", "at_priors"}
    assert written == always | {"by_length", "by_magnitude", "doubt"}
    with (tmp_path / "metrics.csv").open() as stream:
        rows = {(row["config"], row["metric"]): row for row in csv.DictReader(stream)}
    area = entries[0].metrics["roc_auc"]
    row = rows["a", "roc_auc"]
    assert float(row["pooled"]) == area.pooled
    assert (float(row["pooled_low"]), float(row["pooled_high"])) == area.pooled_ci95
    with (tmp_path / "by_length.csv").open() as stream:
        lengths = list(csv.DictReader(stream))
    assert {row["config"] for row in lengths} == {"a"}
    assert sum(int(row["n"]) for row in lengths) == N
    assert float(lengths[0]["roc_auc"]) == entries[0].tables["by_length"][0]["roc_auc"]["value"]
    with (tmp_path / "risk_coverage.csv").open() as stream:
        (row, *others) = csv.DictReader(stream)
    assert len(others) == 13
    risk = entries[0].tables["risk_coverage"]
    assert (float(row["coverage"]), float(row["error"])) == (1, risk["rows"][0]["error"]["value"])
    assert [float(row["aurc_low"]), float(row["aurc_high"])] == risk["aurc"]["ci95"]
    with (tmp_path / "at_priors.csv").open() as stream:
        assert [float(row["prior"]) for row in csv.DictReader(stream)] == [0.5, 0.1, 0.02] * 2
    with (tmp_path / "operating_points.csv").open() as stream:
        assert [(row["config"], row["point"]) for row in csv.DictReader(stream)] == [
            ("a", "decision"),
            ("a", "far10"),
            ("a", "strict"),
            ("b", "decision"),
        ]
