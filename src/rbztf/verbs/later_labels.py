"""A later file of labels: what it says otherwise than an earlier one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rbztf.stores.label_merge import UNSURE, WORDS
from rbztf.stores.labels import Labelled, LabelTable, read_labels, read_usable
from rbztf.ztf import Oid


@dataclass(frozen=True)
class LabelChange:
    """An object that a later file labels otherwise; its rank is None where it has no score."""

    oid: int
    label: str
    later_label: str
    rank: int | None


@dataclass(frozen=True)
class LaterLabels:
    """How a later file of labels differs from the earlier ones.

    Attributes
    ----------
    path : Path
    n_shared : int
        Objects of both.
    changed : tuple of LabelChange
        By rank.
    n_tags : int or None
        Objects with other tags; None where one of the files has no tags at all.
    n_new : int
        Objects that the earlier file (without one, the scores) does not have.
    """

    path: Path
    n_shared: int
    changed: tuple[LabelChange, ...]
    n_tags: int | None
    n_new: int


def read_later(path: Path) -> LabelTable:
    """Labels; of an export of the knowledge base what can be used."""
    return read_usable(path) if path.suffix.lower() == ".json" else read_labels(path)


def label_in(table: LabelTable | None, oid: int) -> str:
    """real, bogus or unsure; empty where the table does not have the object."""
    if table is None or oid not in table:
        return UNSURE if table is not None and oid in table.undecided else ""
    return WORDS[table[oid].label]


def compare_labels(
    path: Path, later: LabelTable, earlier: LabelTable | None, ranked: Mapping[int, str]
) -> LaterLabels:
    """What differs between two files.

    Parameters
    ----------
    path : Path
        The later file, which has been read already.
    ranked : mapping of int to str
        Labels of the scored objects, in the order of their ranks; they count more than those of ``earlier``.
    """
    ranks = {oid: rank for rank, oid in enumerate(ranked, 1)}
    was = {int(oid): WORDS[entry.label] for oid, entry in (earlier or {}).items()} | dict(ranked)
    now = {oid: label_in(later, oid) for oid in was}
    shared = [oid for oid in was if now[oid]]
    changed = [LabelChange(oid, was[oid], now[oid], ranks.get(oid)) for oid in shared if now[oid] != was[oid]]
    tagged = earlier is not None and all(
        any(entry.tags for entry in table.values()) for table in (earlier, later)
    )
    n_tags = sum(_other_tags(earlier or {}, later, oid) for oid in shared) if tagged else None
    by_rank = sorted(changed, key=lambda each: (each.rank or len(ranks) + 1, each.oid))
    return LaterLabels(path, len(shared), tuple(by_rank), n_tags, sum(int(oid) not in was for oid in later))


def _other_tags(earlier: Mapping[Oid, Labelled], later: Mapping[Oid, Labelled], oid: int) -> bool:
    both = oid in earlier and oid in later
    return both and earlier[Oid(oid)].tags != later[Oid(oid)].tags
