"""How much of the AUC comes from the length of the sequences alone.

Real objects and artefacts do not have equally many frames, so a model may count rather than
look. Two answers: the AUC of the number of frames alone, and the model's AUC when every object
is cut to the same number of frames.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbztf.errors import DataError
from rbztf.evaluation.bootstrap import interval, pooled_metrics, spread
from rbztf.evaluation.metrics import roc_auc
from rbztf.evaluation.scores import Array, Scored, pool

Lengths = NDArray[np.int64]
Score = Callable[[list[NDArray[np.int64]]], Array]
"""Probabilities of bogus, (n,) float64, of n objects with no more than these frames each."""


def length_auc(
    labels: NDArray[np.int64], n_frames: NDArray[np.int64], weights: Array | None = None
) -> dict[str, Any]:
    """AUC of the number of frames alone.

    Parameters
    ----------
    labels, n_frames : ndarray (n,), int64
    weights : ndarray (draws, n), float64, optional
        For the interval (see :func:`rbztf.evaluation.bootstrap.field_weights`).

    Returns
    -------
    dict
        ``value``, ``ci95``, and ``bogus_is``: ``longer`` or ``shorter``, whichever direction gives
        an AUC of at least 0.5 here.
    """
    scored = Scored(np.zeros(len(labels), np.int64), labels, n_frames.astype(float), np.nan)
    value = float(roc_auc(scored, np.ones((1, len(labels))))[0])
    drawn = np.array([]) if weights is None else roc_auc(scored, weights)
    if value < 0.5:
        return {"value": 1 - value, "ci95": list(interval(1 - drawn)), "bogus_is": "shorter"}
    return {"value": value, "ci95": list(interval(drawn)), "bogus_is": "longer"}


def equal_length(lengths: Lengths, n: int, seed: int = 0) -> list[NDArray[np.int64]]:
    """Draw ``n`` frames of every object without replacement.

    What is drawn of an object depends on its place, its length and the seed alone.

    Parameters
    ----------
    lengths : ndarray (m,), int64
        Frames of each object, at least ``n``.

    Returns
    -------
    list of m ndarray (n,), int64
        Numbers of the frames, rising.

    Raises
    ------
    ValueError
        For ``n`` below 1, or an object with fewer frames.
    """
    shortest = int(min(lengths, default=n))
    if not 1 <= n <= shortest:
        raise ValueError(f"n must be between 1 and the shortest length: n = {n}, shortest {shortest}")
    places = enumerate(lengths.tolist())
    drawn = (
        np.random.default_rng((seed, place)).choice(length, n, replace=False) for place, length in places
    )
    return [np.sort(frames) for frames in drawn]


def score_cut(scored: Scored, lengths: Lengths, score: Score, n: int, seed: int = 0) -> tuple[Scored, Scored]:
    """The objects of a fold with ``n`` frames or more, scored in full and cut to ``n``.

    Parameters
    ----------
    scored : Scored
        The fold as scored in full, m objects.
    lengths : ndarray (m,), int64
        Frames of each, in the same order.
    score : callable
        The model that scored them, on the frames with given numbers of each object that is long enough.

    Returns
    -------
    full, cut : Scored
        The same objects; other scores.

    Raises
    ------
    ValueError
        If the numbers of objects and lengths differ.
    """
    if len(lengths) != len(scored):
        raise ValueError(f"scored and lengths must have the same length: {len(scored)} != {len(lengths)}")
    long = lengths >= n
    full = scored.only(long)
    scores = score(equal_length(lengths[long], n, seed)) if long.any() else np.array([])
    return full, replace(full, scores=np.asarray(scores, float))


def equal_length_audit(pairs: Sequence[tuple[Scored, Scored]], n: int, draws: int = 1000) -> dict[str, Any]:
    """Pooled AUC in full and at equal length, on the objects with ``n`` frames or more.

    Parameters
    ----------
    pairs : sequence of (full, cut)
        One a fold, from :func:`score_cut`.
    n : int
        Frames, for the record.
    draws : int
        Resamplings of the fields.

    Returns
    -------
    dict
        ``frames``, ``n_objects``, ``full``, ``equal_length`` and ``difference`` (equal length
        minus full), each of these three with ``value`` and the paired ``ci95``.

    Raises
    ------
    DataError
        If the objects with ``n`` frames or more are not of both classes.
    """
    full, cut = ([pair[side] for pair in pairs if len(pair[side])] for side in (0, 1))
    labels = pool(full).labels if full else np.array([])
    if len(np.unique(labels)) < 2:
        raise DataError(
            f"The objects with {n} frames or more are not of both classes, so they have no AUC.",
            "Cut to fewer frames.",
        )
    values = [pooled_metrics(side)["roc_auc"] for side in (full, cut)]
    before, after = (spread(side, draws).pooled["roc_auc"] for side in (full, cut))
    return {
        "frames": n,
        "n_objects": len(np.unique(pool(full).oids)),
        "full": {"value": values[0], "ci95": list(interval(before))},
        "equal_length": {"value": values[1], "ci95": list(interval(after))},
        "difference": {"value": values[1] - values[0], "ci95": list(interval(after - before))},
    }
