"""What every classifier of objects answers, one network and an ensemble alike."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from rbztf.config import Config
from rbztf.errors import InputError
from rbztf.features.table import Definition
from rbztf.models.decision.decisions import Decides
from rbztf.models.objects.frame_reader import FrameReader
from rbztf.models.objects.object_set import Modalities, Modality, ObjectSet
from rbztf.models.objects.ranges import Ranges
from rbztf.models.objects.read import FrameSelection
from rbztf.models.objects.scores import ObjectScores
from rbztf.models.vae.bundle import EncoderBundle
from rbztf.stores.embeddings import Embeddings, ForeignEmbeddings


class Model(Decides, Protocol):
    """A classifier that can score objects."""

    @property
    def config(self) -> Config:
        """That it was trained with."""

    @property
    def encoder(self) -> EncoderBundle | None:
        """The encoder whose vectors it reads; None if unknown."""

    @property
    def selection(self) -> FrameSelection:
        """What it reads of frames."""

    @property
    def reader(self) -> FrameReader | None:
        """How it reads them; None if as they are."""

    @property
    def modalities(self) -> Modalities:
        """What it can read of an object."""

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Light-curve features that it reads."""

    @property
    def definition(self) -> Definition:
        """Of those features."""

    @property
    def inner_auc(self) -> Mapping[Modalities, float]:
        """ROC-AUC on the training's inner folds, by what a score rests on; empty if not kept."""

    @property
    def out_of_fold(self) -> Mapping[int, Mapping[Modalities, float]]:
        """Of each training object, by OID, the probabilities by members not trained on it; empty if not kept."""

    @property
    def combinations(self) -> Mapping[Modalities, Any]:
        """How members become one probability, by what a score rests on; empty for a model without members."""

    @property
    def ranges(self) -> Ranges:
        """Where its training objects lie, by modality; empty if not kept."""

    @property
    def attributes_frames(self) -> bool:
        """Whether it can tell what each frame adds to the score."""

    def reading_only(self, modality: Modality) -> Model | None:
        """The part of it that reads nothing else; None if there is none."""

    def can_score(self, have: Collection[Modality]) -> bool:
        """Whether an object that has these modalities gets a score."""

    def score(self, objects: ObjectSet, device: torch.device | None = None) -> ObjectScores:
        """Score objects."""

    def frame_contributions(self, objects: ObjectSet) -> list[NDArray[np.float64]]:
        """What each frame adds to the log odds of bogus, (n_frames,) per object, if it can tell."""


def check_vectors(model: Model, embeddings: Embeddings, origin: Path | str) -> list[str]:
    """Whether ``embeddings`` are of the kind the model was trained on.

    Returns
    -------
    list of str
        Warnings, each one sentence.

    Raises
    ------
    InputError
        If their width or their encoder is another.
    """
    latent = model.selection.latent
    width, fitting = embeddings.latent, {latent}
    if isinstance(embeddings, ForeignEmbeddings):
        width, fitting = embeddings.width, {latent, 2 * latent}
    if len(embeddings) and width not in fitting:
        raise InputError(
            f"{origin} holds {width} columns per frame; the model takes {latent} latent means.",
            "Use the embeddings of the model's own encoder.",
        )
    expected, found = model.encoder.hash if model.encoder else "", embeddings.stamp.encoder
    if found and expected and found != expected:
        raise InputError(
            f"{origin} was made by the encoder {found}; the model was trained on vectors of {expected}.",
            "Embed the frames with the model's own encoder: rbztf embed --model MODEL.",
        )
    if not found:
        return [
            f"{origin} does not say which encoder made its vectors; the scores are sound only if it was the model's own."
        ]
    return []
