"""Objects for ensembles, read from an embedding store and a table of features."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from rbztf.config import Config
from rbztf.errors import Problem, RbztfError, UsageError
from rbztf.features.table import FeatureTable
from rbztf.models.objects.frame_reader import FrameReader
from rbztf.models.objects.object_set import FramePhotometry, Modality, ObjectSet, TrainingSet
from rbztf.stores.embeddings import Embeddings
from rbztf.stores.epochs import no_photometry
from rbztf.stores.labels import LabelTable
from rbztf.ztf import Oid

Vectors = NDArray[np.float32]


def read_frames(
    embeddings: Embeddings | None, oids: Sequence[int], latent: int, min_frames: int
) -> tuple[list[Vectors], list[FramePhotometry]]:
    """Finite latent means of each object and the photometry of these frames; no rows where there are too few.

    Returns
    -------
    list of ndarray (n_frames, latent), float32
    list of ndarray (n_frames, 3), float64
        Time (HJD, d), magnitude and its error; NaN where unknown.
    """
    sequences, photometry = [], []
    for oid in oids:
        sequence, known = np.empty((0, latent), np.float32), no_photometry(0)
        if embeddings is not None and oid in embeddings:
            with suppress(RbztfError):  # damaged: reported where objects are listed
                sequence, known = embeddings[oid], embeddings.photometry(oid)
        finite = np.isfinite(sequence).all(axis=1)
        finite &= finite.sum() >= min_frames
        sequences.append(sequence[finite])
        photometry.append(known[finite])
    return sequences, photometry


def read_objects(
    oids: Sequence[int],
    embeddings: Embeddings | None,
    features: FeatureTable | None,
    config: Config,
    reader: FrameReader | None = None,
) -> ObjectSet:
    """Objects with their frames and features.

    Parameters
    ----------
    reader : FrameReader, optional
        That of a trained model; without it, one fitted to these objects.
    """
    width = embeddings.latent if embeddings is not None else 0
    sequences, photometry = read_frames(embeddings, oids, width, config.data.min_frames)
    if reader is None:
        section = config.ensemble
        assert section is not None
        reader = FrameReader.fit(
            sequences, photometry, section.least_spread, with_photometry=section.photometry
        )
    return ObjectSet.of(oids, sequences, reader, features, photometry)


def scores_curves_alone(config: Config) -> bool:
    """Whether the model can score an object that has light-curve features and no frames."""
    members = config.ensemble.members.values() if config.ensemble else ()
    return any(set(member.inputs) == {"lightcurve"} for member in members)


def fit_to_data(config: Config, have: set[Modality]) -> tuple[Config, list[str]]:
    """Leave out members that read what is not at hand.

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


def read_training_set(
    embeddings: Embeddings, oids: Sequence[int], labels: NDArray[np.int64], uses_loss: bool
) -> TrainingSet:
    """The objects' network inputs, frames that are not finite left out."""
    sequences = []
    for oid in oids:
        inputs = network_inputs(embeddings, oid, embeddings.latent, uses_loss)
        sequences.append(inputs[np.isfinite(inputs).all(axis=1)])
    return TrainingSet(sequences, labels, np.asarray(oids, np.int64) // 10**12)


def usable_objects(
    embeddings: Embeddings | None, labels: LabelTable, least: int, features: FeatureTable | None = None
) -> tuple[dict[Oid, int], list[Problem]]:
    """Labelled objects with at least ``least`` frames of finite vectors, and the others.

    Parameters
    ----------
    features : FeatureTable, optional
        Its objects are usable without frames.

    Returns
    -------
    dict of Oid to int
        Frames of each usable object, in the order of the labels; 0 where there are too few.
    list of Problem
        Labelled objects that are left out for their vectors. Those without vectors are not listed.
    """
    counts: dict[Oid, int] = {}
    problems: list[Problem] = []
    known = set(features.oids[features.known()].tolist()) if features is not None else set()
    for oid in labels:
        n, what = 0, ""
        if embeddings is not None and oid in embeddings:
            n, what = _count_usable(embeddings, oid, least)
        if n or oid in known:
            counts[oid] = n
        elif what:
            problems.append(Problem(str(oid), what))
    return counts, problems


def _count_usable(embeddings: Embeddings, oid: Oid, least: int) -> tuple[int, str]:
    """Frames of finite vectors, 0 if there are too few, and then why."""
    try:
        n = int(np.isfinite(embeddings.vectors(oid)).all(axis=1).sum())
    except RbztfError as error:
        return 0, str(error)
    if n >= least:
        return n, ""
    return 0, f"{n} usable frames; {least} are needed (data.min_frames)."


def network_inputs(embeddings: Embeddings, oid: int, latent: int, uses_loss: bool) -> Vectors:
    """Latent means of an object and, if ``uses_loss``, the VAE loss of each frame behind them."""
    means = embeddings.vectors(oid)[:, :latent]
    if not uses_loss:
        return np.ascontiguousarray(means)
    return np.concatenate([means, embeddings.frame_losses(oid)[:, None]], axis=1)
