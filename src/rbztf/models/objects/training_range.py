"""How far objects are from those that a model was trained on: each column by itself, and all together.

A column's value becomes its standard-normal equivalent among the training objects; beyond their range it
goes on growing. The distance of an object is its Mahalanobis distance in these, squared and divided by
the number of columns; its excess is how far the worst column lies beyond the range, in widths of it.
From which distance and excess an object counts as unusual or outside is found on training objects of
fields that are left out in turn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rbztf.models.bundle import array_in

Array = NDArray[np.float64]
LEVELS = np.concatenate([[0, 0.001, 0.005], np.arange(0.01, 0.995, 0.01), [0.995, 0.999, 1]])
"""Shares of the training objects at which each column is kept."""
DEEPEST = 0.0005
"""Share beyond which the normal equivalent of a rank goes no further."""
LARGEST = 1e30
"""Values beyond count as this: their squares stay finite."""
LEAST_OBJECTS = 60
"""Training objects below which no range is made: a model's limits would be those of single objects."""
FOLDS = 5
LIMITS = (0.955, 0.992)
"""Shares of objects of left-out fields that lie below the limit of unusual, and of outside: of the distance
and of the excess each."""
PARTS = ("quantiles", "mean", "precision", "limits")


class InputCheck(StrEnum):
    """How far an object is from the training set."""

    INSIDE = "inside"
    UNUSUAL = "unusual"
    OUTSIDE = "outside"


ORDER = tuple(InputCheck)
"""From near to far."""


