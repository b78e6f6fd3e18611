"""Rows of features as a network reads them: piecewise-linear in bins of equal shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rbztf.models.bundle import array_in
from rbztf.wording import counted

Floats = NDArray[np.float32]
BINS = 24


@dataclass(frozen=True)
class RowEncoding:
    """Piecewise-linear encoding of feature rows (Gorishniy et al. 2022, arXiv:2203.05556, section 3.1).

    Attributes
    ----------
    edges : ndarray (k, BINS + 1), float64
        Quantiles of each feature over the training objects, rising.
    median : ndarray (k,), float64
        Stands in for an unknown value.
    """

    edges: NDArray[np.float64]
    median: NDArray[np.float64]

    @classmethod
    def fit(cls, values: NDArray[np.float64]) -> RowEncoding:
        """Edges at equal shares of the training values, (n, k) with NaN where unknown."""
        known = np.where(np.isfinite(values), values, np.nan)
        known[:, ~np.isfinite(known).any(axis=0)] = 0.0
        edges = np.nanquantile(known, np.linspace(0, 1, BINS + 1), axis=0).T
        return cls(np.ascontiguousarray(edges), np.nanmedian(known, axis=0))

    @classmethod
    def restore(cls, tensors: Mapping[str, Tensor], columns: int) -> RowEncoding:
        """From the tensors of a member that reads so many columns.

        Raises
        ------
        KeyError, ValueError
            If they are missing or not sound.
        """
        edges, median = (array_in(tensors, f"encoding.{part}", torch.float64) for part in ("edges", "median"))
        if len(median) != columns:
            raise ValueError(f"it reads {counted(len(median), 'column')}; {columns} are named")
        if edges.shape != (columns, BINS + 1) or median.ndim != 1 or (np.diff(edges, axis=1) < 0).any():
            raise ValueError("its edges of bins do not rise")
        return cls(edges, median)

    @property
    def width(self) -> int:
        """Columns of an encoded row."""
        return int(self.edges.shape[0] * (self.edges.shape[1] - 1))

    def __call__(self, values: NDArray[np.float64]) -> Floats:
        """Encode rows, (n, k) → (n, k * BINS) float32: how much of each bin a value has passed, less a half."""
        filled = np.where(np.isfinite(values), values, self.median)[:, :, None]
        low, high = self.edges[:, :-1], self.edges[:, 1:]
        width = high - low
        with np.errstate(over="ignore"):  # bins of the smallest numbers: infinitely far is passed
            passed = np.where(width > 0, (filled - low) / np.where(width > 0, width, 1), filled > low)
        return np.asarray(np.clip(passed, 0, 1).reshape(len(values), self.width) - 0.5, np.float32)
