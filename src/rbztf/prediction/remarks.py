"""What all who use some scores should know, in sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from rbztf.models.model import Model
from rbztf.models.objects.training_range import InputCheck
from rbztf.prediction.result import Prediction

NO_RANGES = (
    "The model does not keep where its training objects lie (it is older, imported, or trained on few objects), "
    "so input_check is empty."
)


@dataclass
class Tally:
    """How many objects were scored, and of how many of them what is true.

    Attributes
    ----------
    first_outside : str
        The first object that is outside, and why; empty if none is.
    n_timeless : int
        Objects whose frames are named by their numbers, since they have no times.
    inputs : dict of str to int
        Objects by what scores rest on.
    """

    n: int = 0
    n_outside: int = 0
    n_undecided: int = 0
    first_outside: str = ""
    n_trained: int = 0
    n_timeless: int = 0
    n_unverified: int = 0
    n_go_on: int = 0
    inputs: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, predictions: Sequence[Prediction], n_go_on: int) -> Tally:
        """Of predictions, with the number of light curves that go on after those of the training."""
        outside = [entry for entry in predictions if entry.input_check == InputCheck.OUTSIDE]
        return cls(
            len(predictions),
            len(outside),
            sum(entry.decision is None for entry in outside),
            f"{outside[0].oid}: {outside[0].input_reason}" if outside else "",
            sum(bool(entry.in_training) for entry in predictions),
            sum(
                bool(entry.blamed) and bool(np.isnan([each.hjd for each in entry.blamed]).all())
                for entry in predictions
            ),
            sum(entry.features_verified is False for entry in predictions),
            n_go_on,
            dict(Counter(entry.inputs for entry in predictions)),
        )

    def add(self, other: Tally) -> None:
        """Count what ``other`` counted too."""
        inputs = dict(Counter(self.inputs) + Counter(other.inputs))
        first = self.first_outside or other.first_outside
        for name, value in vars(other).items():
            if isinstance(value, int):
                setattr(self, name, getattr(self, name) + value)
        self.inputs, self.first_outside = inputs, first


def remarks(model: Model, tally: Tally) -> Iterator[str]:
    """What to know of the scores, each one sentence."""
    n = tally.n
    if tally.n_outside:
        what = (
            "nothing is decided of them (--force decides all the same)"
            if tally.n_undecided
            else "decided by --force"
        )
        yield (
            f"{tally.n_outside} of {n} objects are outside what the model was trained on: {what}. "
            f"The first, {tally.first_outside}."
        )
    if n and not model.ranges:
        yield NO_RANGES
    if tally.n_trained:
        yield (
            f"{tally.n_trained} of {n} objects are training objects of the model, so p_bogus flatters; "
            "their decision rests on p_out_of_fold, by members that were not trained on them."
        )
    full = "+".join(model.modalities)
    for inputs in sorted(set(tally.inputs) - {full}):
        auc = {"+".join(have): area for have, area in model.inner_auc.items()}
        yield (
            f"{tally.inputs[inputs]} of {n} objects scored from {inputs} alone: AUC {auc[inputs]:.3f} on the "
            f"training's inner folds, {auc.get(full, float('nan')):.3f} with {full}."
        )
    if tally.n_timeless:
        yield (
            f"The frames of {tally.n_timeless} of {n} objects have no times (their embeddings do not hold them); "
            "epochs are named by the number of the frame."
        )
    if tally.n_unverified:
        yield (
            f"{tally.n_unverified} of {n} objects have light-curve features whose definitions could not be "
            "compared with the training's; their scores are sound only if both were made alike."
        )
    if model.definition.span_mjd and tally.n_go_on:
        end = model.definition.span_mjd[1]
        yield (
            f"{tally.n_go_on} of {n} objects have light curves that go on after MJD {end:.0f}, where "
            f"those of the training end (another data release). --until {end:.0f} scores what both cover."
        )
