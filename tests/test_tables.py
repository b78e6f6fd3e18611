"""Tables keep their numbers, units and empty cells in every format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy.table import Table

from rbztf.errors import UsageError
from rbztf.tables import TABLE_ENDINGS, Column, astropy_table, check_table_ending, write_table

COLUMNS = [
    Column("oid", "int", description="ZTF OID"),
    Column("p_bogus", "float", description="probability", decimals=8),
    Column("hjd", "float", unit="d"),
    Column("count", "int"),
    Column("sure", "bool"),
    Column("decision", "text"),
]
ROWS = [
    [686103400034440, 0.123456789, 2458700.123456789, 3, True, "bogus"],
    [1824215400014323, 0.5, None, None, None, None],
    [257201400048862, float("nan"), 2458701.5, 0, False, "real, or <not>"],
]


def read(path: Path) -> Table:
    if path.suffix == ".parquet":
        return Table(pq.read_table(path).to_pydict())
    return Table.read(path, format={".csv": "ascii.csv", ".vot": "votable"}.get(path.suffix))


@pytest.mark.parametrize("ending", TABLE_ENDINGS)
def test_numbers_come_back(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"scores{ending}"
    write_table(path, COLUMNS, ROWS, {"model": "default"})
    table = read(path)
    assert table.colnames == [column.name for column in COLUMNS]
    assert [int(oid) for oid in table["oid"]] == [row[0] for row in ROWS]
    assert float(table["hjd"][0]) == ROWS[0][2]
    assert float(table["p_bogus"][0]) == pytest.approx(0.123456789, abs=1e-8)
    assert str(table["decision"][0]) == "bogus"
    assert str(table["decision"][2]) == "real, or <not>"
    assert str(table["sure"][0]) == "True"
    assert not _known(table["hjd"][1])
    assert not _known(table["count"][1])
    assert not _known(table["decision"][1])
    assert not _known(table["sure"][1])
    assert int(table["count"][2]) == 0


def _known(value: object) -> bool:
    if value is None or value is np.ma.masked or str(value) == "":
        return False
    return not (isinstance(value, float | np.floating) and np.isnan(value))


@pytest.mark.parametrize("ending", [".ecsv", ".fits", ".vot"])
def test_units_and_metadata(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"scores{ending}"
    write_table(path, COLUMNS, ROWS, {"model": "default"})
    table = read(path)
    assert str(table["hjd"].unit) == "d"
    if ending == ".fits":
        assert table.meta["MODEL"] == "default"
    else:
        assert table["oid"].description == "ZTF OID"


@pytest.mark.parametrize("ending", TABLE_ENDINGS)
def test_a_table_without_rows(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"none{ending}"
    write_table(path, COLUMNS, [])
    assert len(read(path)) == 0
    assert read(path).colnames == [column.name for column in COLUMNS]


def test_an_unknown_ending_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"scores\.xlsx does not end in a known format"):
        write_table(tmp_path / "scores.xlsx", COLUMNS, ROWS)
    check_table_ending(Path("x.json"), ".json")
    assert not list(tmp_path.iterdir())


def test_the_table_in_memory_has_types() -> None:
    table = astropy_table(COLUMNS, ROWS)
    assert table["oid"].dtype == np.int64
    assert table["sure"].dtype == np.bool_
    assert table["count"].mask.tolist() == [False, True, False]
