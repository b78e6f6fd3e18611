"""Objects for ensembles, read from an embedding store and a table of features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rbztf.archive.embeddings import Embeddings
from rbztf.config import Config
from rbztf.errors import RbztfError, UsageError
from rbztf.features.image import varying_latents
from rbztf.features.table import FeatureTable
from rbztf.models.objects import Modality, ObjectSet

Vectors = NDArray[np.float32]


def read_sequences(
    embeddings: Embeddings | None, oids: Sequence[int], latent: int, min_frames: int
) -> list[Vectors]:
    """Finite latent means of each object, (n_frames, latent) float32; no rows where there are too few."""
    nothing = np.empty((0, latent), np.float32)
    sequences = []
    for oid in oids:
        sequence = nothing
        if embeddings is not None and oid in embeddings:
            try:
                sequence = embeddings[oid]
            except RbztfError:  # damaged: reported where objects are listed
                sequence = nothing
        finite = sequence[np.isfinite(sequence).all(axis=1)]
        sequences.append(finite if len(finite) >= min_frames else nothing)
    return sequences


def read_objects(
    oids: Sequence[int],
    embeddings: Embeddings | None,
    features: FeatureTable | None,
    config: Config,
    latents: Sequence[int] | None = None,
) -> ObjectSet:
    """Objects with their frames and features.

    Parameters
    ----------
    latents : sequence of int, optional
        Those of a trained model; without it, those that vary over these objects.
    """
    width = embeddings.latent if embeddings is not None else 0
    sequences = read_sequences(embeddings, oids, width, config.classifier.min_frames)
    if latents is None:
        assert config.ensemble is not None
        seen = [sequence for sequence in sequences if len(sequence)]
        latents = varying_latents(seen, config.ensemble.least_spread) if seen else ()
    return ObjectSet.of(oids, sequences, latents, features)


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
