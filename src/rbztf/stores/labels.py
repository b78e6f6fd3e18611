"""Expert labels: the SNAD knowledge base's JSON, or a CSV with ``oid,label``."""

from __future__ import annotations

import csv
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbztf.errors import InputError
from rbztf.ztf import ARTEFACT_TAG, Band, Label, Oid

_HELP = (
    "Give a SNAD export (a JSON list of objects with 'oid' and 'tags') or a CSV with the columns oid,label."
)


@dataclass(frozen=True)
class Labelled:
    """What experts said of one object."""

    oid: Oid
    label: Label
    tags: frozenset[str] = frozenset()


class LabelTable(Mapping[Oid, Labelled]):
    """Labelled objects in the order of their file."""

    def __init__(self, entries: Collection[Labelled]) -> None:
        self._entries = {entry.oid: entry for entry in entries}

    def __getitem__(self, oid: int) -> Labelled:
        return self._entries[Oid(oid)]

    def __iter__(self) -> Iterator[Oid]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def in_bands(self, bands: Collection[Band]) -> LabelTable:
        """The objects observed in one of ``bands``."""
        return LabelTable([entry for entry in self.values() if entry.oid.band in bands])

    def only(self, oids: Iterable[int]) -> LabelTable:
        """The objects ``oids``, in that order."""
        return LabelTable([self[oid] for oid in oids])

    def labels(self, oids: Collection[int]) -> NDArray[np.int64]:
        """Labels of ``oids``, (n,) int64, 1 = artefact."""
        return np.array([int(self[oid].label) for oid in oids], np.int64)


def read_labels(path: Path | str) -> LabelTable:
    """Read a label file.

    A CSV label is 0/1 or real/artefact. In the JSON an object is an artefact if
    ``"artefact"`` is among its tags.

    Raises
    ------
    InputError
        For a missing file, a file of another format, an OID of the wrong shape, or an
        object given twice with different labels.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise InputError(f"The label file {path} cannot be read ({reason}).", _HELP) from None
    entries = _from_csv(path, text) if path.suffix.lower() == ".csv" else _from_json(path, text)
    return LabelTable(_without_conflicts(path, entries))


def _from_json(path: Path, text: str) -> Iterator[Labelled]:
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(
            f"The label file {path} is not JSON (line {error.lineno}: {error.msg}).", _HELP
        ) from None
    if not isinstance(content, list):
        raise InputError(f"The label file {path} holds no JSON list.", _HELP)
    for number, entry in enumerate(content, 1):
        yield _json_entry(path, number, entry)


def _json_entry(path: Path, number: int, entry: Any) -> Labelled:
    tags = entry.get("tags") if isinstance(entry, dict) else None
    if not isinstance(tags, list) or "oid" not in entry:
        raise InputError(f"Entry {number} of {path} lacks 'oid' or a list of 'tags'.", _HELP)
    label = Label.ARTEFACT if ARTEFACT_TAG in tags else Label.REAL
    return Labelled(_oid(path, number, entry["oid"]), label, frozenset(map(str, tags)))


def _from_csv(path: Path, text: str) -> Iterator[Labelled]:
    rows = csv.DictReader(text.splitlines())
    if not {"oid", "label"} <= set(rows.fieldnames or ()):
        raise InputError(f"The label file {path} lacks a column 'oid' or 'label'.", _HELP)
    try:
        lines = list(rows)
    except csv.Error as error:
        raise InputError(f"The label file {path} is not CSV ({error}).", _HELP) from None
    for number, row in enumerate(lines, 2):
        yield Labelled(_oid(path, number, row["oid"]), _label(path, number, row["label"]))


def _label(path: Path, number: int, text: str | None) -> Label:
    known = {"0": Label.REAL, "1": Label.ARTEFACT, "real": Label.REAL, "artefact": Label.ARTEFACT}
    label = known.get((text or "").strip().lower())
    if label is None:
        raise InputError(
            f"Line {number} of {path}: {text!r} is not a label.", "Use 0 (real) or 1 (artefact)."
        )
    return label


def _oid(path: Path, number: int, value: object) -> Oid:
    try:
        return Oid(str(value))
    except InputError as error:
        raise InputError(f"{path}, entry {number}: {error.message}", error.next_step) from None


def _without_conflicts(path: Path, entries: Iterator[Labelled]) -> list[Labelled]:
    seen: dict[Oid, Labelled] = {}
    for entry in entries:
        earlier = seen.setdefault(entry.oid, entry)
        if earlier.label != entry.label:
            raise InputError(
                f"{path} gives {entry.oid} twice, as {earlier.label.name.lower()} and as "
                f"{entry.label.name.lower()}.",
                "Keep one of the two.",
            )
    return list(seen.values())
