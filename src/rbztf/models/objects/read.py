"""What models read of objects: one rule for training, cross-validation and prediction.

A frame is usable if every column that the model reads of it is finite; what the model does not
read, such as log variances, does not count. An object has frames if at least ``data.min_frames``
of them are usable.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rbztf.config import Config
from rbztf.errors import DataError, Problem, RbztfError, UsageError
from rbztf.features.table import FeatureTable
from rbztf.models.objects.frame_kinds import SimulatedVectors
from rbztf.models.objects.frame_reader import FrameReader
from rbztf.models.objects.object_set import LabelledSet, Modality, ObjectSet, label_objects
from rbztf.stores.embeddings import Embeddings
from rbztf.stores.labels import LabelTable
from rbztf.ztf import Oid

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class FrameSelection:
    """Which columns of the frames' vectors a model reads, and how many frames it needs.

    Attributes
    ----------
    latent : int
        Latent means, the first columns.
    min_frames : int
        Usable frames below which an object counts as one without frames.
    with_loss : bool
        Whether the VAE loss of each frame follows the means.
    log_variances : bool
        Whether the log variances of the latents do.
    """

    latent: int
    min_frames: int
    with_loss: bool = False
    log_variances: bool = False

    @classmethod
    def of(cls, config: Config, latent: int) -> FrameSelection:
        """What the model that ``config`` describes reads of vectors with ``latent`` means."""
        with_loss = config.ensemble is None and config.classifier.reads_loss
        log_variances = config.ensemble is not None and config.ensemble.log_variances
        return cls(latent, config.data.min_frames, with_loss, log_variances)

    @classmethod
    def strictest(cls, selections: Sequence[FrameSelection]) -> FrameSelection:
        """What is usable for every one of several models with as many latents."""
        return cls(
            max(selection.latent for selection in selections),
            max(selection.min_frames for selection in selections),
            any(selection.with_loss for selection in selections),
            any(selection.log_variances for selection in selections),
        )

    @property
    def width(self) -> int:
        """Columns that are read."""
        return self._latents + self.with_loss

    @property
    def _latents(self) -> int:
        return self.latent * (1 + self.log_variances)

    def columns(self, vectors: Vectors) -> Vectors:
        """What the model reads of an encoder's vectors, (n_frames, width) float32."""
        means = vectors[:, : self._latents]
        return (
            np.concatenate([means, vectors[:, -1:]], axis=1)
            if self.with_loss
            else np.ascontiguousarray(means)
        )

    def read(self, embeddings: Embeddings, oid: int) -> Vectors:
        """What the model reads of all frames of an object, usable or not.

        Raises
        ------
        DataError
            If the vectors are damaged, or lack a loss or log variances that are to be read.
        """
        if self.with_loss:
            embeddings.frame_losses(oid)  # refused where the store has none
        if self.log_variances and not embeddings.has_log_variances:
            raise DataError(
                "Its vectors have no log variances, which the model reads.",
                "Embed its frames again: rbztf embed.",
            )
        return self.columns(embeddings.vectors(oid))

    def usable(self, inputs: Vectors) -> NDArray[np.bool_]:
        """Whether each frame is usable, (n_frames,) bool."""
        return np.asarray(np.isfinite(inputs).all(axis=1))

    def enough(self, sequence: Vectors) -> Vectors:
        """``sequence``, or none of it where it has too few frames."""
        return sequence if len(sequence) >= self.min_frames else sequence[:0]


def read_sequences(
    embeddings: Embeddings | None, oids: Sequence[int], selection: FrameSelection
) -> list[Vectors]:
    """The usable frames of each object, (n_frames, columns) float32; no rows where there are too few."""
    sequences = []
    for oid in oids:
        inputs = np.empty((0, selection.width), np.float32)
        if embeddings is not None and oid in embeddings:
            with suppress(RbztfError):  # damaged: usable_objects reports it
                inputs = selection.read(embeddings, oid)
        sequences.append(selection.enough(inputs[selection.usable(inputs)]))
    return sequences


