"""Single files of a GitHub repository at a fixed commit, checked by git's own hash of their content."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote

from platformdirs import user_cache_path

from rbztf.archive.http import ArchiveSession
from rbztf.archive.http_settings import HttpSettings
from rbztf.errors import UnsoundAnswer
from rbztf.files import whole
from rbztf.progress import Progress, notify, silent

API_URL = "https://api.github.com"
RAW_URL = "https://raw.githubusercontent.com"
MAX_BYTES = 64 * 2**20
BUDGET_S = 300.0
PATIENCE = HttpSettings(workers=1, tries=4)


@dataclass(frozen=True)
class PinnedFile:
    """A file that cannot change: a path in a repository at a commit.

    Attributes
    ----------
    repository : str
        ``OWNER/NAME``.
    commit : str
        40 hexadecimal digits.
    path : str
    """

    repository: str
    commit: str
    path: str

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rpartition("/")[2]


_SNAD = "snad-space/ztf_real_bogus_clf"
_SNAD_COMMIT = "fabc3eb3d685b7e100342ad4295914bdadd6d7d7"
SNAD_FEATURES = PinnedFile(_SNAD, _SNAD_COMMIT, "akb_obj_features_snad4_comp_nn.csv")
"""SNAD's 54 light-curve features of the labelled objects (r band)."""
SNAD_LABELS = PinnedFile(_SNAD, _SNAD_COMMIT, "akb.ztf.snad.space_latest.json")
"""Export of the SNAD knowledge base of May 2024: 4,568 objects."""


def fetch_pinned(
    session: ArchiveSession,
    file: PinnedFile,
    out: Path,
    *,
    api_url: str | None = None,
    raw_url: str | None = None,
) -> None:
    """Write a file to ``out``; it appears whole and with the content of its commit, or not at all.

    The service names the git hash of the file at that commit; the content must have it.

    Parameters
    ----------
    api_url, raw_url : str, optional
        Instead of :data:`API_URL` and :data:`RAW_URL`.

    Raises
    ------
    ArchiveError
        If it cannot be had, or has another hash.
    WriteError, UsageError
        If it cannot be written.
    """
    path = quote(file.path)
    api_url, raw_url = (url.rstrip("/") for url in (api_url or API_URL, raw_url or RAW_URL))
    facts = f"{api_url}/repos/{file.repository}/contents/{path}?ref={file.commit}"
    expected = session.get(facts, _blob_hash, budget_s=BUDGET_S, max_bytes=MAX_BYTES)

    def check(body: bytes) -> bytes:
        if git_hash(body) != expected:
            raise UnsoundAnswer(f"{file.name} does not have the content of commit {file.commit[:7]}.")
        return body

    url = f"{raw_url}/{file.repository}/{file.commit}/{path}"
    content = session.get(url, check, budget_s=BUDGET_S, max_bytes=MAX_BYTES)
    with whole(out) as part:
        part.write_bytes(content)


def cached_pinned(
    file: PinnedFile, progress: Progress = silent, settings: HttpSettings | None = None
) -> Path:
    """The file in the user's cache, downloaded once.

    Raises
    ------
    ArchiveError, WriteError, UsageError
        As :func:`fetch_pinned`.
    """
    path = _cache_of(file)
    if not path.is_file():
        with ArchiveSession(settings or PATIENCE) as session:
            session.circuit.tell = partial(notify, progress)
            fetch_pinned(session, file, path)
    return path


def forget_pinned(file: PinnedFile) -> None:
    """Remove the file from the cache, so that it is downloaded again."""
    _cache_of(file).unlink(missing_ok=True)


def _cache_of(file: PinnedFile) -> Path:
    owner, _, name = file.repository.partition("/")
    return user_cache_path("rbztf") / "repositories" / f"{owner}-{name}-{file.commit[:12]}" / file.name


def git_hash(content: bytes) -> str:
    """Hash of a file's content as git computes it (git-hash-object)."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _blob_hash(body: bytes) -> str:
    try:
        return str(json.loads(body)["sha"])
    except (ValueError, TypeError, KeyError, RecursionError):
        raise UnsoundAnswer("The service does not say the hash of the file.") from None
