"""The feature table: one row per object, one column per feature, and what the columns mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

JOINED = " + "
"""Between the recipes of a table of several sets of features."""


@dataclass(frozen=True)
class Definition:
    """How the features of a table were made.

    Features of the same name made in another way are other features: a model trained on
    some and shown the others can be wrong without a sign of it, so a model keeps the
    definition of its training table and compares.

    Attributes
    ----------
    source : str
        Recipe and version, such as ``light-curve 0.13, rbztf set 1``, or several, joined by :data:`JOINED`;
        empty if unknown.
    catflags : int or None
        Bits of the epochs' ``catflags`` for which an epoch was left out; None if unknown.
    span_mjd : (float, float) or None
        First and last epoch of all objects, days; None if unknown.
    """

    source: str = ""
    catflags: int | None = None
    span_mjd: tuple[float, float] | None = None

    def same_as(self, other: Definition) -> bool:
        """Whether both are known and all recipes of ``other`` are among these (the time span may differ)."""
        recipes, others = (set(made.source.split(JOINED)) for made in (self, other))
        return bool(self.source and other.source) and others <= recipes and self.catflags == other.catflags

    def ends_before(self, mjd: float | None) -> bool:
        """Whether ``mjd`` is later than the last epoch; False where either is unknown."""
        return self.span_mjd is not None and mjd is not None and self.span_mjd[1] < mjd

    def to_json(self) -> dict[str, Any]:
        """For ``model.yaml``."""
        span = list(self.span_mjd) if self.span_mjd else None
        return {"source": self.source, "catflags": self.catflags, "span_mjd": span}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Definition:
        """What :meth:`to_json` wrote."""
        span = content.get("span_mjd")
        return cls(content["source"], content.get("catflags"), (span[0], span[1]) if span else None)


@dataclass(frozen=True)
class FeatureTable:
    """Features of objects.

    Attributes
    ----------
    oids : ndarray (n,), int64
    names : tuple of str
        Of the k columns.
    values : ndarray (n, k), float64
        NaN where a feature is unknown.
    definition : Definition
    """

    oids: NDArray[np.int64]
    names: tuple[str, ...]
    values: NDArray[np.float64]
    definition: Definition = Definition()

    def __post_init__(self) -> None:
        if self.values.shape != (len(self.oids), len(self.names)):
            raise ValueError(
                f"values must have the shape (objects, names): {self.values.shape} != {len(self.oids), len(self.names)}"
            )

    def __len__(self) -> int:
        return len(self.oids)

    def rows(self, oids: Sequence[int] | NDArray[np.int64]) -> FeatureTable:
        """The rows of ``oids``, in that order; all NaN for an object that the table lacks."""
        place = {oid: row for row, oid in enumerate(self.oids.tolist())}
        wanted = np.asarray(oids, np.int64)
        index = np.array([place.get(oid, -1) for oid in wanted.tolist()], np.int64)
        values = np.full((len(wanted), len(self.names)), np.nan)
        values[index >= 0] = self.values[index[index >= 0]]
        return replace(self, oids=wanted, values=values)

    def columns(self, names: Sequence[str]) -> FeatureTable:
        """The columns ``names``, in that order; all NaN for a feature that the table lacks."""
        if tuple(names) == self.names:
            return self
        place = {name: column for column, name in enumerate(self.names)}
        values = np.full((len(self), len(names)), np.nan)
        for column, name in enumerate(names):
            if name in place:
                values[:, column] = self.values[:, place[name]]
        return replace(self, names=tuple(names), values=values)

    def take(self, index: NDArray[Any]) -> FeatureTable:
        """The rows at ``index`` (numbers, or a mask)."""
        return replace(self, oids=self.oids[index], values=self.values[index])

    def beside(self, other: FeatureTable) -> FeatureTable:
        """The columns of both tables, of the same objects in the same order.

        Raises
        ------
        ValueError
            If the objects are not the same.
        """
        if not np.array_equal(self.oids, other.oids):
            raise ValueError("tables side by side must have the same objects")
        values = np.concatenate([self.values, other.values], axis=1)
        return replace(self, names=self.names + other.names, values=values, definition=Definition())

    def known(self) -> NDArray[np.bool_]:
        """Whether an object has any feature, (n,) bool."""
        return np.asarray(np.isfinite(self.values).any(axis=1))
