"""The knowledge base: its pages are followed, entries that say nothing usable are named and left out."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from helpers import make_oid, run_well, strict_json

from rbztf.archive.http_settings import HttpSettings
from rbztf.archive.snad import parse_page
from rbztf.errors import UnsoundAnswer
from rbztf.stores.labels import read_labels
from rbztf.verbs.fetch import fetch_labels
from rbztf.ztf import Label

OIDS = [make_oid(i) for i in range(1, 8)]
IMPATIENT = HttpSettings(tries=2, backoff_s=0.01, max_backoff_s=0.01)


def entry(oid: object, *tags: object) -> dict[str, Any]:
    return {"oid": oid, "description": "é", "tags": list(tags)}


class Pages(dict[str, Any]):
    """What a service answers, by path; ``address`` is where."""

    address = ""


@pytest.fixture
def pages() -> Iterator[Pages]:
    answers = Pages()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(answers[self.path]).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        answers.address = f"http://127.0.0.1:{listening.server_port}"
        thread = threading.Thread(target=listening.serve_forever, args=(0.02,))
        thread.start()
        yield answers
        listening.shutdown()
        thread.join()


def test_entries_that_say_nothing_usable_are_named_and_left_out(pages: Pages, tmp_path: Path) -> None:
    good = [entry(OIDS[0], "Artefact "), entry(str(OIDS[1]), "VAR")]
    bad = [
        {**entry(OIDS[2]), "tags": None},
        entry(OIDS[3], {"name": "artefact"}),
        {**entry(OIDS[4]), "tags": "artefact"},
        entry(12, "artefact"),
        {"oid": OIDS[5]},
        None,
    ]
    pages["/objects/"] = [good[0], *bad, good[1]]
    out = tmp_path / "labels.json"
    done = run_well("fetch", "--labels", "--labels-url", pages.address, "--out", out, "--json", code=3)
    found = strict_json(done.stdout)
    assert (found["n_objects"], found["n_artefacts"]) == (2, 1)
    assert [problem["where"] for problem in found["problems"]] == [
        f"entry {number} (oid {oid})" for number, oid in enumerate([*OIDS[2:5], 12, OIDS[5], None], 2)
    ]
    assert "'tags' is 'None', not a list" in found["problems"][0]["what"]
    assert json.loads(out.read_text()) == good
    assert [entry.label for entry in read_labels(out).values()] == [Label.ARTEFACT, Label.REAL]


def test_pages_are_followed_to_the_last(pages: Pages, tmp_path: Path) -> None:
    everything = [entry(oid, "artefact") for oid in OIDS]
    addresses = ["/objects/", "/objects/?page=2", "/objects/?page=3"]
    following = [f"https://127.0.0.1:{pages.address.rpartition(':')[2]}{addresses[1]}", "?page=3", None]
    for place, (address, next_page) in enumerate(zip(addresses, following)):
        part = everything[3 * place : 3 * place + 3]
        pages[address] = {"count": 7, "next": next_page, "previous": None, "results": part}
    assert fetch_labels(tmp_path / "l.json", labels_url=pages.address, settings=IMPATIENT).n_objects == 7
    assert list(read_labels(tmp_path / "l.json")) == OIDS


@pytest.mark.parametrize(
    ("page", "says"),
    [
        ({"next": "https://example.org/?page=2", "results": []}, "is at another address"),
        ({"next": "/objects/", "results": []}, "more than 3 pages"),
        ({"count": 3, "next": None, "results": [entry(OIDS[0])]}, "answered 1 of 3 objects"),
        ({"next": 5, "results": []}, "did not answer the address of its next page"),
        ({"detail": "later"}, "did not answer a list of objects"),
        ([], "answered no object"),
        ([{**entry(OIDS[0]), "tags": None}], "answered no object with 'oid' and 'tags'. entry 1"),
    ],
)
def test_what_cannot_be_used_is_refused(
    pages: Pages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: object, says: str
) -> None:
    monkeypatch.setattr("rbztf.archive.snad.MAX_PAGES", 3)
    pages["/objects/"] = page
    with pytest.raises(UnsoundAnswer, match=says.replace("?", "[?]")):
        fetch_labels(tmp_path / "l.json", labels_url=pages.address, settings=IMPATIENT)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("body", [b"<html>", b"[" * 100_000, b"[" + b"9" * 10_000 + b"]", b"\xff\xfe\xff"])
def test_an_answer_that_is_not_json_is_unsound(body: bytes) -> None:
    with pytest.raises(UnsoundAnswer, match="is not JSON"):
        parse_page(body)
