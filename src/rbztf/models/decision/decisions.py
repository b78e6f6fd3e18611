"""From the probability of an object to its decision, by a rule for objects that have what it has.

A score that rests on images alone is spread otherwise than one that rests on images and light
curve together, so each set of modalities has its own rule, made from the inner-fold scores of
training objects that have them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rbztf.errors import UsageError
from rbztf.models.decision import conformal
from rbztf.models.decision.thresholds import best_f1_threshold, threshold_at
from rbztf.models.ensemble.ensemble import Ensemble, Have, Verdicts

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Goal:
    """What decisions are for.

    Attributes
    ----------
    max_false_alarm, max_missed : float or None
        Largest share of real objects called bogus, or of artefacts called real, on the
        training's inner folds.
    error_rate : float or None
        Of conformal decisions, per class; the model's own if None. Decisions are conformal
        unless one of the others is given.

    Raises
    ------
    UsageError
        If both kinds of goal are given.
    """

    max_false_alarm: float | None = None
    max_missed: float | None = None
    error_rate: float | None = None

    def __post_init__(self) -> None:
        if self.is_threshold and self.error_rate is not None:
            raise UsageError(
                "A decision is either by a threshold (--max-false-alarm, --max-missed) or conformal (--error-rate).",
                "Leave one of them out.",
            )

    @property
    def is_threshold(self) -> bool:
        """Whether decisions are by a threshold alone."""
        return self.max_false_alarm is not None or self.max_missed is not None


@dataclass(frozen=True)
class Decisions:
    """What is decided of objects.

    Attributes
    ----------
    thresholds : ndarray (n,), float64
        Probability from which each object is called bogus.
    words : ndarray (n,), str
        ``real``, ``bogus`` or ``unsure``.
    sets : ndarray (n, 2), bool
        Whether *real*, and whether *bogus*, is in the conformal set of each; of a goal that is a
        threshold, the class that it is called.
    """

    thresholds: Array
    words: NDArray[np.str_]
    sets: NDArray[np.bool_]


def decide(model: Ensemble, verdicts: Verdicts, goal: Goal | None = None) -> Decisions:
    """Decide of each object by the rule for what its score rests on.

    An object of which nothing is known is judged by the rule for objects of which all is.

    Raises
    ------
    UsageError, DataError
        For a goal that no threshold serves, or rates that are no shares.
    """
    n = len(verdicts.p_bogus)
    made = Decisions(np.empty(n), np.empty(n, "<U6"), np.empty((n, 2), bool))
    for have in dict.fromkeys(verdicts.inputs):
        index = np.array([i for i, found in enumerate(verdicts.inputs) if found == have])
        part = _decide(model, have, verdicts.p_bogus[index], goal or Goal())
        made.thresholds[index], made.words[index], made.sets[index] = part.thresholds, part.words, part.sets
    return made


def _decide(model: Ensemble, have: Have, scores: Array, goal: Goal) -> Decisions:
    assert model.config.ensemble is not None
    known = model.combination(have or model.modalities)
    inner = known.labels, known.scores
    if goal.is_threshold:
        cut = threshold_at(*inner, max_false_alarm=goal.max_false_alarm, max_missed=goal.max_missed)
        called = scores >= cut
        words = np.where(called, "bogus", "real")
        return Decisions(np.full(len(scores), cut), words, np.stack([~called, called], axis=1))
    rate = model.config.ensemble.error_rate if goal.error_rate is None else goal.error_rate
    limits = conformal.fit(*inner, rate)
    cut = best_f1_threshold(*inner)
    return Decisions(np.full(len(scores), cut), limits.decide(scores), limits.sets(scores))
