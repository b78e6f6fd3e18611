"""Files at a fixed commit, from a local server that answers as GitHub does."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from rbztf.archive.http import ArchiveSession
from rbztf.archive.http_settings import HttpSettings
from rbztf.archive.pinned_files import PinnedFile, fetch_pinned, git_hash
from rbztf.errors import ArchiveError

FILE = PinnedFile("owner/name", "a" * 40, "data/table one.csv")
CONTENT = b"oid,x\n1,2\n"


class GitHub(BaseHTTPRequestHandler):
    answers: ClassVar[dict[str, bytes]] = {}

    def do_GET(self) -> None:
        body = self.answers.get(self.path)
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def github() -> Iterator[str]:
    GitHub.answers = {
        f"/repos/owner/name/contents/data/table%20one.csv?ref={FILE.commit}": json.dumps(
            {"sha": git_hash(CONTENT), "size": len(CONTENT)}
        ).encode(),
        f"/owner/name/{FILE.commit}/data/table%20one.csv": CONTENT,
    }
    with ThreadingHTTPServer(("127.0.0.1", 0), GitHub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


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
def test_another_content_is_refused(content: bytes, github: str, tmp_path: Path) -> None:
    GitHub.answers[f"/owner/name/{FILE.commit}/data/table%20one.csv"] = content
    with pytest.raises(ArchiveError, match="does not have the content of commit aaaaaaa"):
        fetch(github, tmp_path / "table.csv")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("facts", [b"[]", b"not JSON", b'{"size": 3}', None])
def test_a_service_that_does_not_know_the_file(facts: bytes | None, github: str, tmp_path: Path) -> None:
    key = f"/repos/owner/name/contents/data/table%20one.csv?ref={FILE.commit}"
    if facts is None:
        del GitHub.answers[key]
    else:
        GitHub.answers[key] = facts
    with pytest.raises(ArchiveError):
        fetch(github, tmp_path / "table.csv")
    assert not list(tmp_path.iterdir())
