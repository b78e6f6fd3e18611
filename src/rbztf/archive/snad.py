"""Current expert labels from the SNAD knowledge base, kept in its own format."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rbztf.archive.http import ArchiveSession
from rbztf.errors import UnsoundAnswer
from rbztf.files import write_text
from rbztf.ztf import ARTEFACT_TAG

LABELS_URL = "https://akb.ztf.snad.space"
MAX_BYTES = 256 * 2**20


@dataclass(frozen=True)
class LabelsResult:
    """What was fetched.

    Attributes
    ----------
    path : Path
        The file written.
    n_objects, n_artefacts : int
        Objects in it, in all bands, and those tagged as artefacts.
    """

    path: Path
    n_objects: int
    n_artefacts: int

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"path": str(self.path), "n_objects": self.n_objects, "n_artefacts": self.n_artefacts}


def labels_request(labels_url: str = LABELS_URL) -> str:
    """URL of all objects of the knowledge base."""
    return f"{labels_url.rstrip('/')}/objects/"


def fetch_knowledge(session: ArchiveSession, out: Path, labels_url: str = LABELS_URL) -> LabelsResult:
    """Write the knowledge base's list of objects to ``out``; the file appears whole or not at all.

    Raises
    ------
    ArchiveError
        If the service cannot be reached, or answers something else.
    WriteError, UsageError
        If the file cannot be written.
    """
    entries = session.get(
        labels_request(labels_url),
        parse_knowledge,
        budget_s=session.settings.table_budget_s,
        max_bytes=MAX_BYTES,
    )
    write_text(out, json.dumps(entries, ensure_ascii=False, indent=1) + "\n")
    return LabelsResult(out, len(entries), sum(ARTEFACT_TAG in entry["tags"] for entry in entries))


def parse_knowledge(body: bytes) -> list[dict[str, Any]]:
    """Read the answer of the knowledge base.

    Raises
    ------
    UnsoundAnswer
        If it is not a JSON list of objects with ``oid`` and a list of ``tags``.
    """
    try:
        entries = json.loads(body)
    except ValueError:
        start = " ".join(body[:60].decode("utf-8", "replace").split())
        raise UnsoundAnswer(f"The knowledge base answered no JSON but {start[:40]!r}.") from None
    if not isinstance(entries, list) or not all(_is_entry(entry) for entry in entries):
        raise UnsoundAnswer("The knowledge base answered no list of objects with 'oid' and 'tags'.")
    return entries


def _is_entry(entry: object) -> bool:
    return isinstance(entry, dict) and "oid" in entry and isinstance(entry.get("tags"), list)
