"""Objects as models read them: the latent means of their frames and their light-curve features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbztf.config import EnsembleSection
from rbztf.errors import DataError
from rbztf.features.latent_statistics import image_features
from rbztf.features.table import FeatureTable
from rbztf.models.objects.frame_reader import FrameReader
from rbztf.stores.labels import LabelTable
from rbztf.ztf import AUXILIARY_TAGS, UNCERTAIN_TAG, field_of, is_ambiguous

Vectors = NDArray[np.float32]
Index = NDArray[Any]


class Modality(StrEnum):
    """Where knowledge of an object comes from."""

    IMAGE = "image"
    LIGHTCURVE = "lightcurve"


Modalities = tuple[Modality, ...]


@dataclass(frozen=True)
class ObjectSet:
    """Objects and what a model can read of them.

    Attributes
    ----------
    sequences : list of ndarray (n_frames, columns), float32
        What is read of the frames of each object, in time order; no row where it has no frames.
    lightcurve : FeatureTable
        Light-curve features; NaN where an object has none.
    reader : FrameReader or None
        How networks of an ensemble read the frames; None for a model that takes them as they are.
    """

    sequences: list[Vectors]
    lightcurve: FeatureTable
    reader: FrameReader | None = None

    @classmethod
    def of(
        cls,
        oids: Sequence[int] | NDArray[np.int64],
        sequences: Sequence[Vectors],
        reader: FrameReader | None,
        features: FeatureTable | None,
    ) -> ObjectSet:
        """Objects with their frames and the rows that ``features`` has for them."""
        numbers = np.asarray(oids, np.int64)
        rows = features.rows(numbers) if features is not None else _no_features(numbers)
        return cls(list(sequences), rows, reader)

    def __len__(self) -> int:
        return len(self.sequences)

    @property
    def oids(self) -> NDArray[np.int64]:
        """(n,) int64."""
        return self.lightcurve.oids

    @property
    def frame_reader(self) -> FrameReader:
        """:attr:`reader`, of objects that have one."""
        assert self.reader is not None
        return self.reader

    @cached_property
    def frames(self) -> list[Vectors]:
        """The frames of each object as networks read them, (n_frames, reader.width) float32."""
        return [self.frame_reader.inputs(sequence) for sequence in self.sequences]

    @cached_property
    def image(self) -> FeatureTable:
        """Statistics of the latents that are read; NaN where an object has no frames."""
        reader = self.frame_reader
        return image_features(
            self.oids, [reader.read(sequence) for sequence in self.sequences], reader.latents
        )

    def prepare(self) -> None:
        """Make :attr:`frames` and :attr:`image` now, so that all sets taken from this one share them."""
        _ = self.frames, self.image

    def take(self, index: Index | Sequence[bool]) -> ObjectSet:
        """The objects at ``index`` (numbers, or a mask)."""
        index = np.asarray(index)
        places = np.arange(len(self))[index]
        taken = ObjectSet([self.sequences[i] for i in places], self.lightcurve.take(index), self.reader)
        if "frames" in self.__dict__:  # made already
            taken.__dict__["frames"] = [self.frames[i] for i in places]
        if "image" in self.__dict__:
            taken.__dict__["image"] = self.image.take(index)
        return taken

    def with_frames(self, chosen: Sequence[Index]) -> ObjectSet:
        """The same objects with some of their frames: numbers or a mask for each object."""
        return replace(self, sequences=[sequence[index] for sequence, index in zip(self.sequences, chosen)])

    def has(self, modality: Modality) -> NDArray[np.bool_]:
        """Whether each object has it, (n,) bool."""
        if modality is Modality.IMAGE:
            return np.array([len(sequence) > 0 for sequence in self.sequences], bool)
        return self.lightcurve.known()

    def has_all(self, modalities: Sequence[Modality]) -> NDArray[np.bool_]:
        """Whether each object has all of ``modalities``, (n,) bool."""
        out = np.ones(len(self), bool)
        for modality in modalities:
            out &= self.has(modality)
        return out

    def table(self, modalities: Sequence[Modality]) -> FeatureTable:
        """The feature columns of ``modalities`` side by side."""
        parts = [self.image if modality is Modality.IMAGE else self.lightcurve for modality in modalities]
        table = _no_features(self.oids)
        for part in parts:
            table = table.beside(part)
        return table


@dataclass(frozen=True)
class LabelledSet:
    """Objects to train on.

    Attributes
    ----------
    objects : ObjectSet
    labels : ndarray (n,), int64
        1 = artefact.
    groups : ndarray (n,), int64
        ZTF field of each object; an inner fold holds whole groups.
    tags : ndarray (n, k), float32
        1 where an object has the k-th auxiliary tag.
    weights : ndarray (n,), float64
        Of each object in training; evaluation counts all alike.
    tag_names : tuple of str
        Names of the k auxiliary tags.
    ordinary : ObjectSet
        Ordinary objects beside them: nobody picked or labelled them, and nearly all are real.
    clear : ndarray (n,), bool, or None
        Whether the label of each object is not open (:func:`rbztf.ztf.is_ambiguous`); None if all are clear.
    """

    objects: ObjectSet
    labels: NDArray[np.int64]
    groups: NDArray[np.int64]
    tags: NDArray[np.float32]
    weights: NDArray[np.float64]
    tag_names: tuple[str, ...]
    ordinary: ObjectSet = field(default_factory=lambda: ObjectSet([], _no_features(np.empty(0, np.int64))))
    clear: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: Index) -> LabelledSet:
        """The labelled objects at ``index`` (numbers, or a mask), and all ordinary ones."""
        return LabelledSet(
            self.objects.take(index),
            self.labels[index],
            self.groups[index],
            self.tags[index],
            self.weights[index],
            self.tag_names,
            self.ordinary,
            None if self.clear is None else self.clear[index],
        )

    def clear_at(self, index: NDArray[np.int64]) -> NDArray[np.bool_] | None:
        """Which of the objects at ``index`` have a clear label; None if nothing is said of that.

        Raises
        ------
        DataError
            If these are not of both classes, so that no limit of decisions can rest on them.
        """
        if self.clear is None:
            return None
        clear = self.clear[index]
        if len(np.unique(self.labels[index][clear])) < 2:
            raise DataError(
                f"Of {len(index)} training objects {clear.sum()} have a label that is not open, all of one class, "
                "so no limit of decisions can rest on them.",
                "Give more objects, or set ensemble.limits_from to all.",
            )
        return clear


def _no_features(oids: NDArray[np.int64]) -> FeatureTable:
    return FeatureTable(oids, (), np.empty((len(oids), 0)))


def tag_targets(labels: LabelTable, oids: Sequence[int]) -> NDArray[np.float32]:
    """Whether each object has one of each set of :data:`~rbztf.ztf.AUXILIARY_TAGS`, (n, k) float32."""
    rows = [[bool(labels[oid].tags & wanted) for wanted in AUXILIARY_TAGS.values()] for oid in oids]
    return np.array(rows, np.float32).reshape(len(rows), len(AUXILIARY_TAGS))


def label_objects(
    objects: ObjectSet, labels: LabelTable, ensemble: EnsembleSection | None = None
) -> LabelledSet:
    """``objects`` with what experts said of them.

    Parameters
    ----------
    ensemble : EnsembleSection, optional
        How they weigh in training; all alike without it.
    """
    oids = objects.oids.tolist()
    tags = tag_targets(labels, oids)
    ambiguous = np.array([is_ambiguous(labels[oid].tags) for oid in oids], bool)
    weights = np.ones(len(oids))
    if ensemble is not None:
        uncertain = np.array([UNCERTAIN_TAG in labels[oid].tags for oid in oids], bool)
        weights[uncertain] = ensemble.uncertain_weight
        weights[ambiguous] = np.minimum(weights[ambiguous], ensemble.ambiguous_weight)
        weights *= _of_tags(tags, ensemble.tag_weights)
    return LabelledSet(
        objects,
        labels.labels(oids),
        field_of(objects.oids),
        tags,
        weights,
        tuple(AUXILIARY_TAGS),
        clear=~ambiguous,
    )


def _of_tags(tags: NDArray[np.float32], weights: Mapping[str, float]) -> NDArray[np.float64]:
    """The largest weight of the tags that each object has, 1 where it has none of them, (n,) float64."""
    out = np.zeros(len(tags))
    for name, weight in weights.items():
        tagged = tags[:, list(AUXILIARY_TAGS).index(name)] > 0
        out[tagged] = np.maximum(out[tagged], weight)
    return np.where(out > 0, out, 1.0)
