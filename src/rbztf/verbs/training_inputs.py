"""Find and open what training and cross-validation read."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rbztf.config import Config
from rbztf.errors import InputError, Problem
from rbztf.features.columns import check_columns, check_identity, name_warnings
from rbztf.features.files import read_features
from rbztf.features.snad_set import known_definition
from rbztf.features.table import FeatureTable
from rbztf.models.objects.frame_kinds import SimulatedVectors
from rbztf.models.objects.object_set import Modality
from rbztf.models.objects.read import FrameSelection, fit_to_data
from rbztf.models.vae.bundle import EncoderBundle
from rbztf.progress import Progress
from rbztf.stores.embeddings import Embeddings
from rbztf.stores.labels import LabelTable
from rbztf.verbs.paths import locate, locate_optional
from rbztf.wording import counted
from rbztf.ztf import LabelRule, Oid


@dataclass(frozen=True)
class Inputs:
    """What models are trained on.

    Attributes
    ----------
    embeddings, features, ordinary : Path or None
    configs : tuple of Config
        Members of ensembles that read what is not there left out.
    warnings : tuple of str
        What was left out.
    """

    embeddings: Path | None
    features: Path | None
    ordinary: Path | None
    configs: tuple[Config, ...]
    warnings: tuple[str, ...]


def locate_inputs(
    configs: Sequence[Config],
    embeddings: Path | str | None,
    features: Path | str | None,
    ordinary: Path | str | None,
    data: Path | str | None,
    scratch: Path,
    progress: Progress,
) -> Inputs:
    """Find what ``configs`` read; the first one's ``data`` section fills in paths left out.

    Raises
    ------
    UsageError
        If a network lacks its embeddings, or no member of an ensemble has what it reads.
    """
    first = configs[0]
    vectors = locate_optional("embeddings", embeddings, first)
    networks = [config for config in configs if config.ensemble is None]
    if networks:
        vectors = locate_vectors(embeddings, data, networks[0], scratch, progress)
    table = locate_optional("features", features, first)
    places = {Modality.IMAGE: vectors, Modality.LIGHTCURVE: table}
    have = {modality for modality, path in places.items() if path}
    fitted, warnings = [], dict[str, None]()
    for config in configs:
        fitting, warned = fit_to_data(config, have)
        fitted.append(fitting)
        warnings |= dict.fromkeys(warned)
    reads = {
        name
        for config in configs
        if config.ensemble
        for m in config.ensemble.members.values()
        for name in m.inputs
    }
    if "lightcurve" not in reads:
        return Inputs(vectors, None, None, tuple(fitted), tuple(warnings))
    nobody_picked = locate_optional("ordinary", ordinary, first)
    return Inputs(vectors, table, nobody_picked, tuple(fitted), tuple(warnings))


def read_checked(path: Path | None, labels: LabelTable) -> tuple[FeatureTable | None, list[str]]:
    """The table of features at ``path`` (None without one) and warnings of its columns.

    Raises
    ------
    InputError
        If it cannot be read, or a column tells the label by itself, or which object or row it is.
    """
    if path is None:
        return None, []
    table = read_features(path)
    check_identity(table, path)
    oids = list(labels)
    check_columns(table.rows(oids), labels.labels(oids), path)
    return table, name_warnings(table.names, path)


def read_ordinary(
    path: Path | None, features: FeatureTable | None, labels: LabelTable
) -> tuple[FeatureTable | None, list[str]]:
    """Ordinary objects with the columns of ``features`` (None without ``path``), labelled ones left out.

    Returns
    -------
    FeatureTable or None
    list of str
        A warning, if they were not, or may not have been, made as ``features`` were.

    Raises
    ------
    InputError
        If the table cannot be read, or has none of the columns.
    """
    if path is None or features is None:
        return None, []
    table = read_features(path)
    made = known_definition(table.names, table.definition)
    alike = made.same_as(known_definition(features.names, features.definition))
    table = table.columns(features.names)
    table = table.take(table.known() & ~np.isin(table.oids, np.array(list(labels), np.int64)))
    if not len(table):
        raise InputError(
            f"{path} has no object without a label that has any of the features of the labelled ones.",
            "Give features made as those: rbztf features.",
        )
    warning = (
        f"The features of {path} and those of the labelled objects may not be made alike; "
        "a model then learns to tell the two tables apart."
    )
    return table, [] if alike else [warning]


def fit_to_vectors(
    config: Config, vectors: Embeddings | None, encoder: EncoderBundle | None
) -> tuple[Config, list[str]]:
    """What an ensemble reads of frames, as far as the embeddings have it; and warnings of what they lack."""
    section = config.ensemble
    if section is None or vectors is None or not section.reads_frames:
        return config, []
    lacking: dict[str, Any] = {}
    warnings = []
    if section.log_variances and not vectors.has_log_variances:
        lacking["log_variances"] = False
        warnings.append("The vectors have no log variances: trained without them, which costs accuracy.")
    if section.simulated_frames and encoder is None:
        lacking["simulated_frames"] = 0
        warnings.append(
            "The embeddings do not hold their encoder: trained without simulated frames, which costs accuracy."
        )
    if not lacking:
        return config, []
    return config.model_copy(update={"ensemble": section.model_copy(update=lacking)}), warnings


def simulate_frames(
    configs: Sequence[Config], encoder: EncoderBundle | None, device: torch.device, progress: Progress
) -> list[SimulatedVectors | None]:
    """Vectors of simulated frames for each configuration whose ensemble asks for them (``ensemble.simulated_frames``).

    As many frames of the same seed are made once.
    """
    from rbztf.models.vae.known_frames import known_frames

    made: dict[tuple[int, int], SimulatedVectors] = {}
    found: list[SimulatedVectors | None] = []
    for config in configs:
        section = config.ensemble
        if encoder is None or section is None or not section.simulated_frames or not section.reads_frames:
            found.append(None)
            continue
        wanted = section.simulated_frames, config.seed
        if wanted not in made:
            known = known_frames(
                section.simulated_frames, encoder.config.frames, config.seed, progress=progress
            )
            made[wanted] = SimulatedVectors(encoder.embed_inputs(known.inputs, device), known.kinds)
        columns = FrameSelection.of(config, encoder.latent).columns(made[wanted].vectors)
        found.append(replace(made[wanted], vectors=columns))
    return found


def rule_warnings(labels: LabelTable, rule: LabelRule) -> list[str]:
    """That a rule which goes by tags cannot leave anything out, where there are none."""
    if rule is LabelRule.RB_ZTF or any(entry.tags for entry in labels.values()):
        return []
    return [f"The labels have no tags, so the rule {rule} leaves nothing out."]


def left_out(
    labels: LabelTable,
    counts: Collection[Oid],
    problems: Sequence[Problem],
    split: Collection[Oid] | None = None,
    ambiguous: int = 0,
) -> dict[str, int]:
    """How many labelled objects are not used, by reason.

    Parameters
    ----------
    counts, problems
        Of :func:`~rbztf.models.objects.read.usable_objects`.
    split : collection of Oid, optional
        Objects of the folds.
    ambiguous : int
        Objects beside ``labels`` that do not count by ``data.label_rule``.
    """
    found = {
        "ambiguous by data.label_rule": ambiguous,
        "without vectors or features": len(labels) - len(counts) - len(problems),
        "with too few usable frames or damaged vectors": len(problems),
        "not in the split": len(set(counts) - set(split)) if split is not None else 0,
    }
    return {reason: n for reason, n in found.items() if n}


def left_out_warnings(labels: LabelTable, found: Mapping[str, int]) -> list[str]:
    """Sentences on what :func:`left_out` found, and on objects of the label file that have no label."""
    told = []
    if labels.undecided:
        told.append(f"Left out: {counted(len(labels.undecided), 'object')} called unsure in the label file.")
    if found:
        reasons = ", ".join(f"{n} {reason}" for reason, n in found.items())
        told.append(f"{sum(found.values())} of {len(labels)} labelled objects are left out: {reasons}.")
    return told


def locate_vectors(
    embeddings: Path | str | None,
    data: Path | str | None,
    config: Config,
    scratch: Path,
    progress: Progress,
) -> Path:
    """The embeddings to train on; frames are embedded into ``scratch`` where those are asked for.

    With ``classifier.inputs`` of frames the encoder is part of the model but frozen, so each
    frame is encoded once, before the first epoch, which is the same function as encoding it
    anew in each.
    """
    if not config.classifier.inputs.startswith("frames"):
        return locate("embeddings", embeddings, config)
    if not (scratch / "store.yaml").is_file():
        from rbztf.verbs.embed import embed

        embed(None, data, scratch, config=config, progress=progress)
    return scratch
