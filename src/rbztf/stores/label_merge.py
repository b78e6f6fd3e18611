"""Label files of several people, joined: where they agree, where they do not, and one file of both."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from rbztf.csvfiles import csv_rows, write_csv
from rbztf.errors import UsageError
from rbztf.stores.labels import HELP, WHAT, is_csv, parse_labels
from rbztf.textfiles import read_text
from rbztf.ztf import ARTEFACT_KINDS, Label, Oid

COLUMNS = ("oid", "label", "verdict", "kind", "comment", "when")
DISAGREEMENTS = ("oid", "file", "verdict", "kind", "comment", "when", "kept")
WORDS = {Label.REAL: "real", Label.ARTEFACT: "bogus"}
UNSURE = "unsure"
LONGEST = 100_000
"""Characters of a joined comment; cells of CSV files end at 131,072."""
_FORMULA = re.compile(r"\s*[=+\-@]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]+")


class OnConflict(StrEnum):
    """What becomes of an object that people label differently."""

    LEAVE_OUT = "leave-out"
    FIRST = "first"
    MAJORITY = "majority"


@dataclass(frozen=True)
class Said:
    """What one file says of an object; ``verdict`` is real, bogus, unsure or empty."""

    file: str
    verdict: str
    kind: str = ""
    comment: str = ""
    when: str = ""


@dataclass(frozen=True)
class Merged:
    """What all files say of an object, in their order, and the verdict that is kept; empty where none is."""

    oid: Oid
    said: tuple[Said, ...]
    kept: str

    @property
    def votes(self) -> tuple[str, ...]:
        """Verdicts that are labels."""
        return tuple(each.verdict for each in self.said if each.verdict in WORDS.values())

    @property
    def differ(self) -> bool:
        """Whether people gave it different labels."""
        return len(set(self.votes)) > 1

    @property
    def agree(self) -> bool:
        """Whether two people or more gave it the same label, and nobody another."""
        return len(self.votes) > 1 and not self.differ


def read_said(path: Path) -> dict[Oid, Said]:
    """What a label file says of each object, with its comments.

    Parameters
    ----------
    path : Path
        Any file that :func:`rbztf.stores.labels.read_labels` takes.

    Raises
    ------
    InputError
        As there.
    """
    text = read_text(path, WHAT, HELP)
    table = parse_labels(path, text)
    further = _further(path, text) if is_csv(path, text) else {}
    found = {}
    for oid, entry in table.items():
        kinds = ", ".join(kind for kind in ARTEFACT_KINDS if kind in entry.tags)
        found[oid] = _said(path, WORDS[entry.label], {"kind": kinds} | further.get(oid, {}))
    for oid in table.undecided:
        known = further.get(oid, {})
        words = {known.get(name, "").lower() for name in ("label", "verdict")}
        found[oid] = _said(path, UNSURE if UNSURE in words else "", known)
    return found


def _further(path: Path, text: str) -> dict[Oid, dict[str, str]]:
    """The cells of a CSV as they are; of an object given twice kinds and comments of both, the rest of the later."""
    found: dict[Oid, dict[str, str]] = {}
    file = csv_rows(text, f"{WHAT} {path}", ("oid", "label"), HELP)
    names = [name for name in ("label", "verdict", "kind", "comment", "when") if name in file.places]
    for row in file:
        mine = found.setdefault(row.oid(), dict.fromkeys(names, ""))
        for name in names:
            joint = _JOINTS.get(name)
            texts = [mine[name], row.get(name)] if joint else [row.get(name) or mine[name]]
            mine[name] = (joint or "").join(dict.fromkeys(text for text in texts if text))
    return found


_JOINTS = {"kind": ", ", "comment": " | "}
"""Of cells that are joined where a file gives an object twice."""


def _said(path: Path, verdict: str, cells: Mapping[str, str]) -> Said:
    kind, comment, when = (_bare(cells.get(name, "")) for name in ("kind", "comment", "when"))
    return Said(str(path), verdict, kind, comment, when)


def merge(files: Sequence[Path], on_conflict: OnConflict) -> list[Merged]:
    """What the files say of every object of any of them, by OID.

    Raises
    ------
    InputError
        For one that is no label file, or gives an object two labels.
    UsageError
        For fewer than two files, or one given twice.
    """
    if len(files) < 2:
        raise UsageError("There is nothing to merge.", "Give the label files of two people or more.")
    twice = [path for path, count in Counter(path.resolve() for path in files).items() if count > 1]
    if twice:
        raise UsageError(f"{twice[0]} is given twice.", "Give each label file once.")
    found: dict[Oid, list[Said]] = {}
    for path in files:
        for oid, said in read_said(path).items():
            found.setdefault(oid, []).append(said)
    return [Merged(oid, tuple(said), _kept(said, on_conflict)) for oid, said in sorted(found.items())]


def _kept(said: Iterable[Said], on_conflict: OnConflict) -> str:
    votes = Counter(each.verdict for each in said if each.verdict in WORDS.values())
    if len(votes) < 2:
        undecided = UNSURE if any(each.verdict == UNSURE for each in said) else ""
        return next(iter(votes), undecided)
    if on_conflict is OnConflict.FIRST:
        return next(iter(votes))
    (first, most), (_, fewer) = votes.most_common(2)
    return first if on_conflict is OnConflict.MAJORITY and most > fewer else ""


def write_merged(path: Path, merged: Iterable[Merged]) -> None:
    """Write the label file; objects whose disagreement is not settled are not in it."""
    write_csv(path, [_row(each) for each in merged if each.kept or not each.differ], COLUMNS)


def write_disagreements(path: Path, merged: Iterable[Merged]) -> None:
    """Write a row for each person's verdict on each object on which people disagree."""
    rows = [
        {
            "oid": int(each.oid),
            "file": spreadsheet_cell(said.file),
            "verdict": said.verdict,
            "kind": spreadsheet_cell(said.kind),
            "comment": spreadsheet_cell(said.comment),
            "when": spreadsheet_cell(said.when),
            "kept": each.kept,
        }
        for each in merged
        if each.differ
        for said in each.said
    ]
    write_csv(path, rows, DISAGREEMENTS)


def _row(each: Merged) -> dict[str, Any]:
    """The kind is that of the first who gave the verdict that is kept, the comments are those of all."""
    same = [said for said in each.said if said.verdict == each.kept]
    comments = dict.fromkeys(said.comment for said in each.said if said.comment)
    return {
        "oid": int(each.oid),
        "label": "" if each.kept == UNSURE else each.kept,
        "verdict": each.kept,
        "kind": spreadsheet_cell(next((said.kind for said in same if said.kind), "")),
        "comment": spreadsheet_cell(" | ".join(comments)[:LONGEST]),
        "when": spreadsheet_cell(max((said.when for said in same), default="")),
    }


def spreadsheet_cell(text: str) -> str:
    """As the page of ``rbztf report`` writes it: what a spreadsheet would take for a formula gets an apostrophe."""
    text = _CONTROL.sub(" ", text)
    return f"'{text}" if _FORMULA.match(text) else text


def _bare(text: str) -> str:
    """Without that apostrophe."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text[1:]) else text
