"""One reader of CSV: what programs write is read, and what is wrong is said with its line."""

from __future__ import annotations

import csv
import io
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import make_oid
from hypothesis import given
from hypothesis import strategies as st

from rbztf import csvfiles
from rbztf.archive.images.targets import read_targets
from rbztf.csvfiles import csv_rows, open_csv, write_csv
from rbztf.errors import InputError, UsageError
from rbztf.evaluation.folds import read_split
from rbztf.evaluation.score_files import read_scores
from rbztf.features.files import read_features
from rbztf.stores.labels import read_labels
from rbztf.stores.oid_lists import read_oids

A, B = make_oid(1), make_oid(2)
Reader = Callable[[Path], object]
READERS: dict[str, tuple[Reader, str, str]] = {
    "labels": (lambda path: list(read_labels(path).values()), "oid,label", "{oid},1"),
    "list": (read_oids, "oid,x", "{oid},1"),
    "targets": (read_targets, "oid,ra,dec", "{oid},10.5,-20.25"),
    "split": (read_split, "oid,fold", "{oid},0"),
    "features": (read_features, "oid,a", "{oid},1.5"),
    "scores": (read_scores, "config,oid,fold,label,p_bogus,threshold", "m,{oid},0,1,0.5,0.5"),
}


def rows(text: str, *needed: str) -> list[list[str]]:
    return [row.cells for row in csv_rows(text, "a.csv", needed, "Mend it.")]


def said(text: str, *needed: str) -> str:
    with pytest.raises(InputError) as caught:
        rows(text, *needed)
    return str(caught.value)


@pytest.fixture(params=READERS)
def reader(request: pytest.FixtureRequest) -> tuple[Reader, str, str]:
    return READERS[request.param]


def spellings(header: str, row: str) -> dict[str, str]:
    """The same file as several programs write it."""
    rest = "," + row.partition("{oid},")[2]
    plain = "\n".join([header, row.format(oid=A), row.format(oid=B)]) + "\n"
    quoted = io.StringIO()
    csv.writer(quoted, quoting=csv.QUOTE_ALL).writerows(line.split(",") for line in plain.splitlines())
    return {
        "plain": plain,
        "no last line end": plain.rstrip("\n"),
        "byte-order mark": "\ufeff" + plain,
        "Windows": plain.replace("\n", "\r\n"),
        "old Macintosh": plain.replace("\n", "\r"),
        "quotes": quoted.getvalue(),
        "blanks": plain.replace(",", " , "),
        "blanks before quotes": quoted.getvalue().replace(",", ", "),
        "capitals": plain.replace(header, header.upper().replace(",A", ",a")),
        "blank lines": "\n" + plain.replace("\n", "\n\n") + ",,\n",
        "comments": "# made by hand\n#\n" + plain,
        "header in a comment": "# " + plain,
        "floats": plain.replace(f"{A}{rest}", f"{A}.0{rest}").replace(f"{B}{rest}", f"{B}.{rest}"),
    }


def test_all_readers_take_what_programs_write(tmp_path: Path, reader: tuple[Reader, str, str]) -> None:
    read, *content = reader
    path = tmp_path / "a.csv"
    path.write_text(spellings(*content)["plain"])
    expected = repr(read(path))
    for name, text in spellings(*content).items():
        path.write_bytes(text.encode())
        assert repr(read(path)) == expected, name


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda text: text.replace(str(B), "6.861E+14"), "line 3: '6.861E+14' has lost the last digits"),
        (lambda text: text.replace(str(B), "12"), "line 3: '12' is not a ZTF OID"),
        (lambda text: text.replace("oid", "id"), "lacks the column 'oid'"),
        (lambda text: text.replace("oid", "oid,OID", 1), "has the column 'oid' twice"),
        (lambda text: text + f'"{A}', "is not CSV (line 4"),
        (lambda text: text + "x" * 200_000, "is not CSV (line 4: field larger than field limit"),
        (lambda text: text + "1," * 200_000, "line 4: it has 200001 cells"),
        (lambda text: text.replace("oid", "oid" + ",x" * 40_000, 1), "columns; at most 10000 are read"),
        (lambda text: text.replace("\n", "," * 5_000_000 + "\n", 1), "line 1: it has more than 4194304 char"),
        (lambda text: text.encode("utf-16"), "cannot be read (it is not text)"),
        (lambda text: text + "\u00e9".encode("latin-1").decode("utf-8", "surrogateescape"), "it is not text"),
    ],
)
def test_all_readers_refuse_in_one_sentence(
    tmp_path: Path, reader: tuple[Reader, str, str], spoil: Callable[[str], str | bytes], says: str
) -> None:
    read, *content = reader
    spoilt = spoil(spellings(*content)["plain"])
    path = tmp_path / "a.csv"
    path.write_bytes(spoilt if isinstance(spoilt, bytes) else spoilt.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError) as caught:
        read(path)
    message = str(caught.value)
    assert says in message
    assert "a.csv" in message
    assert "\n" not in message
    assert len(message) < 500
    assert caught.value.next_step


