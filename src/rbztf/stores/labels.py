"""Expert labels: the SNAD knowledge base's JSON, or a CSV with ``oid,label``."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbztf.csvfiles import csv_rows
from rbztf.errors import InputError, Problem
from rbztf.textfiles import json_list, read_text
from rbztf.ztf import (
    ARTEFACT_KINDS,
    ARTEFACT_TAG,
    AUXILIARY_TAGS,
    UNCERTAIN_TAG,
    Band,
    Label,
    LabelRule,
    Oid,
    is_ambiguous,
)

WHAT = "The label file"
HELP = (
    "Give a SNAD export (a JSON list of objects with 'oid' and 'tags') or a CSV with the columns oid,label."
)


@dataclass(frozen=True)
class Labelled:
    """What experts said of one object."""

    oid: Oid
    label: Label
    tags: frozenset[str] = frozenset()


class LabelTable(Mapping[Oid, Labelled]):
    """Labelled objects in the order of their file.

    Attributes
    ----------
    undecided : frozenset of Oid
        Objects of the file that somebody looked at without a verdict, or called unsure: they have no label.
    """

    def __init__(self, entries: Collection[Labelled], undecided: Iterable[Oid] = ()) -> None:
        self._entries = {entry.oid: entry for entry in entries}
        self.undecided = frozenset(undecided) - set(self._entries)

    def __getitem__(self, oid: int) -> Labelled:
        return self._entries[Oid(oid)]

    def __iter__(self) -> Iterator[Oid]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def in_bands(self, bands: Collection[Band]) -> LabelTable:
        """The objects observed in one of ``bands``."""
        undecided = [oid for oid in self.undecided if oid.band in bands]
        return LabelTable([entry for entry in self.values() if entry.oid.band in bands], undecided)

    def by_rule(self, rule: LabelRule) -> LabelTable:
        """The objects that count by ``rule``."""
        if rule is LabelRule.RB_ZTF:
            return self
        return LabelTable([entry for entry in self.values() if not is_ambiguous(entry.tags)], self.undecided)

    def only(self, oids: Iterable[int]) -> LabelTable:
        """The objects ``oids``, in that order."""
        return LabelTable([self[oid] for oid in oids])

    def labels(self, oids: Collection[int]) -> NDArray[np.int64]:
        """Labels of ``oids``, (n,) int64, 1 = artefact."""
        return np.array([int(self[oid].label) for oid in oids], np.int64)


def read_labels(path: Path | str) -> LabelTable:
    """Read a label file.

    A CSV label is 0 or real, 1, artefact, artifact or bogus; a row with ``unsure``, or without a label in a
    file that has a column ``verdict`` (as the page of ``rbztf report`` saves), is left out. In the JSON an object is an artefact
    if ``artefact`` (or ``artifact``) is among its tags; the case of known tags does not count. An
    object given twice has the tags of both entries.

    Parameters
    ----------
    path : path
        ``.csv``, ``.json``, or anything else of either form, a pipe too.

    Raises
    ------
    InputError
        For a missing file, a file of another format, an OID of the wrong shape, or an
        object given twice with different labels.
    """
    path = Path(path)
    return parse_labels(path, read_text(path, WHAT, HELP))


def parse_labels(path: Path, text: str) -> LabelTable:
    """As :func:`read_labels`, of the text of ``path`` that has been read already."""
    undecided: list[Oid] = []
    entries = _from_csv(path, text, undecided) if is_csv(path, text) else _from_json(path, text)
    return LabelTable(_joined(path, entries), undecided)


def read_usable(path: Path | str) -> LabelTable:
    """As :func:`read_labels`, of an export of the knowledge base as it is: what cannot be used is left out.

    Of an object that is given twice the later entry counts, with the tags of earlier ones of the same label.

    Raises
    ------
    InputError
        For a missing file, another format, or no entry that can be used.
    """
    entries = json_list(read_text(Path(path), WHAT, HELP), f"{WHAT} {path}", HELP)
    kept, problems = usable_entries(entries)
    if not kept:
        first = f" {problems[0]}" if problems else ""
        raise InputError(f"{WHAT} {path} holds no object with 'oid' and 'tags'.{first}", HELP)
    latest: dict[Oid, Labelled] = {}
    for _, what in kept:
        earlier = latest.get(what.oid, what)
        tags = earlier.tags if earlier.label == what.label else frozenset()
        latest[what.oid] = replace(what, tags=what.tags | tags)
    return LabelTable(latest.values())


def usable_entries(entries: Iterable[Any]) -> tuple[list[tuple[Any, Labelled]], list[Problem]]:
    """Entries of the knowledge base that can be used, each with what it says, and what is wrong with the others."""
    kept: list[tuple[Any, Labelled]] = []
    problems: list[Problem] = []
    for number, entry in enumerate(entries, 1):
        try:
            kept.append((entry, labelled(entry)))
        except (ValueError, InputError) as error:
            oid = entry.get("oid") if isinstance(entry, dict) else None
            reason = error.message if isinstance(error, InputError) else f"{error}."
            problems.append(Problem(f"entry {number} (oid {str(oid)[:40]})", f"left out: {reason}"))
    return kept, problems


def labelled(entry: object) -> Labelled:
    """What an entry of the knowledge base says.

    Raises
    ------
    ValueError, InputError
        If it says nothing that can be used; the message says why, as the end of a sentence.
    """
    if not isinstance(entry, dict) or not {"oid", "tags"} <= set(entry):
        raise ValueError("it lacks 'oid' or 'tags'")
    tags = _clean_tags(entry["tags"])
    return Labelled(Oid(entry["oid"]), Label.ARTEFACT if ARTEFACT_TAG in tags else Label.REAL, tags)


def _clean_tags(tags: object) -> frozenset[str]:
    """Tags as they are known, written with other capitals or letters, blanks around them or as ``artifact``.

    Raises
    ------
    ValueError
        If this is not a list of texts, or a tag speaks of an artefact in words that are not known; says which.
    """
    if not isinstance(tags, list):
        raise ValueError(f"'tags' is {str(tags)[:40]!r}, not a list")
    for tag in tags:
        if not isinstance(tag, str):
            raise ValueError(f"the tag {str(tag)[:40]!r} is not text")
    found = {_SPELLINGS.get(plain_word(tag), tag.strip()) for tag in tags} - {""}
    for tag in found - {ARTEFACT_TAG}:
        if _SPEAKS_OF_ARTEFACT.match(plain_word(tag)):
            raise ValueError(
                f"the tag {tag[:40]!r} is not a known one; write {ARTEFACT_TAG!r}, each tag by itself"
            )
    return frozenset(found)


def plain_word(text: str) -> str:
    """A word to compare: small, usual letters without blanks around and marks that are not seen."""
    usual = unicodedata.normalize("NFKC", text)
    return "".join(letter for letter in usual if unicodedata.category(letter) != "Cf").strip().lower()


_SPEAKS_OF_ARTEFACT = re.compile(r"(?!no).*art[ei]fact", re.DOTALL)
"""A word of :func:`plain_word`; ``not artefact`` does not."""
_SPELLINGS = {
    "": "",
    **dict.fromkeys(("artifact", "artefacts", "artifacts", "bogus"), ARTEFACT_TAG),
    **{
        tag.lower(): tag
        for tag in (
            ARTEFACT_TAG,
            UNCERTAIN_TAG,
            *ARTEFACT_KINDS,
            *frozenset().union(*AUXILIARY_TAGS.values()),
        )
    },
}


def is_csv(path: Path, text: str) -> bool:
    """By the ending of the name, or else by the first line."""
    ending = path.suffix.lower()
    if ending in (".csv", ".json"):
        return ending == ".csv"
    return "oid" in text[:1000].lstrip().partition("\n")[0].lower() and text.lstrip()[:1] not in ("[", "{")


def _from_json(path: Path, text: str) -> Iterator[Labelled]:
    for number, entry in enumerate(json_list(text, f"{WHAT} {path}", HELP), 1):
        try:
            yield labelled(entry)
        except InputError as error:
            raise InputError(f"Entry {number} of {path}: {error.message}", error.next_step) from None
        except ValueError as error:
            oid = entry.get("oid") if isinstance(entry, dict) else None
            raise InputError(f"Entry {number} of {path} (oid {str(oid)[:40]}): {error}.", HELP) from None


def _from_csv(path: Path, text: str, undecided: list[Oid]) -> Iterator[Labelled]:
    """Rows with a label; the objects of the others go to ``undecided``."""
    file = csv_rows(text, f"{WHAT} {path}", ("oid", "label"), HELP)
    no_label = ("unsure", "") if "verdict" in file.places else ("unsure",)
    for row in file:
        word, verdict = plain_word(row.get("label")), plain_word(row.get("verdict"))
        if word in no_label:
            undecided.append(row.oid())
            continue
        label = _LABELS.get(word)
        if label is None:
            raise row.wrong(f"{row.get('label')[:40]!r} is not a label", "Use 0 (real) or 1 (artefact).")
        if verdict and _LABELS.get(verdict) != label:
            raise row.wrong(
                f"the label is {row.get('label')!r}, the verdict {row.get('verdict')[:40]!r}",
                "Make them agree.",
            )
        yield Labelled(row.oid(), label)


_LABELS = {
    **dict.fromkeys(("0", "0.0", "real"), Label.REAL),
    **dict.fromkeys(("1", "1.0", "artefact", "artifact", "bogus"), Label.ARTEFACT),
}


def _joined(path: Path, entries: Iterable[Labelled]) -> list[Labelled]:
    """Each object once, with all its tags."""
    seen: dict[Oid, Labelled] = {}
    for entry in entries:
        earlier = seen.get(entry.oid, entry)
        if earlier.label != entry.label:
            raise InputError(
                f"{path} gives {entry.oid} twice, as {earlier.label.name.lower()} and as "
                f"{entry.label.name.lower()}.",
                "Keep one of the two.",
            )
        seen[entry.oid] = replace(entry, tags=earlier.tags | entry.tags)
    return list(seen.values())
