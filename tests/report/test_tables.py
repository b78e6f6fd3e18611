"""Predictions as files: every format says the same, and appears whole or not at all."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from helpers import make_oid, strict_json
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from rbztf.archive.oid_lists import read_oids
from rbztf.errors import Problem, UsageError
from rbztf.report.tables import COLUMNS, ENDINGS, check_ending, predictions_csv, write_predictions
from rbztf.verbs.predict import Prediction, PredictResult

SHARE = st.floats(0, 1)


@st.composite
def predictions(draw: st.DrawFn) -> Prediction:
    p = draw(SHARE)
    return Prediction(
        oid=make_oid(draw(st.integers(0, 10**6))),
        p_bogus=p,
        decision=draw(st.sampled_from(["real", "bogus", "unsure"])),
        threshold=draw(SHARE),
        n_frames=draw(st.integers(1, 2000)),
        n_missing=draw(st.integers(0, 2000)),
        model=draw(st.sampled_from(["rnn/0", 'a, "b"', "é/1"])),
        p_low=draw(st.none() | SHARE),
        p_high=draw(st.none() | SHARE),
        kinds=draw(st.dictionaries(st.sampled_from(["ghost", "track"]), SHARE)),
    )


RESULTS = st.lists(predictions(), min_size=1, max_size=5).map(
    lambda made: PredictResult("rnn/0", tuple(made), (Problem("1", "no frame."),), ("careful",))
)


@given(result=RESULTS)
def test_every_format_says_the_same(tmp_path_factory: pytest.TempPathFactory, result: PredictResult) -> None:
    folder = tmp_path_factory.mktemp("out")
    for ending in ENDINGS:
        write_predictions(folder / f"p{ending}", result)
    expected = [{name: getattr(entry, name) for name in COLUMNS} for entry in result.objects]
    assert parquet.read_table(folder / "p.parquet").to_pylist() == expected

    with (folder / "p.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    for row, entry in zip(rows, expected, strict=True):
        for name, value in entry.items():
            if value is None:
                assert row[name] == ""
            elif isinstance(value, float):
                assert float(row[name]) == value
            else:
                assert row[name] == str(value)

    content = strict_json((folder / "p.json").read_text())
    assert content["model"] == "rnn/0"
    assert content["problems"] == [{"where": "1", "what": "no frame."}]
    assert content["warnings"] == ["careful"]
    assert [{name: entry[name] for name in COLUMNS} for entry in content["objects"]] == expected
    assert [entry["kinds"] for entry in content["objects"]] == [entry.kinds for entry in result.objects]
    unique = list(dict.fromkeys(entry.oid for entry in result.objects))
    assert read_oids(folder / "p.csv") == read_oids(folder / "p.parquet") == unique
    assert {path.name for path in folder.iterdir()} == {f"p{ending}" for ending in ENDINGS}


def test_nothing_predicted_is_an_empty_table(tmp_path: Path) -> None:
    result = PredictResult("m", ())
    assert list(csv.DictReader(io.StringIO(predictions_csv(result)))) == []
    for ending in ENDINGS:
        write_predictions(tmp_path / f"p{ending}", result)
    assert parquet.read_table(tmp_path / "p.parquet").column_names == list(COLUMNS)


@pytest.mark.parametrize("name", ["p.txt", "p", "p.csv.gz", "p.fits"])
def test_other_endings_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match=r"End it in \.csv, \.json, \.parquet"):
        check_ending(Path(name))


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="cannot be written"):
        write_predictions(tmp_path / "file" / "p.csv", PredictResult("m", ()))
    (tmp_path / "p.csv").mkdir()
    with pytest.raises(UsageError, match="cannot be written"):
        write_predictions(tmp_path / "p.csv", PredictResult("m", ()))
    assert {path.name for path in tmp_path.iterdir()} == {"file", "p.csv"}
