"""Folds of a cross-validation: by ZTF field, at random, the reference's, or from a file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rbztf.csvfiles import open_csv
from rbztf.errors import DataError, UsageError
from rbztf.stores.labels import LabelTable
from rbztf.wording import counted
from rbztf.ztf import Oid

REFERENCE_SEED = 7
REFERENCE_FOLDS = 5
REFERENCE_OBJECTS = 2230
NAMES = ("field", "reference", "random")


@dataclass(frozen=True)
class Split:
    """Test folds, each a list of OIDs.

    Attributes
    ----------
    name : str
        ``field``, ``reference``, ``random`` or the path of a file.
    folds : dict of int to list of Oid
        The number of each fold, and its objects in their order within the fold.
    """

    name: str
    folds: dict[int, list[Oid]]

    @property
    def oids(self) -> list[Oid]:
        """All objects, fold by fold."""
        return [oid for fold in self.folds.values() for oid in fold]

    def only(self, oids: set[Oid]) -> Split:
        """The same folds, reduced to ``oids``."""
        return Split(self.name, {k: [oid for oid in fold if oid in oids] for k, fold in self.folds.items()})


def make_split(name: str, labels: LabelTable, n_folds: int, seed: int, available: set[Oid]) -> Split:
    """Make the folds called ``name``.

    Parameters
    ----------
    name : str
        ``field``: whole ZTF fields; ``random``: stratified by label; ``reference``: the
        published recipe, which needs the whole label list; else a CSV file with ``oid,fold``
        and, optionally, ``position`` (the order within the fold).
    labels : LabelTable
        All labelled objects of the bands in question, in file order.
    n_folds : int
        Not used for a file.
    seed : int
        For ``field`` and ``random``.
    available : set of Oid
        Objects that can be used; the folds hold no others.

    Raises
    ------
    UsageError, InputError, DataError
        For an unknown name, a wrong file, or too few objects or fields.
    """
    usable = [oid for oid in labels if oid in available]
    if name == "reference":
        return reference_split(labels).only(available)
    if name == "field":
        return _by_field(usable, n_folds, seed)
    if name == "random":
        return _at_random(usable, labels, n_folds, seed)
    return read_split(Path(name)).only(set(usable))


def reference_split(labels: LabelTable) -> Split:
    """The published folds: ``random_split(range(n), [0.2] * 5)`` after ``manual_seed(7)``.

    Parameters
    ----------
    labels : LabelTable
        The 2,230 r-band objects of the published file, in its order.

    Raises
    ------
    DataError
        For another number of objects: the same recipe would then give other folds.
    """
    import torch
    from torch.utils.data import TensorDataset, random_split

    oids = list(labels)
    if len(oids) != REFERENCE_OBJECTS:
        raise DataError(
            f"The reference's folds need its whole label list of {REFERENCE_OBJECTS} r-band objects, not {len(oids)}.",
            "Give that file with --labels, or the folds themselves with --split FILE.",
        )
    generator = torch.Generator().manual_seed(REFERENCE_SEED)
    parts = random_split(
        TensorDataset(torch.arange(len(oids))), [1 / REFERENCE_FOLDS] * REFERENCE_FOLDS, generator=generator
    )
    return Split("reference", {k: [oids[i] for i in part.indices] for k, part in enumerate(parts)})


def read_split(path: Path) -> Split:
    """Read a split from CSV with ``oid,fold`` and, optionally, ``position``.

    Raises
    ------
    UsageError
        If ``path`` is neither a file nor the name of a split.
    InputError
        If the file is of another shape.
    """
    if not path.exists():
        raise UsageError(
            f"There is no split {str(path)!r}.", f"Use {', '.join(NAMES)}, or a CSV file with oid,fold."
        )
    entries: dict[Oid, tuple[int, int]] = {}
    with open_csv(path, "The split file", ("oid", "fold"), "Give a CSV with oid,fold.") as rows:
        for place, row in enumerate(rows):
            oid = row.oid()
            if oid in entries:
                raise row.wrong(f"the object {oid} is there twice", "Keep one line for each object.")
            entries[oid] = row.whole("fold"), row.whole("position") if row.get("position") else place
    folds: dict[int, list[Oid]] = {k: [] for k in sorted({fold for fold, _ in entries.values()})}
    for oid in sorted(entries, key=entries.__getitem__):
        folds[entries[oid][0]].append(oid)
    return Split(str(path), folds)


def _by_field(oids: Sequence[Oid], n_folds: int, seed: int) -> Split:
    fields = np.array([oid.field for oid in oids])
    n_fields = len(np.unique(fields))
    if n_fields < n_folds:
        raise DataError(
            f"{len(oids)} objects lie in {n_fields} fields, too few for {counted(n_folds, 'fold')} of whole fields.",
            "Use fewer --folds, or --split random.",
        )
    # GroupKFold(n_folds, shuffle=True, random_state=seed), which scikit-learn has from 1.6 on
    mixed = np.random.RandomState(seed).permutation(np.unique(fields))
    tests = (np.flatnonzero(np.isin(fields, part)) for part in np.array_split(mixed, n_folds))
    return _collect("field", oids, tests)


def _at_random(oids: Sequence[Oid], labels: LabelTable, n_folds: int, seed: int) -> Split:
    from sklearn.model_selection import StratifiedKFold

    classes = labels.labels(oids)
    smallest = min(np.bincount(classes, minlength=2)) if len(classes) else 0
    if smallest < n_folds:
        raise DataError(
            f"The rarer class has {smallest} of {len(oids)} objects, too few for {counted(n_folds, 'fold')}.",
            "Use fewer --folds.",
        )
    splitter = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
    return _collect("random", oids, (test for _, test in splitter.split(classes, classes)))


def _collect(name: str, oids: Sequence[Oid], tests: Iterable[Iterable[int]]) -> Split:
    return Split(name, {k: [oids[i] for i in test] for k, test in enumerate(tests)})
