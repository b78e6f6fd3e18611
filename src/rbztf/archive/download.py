"""Download a public repository's files over HTTPS into the user's cache."""

from __future__ import annotations

import hashlib
import lzma
import os
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO
from urllib.parse import urlsplit

from rbztf.archive.http import ArchiveSession
from rbztf.archive.http_settings import HttpSettings
from rbztf.errors import ArchiveError, InputError, UsageError, reason
from rbztf.files import whole_folder, writing
from rbztf.progress import Progress, notify, silent

BUDGET_S = 3600.0
PATIENCE = HttpSettings(workers=1)
CHUNK_BYTES = 1 << 18
LARGEST_BYTES = 2 << 30
"""Of the zip file."""
LARGEST_UNPACKED = 4 << 30
LARGEST_RATIO = 20
SMALL = 64 << 20
"""Above this size, files that are so many times larger than their zip are refused: it is a zip bomb."""
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_HELP = "Try again, or give a local folder."


def is_url(source: str) -> bool:
    """Whether ``source`` is an address rather than a path."""
    return source.startswith(("http://", "https://"))


def archive_url(address: str) -> str:
    """Address of the zip of a repository's default branch; a ``.zip`` address stays itself.

    Raises
    ------
    UsageError
        If the address is not HTTPS (plain HTTP is taken on this machine's loopback only).
    """
    parts = urlsplit(address)
    if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        raise UsageError(f"{address} is not an HTTPS address.", "Use https://.")
    if parts.path.endswith(".zip"):
        return address
    return address.rstrip("/").removesuffix(".git") + "/archive/HEAD.zip"


def cached_repository(
    address: str, progress: Progress = silent, settings: HttpSettings | None = None
) -> Path:
    """The unpacked files of a repository, downloaded once into the user's cache.

    Parameters
    ----------
    address : str
        ``https://github.com/OWNER/NAME``, or the address of a zip file.

    Raises
    ------
    UsageError, ArchiveError, InputError
        For a wrong address, a failed download, or an answer that is not a zip file, is damaged or
        far too large when unpacked. Nothing is kept then.
    WriteError
        If the cache cannot be written.
    """
    url, target = archive_url(address), _cache_of(address)
    if target.is_dir():
        return target
    with (
        whole_folder(target) as folder,
        tempfile.TemporaryFile(dir=folder.parent) as archive,
        ArchiveSession(settings or PATIENCE) as session,
    ):
        session.circuit.tell = partial(notify, progress)
        _download(session, url, archive, target, progress)
        _unpack(archive, folder, url)
    return target


def forget_repository(address: str) -> None:
    """Remove the files of a repository from the cache, so that they are downloaded again."""
    shutil.rmtree(_cache_of(address), ignore_errors=True)


def _cache_of(address: str) -> Path:
    from platformdirs import user_cache_path

    name = hashlib.sha256(archive_url(address).encode()).hexdigest()[:12]
    return user_cache_path("rbztf") / "repositories" / f"{PurePosixPath(urlsplit(address).path).stem}-{name}"


def _download(session: ArchiveSession, url: str, archive: IO[bytes], place: Path, progress: Progress) -> None:
    def start(total: int | None) -> Callable[[bytes], None]:
        archive.seek(0)
        archive.truncate()
        return lambda piece: take(piece, total)

    def take(piece: bytes, total: int | None) -> None:
        with writing(place):
            archive.write(piece)
            progress("download", archive.tell(), total, "bytes")

    try:
        session.get(url, len, budget_s=BUDGET_S, max_bytes=LARGEST_BYTES, into=start)
    except ArchiveError as error:
        raise ArchiveError(f"{url} could not be downloaded: {error.message}", _HELP) from None
    archive.flush()


def _unpack(archive: IO[bytes], folder: Path, url: str) -> None:
    """Unpack without the top folder; every member's checksum is verified on the way."""
    try:
        with zipfile.ZipFile(archive) as packed:
            total = sum(member.file_size for member in packed.infolist())
            if total > max(SMALL, min(LARGEST_UNPACKED, LARGEST_RATIO * archive.seek(0, os.SEEK_END))):
                raise InputError(
                    f"{url} would take {total / 1e9:.1f} GB when unpacked.", "Check the address."
                )
            for member in packed.infolist():
                parts = PurePosixPath(member.filename).parts[1:]
                if member.is_dir() or not parts or ".." in parts:
                    continue
                with packed.open(member) as source:
                    _copy(source, folder.joinpath(*parts))
    except (
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
        OSError,
        RuntimeError,
        EOFError,
        ValueError,
    ) as error:
        raise InputError(f"{url} is not a sound zip file ({reason(error)}).", _HELP) from None


def _copy(source: IO[bytes], path: Path) -> None:
    """Write a member; what fails is told apart: reading is the zip's fault, writing the disk's."""
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        target = path.open("wb", buffering=0)
    with target:
        while chunk := source.read(CHUNK_BYTES):
            with writing(path):
                view = memoryview(chunk)
                while view:
                    view = view[target.write(view) :]
