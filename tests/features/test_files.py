"""Tables of features on disk."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from helpers import UPSTREAM, make_oid, need
from hypothesis import given, settings
from hypothesis import strategies as st

from rbztf.errors import InputError, UsageError
from rbztf.features.files import is_ours, read_features, write_features
from rbztf.features.snad_set import FEATURE_NAMES, SNAD_TABLE
from rbztf.features.table import Definition, FeatureTable

A, B = make_oid(1), make_oid(2)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
NAMES = st.text(st.sampled_from('abz_09,";#é'), min_size=1, max_size=6).filter(lambda name: name != "oid")
SPANS = st.none() | st.tuples(FINITE, FINITE)
DEFINITIONS = st.builds(Definition, st.text(max_size=20), st.none() | st.integers(0, 65535), SPANS)


@st.composite
def tables(draw: st.DrawFn) -> FeatureTable:
    sources = draw(st.lists(st.integers(0, 9_999_999), max_size=4, unique=True))
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    cells = st.lists(FINITE | st.just(math.nan), min_size=len(names), max_size=len(names))
    rows = [draw(cells) for _ in sources]
    values = np.array(rows, np.float64).reshape(len(sources), len(names))
    oids = np.array([make_oid(source) for source in sources], np.int64)
    return FeatureTable(oids, tuple(names), values, draw(DEFINITIONS))


@settings(max_examples=25)
@given(tables())
def test_what_is_written_reads_back(tmp_path_factory: pytest.TempPathFactory, table: FeatureTable) -> None:
    path = tmp_path_factory.mktemp("table") / "new" / "f.csv"
    write_features(path, table)
    again = read_features(path)
    assert again.definition == table.definition
    assert again.names == table.names
    np.testing.assert_array_equal(again.oids, table.oids)
    np.testing.assert_array_equal(again.values, table.values)
    np.testing.assert_array_equal(np.signbit(again.values), np.signbit(table.values))
    assert is_ours(path)
    assert [entry.name for entry in path.parent.iterdir()] == ["f.csv"]


def test_the_snad_table() -> None:
    path = need(UPSTREAM / "lightcurve_features.csv")
    table = read_features(path)
    assert table.values.shape == (len(path.read_text().splitlines()) - 1, 54)
    assert table.definition == SNAD_TABLE
    assert "label" not in table.names
    assert table.values[table.oids == 848212200015960, 0] == [2.576051250000001]
    assert table.known().all()
    assert not is_ours(path)


def test_a_table_that_does_not_say_is_snads_by_its_columns_alone(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    for columns, known in ((FEATURE_NAMES, True), (FEATURE_NAMES[1:], False), ((*FEATURE_NAMES, "b"), False)):
        path.write_text(",".join(["oid", "label", *columns]) + "\n")
        assert (read_features(path).definition == SNAD_TABLE) is known
        assert read_features(path).definition.same_as(SNAD_TABLE) is known
    made = Definition("mine", 0)
    write_features(path, FeatureTable(np.empty(0, np.int64), FEATURE_NAMES, np.empty((0, 54)), made))
    assert read_features(path).definition == made


def test_what_other_programs_write(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_bytes(f"\ufeff,oid, a ,label,b\r\n0, {A} ,1e3,1,\r\n\r\n1,{B},-inf,real,NaN\r\n".encode())
    table = read_features(path)
    assert table.names == ("a", "b")
    assert table.oids.tolist() == [A, B]
    np.testing.assert_array_equal(table.values, [[1000, np.nan], [np.nan, np.nan]])
    assert table.known().tolist() == [True, False]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "lacks the column 'oid'"),
        ("# definition: {}\n", "lacks the column 'oid'"),
        ("a,b\n1,2\n", "lacks the column 'oid'"),
        ('[{"oid": 1}]', "no column of features"),
        (b"\xff\xfe\x00", "cannot be read (it is not text)"),
        ("oid\n12\n", "no column of features"),
        (f"oid,label\n{A},1\n", "no column of features"),
        ("oid,a\n12,1\n", "line 2: '12' is not a ZTF OID"),
        (f"oid,a\n{A},1\n{B},1\n{A},1\n", f"line 4: it gives {A} twice (first in line 2)"),
        (f"oid,a,b\n{A},1,2\n{B},1,x2\n", "line 3: "),
        (f"oid,a,b\n{A},1,x2\n", "b is 'x2', which is not a number"),
        (f"oid,a\n{A},1_000\n", "'1_000', which is not a number"),
        (f"oid,a,b\n{A},1\n", "line 2: "),
        (f"oid,a\n{A},1,2\n", "has 3 cells; the header has 2"),
        ("oid,a,a\n", "column 'a' twice"),
        (f'oid,a\n{A},"1\n', "is not CSV (line 2"),
        (f"# definition: no\noid,a\n{A},1\n", "definition that"),
        (f'# definition: {{"source": 3}}\noid,a\n{A},1\n', "definition that"),
        (f'# definition: {{"source": "", "span_mjd": [1]}}\noid,a\n{A},1\n', "definition that"),
        (f"# a comment\noid,a\n{A},?\n", "line 3: "),
    ],
)
def test_tables_that_are_none(tmp_path: Path, content: str | bytes, says: str) -> None:
    path = tmp_path / "f.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError) as caught:
        read_features(path)
    message = str(caught.value)
    assert says in message
    assert "f.csv" in message
    assert caught.value.next_step
    assert "\n" not in message


def test_missing_files(tmp_path: Path) -> None:
    for path in (tmp_path / "gone.csv", tmp_path):
        with pytest.raises(InputError, match="cannot be read"):
            read_features(path)


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    table = FeatureTable(np.array([A]), ("a",), np.ones((1, 1)))
    with pytest.raises(UsageError, match="cannot be written"):
        write_features(tmp_path / "file" / "f.csv", table)
    for name in ("oid", "label", "", " a", "a\n"):
        with pytest.raises(ValueError, match="not a name"):
            write_features(tmp_path / "f.csv", FeatureTable(np.array([A]), (name,), np.ones((1, 1))))
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
