"""Downloading a repository, from a real server on this machine, into a cache of the test's own."""

from __future__ import annotations

import io
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from helpers import files_below, largest_file

from rbztf.archive import download
from rbztf.archive.download import archive_url, cached_repository, forget_repository, is_url
from rbztf.archive.http_settings import HttpSettings
from rbztf.errors import ArchiveError, InputError, RbztfError, UsageError, WriteError

REPOSITORY = {
    "RB_ZTF-main/README.md": b"hello",
    "RB_ZTF-main/trained_models/vae/encoder.zip": bytes(range(256)) * 500,
}


QUICK = HttpSettings(tries=2, backoff_s=0.01, max_backoff_s=0.01, read_timeout_s=2.0)


def zipped(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("RB_ZTF-main/", b"")
        for name, content in members.items():
            packed.writestr(name, content)
    return stream.getvalue()


@dataclass
class Server:
    """Answers any path with ``status`` and ``body``, of which it sends only ``sent`` bytes."""

    address: str = ""
    status: int = 200
    body: bytes = field(default_factory=lambda: zipped(REPOSITORY))
    sent: int | None = None
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(self.path)
            self.send_response(state.status)
            self.send_header("Content-Length", str(len(state.body)))
            self.end_headers()
            self.wfile.write(state.body[: state.sent])

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        state.address = f"http://127.0.0.1:{listening.server_port}"
        thread = threading.Thread(target=listening.serve_forever, args=(0.02,))
        thread.start()
        yield state
        listening.shutdown()
        thread.join()


def test_a_repository_is_downloaded_once(server: Server, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int | None]] = []
    address = f"{server.address}/semtim/RB_ZTF"
    folder = cached_repository(address, lambda stage, done, total, note="": seen.append((stage, done, total)))
    assert not [
        name for name in files_below(tmp_path / "cache") if "part" in name or name.endswith("HEAD.zip")
    ]
    assert folder.is_relative_to(tmp_path / "cache")
    assert (folder / "README.md").read_bytes() == b"hello"
    packed = folder / "trained_models/vae/encoder.zip"
    assert packed.read_bytes() == REPOSITORY["RB_ZTF-main/trained_models/vae/encoder.zip"]
    assert server.asked == ["/semtim/RB_ZTF/archive/HEAD.zip"]
    assert seen[-1] == ("download", len(server.body), len(server.body))
    assert cached_repository(address, settings=QUICK) == folder
    assert len(server.asked) == 1
    assert [entry.name for entry in folder.parent.iterdir()] == [folder.name]


@pytest.mark.parametrize(
    ("spoil", "kind", "says"),
    [
        (lambda s: setattr(s, "status", 404), ArchiveError, "404"),
        (lambda s: setattr(s, "status", 503), ArchiveError, "503"),
        (lambda s: setattr(s, "sent", 400), ArchiveError, "HEAD.zip"),
        (lambda s: setattr(s, "body", b"<html>not found</html>"), InputError, "not a sound zip"),
        (lambda s: setattr(s, "body", s.body[:-300]), InputError, "not a sound zip"),
    ],
    ids=["absent", "busy", "broken off", "no zip", "cut short"],
)
def test_a_failed_download_leaves_nothing_and_may_be_tried_again(
    server: Server, tmp_path: Path, spoil: Callable[[Server], None], kind: type[RbztfError], says: str
) -> None:
    address = f"{server.address}/semtim/RB_ZTF"
    spoil(server)
    with pytest.raises(kind, match=says):
        cached_repository(address, settings=QUICK)
    assert not [name for name in files_below(tmp_path) if Path(name).name.startswith("RB_ZTF")]
    server.status, server.sent, server.body = 200, None, zipped(REPOSITORY)
    assert (cached_repository(address, settings=QUICK) / "README.md").is_file()


