"""Scores of many objects with all that is decided of them, as columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rbztf.models.decision.decisions import Decisions, Goal, apply_goal
from rbztf.models.decision.prior import shift
from rbztf.models.model import Model
from rbztf.models.objects.object_set import Modality, ObjectSet
from rbztf.models.objects.ranges import check_objects
from rbztf.models.objects.scores import ObjectScores
from rbztf.models.objects.training_range import ORDER, InputCheck

Array = NDArray[np.float64]
OUTSIDE = ORDER.index(InputCheck.OUTSIDE)
Faults = Mapping[Modality, Sequence[str]]
"""Why what is known of an object cannot be of a star in the sky, whatever its values; empty if it may be."""


@dataclass(frozen=True)
class Decided:
    """Scores and decisions of objects, in their order.

    Attributes
    ----------
    scores : ObjectScores
        At the prior asked for.
    rules : Decisions
        Thresholds and limits of each object.
    prior : float or None
        Share of artefacts that the scores are calibrated for.
    words : ndarray (n,), str
        ``real``, ``bogus`` or ``unsure``; empty where nothing is decided.
    p_out_of_fold : ndarray (n,), float64
        Of training objects, the probability by members that were not trained on them; NaN of others.
    in_training : ndarray (n,), bool, or None
        None for a model that does not keep its training objects.
    levels : ndarray (n,), int8
        Place of each object in :data:`~rbztf.models.objects.training_range.ORDER`; -1 where the model keeps no range.
    reasons : list of str
        Why it is unusual or outside; empty if it is inside.
    """

    scores: ObjectScores
    rules: Decisions
    prior: float | None
    words: NDArray[np.str_]
    p_out_of_fold: Array
    in_training: NDArray[np.bool_] | None
    levels: NDArray[np.int8]
    reasons: list[str]


def decide_objects(
    model: Model,
    objects: ObjectSet,
    given: ObjectScores,
    goal: Goal | None,
    *,
    faults: Faults | None = None,
    force: bool = False,
) -> Decided:
    """Decide of scored objects.

    Parameters
    ----------
    given : ObjectScores
        As the model gave them.
    faults : dict of Modality to sequence of str, optional
        What is wrong with what is known of each object.
    force : bool
        Decide also of objects that are outside the training set.

    Raises
    ------
    UsageError
        For a goal that the model cannot serve.
    """
    scores, rules = apply_goal(model, given, goal)
    prior = model.prior if goal is None or goal.prior is None else goal.prior
    words = rules.words.astype(object)
    p_out_of_fold = np.full(len(objects), np.nan)
    in_training = _in_training(model, objects)
    for i in np.flatnonzero(in_training).tolist() if in_training is not None else ():
        p = model.out_of_fold[int(objects.oids[i])].get(scores.inputs[i])
        if p is None:
            continue
        if model.prior is not None and prior is not None:
            p = float(shift(np.array([p]), model.prior, prior)[0])
        p_out_of_fold[i] = p
        words[i] = str(model.decision_rule(scores.inputs[i]).decide(np.array([p]), goal or Goal()).words[0])
    levels, reasons = check_objects(model.ranges, objects, scores.inputs)
    _add_faults(levels, reasons, scores, faults or {})
    if not force:
        words[levels == OUTSIDE] = ""
    return Decided(scores, rules, prior, words, p_out_of_fold, in_training, levels, reasons)


def _in_training(model: Model, objects: ObjectSet) -> NDArray[np.bool_] | None:
    if not model.out_of_fold:
        return None
    return np.isin(objects.oids, np.fromiter(model.out_of_fold, np.int64))


def _add_faults(levels: NDArray[np.int8], reasons: list[str], scores: ObjectScores, faults: Faults) -> None:
    """What is wrong with what a score rests on puts an object outside, unless it is there already."""
    for modality, found in faults.items():
        for i, fault in enumerate(found):
            if fault and modality in scores.inputs[i] and levels[i] < OUTSIDE:
                levels[i], reasons[i] = OUTSIDE, fault
