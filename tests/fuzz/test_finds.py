"""What fuzzing found, kept: each of these once ended in a traceback or a page of text."""

from __future__ import annotations

from pathlib import Path

import pytest
from fuzz.cases import CASES
from helpers import refusal

FINDS = {
    "learning curves": ("history.csv", b"run,epoch,loss\n", b"\x80\n"),
    "embeddings": ("store.yaml", b"latent: 4", b"latent: NaN"),
    "predictions.json": ("scores.json", b'"dropped"', b'"' + b"[" * 3000 + b'"'),
    "predictions.fits": ("scores.fits", b"SIMPLE", b"simple"),
    "predictions.vot": ("scores.vot", b"utf-8", b"utfNaN"),
    "array.npz": ("array.npz", b"PK\x03\x04", b"PK\x03\x05"),
    "parts of predictions": ("000000.jsonl", b'"p_bogus"', b'"' + b"9" * 5000 + b'"'),
}
"""By reader: the file, and which bytes became which."""


@pytest.mark.parametrize("name", FINDS)
def test_a_find_is_refused_in_a_sentence(name: str, tmp_path: Path) -> None:
    """One short sentence with the name of the file."""
    case, (file, old, new) = CASES[name], FINDS[name]
    given = case.make(tmp_path)
    path = next(tmp_path.rglob(file))
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))
    error = refusal(lambda: case.read(given))
    assert error is not None
    assert given.name in error.message
    assert len(error.message) < 1000


def test_a_damaged_cut_is_made_again(tmp_path: Path) -> None:
    """A note of the cache that names no image does not count."""
    case = CASES["cut cache"]
    given = case.make(tmp_path)
    (path,) = tmp_path.rglob("*.json")
    path.write_text('{"name": NaN}')
    assert all(frames == [] for _, frames in case.read(given))  # type: ignore[attr-defined]


def test_comments_between_oids(tmp_path: Path) -> None:
    """A line that starts with ``#`` is none of the OIDs of a CSV list."""
    path = tmp_path / "a.csv"
    path.write_text("oid\n300203100000000\n# the next is a ghost\n301203100000001\n")
    assert CASES["oids.csv"].read(path) == [300203100000000, 301203100000001]
