"""Training-set statistics of the embeddings, used to flag out-of-distribution frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rbztf.models.bundle import array_in

PREFIX = "statistics."
LEVELS = np.linspace(0, 1, 101)
TAIL = 0.995
"""A frame is outside if it is further from the training set's mean than this share of its frames."""
RIDGE = 1e-6
"""Added to the variances, so that constant columns have a finite distance."""
MOST_OUTSIDE = 0.03
"""Share of frames outside above which a store counts as different: six times the expected share."""
MOST_SHIFT = 0.25
"""Kolmogorov-Smirnov distance above which a column counts as shifted."""


@dataclass(frozen=True)
class Comparison:
    """Comparison of vectors with those of the training set.

    Attributes
    ----------
    n_frames : int
    outside : float
        Share of frames further from the mean than :data:`TAIL` of the training frames.
    shift : ndarray (columns,), float64
        Largest difference between the cumulative distributions, per column: the
        Kolmogorov-Smirnov distance, read at the percentiles of the training set.
    """

    n_frames: int
    outside: float
    shift: NDArray[np.float64]

    def warnings(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Warnings, one sentence each; ``names`` are those of the columns."""
        found = []
        if self.outside > MOST_OUTSIDE:
            found.append(
                f"{self.outside:.1%} of {self.n_frames} frames lie outside the training set of the encoder "
                f"({1 - TAIL:.1%} would be usual): their vectors are less reliable."
            )
        moved = np.flatnonzero(self.shift > MOST_SHIFT)
        if len(moved):
            worst = ", ".join(
                f"{names[k]} ({self.shift[k]:.2f})" for k in moved[np.argsort(-self.shift[moved])][:4]
            )
            found.append(
                f"{len(moved)} of {len(names)} columns have another distribution than in training: {worst}."
            )
        return tuple(found)


@dataclass(frozen=True)
class VectorStatistics:
    """Percentiles, mean and spread of the vectors of a training set.

    Attributes
    ----------
    percentiles : ndarray (101, columns), float32
    mean : ndarray (columns,), float32
    whitening : ndarray (columns, columns), float32
        Turns deviations from the mean into independent ones of variance 1.
    edge : float
        Distance, in those, that :data:`TAIL` of the training frames lie within.
    """

    percentiles: NDArray[np.float32]
    mean: NDArray[np.float32]
    whitening: NDArray[np.float32]
    edge: float

    @classmethod
    def of(cls, vectors: NDArray[np.float32]) -> Self:
        """Statistics of ``vectors`` (n, columns), n > 1."""
        exact = vectors.astype(np.float64)
        mean = exact.mean(axis=0)
        covariance = np.atleast_2d(np.cov(exact, rowvar=False)) + RIDGE * np.eye(vectors.shape[1])
        values, axes = np.linalg.eigh(covariance)
        whitening = (axes / np.sqrt(np.maximum(values, RIDGE))).astype(np.float32)
        percentiles = np.quantile(exact, LEVELS, axis=0).astype(np.float32)
        made = cls(percentiles, mean.astype(np.float32), whitening, 0.0)
        edge = float(np.quantile(made.distances(vectors), TAIL))
        return cls(percentiles, made.mean, whitening, edge)

    def distances(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Mahalanobis distance of each vector from the training set's mean, (n,)."""
        distances: NDArray[np.float32] = np.linalg.norm((vectors - self.mean) @ self.whitening, axis=1)
        return distances

    def compare(self, vectors: NDArray[np.float32]) -> Comparison:
        """Compare ``vectors`` (n, columns), n > 0, with the training set."""
        outside = float(np.mean(self.distances(vectors) > self.edge))
        shift = [_shift(column, known) for column, known in zip(vectors.T, self.percentiles.T)]
        return Comparison(len(vectors), outside, np.array(shift))

    def tensors(self) -> dict[str, Tensor]:
        """As kept in a bundle."""
        arrays = {"percentiles": self.percentiles, "mean": self.mean, "whitening": self.whitening}
        tensors = {f"{PREFIX}{name}": torch.from_numpy(array) for name, array in arrays.items()}
        return {**tensors, f"{PREFIX}edge": torch.tensor([self.edge], dtype=torch.float64)}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> Self | None:
        """The inverse of :meth:`tensors`; None if there are none among ``tensors``.

        Raises
        ------
        KeyError, ValueError
            Naming what is missing or not sound.
        """
        if not any(name.startswith(PREFIX) for name in tensors):
            return None
        percentiles, mean, whitening = (
            array_in(tensors, f"{PREFIX}{name}", torch.float32)
            for name in ("percentiles", "mean", "whitening")
        )
        edge = array_in(tensors, f"{PREFIX}edge", torch.float64)
        n = len(mean) if mean.ndim else 0
        shapes = {"percentiles": (len(LEVELS), n), "mean": (n,), "whitening": (n, n), "edge": (1,)}
        for name, shape in shapes.items():
            if tensors[f"{PREFIX}{name}"].shape != shape:
                raise ValueError(f"a {PREFIX}{name} of the shape {shape}")
        if not (edge >= 0).all():
            raise ValueError(f"a {PREFIX}edge that is a distance")
        return cls(percentiles, mean, whitening, float(edge[0]))


def _shift(column: NDArray[np.float32], percentiles: NDArray[np.float32]) -> float:
    """Largest difference of the cumulative distributions of ``column`` and of ``percentiles``.

    Read at each percentile from both sides, which differ where values repeat.
    """
    ordered, steps = np.sort(column), len(percentiles) - 1
    gaps = [
        np.searchsorted(ordered, percentiles, side="right") / len(column)
        - (np.searchsorted(percentiles, percentiles, side="right") - 1) / steps,
        np.searchsorted(ordered, percentiles, side="left") / len(column)
        - np.searchsorted(percentiles, percentiles, side="left") / steps,
    ]
    return float(np.abs(gaps).max())
