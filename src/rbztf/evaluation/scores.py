"""Test objects with their scores and all other outputs of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from rbztf.errors import DataError
from rbztf.ztf import field_of

Array = NDArray[np.float64]
Limits = float | Array
"""One threshold for all objects, or one for each."""
Item = TypeVar("Item", bound=np.generic)
DECISIONS = ("real", "bogus", "unsure")


@dataclass(frozen=True)
class Scored:
    """Test objects of one fold with their scores.

    Attributes
    ----------
    oids : ndarray (n,), int64
    labels : ndarray (n,), int64
        1 = artefact.
    scores : ndarray (n,), float64
        Probability of bogus.
    threshold : float or ndarray (n,), float64
        Decision threshold, of all or of each object, chosen without them.
    low, high : ndarray (n,), float64, optional
        Interval of the probability.
    decisions : ndarray (n,), str, optional
        One of :data:`DECISIONS` each.
    sets : ndarray (n, 2), bool, optional
        Conformal sets: whether *real*, and whether *bogus*, is in the set. An ``unsure`` object
        has both or neither, which the decision alone does not tell.
    kinds : dict of str to ndarray (n,), float64, optional
        Probability of each kind of artefact.
    thresholds : mapping of str to float or ndarray (n,), float64
        Further operating points, each chosen without these objects, such as ``far10``: at most
        10 % false alarms on inner folds.
    n_frames : ndarray (n,), int64, optional
        Frames of each object.
    mags : ndarray (n,), float64, optional
        Mean magnitude of each object, NaN where unknown.
    draw : int
        Draw of the folds (see :mod:`rbztf.evaluation.repeats`) to which this fold belongs.

    Raises
    ------
    ValueError
        For arrays of different lengths or an unknown decision.
    DataError
        For a score that is not finite: no metric can count such an object.
    """

    oids: NDArray[np.int64]
    labels: NDArray[np.int64]
    scores: Array
    threshold: Limits
    low: Array | None = None
    high: Array | None = None
    decisions: NDArray[np.str_] | None = None
    sets: NDArray[np.bool_] | None = None
    kinds: dict[str, Array] | None = None
    thresholds: Mapping[str, Limits] = field(default_factory=dict)
    n_frames: NDArray[np.int64] | None = None
    mags: Array | None = None
    draw: int = 0

    def __post_init__(self) -> None:
        arrays = {column.name: getattr(self, column.name) for column in fields(self)}
        arrays |= {**(self.kinds or {}), **self.thresholds}
        for name, array in arrays.items():
            if isinstance(array, np.ndarray) and len(array) != len(self.oids):
                raise ValueError(
                    f"oids and {name} must have the same length: {len(self.oids)} != {len(array)}"
                )
        for oid in self.oids[~np.isfinite(self.scores)].tolist():
            raise DataError(
                f"The model gives {oid} a score that is not a finite number.",
                "Lower training.learning_rate, or check the object's vectors and features.",
            )
        unknown = set() if self.decisions is None else set(self.decisions.tolist()) - {*DECISIONS}
        if unknown:
            raise ValueError(f"Unknown decisions {sorted(unknown)}. Must be one of: {', '.join(DECISIONS)}.")

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def fields(self) -> NDArray[np.int64]:
        """ZTF field of each object, (n,) int64."""
        return field_of(self.oids)

    @property
    def called(self) -> NDArray[np.bool_]:
        """Whether each object is called bogus at its threshold, (n,) bool."""
        return np.asarray(self.scores >= self.threshold)

    def only(self, chosen: NDArray[np.bool_]) -> Scored:
        """The objects that are ``chosen``, (n,) bool."""
        made = {}
        for column in fields(self):
            value = getattr(self, column.name)
            if isinstance(value, np.ndarray):
                value = value[chosen]
            elif isinstance(value, Mapping):
                value = {
                    name: part[chosen] if isinstance(part, np.ndarray) else part
                    for name, part in value.items()
                }
            made[column.name] = value
        return Scored(**made)


def by_draw(folds: Sequence[Scored]) -> dict[int, list[int]]:
    """Places of the folds of each draw."""
    places: dict[int, list[int]] = {}
    for place, fold in enumerate(folds):
        places.setdefault(fold.draw, []).append(place)
    return places


def pool(folds: Sequence[Scored], point: str | None = None) -> Scored:
    """All objects of several folds together, each with its threshold in its own fold.

    Parameters
    ----------
    folds : sequence of Scored
        At least one. What some of them lack, the result lacks.
    point : str, optional
        The operating point of ``Scored.thresholds`` that counts; default ``threshold``.
    """
    thresholds = [fold.threshold if point is None else fold.thresholds[point] for fold in folds]
    limits = [np.broadcast_to(limit, len(fold)) for limit, fold in zip(thresholds, folds)]
    kinds = None
    if all(fold.kinds is not None for fold in folds):
        names = [name for name in folds[0].kinds or {} if all(name in (fold.kinds or {}) for fold in folds)]
        kinds = {name: np.concatenate([(fold.kinds or {})[name] for fold in folds]) for name in names}
    return Scored(
        np.concatenate([fold.oids for fold in folds]),
        np.concatenate([fold.labels for fold in folds]),
        np.concatenate([fold.scores for fold in folds]),
        np.concatenate(limits),
        low=_joined([fold.low for fold in folds]),
        high=_joined([fold.high for fold in folds]),
        decisions=_joined([fold.decisions for fold in folds]),
        sets=_joined([fold.sets for fold in folds]),
        kinds=kinds,
        n_frames=_joined([fold.n_frames for fold in folds]),
        mags=_joined([fold.mags for fold in folds]),
    )


def _joined(parts: Sequence[NDArray[Item] | None]) -> NDArray[Item] | None:
    there = [part for part in parts if part is not None]
    return np.concatenate(there) if len(there) == len(parts) else None