@pytest.mark.parametrize("place", range(60, 700, 40))
def test_a_flipped_byte_is_noticed(server: Server, tmp_path: Path, place: int) -> None:
    members = {"RB_ZTF-main/noise.bin": bytes((i * i * 31 + i // 7) % 251 for i in range(3000))}
    content = bytearray(zipped(members))
    start = content.index(b"noise.bin") + len(b"noise.bin")
    content[start + place] ^= 0xFF
    server.body = bytes(content)
    with pytest.raises(InputError, match="not a sound zip"):
        cached_repository(f"{server.address}/semtim/RB_ZTF", settings=QUICK)
    assert not [name for name in files_below(tmp_path) if Path(name).name.startswith("RB_ZTF")]


def test_members_cannot_leave_the_folder(server: Server, tmp_path: Path) -> None:
    server.body = zipped(
        {
            "a/../../../../evil.txt": b"x",
            "/etc/evil.txt": b"x",
            "a/fine.txt": b"x",
            "a//b/../../evil.txt": b"x",
        }
    )
    folder = cached_repository(f"{server.address}/x/y.zip")
    assert (folder / "fine.txt").is_file()
    evil = [path for path in tmp_path.rglob("evil.txt") if not path.is_relative_to(folder)]
    assert evil == []
    assert server.asked == ["/x/y.zip"]


def test_encrypted_members_are_refused(server: Server) -> None:
    content = bytearray(zipped({"a/secret.txt": b"x" * 50}))
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.rindex(signature) + flags] |= 1
    server.body = bytes(content)
    with pytest.raises(InputError, match="not a sound zip"):
        cached_repository(f"{server.address}/x/y")


def names_of(folder: Path) -> list[str]:
    return [name for name in files_below(folder) if "RB_ZTF" in name or "part" in name]


def test_a_zip_bomb_is_refused_before_it_is_unpacked(server: Server, tmp_path: Path) -> None:
    server.body = zipped({"a/zeros": bytes(80 << 20)})
    with pytest.raises(InputError, match=r"would take 0\.1 GB when unpacked"):
        cached_repository(f"{server.address}/semtim/RB_ZTF", settings=QUICK)
    assert names_of(tmp_path) == []


def test_a_bomb_that_lies_about_its_size_is_refused(server: Server, tmp_path: Path) -> None:
    content = bytearray(zipped({"a/zeros": bytes(1 << 20)}))
    for signature, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        start = content.rindex(signature) + place
        content[start : start + 4] = (100).to_bytes(4, "little")
    server.body = bytes(content)
    with pytest.raises(InputError, match="not a sound zip"):
        cached_repository(f"{server.address}/semtim/RB_ZTF", settings=QUICK)
    assert names_of(tmp_path) == []


def test_an_endless_download_is_given_up(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "LARGEST_BYTES", 1000)
    server.body = bytes(5000)
    with pytest.raises(ArchiveError, match="longer than 1000 bytes"):
        cached_repository(f"{server.address}/semtim/RB_ZTF", settings=QUICK)
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(download, "BUDGET_S", 1e-9)
    with pytest.raises(ArchiveError, match="time allowed"):
        cached_repository(f"{server.address}/semtim/RB_ZTF", settings=QUICK)
    assert names_of(tmp_path) == []


def test_a_full_disk_is_said_as_one(server: Server, tmp_path: Path) -> None:
    server.body = zipped({"a/noise": np.random.default_rng(0).bytes(200_000)})
    for limit in (10_000, 150_000):
        with largest_file(limit), pytest.raises(WriteError, match="larger than files may be here"):
            cached_repository(f"{server.address}/semtim/RB_ZTF", settings=QUICK)
        assert names_of(tmp_path) == []


def test_what_is_forgotten_is_downloaded_again(server: Server) -> None:
    address = f"{server.address}/semtim/RB_ZTF"
    folder = cached_repository(address, settings=QUICK)
    (folder / "README.md").unlink()
    assert not (cached_repository(address, settings=QUICK) / "README.md").exists()
    forget_repository(address)
    assert (cached_repository(address, settings=QUICK) / "README.md").is_file()


def test_only_https_leaves_this_machine() -> None:
    for address in ("http://github.com/semtim/RB_ZTF", "http://example.org/a.zip"):
        with pytest.raises(UsageError, match="not an HTTPS address"):
            archive_url(address)
    assert archive_url("https://github.com/semtim/RB_ZTF/") == (
        "https://github.com/semtim/RB_ZTF/archive/HEAD.zip"
    )
    assert archive_url("https://github.com/semtim/RB_ZTF.git").endswith("/RB_ZTF/archive/HEAD.zip")
    assert archive_url("https://example.org/copy.zip") == "https://example.org/copy.zip"


def test_what_is_an_address() -> None:
    assert is_url("https://github.com/semtim/RB_ZTF")
    assert not is_url("RB_ZTF")
    assert not is_url("/home/https/RB_ZTF")


def test_a_server_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(ArchiveError, match="could not be downloaded"):
        cached_repository("http://127.0.0.1:9/a/b", settings=QUICK)
