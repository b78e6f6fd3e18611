"""From objects to predictions: score, decision, kinds, and the epochs that contribute most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rbztf.errors import Problem
from rbztf.models.decision.decisions import Goal, apply_goal
from rbztf.models.ensemble.attribution import Mask, find_cleaned
from rbztf.models.objects.object_set import Modalities, Modality, ObjectSet
from rbztf.models.objects.scores import ObjectScores
from rbztf.models.objects.training_range import ORDER
from rbztf.prediction.decided import Decided, decide_objects
from rbztf.prediction.inputs import ObjectInputs
from rbztf.prediction.reader import ObjectReader
from rbztf.prediction.result import EpochContribution, Prediction

Array = NDArray[np.float64]
UNSOUND = (
    "the model gives it a score that is not a finite number, so nothing is decided of it. "
    "Check its frames and features: rbztf check."
)


def predict_objects(
    reader: ObjectReader,
    entries: Sequence[ObjectInputs],
    name: str,
    goal: Goal | None,
    problems: list[Problem],
    *,
    explain: bool,
    force: bool = False,
) -> list[Prediction]:
    """Predictions of objects, in their order; those whose score is not finite go to ``problems`` instead.

    Parameters
    ----------
    name : str
        Of the model.
    explain : bool
        Also tell what each frame contributes, and the score without the worst.
    force : bool
        Decide also of objects that are outside the training set.

    Raises
    ------
    UsageError
        For a goal that the model cannot serve.
    """
    entries, objects, given = _scored(reader, entries, problems)
    faults = {
        Modality.IMAGE: [entry.frames_fault for entry in entries],
        Modality.LIGHTCURVE: [entry.features.fault if entry.features else "" for entry in entries],
    }
    found = decide_objects(reader.model, objects, given, goal, faults=faults, force=force)
    predictions = [_prediction(entry, found, i, name) for i, entry in enumerate(entries)]
    if not explain:
        return predictions
    contributions = reader.model.frame_contributions(objects)
    return [_explained(reader, *part, goal) for part in zip(entries, predictions, contributions)]


def _scored(
    reader: ObjectReader, entries: Sequence[ObjectInputs], problems: list[Problem]
) -> tuple[Sequence[ObjectInputs], ObjectSet, ObjectScores]:
    """The objects that have a finite score, what the model reads of them, and the scores."""
    objects = reader.objects(entries)
    scores = reader.model.score(objects, reader.device)
    finite = np.isfinite(scores.p_bogus)
    if finite.all():
        return entries, objects, scores
    problems += [Problem(str(entry.oid), UNSOUND) for entry, sound in zip(entries, finite) if not sound]
    kept = np.flatnonzero(finite)
    return [entries[int(i)] for i in kept], objects.take(kept), scores.take(kept)


def _prediction(entry: ObjectInputs, found: Decided, i: int, name: str) -> Prediction:
    """The prediction of the ``i``-th object."""
    scores, rules = found.scores, found.rules
    return Prediction(
        oid=int(entry.oid),
        p_bogus=float(scores.p_bogus[i]),
        p_low=_known(scores.p_low[i]),
        p_high=_known(scores.p_high[i]),
        decision=found.words[i] or None,
        input_check=str(ORDER[found.levels[i]]) if found.levels[i] >= 0 else None,
        input_reason=found.reasons[i],
        threshold=float(rules.thresholds[i]),
        limit_real=_known(rules.limit_real[i]),
        limit_bogus=_known(rules.limit_bogus[i]),
        prior=found.prior,
        in_training=bool(found.in_training[i]) if found.in_training is not None else None,
        p_out_of_fold=_known(found.p_out_of_fold[i]),
        n_frames=len(entry.sequence),
        n_missing=entry.n_missing,
        inputs="+".join(scores.inputs[i]),
        features_verified=_verified(entry, scores.inputs[i]),
        kinds={kind: float(p[i]) for kind, p in scores.kinds.items() if np.isfinite(p[i])},
        model=name,
    )


def _verified(entry: ObjectInputs, inputs: Modalities) -> bool | None:
    """Whether the features that a score rests on are those of the training; None if it rests on none."""
    return entry.features.verified if entry.features and Modality.LIGHTCURVE in inputs else None


def _known(value: np.float64) -> float | None:
    return float(value) if np.isfinite(value) else None


def _explained(
    reader: ObjectReader, entry: ObjectInputs, made: Prediction, contributions: Array, goal: Goal | None
) -> Prediction:
    """``made`` with what each frame contributes and, if it is called bogus, its score without the worst."""
    if not contributions.any():  # no network reads its frames
        return made
    dropped = np.zeros(len(contributions), bool)
    if made.p_bogus >= made.threshold:
        cleaned = find_cleaned(
            contributions,
            lambda kept: _rescore(reader, entry, kept, goal),
            reader.model.selection.min_frames,
        )
        dropped = cleaned.dropped
        made = replace(made, p_without=cleaned.p_bogus, n_dropped=int(dropped.sum()))
    order = np.argsort(-contributions, kind="stable")
    epochs = (
        EpochContribution(
            frame=int(entry.times.frame[k]),
            mjd=float(entry.times.mjd[k]),
            hjd=float(entry.times.hjd[k]),
            filefracday=int(entry.times.filefracday[k]),
            share=float(contributions[k]),
            dropped=bool(dropped[k]),
        )
        for k in order
    )
    return replace(made, blamed=tuple(epochs))


def _rescore(
    reader: ObjectReader, entry: ObjectInputs, kept: Sequence[Mask], goal: Goal | None
) -> tuple[Array, Array]:
    """Scores and thresholds of an object reduced to the frames of each mask, its light curve to their epochs.

    Where too few epochs are left for its light curve, both are those of objects with frames alone.
    """
    variants = [
        replace(
            entry,
            sequence=entry.sequence[mask],
            times=entry.times[mask],
            features=reader.features(entry.oid, entry.times.hjd[~mask]),
        )
        for mask in kept
    ]
    given = reader.model.score(reader.objects(variants), reader.device)
    scores, decided = apply_goal(reader.model, given, goal)
    return scores.p_bogus, decided.thresholds
