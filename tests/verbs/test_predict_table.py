"""``predict`` on whole tables of features: the same scores as one by one, in units that are done once."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from helpers import run, run_well

import rbztf
from rbztf.errors import InputError, UsageError
from rbztf.features import rows as feature_rows
from rbztf.features.binary_files import write_binary
from rbztf.features.files import read_features, write_features
from rbztf.features.table import FeatureTable
from rbztf.models.catalogue import shipped_model
from rbztf.models.decision.decisions import Goal
from rbztf.models.load import load_model
from rbztf.prediction.result import write_predictions
from rbztf.simulate.ordinary.table import ordinary_features
from rbztf.verbs import predict_table as verb
from rbztf.verbs.predict_table import predict_table

N = 400


@pytest.fixture(scope="module")
def table() -> FeatureTable:
    """Ordinary objects, three training objects, unknown values, rows too empty for a score, and far-off ones."""
    made = ordinary_features(N, 3)
    model = load_model(shipped_model())
    values = made.columns(model.feature_names).values
    rng = np.random.default_rng(0)
    values[rng.random(values.shape) < 0.02] = np.nan
    values[50:53] = np.nan
    values[60:70, 5] = 1e9
    oids = 633207400000001 + np.arange(N)
    oids[:3] = list(model.out_of_fold)[:3]
    return FeatureTable(oids, model.feature_names, values, made.definition)


@pytest.fixture(autouse=True)
def small_units(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_rows, "UNIT", 150)
    monkeypatch.setattr(feature_rows, "CHUNK", 64)


def cells(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.reader(stream))


def as_csv(path: Path, table: FeatureTable) -> Path:
    write_features(path, table)
    return path


@pytest.mark.parametrize("goal", [None, Goal(prior=0.02), Goal(max_false_alarm=0.1)])
@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_cells_are_those_of_objects_one_by_one(
    tmp_path: Path, table: FeatureTable, ending: str, goal: Goal | None
) -> None:
    features = as_csv(tmp_path / f"features{ending}", table)
    found = predict_table(features, tmp_path / f"all{ending}", goal=goal, workers=1)
    single = rbztf.predict(features=features, goal=goal)
    write_predictions(tmp_path / f"single{ending}", single)
    assert (found.n_rows, found.n_objects) == (N, N - 3)
    assert found.problems == single.problems
    assert len(found.problems) == 3
    assert found.warnings == single.warnings
    assert not (tmp_path / f"all{ending}.parts").exists()
    if ending == ".csv":
        assert cells(tmp_path / "all.csv") == cells(tmp_path / "single.csv")
    else:
        from pyarrow import parquet

        one, other = (parquet.read_table(tmp_path / f"{name}.parquet") for name in ("all", "single"))
        assert one.schema.equals(other.schema, check_metadata=True)
        assert one.equals(other)


def test_binary_tables_in_and_out(tmp_path: Path, table: FeatureTable) -> None:
    write_binary(tmp_path / "feature_x.dat", table.oids, table.values, table.names)
    rounded = FeatureTable(
        table.oids, table.names, table.values.astype(np.float32).astype(float), table.definition
    )
    for name in ("sid_x.dat", "feature_x.dat", "feature_x.name"):
        again = read_features(tmp_path / name)
        assert (again.names, again.definition.source) == (rounded.names, rounded.definition.source)
        assert np.array_equal(again.oids, rounded.oids)
        assert np.array_equal(again.values, rounded.values, equal_nan=True)
    found = predict_table(tmp_path / "sid_x.dat", tmp_path / "scores.dat", workers=1)
    single = {entry.oid: entry for entry in rbztf.predict(features=tmp_path / "feature_x.dat").objects}
    oids = np.fromfile(tmp_path / "sid_scores.dat", "<u8")
    names = (tmp_path / "feature_scores.name").read_text().split()
    scores = np.fromfile(tmp_path / "feature_scores.dat", "<f4").reshape(len(oids), len(names))
    assert names == ["p_bogus", "p_low", "p_high", "decision", "input_check"]
    assert oids.tolist() == list(single)
    assert found.n_objects == len(oids)
    words = {"real": 0.0, "unsure": 0.5, "bogus": 1.0}
    for oid, (p, low, high, decision, check) in zip(oids.tolist(), scores.tolist()):
        entry = single[oid]
        assert (p, low, high) == tuple(np.float32([entry.p_bogus, entry.p_low, entry.p_high]))
        assert decision == words[entry.decision] if entry.decision else np.isnan(decision)
        assert check == ("inside", "unusual", "outside").index(str(entry.input_check))


def test_what_was_done_is_not_done_again(
    tmp_path: Path, table: FeatureTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    features, out = as_csv(tmp_path / "f.parquet", table), tmp_path / "o.csv"
    monkeypatch.setattr(feature_rows.ParquetRows, "units", feature_rows.TableRows.units)
    monkeypatch.setattr(
        feature_rows, "open_rows", lambda path: feature_rows.TableRows(path, read_features(path))
    )
    monkeypatch.setattr(verb, "open_rows", feature_rows.open_rows)
    predict_table(features, tmp_path / "whole.csv", workers=1)
    done: list[int] = []
    score = verb._score_unit

    def killed(task: tuple[verb.Request, int, tuple[int, int]]) -> int:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(score(task))
        return done[-1]

    monkeypatch.setattr(verb, "_score_unit", killed)
    with pytest.raises(KeyboardInterrupt):
        predict_table(features, out, workers=1)
    assert not out.exists()
    with pytest.raises(UsageError, match="other options"):
        predict_table(features, out, force=True, workers=1)
    again: list[int] = []
    monkeypatch.setattr(verb, "_score_unit", lambda task: again.append(task[1]) or score(task))
    predict_table(features, out, workers=1)
    assert (done, again) == ([0, 1], [2])
    assert out.read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_in_processes_it_is_the_same(tmp_path: Path, table: FeatureTable) -> None:
    write_binary(tmp_path / "feature_x.dat", table.oids, table.values, table.names)
    for workers in (1, 2):
        predict_table(tmp_path / "feature_x.dat", tmp_path / f"{workers}.csv", workers=workers)
    assert (tmp_path / "1.csv").read_bytes() == (tmp_path / "2.csv").read_bytes()


def test_wrong_tables_get_a_sentence(tmp_path: Path, table: FeatureTable) -> None:
    out = tmp_path / "o.csv"

    def refused(name: str, match: str) -> None:
        with pytest.raises((InputError, UsageError), match=match):
            predict_table(tmp_path / name, out, workers=1)

    write_binary(tmp_path / "feature_x.dat", table.oids, table.values, table.names)
    with (tmp_path / "feature_x.dat").open("ab") as stream:
        stream.write(b"\0" * 4)
    refused("feature_x.dat", "bytes")
    (tmp_path / "sid_x.dat").unlink()
    refused("feature_x.dat", r"sid_x\.dat cannot be read")
    twice = table.oids.copy()
    twice[300] = twice[10]
    write_binary(tmp_path / "feature_y.dat", twice, table.values, table.names)
    refused("sid_y.dat", f"has {twice[10]} twice")
    none = table.oids.copy()
    none[7] = 12
    write_binary(tmp_path / "feature_z.dat", none, table.values, table.names)
    refused("feature_z.dat", "Row 8 .* has 12, which is not a ZTF OID")
    write_binary(tmp_path / "feature_e.dat", table.oids[:0], table.values[:0], table.names)
    refused("feature_e.dat", "is empty")
    (tmp_path / "cut.parquet").write_bytes(as_csv(tmp_path / "whole.parquet", table).read_bytes()[:-50])
    refused("cut.parquet", "not a sound Parquet file")
    refused("none.parquet", "none.parquet")
    with pytest.raises(UsageError, match="written in parts"):
        predict_table(tmp_path / "whole.parquet", tmp_path / "o.fits")


def test_the_command_line(tmp_path: Path, table: FeatureTable) -> None:
    features = as_csv(tmp_path / "f.parquet", table)
    told = run_well("predict", "--features", features, "--out", tmp_path / "o.csv", code=3)
    assert "397 objects" in told.stdout + told.stderr
    assert len(cells(tmp_path / "o.csv")) == N - 3 + 1
    answer = run("predict", str(table.oids[9]), "--features", features, "--no-fetch", "--workers", "2")
    assert answer.exit_code == 2
    assert "--workers has no effect without" in answer.stderr
