"""The labelled objects whose frames look most alike, by the means of their vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbztf.errors import RbztfError
from rbztf.stores.embeddings import Embeddings
from rbztf.stores.labels import LabelTable
from rbztf.ztf import Label, Oid

SHOWN = 6
MOST_TAGS = 4


class Neighbours:
    """Labelled objects with embeddings.

    Each object is described by the mean of its frames' vectors, every column in units of its spread among
    the labelled objects.

    Parameters
    ----------
    embeddings : Embeddings
    labels : LabelTable
    """

    def __init__(self, embeddings: Embeddings, labels: LabelTable) -> None:
        self.embeddings, self.labels = embeddings, labels
        found = {oid: self._describe(oid) for oid in labels if oid in embeddings}
        known = {oid: vector for oid, vector in found.items() if vector is not None}
        self._oids = list(known)
        points = np.array(list(known.values())) if known else np.empty((0, 1))
        self._centre = points.mean(axis=0) if known else np.zeros(1)
        spread = points.std(axis=0) if known else np.ones(1)
        self._spread = np.where(spread > 0, spread, 1.0)
        self._points = (points - self._centre) / self._spread

    def __len__(self) -> int:
        return len(self._oids)

    def of(self, oid: Oid, vectors: NDArray[np.float32] | None = None) -> list[dict[str, Any]]:
        """The nearest labelled objects: ``oid``, ``label``, ``tags``, ``distance``; the nearest first.

        Parameters
        ----------
        vectors : ndarray (n_frames, columns), float32, optional
            Of an object that the embeddings lack.
        """
        point = self._describe(oid) if vectors is None else describe(vectors)
        if point is None or not len(self) or len(point) != self._points.shape[1]:
            return []
        away = np.sqrt((((point - self._centre) / self._spread - self._points) ** 2).mean(axis=1))
        order = [place for place in np.argsort(away, kind="stable") if self._oids[place] != oid]
        return [self._said(self._oids[place], float(away[place])) for place in order[:SHOWN]]

    def _said(self, oid: Oid, distance: float) -> dict[str, Any]:
        known = self.labels[oid]
        return {
            "oid": str(int(oid)),
            "label": "bogus" if known.label == Label.ARTEFACT else "real",
            "tags": sorted(known.tags)[:MOST_TAGS],
            "distance": round(distance, 3),
            "viewer": oid.viewer_url,
        }

    def _describe(self, oid: Oid) -> NDArray[np.float64] | None:
        if oid not in self.embeddings:
            return None
        try:
            return describe(self.embeddings[oid])
        except RbztfError:  # damaged vectors: whoever trains on them is told
            return None


def describe(vectors: NDArray[np.float32]) -> NDArray[np.float64] | None:
    """Mean of an object's vectors, (columns,); None where none is finite."""
    usable = vectors[np.isfinite(vectors).all(axis=1)].astype(np.float64)
    return np.asarray(usable.mean(axis=0)) if len(usable) else None
