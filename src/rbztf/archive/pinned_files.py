"""Single files of a GitHub repository at a fixed commit, checked by git's own hash of their content."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from rbztf.archive.http import ArchiveSession
from rbztf.errors import UnsoundAnswer
from rbztf.files import whole

API_URL = "https://api.github.com"
RAW_URL = "https://raw.githubusercontent.com"
MAX_BYTES = 64 * 2**20
BUDGET_S = 300.0


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
    session: ArchiveSession, file: PinnedFile, out: Path, *, api_url: str = API_URL, raw_url: str = RAW_URL
) -> None:
    """Write a file to ``out``; it appears whole and with the content of its commit, or not at all.

    The service names the git hash of the file at that commit; the content must have it.

    Raises
    ------
    ArchiveError
        If it cannot be had, or has another hash.
    WriteError, UsageError
        If it cannot be written.
    """
    path = quote(file.path)
    facts = f"{api_url.rstrip('/')}/repos/{file.repository}/contents/{path}?ref={file.commit}"
    expected = session.get(facts, _blob_hash, budget_s=BUDGET_S, max_bytes=MAX_BYTES)

    def check(body: bytes) -> bytes:
        if git_hash(body) != expected:
            raise UnsoundAnswer(f"{file.name} does not have the content of commit {file.commit[:7]}.")
        return body

    url = f"{raw_url.rstrip('/')}/{file.repository}/{file.commit}/{path}"
    content = session.get(url, check, budget_s=BUDGET_S, max_bytes=MAX_BYTES)
    with whole(out) as part:
        part.write_bytes(content)


def git_hash(content: bytes) -> str:
    """Hash of a file's content as git computes it (git-hash-object)."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _blob_hash(body: bytes) -> str:
    try:
        return str(json.loads(body)["sha"])
    except (ValueError, TypeError, KeyError, RecursionError):
        raise UnsoundAnswer("The service does not say the hash of the file.") from None
