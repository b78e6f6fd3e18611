"""Files at a fixed commit, from a local server that answers as GitHub does."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import on_github, serving

from rbztf.archive import pinned_files
from rbztf.archive.http import ArchiveSession
from rbztf.archive.http_settings import HttpSettings
from rbztf.archive.pinned_files import PinnedFile, cached_pinned, fetch_pinned, forget_pinned, git_hash
from rbztf.errors import ArchiveError

FILE = PinnedFile("owner/name", "a" * 40, "data/table one.csv")
CONTENT = b"oid,x\n1,2\n"


Files = dict[str, bytes]
CONTENT_KEY = f"/owner/name/{FILE.commit}/data/table%20one.csv"
FACTS_KEY = f"/repos/owner/name/contents/data/table%20one.csv?ref={FILE.commit}"


@pytest.fixture
def files() -> Files:
    return on_github(FILE, CONTENT)


@pytest.fixture
def github(files: Files) -> Iterator[str]:
    with serving(files) as url:
        yield url


def fetch(url: str, out: Path) -> None:
    with ArchiveSession(HttpSettings(tries=1)) as session:
        fetch_pinned(session, FILE, out, api_url=url, raw_url=url)


def test_the_hash_is_git_s() -> None:
    assert git_hash(b"") == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
    assert git_hash(b"hello\n") == "ce013625030ba8dba906f756967f9e9ca394464a"
    assert git_hash(CONTENT) == hashlib.sha1(b"blob 10\0" + CONTENT).hexdigest()


def test_a_file_is_written_as_it_is(github: str, tmp_path: Path) -> None:
    fetch(github, tmp_path / "table.csv")
    assert (tmp_path / "table.csv").read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]


@pytest.mark.parametrize("content", [CONTENT + b"x", CONTENT[:-1], b"", b"<html>"])
def test_another_content_is_refused(content: bytes, files: Files, github: str, tmp_path: Path) -> None:
    files[CONTENT_KEY] = content
    with pytest.raises(ArchiveError, match="does not have the content of commit aaaaaaa"):
        fetch(github, tmp_path / "table.csv")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("facts", [b"[]", b"not JSON", b'{"size": 3}', None])
def test_a_service_that_does_not_know_the_file(
    facts: bytes | None, files: Files, github: str, tmp_path: Path
) -> None:
    if facts is None:
        del files[FACTS_KEY]
    else:
        files[FACTS_KEY] = facts
    with pytest.raises(ArchiveError):
        fetch(github, tmp_path / "table.csv")
    assert not list(tmp_path.iterdir())


def test_the_cache_keeps_what_was_sound_until_it_is_forgotten(
    files: Files, github: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name in ("API_URL", "RAW_URL"):
        monkeypatch.setattr(pinned_files, name, github)
    quick = HttpSettings(tries=1)
    good, files[CONTENT_KEY] = files[CONTENT_KEY], b"damaged"
    with pytest.raises(ArchiveError):
        cached_pinned(FILE, settings=quick)
    files[CONTENT_KEY] = good
    path = cached_pinned(FILE, settings=quick)
    assert path.read_bytes() == CONTENT
    files.clear()
    assert cached_pinned(FILE, settings=quick) == path
    forget_pinned(FILE)
    with pytest.raises(ArchiveError):
        cached_pinned(FILE, settings=quick)
