"""Tables of every format: as others write them, through pipes, and made to do harm."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.table import Table
from helpers import (
    make_oid,
    random_sequences,
    refused,
    run_well,
    strict_json,
    through_a_pipe,
    tiny_classifier,
    write_embeddings,
)
from hypothesis import given
from hypothesis import strategies as st

from rbztf.errors import InputError
from rbztf.features.files import read_features, write_features
from rbztf.features.table import Definition, FeatureTable
from rbztf.formats import column_file, parquet
from rbztf.stores.oid_lists import read_oids

A, B = make_oid(1), make_oid(2)
ENDINGS = (".csv", ".json", ".parquet", ".ecsv", ".fits", ".vot")
TABLE = FeatureTable(
    np.array([A, B], np.int64),
    ("amplitude", "period, days", "skew 2"),
    np.array([[0.1, 1e-300, np.nan], [-np.pi, 2.0, 1e300]]),
    Definition("light-curve 0.13, rbztf set 1", 65535, (58202.4, 59595.3)),
)


def same(one: FeatureTable, other: FeatureTable) -> bool:
    return (
        one.names == other.names
        and one.definition == other.definition
        and np.array_equal(one.oids, other.oids)
        and np.array_equal(one.values, other.values, equal_nan=True)
    )


def written(folder: Path, ending: str, table: FeatureTable = TABLE) -> Path:
    path = folder / f"features{ending}"
    write_features(path, table)
    return path


@pytest.mark.parametrize("ending", ENDINGS)
def test_features_and_their_definition_come_back(ending: str, tmp_path: Path) -> None:
    path = written(tmp_path, ending)
    assert same(read_features(path), TABLE)
    assert same(through_a_pipe(path, read_features), TABLE)
    assert read_oids(path) == [A, B]
    assert through_a_pipe(path, read_oids) == [A, B]
    path.rename(tmp_path / "renamed.txt")
    assert same(read_features(tmp_path / "renamed.txt"), TABLE)


WORDS = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=30).map(str.strip)
NAMES = st.lists(WORDS.map(lambda word: f"f {word}".strip()), min_size=1, max_size=4, unique_by=str.lower)


@pytest.mark.parametrize("ending", ENDINGS)
@given(data=st.data())
def test_whatever_a_table_holds_comes_back(
    ending: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    names = data.draw(NAMES)
    n_rows = data.draw(st.integers(ending == ".json", 3))
    numbers = st.floats(allow_infinity=False, width=64)
    cells = data.draw(st.lists(numbers, min_size=n_rows * len(names), max_size=n_rows * len(names)))
    days = st.floats(0, 1e5)
    definition = Definition(
        data.draw(st.text(max_size=60)),
        data.draw(st.none() | st.integers(0, 65535)),
        data.draw(st.none() | st.tuples(days, days)),
    )
    table = FeatureTable(
        np.array([make_oid(i) for i in range(n_rows)], np.int64),
        tuple(names),
        np.array(cells, np.float64).reshape(n_rows, len(names)),
        definition,
    )
    path = written(tmp_path_factory.mktemp("t"), ending, table)
    assert same(read_features(path), table)


def test_tables_as_others_write_them(tmp_path: Path) -> None:
    """OIDs as text, as float64, with nulls beside; numbers of other types; comma ECSV; binary VOTable."""
    oids = [A, B]
    Table({"OID": [str(oid) for oid in oids], "a": np.array([1, 2], ">i2")}).write(tmp_path / "text.fits")
    Table({"oid": np.array(oids, np.float64), "a": [True, False]}).write(tmp_path / "float.parquet")
    Table({"oid": oids, "a": [1.5, 2.5]}).write(tmp_path / "comma.ecsv", delimiter=",")
    Table({"oid": oids, "a": np.array([1, 2], np.float32)}).write(
        tmp_path / "binary.vot", format="votable", tabledata_format="binary2"
    )
    pq.write_table(pa.table({"oid": oids, "a": pa.array([None, 3], pa.int32())}), tmp_path / "null.parquet")
    expected = {
        "text.fits": [1, 2],
        "float.parquet": [1, 0],
        "comma.ecsv": [1.5, 2.5],
        "binary.vot": [1, 2],
        "null.parquet": [np.nan, 3],
    }
    for name, values in expected.items():
        table = read_features(tmp_path / name)
        assert table.oids.tolist() == oids, name
        assert np.array_equal(table.values[:, 0], values, equal_nan=True), name
        assert read_oids(tmp_path / name) == oids


def votable(body: str, head: str = "<?xml version='1.0'?>", rows: int | str = 1) -> bytes:
    return (
        f"{head}<VOTABLE version='1.4' xmlns='http://www.ivoa.net/xml/VOTable/v1.3'><RESOURCE>"
        f"<TABLE nrows='{rows}'><FIELD name='oid' datatype='long'/><FIELD name='a' datatype='double'/>"
        f"<DATA>{body}</DATA></TABLE></RESOURCE></VOTABLE>"
    ).encode()


ROW = f"<TABLEDATA><TR><TD>{A}</TD><TD>1</TD></TR></TABLEDATA>"
BOMB = "".join(f"<!ENTITY x{i} '{f'&x{i - 1};' * 10}'>" for i in range(1, 12))
HOSTILE = {
    "entities.vot": votable(ROW, f"<?xml version='1.0'?><!DOCTYPE V [<!ENTITY x0 'ha'>{BOMB}]>"),
    "outside.vot": votable(
        ROW, "<?xml version='1.0'?><!DOCTYPE V [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>"
    ),
    "elsewhere.vot": votable("<BINARY><STREAM href='http://127.0.0.1:9/x'/></BINARY>"),
    "rows.vot": votable(ROW, rows=10**12),
    "cut.vot": votable(ROW)[:-40],
    "arrays.vot": votable(ROW).replace(b"datatype='double'", b"datatype='double' arraysize='100000x100000'"),
    "deep.vot": b"<VOTABLE>" + b"<RESOURCE>" * 2000,
    "levels.ecsv": b"# %ECSV 1.0\n# ---\n# meta: " + b"[" * 5000 + b"\noid a\n",
    "python.ecsv": b"# %ECSV 1.0\n# ---\n# meta: !!python/object/apply:os.system ['touch x']\noid a\n1 2\n",
    "aliases.ecsv": b"# %ECSV 1.0\n# ---\n"
    + b"".join(
        b"# a%d: &a%d [%s]\n" % (i, i, b", ".join([b"*a%d" % (i - 1)] * 9 if i else [b"1"])) for i in range(9)
    )
    + b"oid a\n1 2\n",
    "empty.fits": b"SIMPLE  =                    T" + b" " * 50,
    "json.json": b'{"definition": {}, "objects": [' + b"[" * 100_000,
    "list.json": b"[1, 2]",
    "magic.parquet": b"PAR1" + b"\x00" * 100 + b"PAR1",
}


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_files_made_to_do_harm_are_one_sentence(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(HOSTILE[name])
    with pytest.raises(InputError, match=name):
        read_features(path)
    assert not Path("x").exists()


@pytest.mark.parametrize("ending", [".fits", ".parquet", ".vot", ".ecsv", ".json"])
@given(data=st.data())
def test_a_file_cut_anywhere_is_refused_or_holds_true_values(
    ending: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = written(tmp_path_factory.mktemp("cut"), ending)
    content = path.read_bytes()
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    try:
        table = read_features(path)
    except InputError:
        return
    for row, oid in enumerate(table.oids.tolist()):
        assert oid in (A, B) or ending == ".ecsv"  # text may end within a number
        assert table.values.shape[1] <= len(TABLE.names), row


@pytest.mark.parametrize("ending", [".fits", ".parquet", ".vot"])
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_changed_bit_is_never_a_traceback(
    ending: str, place: float, bit: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = written(tmp_path_factory.mktemp("bit"), ending)
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1 << bit
    path.write_bytes(content)
    try:
        read_features(path)
    except InputError as error:
        assert str(path) in str(error)  # noqa: PT017


def test_a_header_that_promises_more_rows_than_there_are(tmp_path: Path) -> None:
    path = written(tmp_path, ".fits")
    content = path.read_bytes()
    path.write_bytes(content.replace(b"NAXIS2  =                    2", b"NAXIS2  =                99999"))
    assert path.read_bytes() != content
    with pytest.raises(InputError, match="shorter than its header says"):
        read_features(path)


def test_what_is_packed_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "f.fits.gz"
    path.write_bytes(gzip.compress(written(tmp_path, ".fits").read_bytes()))
    with pytest.raises(InputError, match="not text"):
        read_features(path)


def test_sizes_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [written(tmp_path, ending) for ending in (".fits", ".parquet", ".vot", ".json")]
    monkeypatch.setattr(column_file, "MOST_ROWS", 1)
    for path in paths:
        with pytest.raises(InputError, match="too large"):
            read_features(path)
    monkeypatch.undo()
    monkeypatch.setattr("rbztf.formats.read.LARGEST_BYTES", 500)
    for path in paths[:3]:
        with pytest.raises(InputError, match="larger than"):
            read_features(path)
        with pytest.raises(InputError, match="larger than"):
            through_a_pipe(path, read_features)


def test_a_file_without_a_table_and_columns_that_are_no_numbers(tmp_path: Path) -> None:
    fits.writeto(tmp_path / "image.fits", np.zeros((3, 3)))
    with pytest.raises(InputError, match="holds no table"):
        read_features(tmp_path / "image.fits")
    for ending in (".fits", ".parquet"):
        path = tmp_path / f"words{ending}"
        Table({"oid": [A], "a": ["word"]}).write(path)
        with pytest.raises(InputError, match="'a' holds something else than numbers"):
            read_features(path)
        assert read_oids(path) == [A]
    Table({"oid": [A], "a": [[1.0, 2.0]]}).write(tmp_path / "arrays.fits")
    with pytest.raises(InputError, match="not one value a row"):
        read_features(tmp_path / "arrays.fits")
    Table({"oid": np.array([A], np.float32), "a": [1.0]}).write(tmp_path / "short.fits")
    with pytest.raises(InputError, match="loses their last digits"):
        read_features(tmp_path / "short.fits")
    (tmp_path / "twice.json").write_text(f'[{{"oid": {A}, "a": 1}}, {{"oid": {A}, "a": 1}}]')
    with pytest.raises(InputError, match=r"row 2: it gives \d+ twice \(first in row 1\)"):
        read_features(tmp_path / "twice.json")


def test_names_that_fits_has_no_room_for_are_refused(tmp_path: Path) -> None:
    for names in (("größe",), ("a", "A")):
        table = FeatureTable(np.array([A]), names, np.ones((1, len(names))))
        assert "FITS cannot" in refused_to_write(tmp_path / "f.fits", table)
        write_features(tmp_path / "f.ecsv", table)
        assert read_features(tmp_path / "f.ecsv").names == names


def refused_to_write(path: Path, table: FeatureTable) -> str:
    from rbztf.errors import UsageError

    with pytest.raises(UsageError) as caught:
        write_features(path, table)
    assert not path.exists()
    return str(caught.value)


def test_an_unknown_ending_is_said_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    refused("features", "--data", tmp_path / "c", "--out", tmp_path / "f.xlsx", says=["known format", ".vot"])


@pytest.mark.parametrize("ending", [".fits", ".ecsv"])
def test_lists_of_the_command_line_may_be_tables(ending: str, tmp_path: Path) -> None:
    path = written(tmp_path, ending)
    tiny_classifier().save(tmp_path / "m")
    write_embeddings(tmp_path / "e", {make_oid(i): random_sequences([5], 4)[0] for i in range(4)}, 4)
    words = ("predict", "--model", tmp_path / "m", "--embeddings", tmp_path / "e", "--from", path, "--json")
    answer = strict_json(run_well(*words).stdout)
    assert [entry["oid"] for entry in answer["objects"]] == [A, B]


def test_records_have_a_largest_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "scores.parquet"
    pq.write_table(pa.table({"oid": [int(A), int(B)], "remark": ["", "x" * 20_000]}), path)
    first, second = parquet.read_records(path, "The scores file", "")
    assert first == {"oid": int(A), "remark": ""}
    assert second == {"oid": int(B), "remark": "x" * parquet.LONGEST_REMARK}
    monkeypatch.setattr(parquet, "MOST_RECORDS", 1)
    with pytest.raises(InputError, match=r"The scores file is too large \(2 rows, 2 columns\)"):
        parquet.read_records(path, "The scores file", "")
