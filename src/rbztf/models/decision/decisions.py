"""From the probability of an object to its decision, by a rule for objects that have what it has.

A score that rests on images alone is spread otherwise than one that rests on images and light
curve together, so each set of modalities has its own rule, made from the inner-fold scores of
training objects that have them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rbztf.errors import UsageError
from rbztf.models.decision import conformal
from rbztf.models.decision.prior import Population, at_prior
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
    prior : float or None
        Share of artefacts among the objects asked about, above 0 and below 1; that of the training
        objects if None.

    Raises
    ------
    UsageError
        If both kinds of goal are given.
    """

    max_false_alarm: float | None = None
    max_missed: float | None = None
    error_rate: float | None = None
    prior: float | None = None

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
    limit_real, limit_bogus : ndarray (n,), float64
        Probability up to which each object is called real, and from which bogus; NaN where no
        probability is. What lies between is ``unsure``.
    """

    thresholds: Array
    words: NDArray[np.str_]
    sets: NDArray[np.bool_]
    limit_real: Array
    limit_bogus: Array


class Rule(Protocol):
    """What decides of objects whose scores rest on the same modalities."""

    def decide(self, scores: Array, goal: Goal) -> Decisions:
        """Decide of each of ``scores``, (n,) float64, at the prior of ``goal``."""


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
                "Leave out --max-false-alarm, --max-missed, --error-rate and --prior, or train an ensemble.",
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
    prior : float
        Share of artefacts that the scores are calibrated for.
    ordinary : ndarray (m,), float64
        Scores of ordinary objects, which count at another prior alone.
    clear : ndarray (n,), bool, or None
        Objects that conformal limits rest on; None for all. Thresholds rest on all.
    """

    labels: NDArray[np.int64]
    scores: Array
    error_rate: float
    prior: float
    ordinary: Array = field(default_factory=lambda: np.empty(0))
    clear: NDArray[np.bool_] | None = None

    def decide(self, scores: Array, goal: Goal) -> Decisions:
        """By a threshold within the limits of ``goal``, or conformal if it has none.

        Raises
        ------
        UsageError, DataError
            For a goal that no threshold serves, or rates that are not shares.
        """
        rate = self.error_rate if goal.error_rate is None else goal.error_rate
        inner: tuple[NDArray[np.int64], Array, Array | None] = self.labels, self.scores, None
        if goal.prior is None:
            fitted = conformal.fit(*self._of_limits, rate)
        else:
            asked = self._population(self.labels, self.scores, goal.prior)
            inner = asked.labels, asked.scores, asked.weights
            fitted = conformal.fit_population(self._population(*self._of_limits, goal.prior), rate)
        if goal.is_threshold:
            cut = threshold_at(*inner, max_false_alarm=goal.max_false_alarm, max_missed=goal.max_missed)
            return _called(scores, cut)
        every = np.ones(len(scores))
        return Decisions(
            best_f1_threshold(*inner) * every,
            fitted.decide(scores),
            fitted.sets(scores),
            fitted.limit_real * every,
            fitted.limit_bogus * every,
        )

    @property
    def _of_limits(self) -> tuple[NDArray[np.int64], Array]:
        """Labels and scores of the objects that conformal limits rest on."""
        clear = slice(None) if self.clear is None else self.clear
        return self.labels[clear], self.scores[clear]

    def _population(self, labels: NDArray[np.int64], scores: Array, prior: float) -> Population:
        return Population.of(labels, scores, self.ordinary, self.prior, prior)


def _called(scores: Array, threshold: float) -> Decisions:
    called = scores >= threshold
    words = np.where(np.isnan(scores), "unsure", np.where(called, "bogus", "real"))
    every = np.full(len(scores), threshold)
    sets = np.stack([~called, called], axis=1)
    return Decisions(every, words, sets, np.nextafter(every, -np.inf), every)


class Decides(Protocol):
    """A model, as far as decisions go."""

    @property
    def prior(self) -> float | None:
        """Share of artefacts that its scores are calibrated for; None if it keeps none."""

    def decision_rule(self, inputs: Modalities) -> Rule:
        """What decides of objects whose score rests on ``inputs``."""


def apply_goal(
    model: Decides, scores: ObjectScores, goal: Goal | None = None
) -> tuple[ObjectScores, Decisions]:
    """Scores at the prior of ``goal``, and :func:`decide` on them.

    Parameters
    ----------
    scores : ObjectScores
        As the model gave them.

    Raises
    ------
    UsageError, DataError
        For a goal that the model or its training objects cannot serve.
    """
    if goal is not None:
        scores = at_prior(scores, model.prior, goal.prior)
    return scores, decide(model, scores, goal)


def decide(model: Decides, scores: ObjectScores, goal: Goal | None = None) -> Decisions:
    """Decide of each object by the model's rule for what its score rests on.

    Parameters
    ----------
    scores : ObjectScores
        At the prior of ``goal``, if it has one (see :func:`apply_goal`).

    Raises
    ------
    UsageError, DataError
        For a goal that the model or its training objects cannot serve.
    """
    n = len(scores.p_bogus)
    made = Decisions(np.empty(n), np.empty(n, "<U6"), np.empty((n, 2), bool), np.empty(n), np.empty(n))
    for inputs in dict.fromkeys(scores.inputs):
        index = np.array([i for i, found in enumerate(scores.inputs) if found == inputs])
        part = model.decision_rule(inputs).decide(scores.p_bogus[index], goal or Goal())
        for name, values in vars(made).items():
            values[index] = getattr(part, name)
    return made
