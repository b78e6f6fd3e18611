"""Which objects to label next: those that a model doubts, and those unlike what is labelled or queued already."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
FURTHEST = 3.0
"""Spreads from the mean at which a column is cut off: a single wild value is not all that is new."""


def closeness(p_bogus: Floats, threshold: Floats) -> Floats:
    """How near p is to the threshold, (n,): 1 at the threshold, falling straight to 0 where p is 0 or 1."""
    room = np.where(p_bogus < threshold, threshold, 1 - threshold)
    away = np.abs(p_bogus - threshold)
    return np.asarray(1 - np.divide(away, room, out=np.zeros_like(away), where=room > 0))


def doubt(p_bogus: Floats, threshold: Floats, width: Floats) -> Floats:
    """How little a model is sure, (n,) from 0 to 1.

    ``c + (1 - c) * width``, where ``c`` is the :func:`closeness`: 1 at the threshold; away from it, the wider
    the interval the more.

    Parameters
    ----------
    p_bogus, threshold : ndarray (n,), float64
        From 0 to 1.
    width : ndarray (n,), float64
        Of the interval of p, from 0 to 1; NaN, where a model gives none, counts as 0.
    """
    near = closeness(p_bogus, threshold)
    return np.asarray(near + (1 - near) * np.nan_to_num(width, nan=0.0))


def standardise(points: Floats, among: NDArray[np.bool_]) -> Floats:
    """Columns in units of their spread, cut off at :data:`FURTHEST`; a value that is unknown counts as the mean.

    Parameters
    ----------
    points : ndarray (n, columns), float64
    among : ndarray (n,), bool
        Rows whose mean and spread are taken.

    Returns
    -------
    ndarray (n, columns), float64
        All NaN in rows where nothing is known.
    """
    known = np.isfinite(points)
    filled = np.where(known, points, 0.0)
    largest = np.abs(filled).max(axis=0, initial=0.0)
    filled = filled / np.where(largest > 0, largest, 1.0)  # the squares of huge values stay finite
    counted = known & among[:, None]
    n_counted = np.maximum(counted.sum(axis=0), 1)
    mean = np.where(counted, filled, 0.0).sum(axis=0) / n_counted
    spread = np.sqrt(np.where(counted, (filled - mean) ** 2, 0.0).sum(axis=0) / n_counted)
    scaled = (filled - mean) / np.where(spread > 1e-12, spread, np.inf)
    scaled = np.where(known, np.clip(scaled, -FURTHEST, FURTHEST), 0.0)
    scaled[~known.any(axis=1)] = np.nan
    return np.asarray(scaled)


def novelty(distance: Floats) -> Floats:
    """``d / (1 + d)``: 0 for one just like another, 1/2 a spread away from all, 1 where there is no other."""
    return np.asarray(1 - 1 / (1 + distance))


def order(
    doubts: Floats, number: int, points: Floats | None = None, labelled: Floats | None = None
) -> tuple[NDArray[np.int64], Floats]:
    """The objects to label, the most telling first.

    Without ``points``, by falling doubt. With them, one after another: each time the object whose mean of
    doubt and :func:`novelty` is the largest, where its distance is that to the nearest object that is
    labelled or was taken before (farthest first). Of equals the earlier one.

    Parameters
    ----------
    doubts : ndarray (n,), float64
    number : int
        How many to take at most.
    points : ndarray (n, columns), float64, optional
        As :func:`standardise` gives them; the novelty of a row of NaN counts as 0.
    labelled : ndarray (m, columns), float64, optional
        Points of objects that are labelled already.

    Returns
    -------
    places : ndarray (k,), int64
    novelties : ndarray (k,), float64
        When each was taken; NaN where it is not known.
    """
    if points is None:
        places = np.argsort(-doubts, kind="stable")[:number]
        return places, np.full(len(places), np.nan)
    nearest = np.where(np.isfinite(points).all(axis=1), np.inf, np.nan)
    for point in labelled if labelled is not None else ():
        nearest = _nearer(nearest, points, point)
    left = np.ones(len(doubts), bool)
    taken, novelties = [], []
    for _ in range(min(number, len(doubts))):
        new = novelty(nearest)
        worth = np.where(left, (doubts + np.nan_to_num(new, nan=0.0)) / 2, -1.0)
        place = int(np.argmax(worth))
        taken.append(place)
        novelties.append(new[place])
        left[place] = False
        nearest = _nearer(nearest, points, points[place])
    return np.array(taken, np.int64), np.array(novelties, np.float64)


def _nearer(nearest: Floats, points: Floats, other: Floats) -> Floats:
    """Distances to the nearest, ``other`` among them: the root of the mean square over columns, (n,)."""
    if not np.isfinite(other).all():
        return nearest
    return np.asarray(np.minimum(nearest, np.sqrt(((points - other) ** 2).mean(axis=1))))
