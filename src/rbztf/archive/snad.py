"""Current expert labels from the SNAD knowledge base, kept in its own format."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from rbztf.archive.http import ArchiveSession
from rbztf.errors import InputError, Problem, UnsoundAnswer
from rbztf.files import write_text
from rbztf.stores.labels import usable_entries
from rbztf.textfiles import parse_json

LABELS_URL = "https://akb.ztf.snad.space"
MAX_BYTES = 64 * 2**20
MAX_PAGES = 1000


@dataclass(frozen=True)
class LabelsResult:
    """What was fetched.

    Attributes
    ----------
    path : Path
        The file written.
    n_objects, n_artefacts : int
        Objects in it, in all bands, and those tagged as artefacts.
    problems : tuple of Problem
        Entries of the knowledge base that were left out, as they say nothing that can be used.
    """

    path: Path
    n_objects: int
    n_artefacts: int
    problems: tuple[Problem, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "path": str(self.path)}


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
    entries = _all_pages(session, labels_request(labels_url))
    kept, problems = usable_entries(entries)
    if not kept:
        first = f" {problems[0]}" if problems else ""
        raise UnsoundAnswer(f"The knowledge base answered no object with 'oid' and 'tags'.{first}")
    write_text(out, json.dumps([entry for entry, _ in kept], ensure_ascii=False, indent=1) + "\n")
    return LabelsResult(out, len(kept), sum(what.label for _, what in kept), tuple(problems))


def _all_pages(session: ArchiveSession, url: str) -> list[Any]:
    """The entries of a list, page by page where the service answers so."""
    entries: list[Any] = []
    for _ in range(MAX_PAGES):
        page = session.get(url, parse_page, budget_s=session.settings.table_budget_s, max_bytes=MAX_BYTES)
        entries += page.entries
        if not page.following:
            if page.count is not None and page.count != len(entries):
                raise UnsoundAnswer(f"The knowledge base answered {len(entries)} of {page.count} objects.")
            return entries
        following = urljoin(url, page.following)
        if urlsplit(following).netloc != urlsplit(url).netloc:
            raise UnsoundAnswer("The next page of the knowledge base is at another address.")
        url = urlsplit(following)._replace(scheme=urlsplit(url).scheme).geturl()
    raise UnsoundAnswer(f"The knowledge base has more than {MAX_PAGES} pages.")


@dataclass(frozen=True)
class Page:
    """One answer of the knowledge base.

    Attributes
    ----------
    entries : list
    following : str
        Address of the next page; empty if there is none.
    count : int or None
        How many entries all pages have together, where the service says so.
    """

    entries: list[Any]
    following: str = ""
    count: int | None = None


def parse_page(body: bytes) -> Page:
    """Read an answer of the knowledge base: a list, or ``results`` with ``next`` and ``count``.

    Raises
    ------
    UnsoundAnswer
        If it is another thing.
    """
    try:
        content = parse_json(body, "The answer of the knowledge base", "")
    except InputError as error:
        start = " ".join(body[:60].decode("utf-8", "replace").split())
        raise UnsoundAnswer(f"{error.message} It starts with {start[:40]!r}.") from None
    if isinstance(content, list):
        return Page(content)
    if not isinstance(content, dict) or not isinstance(content.get("results"), list):
        raise UnsoundAnswer("The knowledge base did not answer a list of objects.")
    following, count = content.get("next") or "", content.get("count")
    if not isinstance(following, str):
        raise UnsoundAnswer("The knowledge base did not answer the address of its next page.")
    return Page(content["results"], following, count if isinstance(count, int) else None)
