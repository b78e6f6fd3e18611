"""From the probability of an object to its decision, by a rule for objects that have what it has.

A score that rests on images alone is spread otherwise than one that rests on images and light
curve together, so each set of modalities has its own rule, made from the inner-fold scores of
training objects that have them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rbztf.errors import UsageError
from rbztf.models.decision import conformal
from rbztf.models.decision.thresholds import best_f1_threshold, threshold_at
from rbztf.models.objects.object_set import Modalities
from rbztf.models.objects.scores import ObjectScores

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


class Rule(Protocol):
    """What decides of objects whose scores rest on the same modalities."""

    def decide(self, scores: Array, goal: Goal) -> Decisions:
        """Decide of each of ``scores``, (n,) float64."""


@dataclass(frozen=True)
class FixedThreshold:
    """The rule of a model that keeps nothing but a threshold."""

    threshold: float

    def decide(self, scores: Array, goal: Goal) -> Decisions:
        """Bogus from the threshold on.

        Raises
        ------
        UsageError
            For a goal, which takes scores of inner folds.
        """
        if goal != Goal():
            raise UsageError(
                "The model is one network without scores of its inner folds, so it can serve no goal.",
                "Leave out --max-false-alarm, --max-missed and --error-rate, or train an ensemble.",
            )
        return _called(scores, self.threshold)


@dataclass(frozen=True)
class InnerScores:
    """Training objects scored by members that were not trained on them: any rule can be made from these.

    Attributes
    ----------
    labels : ndarray (n,), int64
        1 = artefact.
    scores : ndarray (n,), float64
    error_rate : float
        Of conformal decisions, per class, unless the goal names another.
    """

    labels: NDArray[np.int64]
    scores: Array
    error_rate: float

    def decide(self, scores: Array, goal: Goal) -> Decisions:
        """By a threshold within the limits of ``goal``, or conformal if it has none.

        Raises
        ------
        UsageError, DataError
            For a goal that no threshold serves, or rates that are not shares.
        """
        inner = self.labels, self.scores
        if goal.is_threshold:
            cut = threshold_at(*inner, max_false_alarm=goal.max_false_alarm, max_missed=goal.max_missed)
            return _called(scores, cut)
        fitted = conformal.fit(*inner, self.error_rate if goal.error_rate is None else goal.error_rate)
        cut = best_f1_threshold(*inner)
        return Decisions(np.full(len(scores), cut), fitted.decide(scores), fitted.sets(scores))


def _called(scores: Array, threshold: float) -> Decisions:
    called = scores >= threshold
    words = np.where(called, "bogus", "real")
    return Decisions(np.full(len(scores), threshold), words, np.stack([~called, called], axis=1))


class Decides(Protocol):
    """A model, as far as decisions go."""

    def decision_rule(self, inputs: Modalities) -> Rule:
        """What decides of objects whose score rests on ``inputs``."""


def decide(model: Decides, scores: ObjectScores, goal: Goal | None = None) -> Decisions:
    """Decide of each object by the model's rule for what its score rests on.

    Raises
    ------
    UsageError, DataError
        For a goal that the model or its training objects cannot serve.
    """
    n = len(scores.p_bogus)
    made = Decisions(np.empty(n), np.empty(n, "<U6"), np.empty((n, 2), bool))
    for inputs in dict.fromkeys(scores.inputs):
        index = np.array([i for i, found in enumerate(scores.inputs) if found == inputs])
        part = model.decision_rule(inputs).decide(scores.p_bogus[index], goal or Goal())
        made.thresholds[index], made.words[index], made.sets[index] = part.thresholds, part.words, part.sets
    return made
