"""Where to cut a probability into a decision."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rbztf.errors import DataError, UsageError
from rbztf.wording import counted

_ROUNDING = 1e-12


def best_f1_threshold(
    labels: NDArray[np.int64], scores: NDArray[np.float64], weights: NDArray[np.float64] | None = None
) -> float:
    """Score from which calling objects bogus gives the best F1 on the objects given.

    Parameters
    ----------
    labels : ndarray (n,), int64
        1 = artefact.
    scores : ndarray (n,), float64
    weights : ndarray (n,), float64, optional
        What each object counts for; all alike if left out.
    """
    weights = np.ones(len(labels)) if weights is None else weights
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    hits = np.cumsum(labels[order] * weights[order])
    f1 = 2 * hits / (np.cumsum(weights[order]) + np.sum(labels * weights))
    f1[np.append(ranked[:-1] == ranked[1:], False)] = -1  # a threshold cannot divide a tie
    return float(ranked[int(np.argmax(f1))])


def threshold_at(
    labels: NDArray[np.int64],
    scores: NDArray[np.float64],
    weights: NDArray[np.float64] | None = None,
    *,
    max_false_alarm: float | None = None,
    max_missed: float | None = None,
) -> float:
    """Score from which to call objects bogus so that a rate of errors stays within a limit.

    Within the limit the threshold keeps the other error as rare as it can be: with
    ``max_false_alarm`` it is the lowest that raises no more false alarms, with ``max_missed`` the
    highest that misses no more artefacts. With both it is the lowest within both.

    Parameters
    ----------
    labels : ndarray (n,), int64
        1 = artefact. The limits hold for these objects, so give ones that the model was not
        trained on; of 100 real objects, 1 % is one.
    scores : ndarray (n,), float64
    weights : ndarray (n,), float64, optional
        What each object counts for; all alike if left out.
    max_false_alarm : float, optional
        Largest share of real objects called bogus, at least 0 and below 1.
    max_missed : float, optional
        Largest share of artefacts called real, at least 0 and below 1.

    Returns
    -------
    float
        One of the scores, or, if no object may be called bogus, the next number above them all.

    Raises
    ------
    UsageError
        Without a limit, or for one out of range.
    DataError
        If there are no objects of the class that a limit is about, or no threshold keeps both.
    """
    for name, limit in (("max_false_alarm", max_false_alarm), ("max_missed", max_missed)):
        if limit is not None and not 0 <= limit < 1:
            raise UsageError(f"{name} is {limit}, not a share from 0 to below 1.", "Give 0.05, for example.")
    if max_false_alarm is None and max_missed is None:
        raise UsageError("No limit is given.", "Give max_false_alarm, max_missed or both.")
    weights = np.ones(len(labels)) if weights is None else weights
    candidates = np.append(np.unique(scores), np.nextafter(scores.max(initial=0.0), np.inf))
    allowed = np.ones(len(candidates), bool)
    if max_false_alarm is not None:
        real = _of(labels, 0, "real objects")
        false_alarms = 1 - _below(scores[real], weights[real], candidates)
        allowed &= false_alarms <= max_false_alarm + _ROUNDING
    if max_missed is not None:
        artefacts = _of(labels, 1, "artefacts")
        missed = _below(scores[artefacts], weights[artefacts], candidates)
        allowed &= missed <= max_missed + _ROUNDING
    if not allowed.any():
        raise DataError(
            f"No threshold keeps false alarms within {max_false_alarm} and missed artefacts within "
            f"{max_missed} on the {counted(len(labels), 'object')} it is chosen on.",
            "Loosen one of the two.",
        )
    return float(candidates[allowed][0 if max_false_alarm is not None else -1])


def _of(labels: NDArray[np.int64], label: int, what: str) -> NDArray[np.bool_]:
    chosen = np.asarray(labels == label)
    if not chosen.any():
        raise DataError(f"There are no {what} to choose a threshold on.", "Give objects of both classes.")
    return chosen


def _below(
    scores: NDArray[np.float64], weights: NDArray[np.float64], limits: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Share, by weight, of scores below each limit, (limits,) float64."""
    order = np.argsort(scores, kind="stable")
    passed = np.append(0.0, np.cumsum(weights[order]))
    return np.asarray(passed[np.searchsorted(scores[order], limits, side="left")] / passed[-1])
