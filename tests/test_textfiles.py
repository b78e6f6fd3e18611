"""JSON is read with limits, and a page of a service as its list."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import make_oid

from rbztf import textfiles
from rbztf.errors import InputError
from rbztf.stores.labels import read_labels
from rbztf.stores.oid_lists import read_oids
from rbztf.textfiles import json_list, parse_json, read_text

A = make_oid(1)


@pytest.mark.parametrize("read", [read_labels, read_oids])
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[" * 100_000, "nested too deeply"),
        ("[" + "9" * 10_000 + "]", "a number has too many digits"),
        ('[{"oid": ' + "9" * 10_000 + ', "tags": []}]', "a number has too many digits"),
        ("[1,", "is not JSON (line 1"),
        ('{"count": 1}', "holds no JSON list"),
        ('{"count": 9, "next": "https://a/?page=2", "results": []}', "is one page of several"),
    ],
)
def test_what_is_wrong_is_one_sentence(
    tmp_path: Path, read: Callable[[Path], object], text: str, says: str
) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read(path)
    assert says in str(caught.value)
    assert "a.json" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_list_may_be_the_results_of_a_service(tmp_path: Path) -> None:
    entries = [{"oid": A, "tags": ["artefact"]}]
    (tmp_path / "a.json").write_text(json.dumps({"count": 1, "next": None, "results": entries}))
    assert list(read_labels(tmp_path / "a.json")) == read_oids(tmp_path / "a.json") == [A]
    assert json_list(b"[1]", "it", "") == [1]
    assert parse_json('{"a": 1.5}', "it", "") == {"a": 1.5}


def test_bytes_that_are_not_text() -> None:
    with pytest.raises(InputError, match="it is not JSON"):
        parse_json(b"\xff\xfe\xff", "it", "")


def test_a_text_beyond_the_limit_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(textfiles, "MAX_CHARACTERS", 2**20)
    (tmp_path / "a.json").write_text("[" + " " * 2**20 + "]")
    for read in (read_labels, read_oids, lambda path: read_text(path, "It", "Less.")):
        with pytest.raises(InputError, match="longer than 1 million characters"):
            read(tmp_path / "a.json")