def read_objects(
    oids: Sequence[int],
    embeddings: Embeddings | None,
    features: FeatureTable | None,
    config: Config,
    reader: FrameReader | None = None,
    simulated: SimulatedVectors | None = None,
) -> ObjectSet:
    """Objects with their frames and features, for the model that ``config`` describes.

    Parameters
    ----------
    reader : FrameReader, optional
        That of a trained ensemble; without it, an ensemble gets one fitted to these objects.
    simulated : SimulatedVectors, optional
        For that fit.
    """
    latent = embeddings.latent if embeddings is not None else 0
    sequences = read_sequences(embeddings, oids, FrameSelection.of(config, latent))
    if reader is None and config.ensemble is not None:
        reader = FrameReader.fit(sequences, config.ensemble.least_spread, simulated, config.seed)
    return ObjectSet.of(oids, sequences, reader, features)


def read_labelled(
    labels: LabelTable,
    embeddings: Embeddings | None,
    features: FeatureTable | None,
    config: Config,
    ordinary: FeatureTable | None = None,
    simulated: SimulatedVectors | None = None,
) -> LabelledSet:
    """All objects of ``labels``, to train the model that ``config`` describes.

    Parameters
    ----------
    ordinary : FeatureTable, optional
        Ordinary objects beside them.
    simulated : SimulatedVectors, optional
        See :mod:`rbztf.models.objects.frame_kinds`.
    """
    objects = read_objects(list(labels), embeddings, features, config, simulated=simulated)
    data = label_objects(objects, labels, config.ensemble)
    if ordinary is None:
        return data
    no_frames = [np.empty((0, objects.sequences[0].shape[1]), np.float32)] * len(ordinary)
    return replace(data, ordinary=ObjectSet.of(ordinary.oids, no_frames, objects.reader, ordinary))


def usable_objects(
    embeddings: Embeddings | None,
    labels: LabelTable,
    selection: FrameSelection,
    features: FeatureTable | None = None,
) -> tuple[dict[Oid, int], list[Problem]]:
    """Labelled objects that a model can be trained on or scored by, and the others.

    Parameters
    ----------
    features : FeatureTable, optional
        Its objects are usable without frames.

    Returns
    -------
    dict of Oid to int
        Usable frames of each usable object, in the order of the labels; 0 where there are too few.
    list of Problem
        Labelled objects that are left out for their vectors. Those without vectors are not listed.
    """
    counts: dict[Oid, int] = {}
    problems: list[Problem] = []
    known = set(features.oids[features.known()].tolist()) if features is not None else set()
    for oid in labels:
        n, what = 0, ""
        if embeddings is not None and oid in embeddings:
            n, what = _count_usable(embeddings, oid, selection)
        if n or oid in known:
            counts[oid] = n
        elif what:
            problems.append(Problem(str(oid), what))
    return counts, problems


def _count_usable(embeddings: Embeddings, oid: Oid, selection: FrameSelection) -> tuple[int, str]:
    """Usable frames, 0 if there are too few, and then why."""
    try:
        n = int(selection.usable(selection.read(embeddings, oid)).sum())
    except RbztfError as error:
        return 0, str(error)
    if n >= selection.min_frames:
        return n, ""
    return 0, f"{n} usable frames; {selection.min_frames} are needed (data.min_frames)."


def scores_curves_alone(config: Config) -> bool:
    """Whether the model can score an object that has light-curve features and no frames."""
    members = config.ensemble.members.values() if config.ensemble else ()
    return any(set(member.inputs) == {"lightcurve"} for member in members)


def fit_to_data(config: Config, have: set[Modality]) -> tuple[Config, list[str]]:
    """Leave out members that read what was not given.

    Returns
    -------
    Config
    list of str
        A warning, if members were left out.

    Raises
    ------
    UsageError
        If no member is left.
    """
    section = config.ensemble
    if section is None:
        return config, []
    kept = {name: member for name, member in section.members.items() if set(member.inputs) <= have}
    if len(kept) == len(section.members):
        return config, []
    lacking = sorted({name for member in section.members.values() for name in member.inputs} - have)
    what = {"image": "embeddings", "lightcurve": "light-curve features"}
    options = {"image": "--embeddings PATH", "lightcurve": "--features CSV"}
    missing = " and ".join(what[name] for name in lacking)
    advice = f"Give {' and '.join(options[name] for name in lacking)}."
    if not kept:
        raise UsageError(
            f"No {missing} given, which every member of {config.name or 'the model'} reads.", advice
        )
    left_out = ", ".join(name for name in section.members if name not in kept)
    warning = f"No {missing} given: trained without {left_out}, which costs accuracy. {advice}"
    return config.model_copy(update={"ensemble": section.model_copy(update={"members": kept})}), [warning]