def test_all_readers_say_what_cannot_be_opened(tmp_path: Path, reader: tuple[Reader, str, str]) -> None:
    read = reader[0]
    (tmp_path / "loop.csv").symlink_to(tmp_path / "loop.csv")
    with pytest.raises(InputError, match="Is a directory"):
        read(tmp_path)
    with pytest.raises(UsageError, match=r"symbolic links|There is no split"):
        read(tmp_path / "loop.csv")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_all_readers_say_what_may_not_be_read(tmp_path: Path, reader: tuple[Reader, str, str]) -> None:
    (tmp_path / "a.csv").touch(0o000)
    with pytest.raises(InputError, match="Permission denied"):
        reader[0](tmp_path / "a.csv")


def test_all_readers_read_a_pipe_once(tmp_path: Path, reader: tuple[Reader, str, str]) -> None:
    read, *content = reader
    text = spellings(*content)["plain"]
    (tmp_path / "a.csv").write_text(text)
    expected = repr(read(tmp_path / "a.csv"))
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_text(text))
    writer.start()
    assert repr(read(pipe)) == expected.replace("a.csv", "pipe")
    writer.join()
    source, target = os.pipe()
    os.write(target, text.encode())
    os.close(target)
    assert repr(read(Path(f"/dev/fd/{source}"))) == expected.replace(
        str(tmp_path / "a.csv"), f"/dev/fd/{source}"
    )
    os.close(source)


def test_a_pipe_that_nobody_writes_to_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rbztf.textfiles.PIPE_WAIT_S", 0.05)
    os.mkfifo(tmp_path / "pipe")
    for read, *_ in READERS.values():
        with pytest.raises(InputError, match="nothing writes to this pipe"):
            read(tmp_path / "pipe")


def test_rows_know_their_lines_and_cells() -> None:
    text = '# one\n# two\n\nOid, n ,x,note\n1,2,3.5,"a\nb"\n\n4,-1,,\n7,,inf\n'
    file = csv_rows(text, "a.csv", ("oid",), "Mend it.")
    first, second, third = file
    assert file.comments == ["# one", "# two"]
    assert [row.line for row in (first, second, third)] == [6, 8, 9]
    assert (first.get("OID"), first.get("note"), first.get("none")) == ("1", "a\nb", "")
    assert (first.whole("n"), first.number("X")) == (2, 3.5)
    assert third.get("note") == ""
    wrong = {
        "line 8: n is '-1', which is not a whole number": lambda: second.whole("n"),
        "line 8: x is '', which is not a finite number": lambda: second.number("x"),
        "line 9: x is 'inf', which is not a finite number": lambda: third.number("x"),
        "line 9: n is '', not one of a, b": lambda: third.choice("n", ("a", "b")),
    }
    for says, read in wrong.items():
        with pytest.raises(InputError, match=says) as caught:
            read()
        assert caught.value.next_step == "Mend it."


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "lacks the column 'oid' (its first line: nothing)"),
        ("a;b\n", "lacks the column 'oid' (its first line: a;b)"),
        ("oid,a,a\n", "has the column 'a' twice"),
        ("oid\n1,2\n", "line 2: it has 2 cells; the header has 1"),
        ('oid\n"1"2\n', "is not CSV (line 2"),
    ],
)
def test_what_is_wrong_is_said(text: str, says: str) -> None:
    assert says in said(text, "oid")


def test_ten_thousand_columns_are_read_at_once() -> None:
    names = [f"c{i}" for i in range(csvfiles.MAX_COLUMNS - 1)]
    assert rows(",".join(["oid", *names]) + "\n1", "oid") == [["1"]]


CELLS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=8).map(str.strip)


@given(st.lists(st.lists(CELLS, min_size=2, max_size=2), max_size=6))
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, cells: list[list[str]]
) -> None:
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    write_csv(path, [{"oid": "1", "a": a, "b": b} for a, b in cells], ["oid", "a", "b"])
    with open_csv(path, "It", ["oid"], "") as file:
        assert [row.cells for row in file] == [["1", a, b] for a, b in cells]
