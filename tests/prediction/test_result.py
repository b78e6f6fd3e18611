"""Predictions as files: every format says the same, and appears whole or not at all."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from astropy.table import Table
from helpers import COLUMNS, flat, make_oid, strict_json
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from rbztf.errors import Problem, UsageError
from rbztf.prediction.result import (
    ENDINGS,
    EpochContribution,
    Prediction,
    PredictResult,
    check_ending,
    predictions_csv,
    write_mask,
    write_predictions,
)
from rbztf.stores.oid_lists import read_oids
from rbztf.tables import ASTROPY_FORMATS

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
        inputs=draw(st.sampled_from(["image", "image+lightcurve"])),
        features_verified=draw(st.none() | st.booleans()),
        kinds=draw(st.dictionaries(st.sampled_from(["ghost", "frame_edge"]), SHARE)),
        p_without=draw(st.none() | SHARE),
        n_dropped=draw(st.none() | st.integers(0, 2000)),
    )


RESULTS = st.lists(predictions(), min_size=1, max_size=5).map(
    lambda made: PredictResult("rnn/0", tuple(made), (Problem("1", "no frame."),), ("careful",))
)


@settings(max_examples=12)
@given(result=RESULTS)
def test_every_format_says_the_same(tmp_path_factory: pytest.TempPathFactory, result: PredictResult) -> None:
    folder = tmp_path_factory.mktemp("out")
    for ending in ENDINGS:
        write_predictions(folder / f"p{ending}", result)
    expected = [flat(asdict(entry)) for entry in result.objects]
    assert {name for row in expected for name in row} == {*COLUMNS}
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

    for ending, name in ASTROPY_FORMATS.items():
        table = Table.read(folder / f"p{ending}", format=name)
        assert tuple(table.colnames) == COLUMNS
        assert table["oid"].tolist() == [entry.oid for entry in result.objects]
        assert table["p_bogus"].tolist() == [entry.p_bogus for entry in result.objects]
        if ending != ".fits":  # which has no room for é
            assert table["model"].tolist() == [entry.model for entry in result.objects]

    content = strict_json((folder / "p.json").read_text())
    assert content["model"] == "rnn/0"
    assert content["problems"] == [{"where": "1", "what": "no frame."}]
    assert content["warnings"] == ["careful"]
    assert [flat(entry) for entry in content["objects"]] == expected
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


@pytest.mark.parametrize("name", ["p.txt", "p", "p.csv.gz", "p.xlsx"])
def test_other_endings_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match=r"End it in \.csv, .*\.json"):
        check_ending(Path(name))


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="cannot be written"):
        write_predictions(tmp_path / "file" / "p.csv", PredictResult("m", ()))
    (tmp_path / "p.csv").mkdir()
    with pytest.raises(UsageError, match="cannot be written"):
        write_predictions(tmp_path / "p.csv", PredictResult("m", ()))
    assert {path.name for path in tmp_path.iterdir()} == {"file", "p.csv"}


def epoch(**known: Any) -> EpochContribution:
    nothing = {"frame": 0, "mjd": float("nan"), "hjd": float("nan"), "filefracday": -1, "share": 0.0}
    return EpochContribution(**{**nothing, "dropped": False, **known})


def test_a_mask_lists_frames_in_time(tmp_path: Path) -> None:
    blamed = (
        epoch(frame=1, mjd=58000.5, hjd=2458001.125, filefracday=20180101123456, share=0.75, dropped=True),
        epoch(frame=0, mjd=57999.5, hjd=2458000.125, filefracday=20171231123456, share=-0.5),
        epoch(frame=0),
    )
    oids = [make_oid(1), make_oid(2)]
    entries = [
        Prediction(
            oid=oid,
            p_bogus=0.5,
            decision="real",
            threshold=0.5,
            n_frames=3,
            n_missing=0,
            inputs="image",
            model="m",
            blamed=frames,
        )
        for oid, frames in zip(oids, (blamed[:2], blamed[2:]))
    ]
    result = PredictResult("m", tuple(entries))
    write_mask(tmp_path / "mask.csv", result)
    assert (tmp_path / "mask.csv").read_text().splitlines() == [
        "oid,frame,mjd,hjd,filefracday,share,drop",
        f"{oids[0]},0,57999.500000,2458000.12500000,20171231123456,-0.500000,0",
        f"{oids[0]},1,58000.500000,2458001.12500000,20180101123456,0.750000,1",
        f"{oids[1]},0,,,,0.000000,0",
    ]
    write_mask(tmp_path / "mask.ecsv", result)
    table = Table.read(tmp_path / "mask.ecsv")
    assert (str(table["mjd"].unit), table["drop"].tolist()) == ("d", [0, 1, 0])


def test_kinds_that_only_the_model_knows_have_a_column() -> None:
    known = {"oid": make_oid(1), "p_bogus": 0.5, "decision": "real", "threshold": 0.5, "n_frames": 3}
    entry = Prediction(**known, n_missing=0, inputs="image", model="m", kinds={"dust": 0.25, "ghost": 0.5})
    (row,) = csv.DictReader(io.StringIO(predictions_csv(PredictResult("m", (entry,)))))
    assert (row["p_dust"], row["p_ghost"], row["p_track"]) == ("0.25", "0.5", "")
    assert list(row)[:-2] == list(COLUMNS)[:-1]


def test_every_column_is_described() -> None:
    """What a format with room for it says; names and units are those of the documentation."""
    for column in PredictResult("m", ()).columns():
        assert column.description, column.name
        assert "{" not in column.description