@dataclass(frozen=True)
class TrainingRange:
    """Where the training objects lie in some columns.

    Attributes
    ----------
    quantiles : ndarray (levels, k), float64
        Of each column at :data:`LEVELS`.
    mean : ndarray (k,), float64
        Of the normal equivalents.
    precision : ndarray (k, k), float64
        Inverse of their covariance.
    limits : ndarray (2, 2), float64
        Distance and excess (rows) from which an object is unusual, and outside (columns).
    """

    quantiles: Array
    mean: Array
    precision: Array
    limits: Array

    @classmethod
    def fit(cls, values: Array, groups: NDArray[np.int64], beside: Array, seed: int) -> TrainingRange:
        """The range of training objects, with limits from fields left out.

        Parameters
        ----------
        values : ndarray (n, k), float64
            Of the training objects; NaN where unknown.
        groups : ndarray (n,), int64
            Their fields.
        beside : ndarray (m, k), float64
            Of objects that count as training objects and are never left out.
        """
        fold = _folds(groups, seed)
        measured = np.empty((2, len(values)))
        for number in np.unique(fold):
            out = fold == number
            part = cls._shape(np.concatenate([values[~out], beside]))
            measured[:, out] = part.measure(values[out])[:2]
        limits = np.stack([np.quantile(row, LIMITS) for row in measured])
        whole = cls._shape(np.concatenate([values, beside]))
        return cls(whole.quantiles, whole.mean, whole.precision, limits)

    @classmethod
    def _shape(cls, values: Array) -> TrainingRange:
        """Without limits."""
        from sklearn.covariance import ledoit_wolf

        n_columns = values.shape[1]
        known = np.where(np.isfinite(values).any(axis=0), values, 0.0)
        quantiles = np.nanquantile(known, LEVELS, axis=0)
        plain = cls(quantiles, np.zeros(n_columns), np.eye(n_columns), np.full((2, 2), np.inf))
        nowhere = np.empty(0, np.int64)
        normal = np.nan_to_num(plain._normal(values.T, nowhere, nowhere, np.empty(0))).T
        covariance, _ = ledoit_wolf(normal)
        floor = 1e-3 * np.eye(n_columns)
        return cls(quantiles, normal.mean(axis=0), np.linalg.inv(covariance + floor), plain.limits)

    def check(self, values: Array, names: Sequence[str]) -> tuple[NDArray[np.int8], list[str]]:
        """How far objects are from the training set.

        Parameters
        ----------
        values : ndarray (n, k), float64
            NaN where unknown.
        names : sequence of str
            Of the columns, for the reasons.

        Returns
        -------
        levels : ndarray (n,), int8
            Places in :data:`ORDER`.
        reasons : list of str
            Why an object is unusual or outside; empty if it is inside.
        """
        distance, excess, worst = self.measure(values)
        over = np.stack([distance, excess])[:, :, None] > self.limits[:, None, :]
        levels = over.any(axis=0).sum(axis=1).astype(np.int8)
        reasons = [""] * len(values)
        for row in np.flatnonzero(levels).tolist():
            reasons[row] = self._reason(values[row], int(worst[row]), names)
        return levels, reasons

    def measure(self, values: Array) -> tuple[Array, Array, NDArray[np.int64]]:
        """Distance and excess of each object, and its column that is farthest from the training's, (n,) each."""
        columns = np.clip(values.T, -LARGEST, LARGEST, order="C")
        low, high = self.quantiles[0][:, None], self.quantiles[-1][:, None]
        column, row = np.nonzero((columns > high) | (columns < low))
        far = columns[column, row]
        past = np.maximum(far - high[column, 0], low[column, 0] - far)
        offset = np.nan_to_num(self._normal(columns, column, row, past) - self.mean[:, None]).T
        distance = ((offset @ self.precision) * offset).sum(axis=1) / max(values.shape[1], 1)
        beyond = past / np.maximum(high - low, 1e-9 * np.maximum(np.abs(high), 1))[column, 0]
        excess = np.zeros(len(values))
        np.maximum.at(excess, row, beyond)
        farthest = np.abs(offset).argmax(axis=1)
        first = np.lexsort((column, -beyond, row))  # of each row the largest, of equal ones the first column
        first = first[np.flatnonzero(np.diff(row[first], prepend=-1))]
        farthest[row[first]] = column[first]
        return distance, excess, farthest

    def _normal(
        self, columns: Array, column: NDArray[np.int64], row: NDArray[np.int64], past: Array
    ) -> Array:
        """Standard-normal equivalent of each value, (k, n); beyond the range it grows with the logarithm.

        Parameters
        ----------
        columns : ndarray (k, n), float64
        column, row : ndarray (m,), int64
            Places of the values that lie beyond the range of their column.
        past : ndarray (m,), float64
            How far.
        """
        out = np.empty(columns.shape)
        for known, values, (points, levels) in zip(out, columns, self._curves):
            known[:] = np.interp(values, points, levels)
        sign = np.where(columns[column, row] > self.quantiles[-1][column], 2, -2)
        out[column, row] += sign * np.arcsinh(past / self._core[column])
        return out

    @cached_property
    def _core(self) -> Array:
        """Width of the inner 80 % of each column, above 0."""
        low, high = (self.quantiles[int(np.argmin(np.abs(LEVELS - level)))] for level in (0.1, 0.9))
        return np.asarray(np.maximum(high - low, 1e-9 * np.maximum(np.abs(high), 1)))

    @cached_property
    def _curves(self) -> list[tuple[Array, Array]]:
        """Of each column its distinct values, in order, and the mean normal equivalent of their ranks."""
        from scipy.special import ndtri

        levels = ndtri(np.clip(LEVELS, DEEPEST, 1 - DEEPEST))
        curves = []
        for column in self.quantiles.T:
            points, place = np.unique(column, return_inverse=True)
            curves.append((points, np.bincount(place, levels) / np.bincount(place)))
        return curves

    def _reason(self, values: Array, column: int, names: Sequence[str]) -> str:
        """The column that is farthest, or that all together are unlike the training's."""
        low, high = self.quantiles[0, column], self.quantiles[-1, column]
        value = values[column]
        if low <= value <= high:
            return f"its values together are unlike the training's, most of all {names[column]} {value:.4g}"
        return f"{names[column]} {value:.4g}; the training has {low:.4g} to {high:.4g}"

    def tensors(self) -> dict[str, Tensor]:
        """All arrays, for a bundle."""
        return {part: torch.from_numpy(np.ascontiguousarray(getattr(self, part))) for part in PARTS}

    @classmethod
    def restore(cls, tensors: Mapping[str, Tensor], prefix: str) -> TrainingRange:
        """From :meth:`tensors` under names that begin with ``prefix``.

        Raises
        ------
        KeyError, ValueError
            If one is missing or not sound.
        """
        found = cls(*(array_in(tensors, f"{prefix}{part}", torch.float64) for part in PARTS))
        k = found.mean.shape[0] if found.mean.ndim == 1 else -1
        shapes = [(len(LEVELS), k), (k,), (k, k), (2, 2)]
        if [getattr(found, part).shape for part in PARTS] != shapes or (
            np.diff(found.quantiles, axis=0) < 0
        ).any():
            raise ValueError("a sound range of its training objects")
        return found


def _folds(groups: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Number of the fold of each object; a group is in one fold."""
    names, place = np.unique(groups, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(names))
    return np.asarray(order[place] % FOLDS)
