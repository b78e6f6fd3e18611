"""Lists of OIDs in four formats, and from standard input."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from helpers import make_oid
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from rbztf.errors import InputError
from rbztf.stores.oid_lists import read_oids

OIDS = st.lists(st.integers(0, 10**6).map(make_oid), min_size=1, max_size=20)


@given(OIDS)
def test_every_format_gives_the_same_list(tmp_path_factory: pytest.TempPathFactory, oids: list[int]) -> None:
    folder = tmp_path_factory.mktemp("lists")
    (folder / "a.txt").write_text("# objects\n" + "\n".join(f"{oid}  # one" for oid in oids))
    (folder / "b").write_text(", ".join(map(str, oids)))
    (folder / "c.csv").write_text("name,oid\n" + "\n".join(f"x,{oid}" for oid in oids))
    (folder / "d.json").write_text(json.dumps(oids))
    (folder / "e.json").write_text(json.dumps([{"oid": str(oid), "tags": []} for oid in oids]))
    parquet.write_table(pa.table({"oid": oids, "x": [0.0] * len(oids)}), folder / "f.parquet")
    expected = list(dict.fromkeys(oids))
    for path in sorted(folder.iterdir()):
        assert read_oids(path) == expected, path.name


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{make_oid(2)}\n\n{make_oid(1)} {make_oid(2)}\n"))
    assert read_oids("-") == [make_oid(2), make_oid(1)]
    table = f"# made by hand\n\nname, OID \na,{make_oid(3)}\nb,{make_oid(1)}\n"  # a CSV without its ending
    monkeypatch.setattr("sys.stdin", io.StringIO(table))
    assert read_oids("-") == [make_oid(3), make_oid(1)]
    monkeypatch.setattr("sys.stdin", io.StringIO("\n# none\n"))
    with pytest.raises(InputError, match="no OID in standard input"):
        read_oids("-")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.txt", b"", "There is no OID in"),
        ("a.txt", b"# nothing\n", "There is no OID in"),
        ("a.txt", b"686103400034440 12", "'12' is not a ZTF OID"),
        ("a.txt", b"\xff\xfe\x00", "is not text"),
        ("a.csv", b"id\n1\n", "lacks the column 'oid'"),
        ("a.csv", b"", "lacks the column 'oid'"),
        ("a.csv", b"x,oid\n1\n", "is not a ZTF OID"),
        ("a.json", b"{", "is not JSON"),
        ("a.json", b"{}", "no JSON list"),
        ("a.json", b"[{}]", "is not a ZTF OID"),
        ("a.json", b"[null]", "is not a ZTF OID"),
        ("a.parquet", b"PAR1", "not a sound Parquet file"),
    ],
)
def test_a_wrong_list_is_refused(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_oids(tmp_path / name)
    assert says in str(caught.value)
    assert name in str(caught.value)


def test_a_parquet_file_without_the_column_is_refused(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"id": [1]}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="column 'oid'"):
        read_oids(tmp_path / "a.parquet")


def test_without_pyarrow_a_parquet_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"needs pyarrow.*rbztf\[parquet\]"):
        read_oids(tmp_path / "a.parquet")


def test_floats_that_lose_digits_are_refused(tmp_path: Path) -> None:
    oids = [make_oid(1), make_oid(2)]
    for kind in (pa.float64(), pa.int64()):
        parquet.write_table(pa.table({"oid": pa.array(oids, kind)}), tmp_path / "a.parquet")
        assert read_oids(tmp_path / "a.parquet") == oids
    parquet.write_table(pa.table({"oid": pa.array([1.0, 2.0], pa.float32())}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="float32, which loses their last digits"):
        read_oids(tmp_path / "a.parquet")


def test_a_missing_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_oids(tmp_path / "none.txt")
    with pytest.raises(InputError, match="cannot be read"):
        read_oids(tmp_path)


def test_a_csv_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('oid\n"' + "1" * 200_000)
    with pytest.raises(InputError, match="is not CSV"):
        read_oids(tmp_path / "a.csv")
