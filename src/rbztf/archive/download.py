"""Download a public repository's files over HTTPS into the user's cache."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import requests

from rbztf.errors import ArchiveError, InputError, UsageError
from rbztf.progress import Progress, silent

TIMEOUT_S = (10, 60)
CHUNK_BYTES = 1 << 18
LARGEST_BYTES = 4 << 30
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


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


def cached_repository(address: str, progress: Progress = silent) -> Path:
    """The unpacked files of a repository, downloaded once into the user's cache.

    Parameters
    ----------
    address : str
        ``https://github.com/OWNER/NAME``, or the address of a zip file.

    Raises
    ------
    UsageError, ArchiveError, InputError
        For a wrong address, a failed download, or an answer that is no sound zip file.
    """
    from platformdirs import user_cache_path

    url = archive_url(address)
    name = hashlib.sha256(url.encode()).hexdigest()[:12]
    target = (
        user_cache_path("rbztf") / "repositories" / f"{PurePosixPath(urlsplit(address).path).stem}-{name}"
    )
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    archive = target.with_suffix(".zip.part")
    unpacked = target.with_suffix(".part")
    shutil.rmtree(unpacked, ignore_errors=True)
    try:
        _download(url, archive, progress)
        _unpack(archive, unpacked, url)
        unpacked.rename(target)
    finally:
        archive.unlink(missing_ok=True)
        shutil.rmtree(unpacked, ignore_errors=True)
    return target


def _download(url: str, path: Path, progress: Progress) -> None:
    try:
        with requests.get(url, stream=True, timeout=TIMEOUT_S) as answer:
            answer.raise_for_status()
            total = int(answer.headers.get("Content-Length", 0)) or None
            done = 0
            with path.open("wb") as stream:
                for chunk in answer.iter_content(CHUNK_BYTES):
                    done += stream.write(chunk)
                    progress("download", done, total, "bytes")
                    if done > LARGEST_BYTES:
                        raise ArchiveError(
                            f"{url} is larger than {LARGEST_BYTES >> 30} GiB.", "Download it by hand."
                        )
    except requests.RequestException as error:
        raise ArchiveError(
            f"{url} could not be downloaded ({error}).", "Try again, or give a local folder."
        ) from None
    if total is not None and done < total:
        raise ArchiveError(f"{url} broke off after {done} of {total} bytes.", "Try again.")


def _unpack(archive: Path, folder: Path, url: str) -> None:
    """Unpack without the top folder; every member's checksum is verified on the way."""
    try:
        with zipfile.ZipFile(archive) as packed:
            for member in packed.infolist():
                parts = PurePosixPath(member.filename).parts[1:]
                if member.is_dir() or not parts or ".." in parts:
                    continue
                path = folder.joinpath(*parts)
                path.parent.mkdir(parents=True, exist_ok=True)
                with packed.open(member) as source, path.open("wb") as target:
                    shutil.copyfileobj(source, target)
    except (zipfile.BadZipFile, zlib.error, RuntimeError, OSError, EOFError) as error:
        raise InputError(
            f"{url} is no sound zip file ({error}).", "Try again, or give a local folder."
        ) from None
