"""The ranges of a model's training objects, one for each modality: made, compared with, kept in its bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from rbztf.models.objects.object_set import LabelledSet, Modalities, Modality, ObjectSet
from rbztf.models.objects.training_range import FOLDS, LEAST_OBJECTS, TrainingRange

Array = NDArray[np.float64]
Ranges = Mapping[Modality, TrainingRange]
"""Of a model, by what it reads; empty if it keeps none."""
PREFIX = "range."
MOST_FRAMES = 150
"""Of an object that are looked at, evenly chosen: more tell little of a mean and a spread."""
LEAST_SPREAD = 1e-4
"""Of a column over the frames of an object: none counts as this."""


def fit_ranges(data: LabelledSet, modalities: Modalities, seed: int) -> dict[Modality, TrainingRange]:
    """The ranges of the objects that a model is trained on, of each modality that enough of them have."""
    ranges = {}
    for modality in modalities:
        index = np.flatnonzero(data.objects.has(modality))
        beside = data.ordinary.take(data.ordinary.has(modality))
        values = columns(data.objects.take(index), modality)
        if len(index) >= LEAST_OBJECTS and len(np.unique(data.groups[index])) >= FOLDS:
            other = columns(beside, modality) if len(beside) else np.empty((0, values.shape[1]))
            ranges[modality] = TrainingRange.fit(values, data.groups[index], other, seed)
    return ranges


def columns(objects: ObjectSet, modality: Modality) -> Array:
    """What is compared with the training set, (n, k) float64.

    The light-curve features, or of the frames the mean and log10 of the standard deviation of each column.
    """
    if modality is Modality.LIGHTCURVE:
        return objects.lightcurve.values
    return np.array([_moments(sequence) for sequence in objects.sequences]).reshape(len(objects), -1)


def _moments(sequence: NDArray[np.float32]) -> Array:
    sequence = sequence[:: -(-len(sequence) // MOST_FRAMES)]
    weights = np.full(
        len(sequence), 1 / len(sequence), np.float32
    )  # products are twice as fast as numpy's sums
    mean = weights @ sequence
    variance = weights @ (sequence - mean) ** 2
    return np.concatenate([mean, np.log10(np.sqrt(variance) + LEAST_SPREAD)]).astype(np.float64)


def column_names(objects: ObjectSet, modality: Modality, width: int) -> tuple[str, ...]:
    """Names of :func:`columns`."""
    if modality is Modality.LIGHTCURVE:
        return objects.lightcurve.names
    return tuple(
        f"the frames' {what} of latent {k}"
        for what in ("mean", "log10 of the spread")
        for k in range(width // 2)
    )


def check_objects(
    ranges: Ranges, objects: ObjectSet, inputs: Sequence[Modalities]
) -> tuple[NDArray[np.int8], list[str]]:
    """How far each object is from the training set, the farther of the modalities that its score rests on.

    Parameters
    ----------
    inputs : sequence of tuple of Modality
        What each score rests on.

    Returns
    -------
    levels : ndarray (n,), int8
        Places in :data:`~rbztf.models.objects.training_range.ORDER`; -1 of an object for which the model keeps no range.
    reasons : list of str
        Why an object is unusual or outside; empty if it is inside.
    """
    levels, reasons = np.full(len(objects), -1, np.int8), [""] * len(objects)
    for modality, known in ranges.items():
        index = np.flatnonzero([modality in have for have in inputs])
        if not len(index):
            continue
        values = columns(objects if len(index) == len(objects) else objects.take(index), modality)
        names = column_names(objects, modality, values.shape[1])
        found, why = known.check(values, names)
        for row in np.flatnonzero((found > levels[index]) & (found > 0)).tolist():
            reasons[index[row]] = why[row]
        levels[index] = np.maximum(levels[index], found)
    return levels, reasons


def range_tensors(ranges: Ranges) -> dict[str, Tensor]:
    """All arrays of ``ranges``, for a bundle."""
    return {
        f"{PREFIX}{modality}.{part}": tensor
        for modality, known in ranges.items()
        for part, tensor in known.tensors().items()
    }


def take_ranges(tensors: dict[str, Tensor], widths: Mapping[Modality, int]) -> dict[Modality, TrainingRange]:
    """The ranges among the tensors of a bundle, which are taken out of them.

    Parameters
    ----------
    widths : dict of Modality to int
        Columns that the model's objects have.

    Raises
    ------
    KeyError, ValueError
        If one is not sound.
    """
    own = {name: tensors.pop(name) for name in list(tensors) if name.startswith(PREFIX)}
    ranges = {}
    for modality, width in widths.items():
        prefix = f"{PREFIX}{modality}."
        if any(name.startswith(prefix) for name in own):
            ranges[modality] = TrainingRange.restore(own, prefix)
            if len(ranges[modality].mean) != width:
                raise ValueError(f"a range of its {width} columns of {modality}")
    return ranges
