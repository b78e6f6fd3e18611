"""From scores to answers: intervals, decisions, kinds, blamed epochs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rbztf.errors import UsageError
from rbztf.features.latent_statistics import image_features
from rbztf.models.decision.decisions import Goal, decide
from rbztf.models.ensemble.attribution import Cleaned, Mask, find_cleaned, frame_contributions
from rbztf.models.ensemble.ensemble import Ensemble, Verdicts
from rbztf.models.objects.object_set import ObjectSet
from rbztf.models.rnn.bundle import ClassifierBundle
from rbztf.prediction.reader import ObjectInputs, ObjectReader, stack_features

if TYPE_CHECKING:
    from rbztf.prediction.result import Prediction


def predict_objects(
    source: ObjectReader, found: Sequence[ObjectInputs], model: str, goal: Goal | None, *, explain: bool
) -> Iterator[Prediction]:
    """Predictions of objects, in their order.

    Raises
    ------
    UsageError
        For a goal that the model cannot serve.
    """
    if isinstance(source.model, ClassifierBundle):
        return _judge_network(source, source.model, found, model, goal)
    return _judge_ensemble(source, source.model, found, model, goal or Goal(), explain)


def _judge_network(
    source: ObjectReader,
    bundle: ClassifierBundle,
    found: Sequence[ObjectInputs],
    model: str,
    goal: Goal | None,
) -> Iterator[Prediction]:
    from rbztf.prediction.result import Prediction

    if goal is not None:
        raise UsageError(
            f"{model} is one network without scores of its inner folds, so it can serve no goal.",
            "Leave out --max-false-alarm, --max-missed and --error-rate, or train an ensemble.",
        )
    scores = bundle.probabilities([entry.sequence for entry in found], source.device)
    for entry, p in zip(found, scores):
        decision = "bogus" if p >= bundle.threshold else "real"
        n = len(entry.sequence)
        yield Prediction(int(entry.oid), float(p), decision, bundle.threshold, n, entry.n_missing, model)


def _judge_ensemble(
    source: ObjectReader,
    bundle: Ensemble,
    found: Sequence[ObjectInputs],
    model: str,
    goal: Goal,
    explain: bool,
) -> Iterator[Prediction]:
    from rbztf.prediction.result import Prediction

    objects = _objects(bundle, found)
    verdicts = bundle.score(objects, source.device)
    decided = decide(bundle, verdicts, goal)
    shares = frame_contributions(bundle, objects) if explain else None
    for i, entry in enumerate(found):
        have, p = verdicts.inputs[i], float(verdicts.p_bogus[i])
        made = Prediction(
            int(entry.oid),
            p,
            str(decided.words[i]),
            float(decided.thresholds[i]),
            len(entry.sequence),
            entry.n_missing,
            model,
            float(verdicts.p_low[i]),
            float(verdicts.p_high[i]),
            "+".join(have),
            entry.verified if "lightcurve" in have else None,
            _kinds(verdicts, i),
        )
        if shares is not None:
            made = _explained(source, bundle, entry, made, shares[i], goal)
        yield made


def _objects(bundle: Ensemble, found: Sequence[ObjectInputs]) -> ObjectSet:
    """What the model reads of them; no frames where there are too few. One may come several times."""
    least = bundle.config.data.min_frames
    kept = [slice(None) if len(entry.sequence) >= least else slice(0) for entry in found]
    sequences = [entry.sequence[part] for entry, part in zip(found, kept)]
    photometry = [entry.photometry[part] for entry, part in zip(found, kept)]
    image = image_features([int(entry.oid) for entry in found], sequences, bundle.reader.latents)
    return ObjectSet(sequences, photometry, bundle.reader, image, stack_features(bundle, found))


def _kinds(verdicts: Verdicts, i: int) -> dict[str, float]:
    return {kind: float(p[i]) for kind, p in verdicts.kinds.items() if np.isfinite(p[i])}


def _explained(
    source: ObjectReader,
    bundle: Ensemble,
    entry: ObjectInputs,
    made: Prediction,
    shares: NDArray[np.float64],
    goal: Goal,
) -> Prediction:
    """``made`` with the frames to blame and what is left without them."""
    from rbztf.prediction.result import Blamed

    if not shares.any():  # no network reads its frames
        return made
    order = np.argsort(-shares, kind="stable")
    rescue: Cleaned | None = None
    if made.p_bogus >= made.threshold:
        rescue = find_cleaned(
            shares,
            lambda kept: _rescore(source, bundle, entry, kept, goal),
            bundle.config.data.min_frames,
        )
    dropped = rescue.dropped if rescue else np.zeros(len(shares), bool)
    blamed = tuple(Blamed(float(entry.hjd[k]), float(shares[k]), bool(dropped[k])) for k in order)
    if rescue is None:
        return replace(made, blamed=blamed)
    return replace(made, blamed=blamed, p_without=rescue.p_bogus, n_dropped=int(dropped.sum()))


def _rescore(
    source: ObjectReader, bundle: Ensemble, entry: ObjectInputs, kept: Sequence[Mask], goal: Goal
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scores and thresholds of an object reduced to the frames of each mask, their photometry with them.

    Where too few epochs are left for its light curve, both are those of objects with frames alone.
    """
    variants = [
        replace(
            entry,
            sequence=entry.sequence[mask],
            photometry=entry.photometry[mask],
            features=source.features_without(entry.oid, entry.hjd[~mask]),
        )
        for mask in kept
    ]
    verdicts = bundle.score(_objects(bundle, variants), source.device)
    return verdicts.p_bogus, decide(bundle, verdicts, goal).thresholds
