"""Decisions on some of the objects: coverage of the conformal sets, errors among the surest objects.

Conformal decisions leave objects ``unsure``. A *risk-coverage curve* (El-Yaniv & Wiener 2010, Journal of
Machine Learning Research 11, 1605) needs no conformal sets: objects are decided in the order of their
confidence, and the error rate (risk) is followed as their share (coverage) grows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from rbztf.evaluation.bootstrap import interval, share
from rbztf.evaluation.scores import Array, Scored
from rbztf.evaluation.subgroups import count, share_json

COVERAGES = (1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5)
"""Shares of the objects, the surest first, of which the error rate is told."""
ROUNDING = 1e-12
"""What a share may fall short of a coverage and still reach it."""
CLASSES = {"all": None, "real": 0, "artefact": 1}


def covered(scored: Scored) -> NDArray[np.bool_]:
    """Whether each object's set holds its class, (n,) bool.

    With ``Scored.sets`` this is exact. With decisions alone an ``unsure`` object counts as
    covered, though its set may be empty: an upper limit.

    Raises
    ------
    ValueError
        If there are neither sets nor decisions.
    """
    if scored.sets is not None:
        return np.asarray(scored.sets[np.arange(len(scored)), scored.labels])
    if scored.decisions is None:
        raise ValueError("Scored has neither sets nor decisions.")
    own = np.where(scored.labels == 1, "bogus", "real")
    return np.asarray((scored.decisions == "unsure") | (scored.decisions == own))


def doubt(scored: Scored, weights: Array) -> dict[str, Any] | None:
    """Coverage, doubt and accuracy of the decisions; None where there are none.

    Parameters
    ----------
    scored : Scored
        Pooled, n objects.
    weights : ndarray (draws, n), float64

    Returns
    -------
    dict
        ``coverage`` (share of objects whose set holds their class), ``unsure`` (share without a
        decision) and ``accuracy_when_sure``, each for all objects, real ones and artefacts, with
        interval; ``exact``: whether coverage is of sets rather than of decisions.
    """
    if scored.sets is None and scored.decisions is None:
        return None
    groups = {
        name: np.ones(len(scored), bool) if label is None else scored.labels == label
        for name, label in CLASSES.items()
    }
    made: dict[str, Any] = {
        "exact": scored.sets is not None,
        "coverage": {name: share_json(covered(scored), mask, weights) for name, mask in groups.items()},
    }
    if scored.decisions is not None:
        unsure = scored.decisions == "unsure"
        right = scored.decisions == np.where(scored.labels == 1, "bogus", "real")
        made["unsure"] = {name: share_json(unsure, mask, weights) for name, mask in groups.items()}
        made["accuracy_when_sure"] = {
            name: share_json(right, mask & ~unsure, weights) for name, mask in groups.items()
        }
    return made


def confidence(scored: Scored) -> Array:
    """Distance of each score from its own threshold in log odds, (n,) float64, at least 0.

    Scores and thresholds within 1e-16 of 0 and 1, or beyond, count as if they were as far from them.
    """
    nearest = np.finfo(float).epsneg
    inside = [np.clip(values, nearest, 1 - nearest) for values in (scored.scores, scored.threshold)]
    return np.asarray(np.abs(logit(inside[0]) - logit(inside[1])))


@dataclass(frozen=True)
class Accepted:
    """Cumulative weights of objects and of wrong decisions, by falling confidence, one row a draw.

    Objects of equal confidence are decided together.

    Attributes
    ----------
    weight, wrong : ndarray (draws, distinct confidences), float64
        Of the objects with each distinct confidence or more, and of those among them that are decided wrongly.
    """

    weight: Array
    wrong: Array

    @classmethod
    def of(cls, scored: Scored, weights: Array) -> Accepted:
        """Rank n objects, pooled; ``weights`` is (draws, n) float64."""
        sure = confidence(scored)
        order = np.argsort(-sure, kind="stable")
        last_of_tie = np.flatnonzero(np.append(np.diff(sure[order]) != 0, True))
        ordered = weights[:, order]
        is_wrong = _wrong(scored)[order]
        return cls(
            np.cumsum(ordered, axis=1)[:, last_of_tie],
            np.cumsum(ordered * is_wrong, axis=1)[:, last_of_tie],
        )

    def error(self, coverages: Sequence[float] | Array) -> Array:
        """Share of wrong decisions among the fewest objects that make up each coverage.

        Parameters
        ----------
        coverages : sequence of float
            Between 0 and 1.

        Returns
        -------
        ndarray (draws, coverages), float64
        """
        wanted = np.asarray(coverages, float) * (1 - ROUNDING)
        places = np.array([np.searchsorted(row, wanted * row[-1]) for row in self.weight], np.int64)
        places = places.reshape(len(self.weight), len(wanted))
        return np.asarray(np.take_along_axis(self._risk(), places, axis=1))

    @property
    def area(self) -> Array:
        """Area under the curve, (draws,): mean over the objects of the error rate up to each of them.

        Geifman, Uziel & El-Yaniv (2019), ICLR. The smaller, the better.
        """
        steps = np.diff(self.weight, axis=1, prepend=0.0)
        return np.asarray((steps * np.nan_to_num(self._risk())).sum(axis=1) / self.weight[:, -1])

    def _risk(self) -> Array:
        """Error rate up to each confidence; NaN where none of the fields so far is drawn."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.wrong / self.weight)


def risk_coverage(scored: Scored, weights: Array) -> dict[str, Any]:
    """Error rate among the objects whose decisions are the surest.

    Parameters
    ----------
    scored : Scored
        Pooled, n objects.
    weights : ndarray (draws, n), float64

    Returns
    -------
    dict
        ``aurc``, the area under the risk-coverage curve, with interval; ``rows``, one for each of
        :data:`COVERAGES`: ``coverage``, ``n`` (objects) and ``error`` (share of wrong decisions at the
        objects' thresholds) with interval.
    """
    whole = Accepted.of(scored, np.ones((1, len(scored))))
    resampled = Accepted.of(scored, weights)
    errors, drawn = whole.error(COVERAGES)[0], resampled.error(COVERAGES)
    sure = confidence(scored)
    falling = -np.sort(-sure)
    rows = []
    for k, coverage in enumerate(COVERAGES):
        last = max(int(np.ceil(coverage * len(scored) * (1 - ROUNDING))), 1) - 1
        among = sure >= falling[last]
        value = float(errors[k])
        # Where no decision is wrong, no resampling of the fields has a wrong one either.
        ci95 = share(_wrong(scored), among, weights)[1] if value in (0.0, 1.0) else interval(drawn[:, k])
        rows.append(
            {
                "coverage": coverage,
                "n": count(scored, among),
                "error": {"value": value, "ci95": list(ci95)},
            }
        )
    return {"aurc": {"value": float(whole.area[0]), "ci95": list(interval(resampled.area))}, "rows": rows}


def _wrong(scored: Scored) -> NDArray[np.bool_]:
    return np.asarray(scored.called != (scored.labels == 1))
