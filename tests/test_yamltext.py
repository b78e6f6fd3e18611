"""YAML from strangers: what is read, and what is refused in one sentence."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from rbztf.errors import ConfigError, InputError
from rbztf.yamltext import MOST_BYTES, MOST_LEVELS, MOST_VALUES, parse_yaml, read_yaml


def _grown(first: str, line: str) -> str:
    """Twelve anchors, each made of nine aliases of the one before."""
    lines = [f"a0: &a0 {first}"]
    for k in range(12):
        lines.append(line.format(name=f"a{k + 1}", parts=",".join([f"*a{k}"] * 9)))
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (_grown("[x]", "{name}: &{name} [{parts}]"), f"x holds more than {MOST_VALUES:,} values"),
        (_grown("{b: 1}", "{name}: &{name} {{<<: [{parts}]}}"), f"more than {MOST_VALUES:,} values"),
        ("\n".join(f"k{k}: 1" for k in range(MOST_VALUES)), f"more than {MOST_VALUES:,} values"),
        ("a: 1\nb: " + "[" * 100_000, f"x, line 2 is nested more than {MOST_LEVELS} levels deep"),
        ("[" * (MOST_LEVELS + 1) + "]" * (MOST_LEVELS + 1), "levels deep"),
        ("a: " + "b" * MOST_BYTES, f"x is larger than {MOST_BYTES:,} bytes"),
        ("a: 1\nb: &b [*b]", "x, line 2 has an alias *b that contains itself"),
        ("a: 1\nb: 2\na: 3", "x, line 3 has the key 'a' twice"),
        ("a: 1\nb: " + "9" * 5000, "x, line 2 has a number or date that is not valid"),
        ("a: 2024-02-31", "number or date"),
        ("a: !!timestamp x", "number or date"),
        ("a: !!bool x", "number or date"),
        ("a: 1\n b: 2", "x, line 2 is not valid YAML"),
        ("a: *b", "x, line 1 is not valid YAML"),
        ("a: !!python/object/apply:os.getcwd []", "x, line 1 holds something else than plain data"),
        ("a: \x01", "x is not valid YAML"),
    ],
)
def test_what_is_refused(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, "x", refuse=ConfigError, advice="Do so.")
    assert says in caught.value.message
    assert len(str(caught.value)) < 200
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(". Do so.")


def test_what_is_within_the_bounds_is_read() -> None:
    assert parse_yaml("[" * MOST_LEVELS + "]" * MOST_LEVELS, "x") is not None
    assert parse_yaml("a: &a {b: 1, c: 2}\nd: {<<: *a, c: 3}\ne: [*a, *a]", "x") == {
        "a": {"b": 1, "c": 2},
        "d": {"b": 1, "c": 3},
        "e": [{"b": 1, "c": 2}] * 2,
    }
    assert parse_yaml("", "x") is None
    assert parse_yaml("\ufeffa: 1", "x") == {"a": 1}


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.dates(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(_VALUES)
def test_what_was_written_is_read_as_pyyaml_reads_it(value: object) -> None:
    text = yaml.safe_dump(value, allow_unicode=True)
    assert parse_yaml(text, "x") == yaml.safe_load(text)


def test_files_are_read_no_further_than_the_bound(tmp_path: Path) -> None:
    large, binary, pipe, good = (tmp_path / name for name in ("large", "binary", "pipe", "good.yaml"))
    with large.open("wb") as stream:
        stream.truncate(10**12)
    binary.write_bytes(b"a: \xff")
    os.mkfifo(pipe)
    good.write_text("a: é\n", encoding="utf-8")
    assert read_yaml(good) == {"a": "é"}
    for path, says in [
        (large, "is larger than"),
        (binary, "is not a text file in UTF-8"),
        (pipe, "is not a file"),
        (tmp_path, "is not a file"),
        (tmp_path / "gone", "is not a file"),
    ]:
        with pytest.raises(InputError, match=says) as caught:
            read_yaml(path)
        assert str(path) in str(caught.value)
