"""Train an ensemble: every member without each inner fold, then weights on what was left out."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rbztf.config import Config, EnsembleSection
from rbztf.errors import DataError
from rbztf.features.table import FeatureTable
from rbztf.formats.sums import write_sums
from rbztf.models import checkpoint
from rbztf.models.checkpoint import History, mean_history
from rbztf.models.decision.label_errors import find_label_errors
from rbztf.models.ensemble.bundle import read_finished, write_member
from rbztf.models.ensemble.ensemble import Ensemble, Fitted, KindScale
from rbztf.models.ensemble.member import Member, member_class, needed
from rbztf.models.ensemble.stacking import Combination, platt
from rbztf.models.inner_folds import check_classes, inner_folds
from rbztf.models.objects.object_set import LabelledSet, Modalities, Modality
from rbztf.progress import Progress, silent
from rbztf.ztf import ARTEFACT_KINDS

Array = NDArray[np.float64]
POSSIBLE: tuple[Modalities, ...] = (
    (Modality.IMAGE,),
    (Modality.LIGHTCURVE,),
    (Modality.IMAGE, Modality.LIGHTCURVE),
)
LEAST_POSITIVE = 10
"""Objects of a kind below which its probability is not calibrated, and so not given."""


@dataclass(frozen=True)
class TrainedMembers:
    """Members, and their logits of the training objects that each was trained without.

    Attributes
    ----------
    members : dict of str to tuple of Member
        One training without each inner fold.
    logits : dict of str to ndarray (n,), float64
        NaN where a member lacks a modality of an object.
    tags : dict of str to ndarray (n, k), float64
        Auxiliary logits of the members that have them.
    ordinary : dict of str to ndarray (m,), float64
        Logits of the ordinary objects, likewise.
    histories : dict of str to list of dict
        Learning curve of each member, the mean over its trainings; only of those that have one.
    """

    members: dict[str, Fitted]
    logits: dict[str, Array]
    tags: dict[str, Array]
    ordinary: dict[str, Array]
    histories: dict[str, History]


def fit_ensemble(
    data: LabelledSet,
    config: Config,
    *,
    device: torch.device,
    scratch: Path | None = None,
    progress: Progress = silent,
    stage: str = "train",
) -> Ensemble:
    """Train the ensemble that ``config`` describes: :func:`train_members`, then :func:`combine`."""
    trained = train_members(data, config, device=device, scratch=scratch, progress=progress, stage=stage)
    return combine(trained, data, config)


def train_members(
    data: LabelledSet,
    config: Config,
    *,
    device: torch.device,
    scratch: Path | None = None,
    progress: Progress = silent,
    stage: str = "train",
) -> TrainedMembers:
    """Train every member once without each of ``ensemble.folds`` inner folds of whole fields.

    Ordinary objects are divided among the folds as they come. With ``ensemble.doubt_weight`` below 1 all is
    trained twice: the second time objects weigh so whose label the scores of the first contradict.

    Parameters
    ----------
    scratch : path, optional
        Members are kept there as they are trained; the same call goes on from them.

    Raises
    ------
    DataError
        If there is one class only, or no inner folds can be made.
    UsageError
        If ``scratch`` belongs to another configuration or other data.
    """
    section = config.ensemble
    assert section is not None
    trained = _train(data, config, device, scratch, progress, stage)
    if section.doubt_weight == 1:
        return trained
    down = np.where(_doubted(section, trained, data), section.doubt_weight, 1.0)
    again = None if scratch is None else scratch.with_name(f"{scratch.name}-again")
    return _train(replace(data, weights=data.weights * down), config, device, again, progress, stage)


def _doubted(section: EnsembleSection, trained: TrainedMembers, data: LabelledSet) -> NDArray[np.bool_]:
    """Whether confident learning takes the label of each object for an error, by all that is known of it."""
    p_bogus, doubted = np.full(len(data), np.nan), np.zeros(len(data), bool)
    for have, found in _combine(
        section, trained.members, trained, data
    ).items():  # more modalities come later
        p_bogus[data.objects.has_all(have)] = found.scores
    known = np.isfinite(p_bogus)
    doubted[known] = find_label_errors(data.labels[known], p_bogus[known]).doubted
    return doubted


def _train(
    data: LabelledSet,
    config: Config,
    device: torch.device,
    scratch: Path | None,
    progress: Progress,
    stage: str,
) -> TrainedMembers:
    """As :func:`train_members`, with the weights that the objects have."""
    section = config.ensemble
    assert section is not None
    _check(data, section)
    advice = "Give more objects, fewer --folds, or fewer inner folds: --set ensemble.folds=2."
    folds = inner_folds(data.labels, data.groups, section.folds, config.seed, advice)
    if scratch is not None:
        checkpoint.claim(scratch, fingerprint(config, data))
    members: dict[str, list[Member[Any]]] = {name: [] for name in section.members}
    logits = {name: np.full(len(data), np.nan) for name in section.members}
    tags: dict[str, Array] = {}
    ordinary = {name: np.full(len(data.ordinary), np.nan) for name in section.members}
    ordinary_folds = np.arange(len(data.ordinary)) % len(folds)
    curves: dict[str, list[History]] = {name: [] for name in section.members}
    total, done = len(folds) * len(section.members), 0
    started = time.perf_counter()
    if section.reads_frames:
        data.objects.prepare()
    for number, fold in enumerate(folds):
        kept = data.ordinary.take(ordinary_folds != number)
        rest, held_out = replace(data.take(~fold), ordinary=kept), data.take(fold)
        for name in section.members:
            fitted, curve = _fit_one(name, number, rest, held_out, config, device, scratch)
            curves[name].append(curve)
            members[name].append(fitted)
            if fitted.tag_names:
                tags.setdefault(name, np.full((len(data), len(fitted.tag_names)), np.nan))
            index = np.flatnonzero(fold & data.objects.has_all(fitted.modalities))
            if len(index):  # some there have what it reads
                outputs = fitted.outputs(data.objects.take(index), device)
                logits[name][index] = outputs[:, 0]
                if fitted.tag_names:
                    tags[name][index] = outputs[:, 1:]
            index = np.flatnonzero((ordinary_folds == number) & data.ordinary.has_all(fitted.modalities))
            if len(index):
                ordinary[name][index] = fitted.outputs(data.ordinary.take(index), device)[:, 0]
            done += 1
            progress(f"{stage}: trainings", done, total, f"{name}, {time.perf_counter() - started:.0f} s")
    fitted_members = {name: tuple(trained) for name, trained in members.items()}
    histories = {name: mean_history(found) for name, found in curves.items()}
    known = {name: history for name, history in histories.items() if history}
    return TrainedMembers(fitted_members, logits, tags, ordinary, known)


def combine(
    trained: TrainedMembers, data: LabelledSet, config: Config, names: Collection[str] | None = None
) -> Ensemble:
    """An ensemble of trained members.

    Scores of the objects that a member was trained without give the weights of the members,
    the calibration, thresholds and conformal quantiles, for objects with images, with
    light-curve features and with both. All trainings are kept; the score of a new object is
    their mean.

    Parameters
    ----------
    names : collection of str, optional
        The members to use; all if left out.
    """
    section = config.ensemble
    assert section is not None
    if names is not None:
        kept = {name: member for name, member in section.members.items() if name in names}
        section = section.model_copy(update={"members": kept})
        config = config.model_copy(update={"ensemble": section})
    members = {name: trained.members[name] for name in section.members}
    combinations = _combine(section, members, trained, data)
    return Ensemble(
        members,
        combinations,
        _scale_kinds(combinations, trained.tags, data),
        config,
        data.objects.sequences[0].shape[1] // (1 + section.log_variances),
        data.objects.frame_reader,
        float(data.labels.mean()),
        data.objects.lightcurve.names,
        data.objects.lightcurve.definition,
    )


def fingerprint(config: Config, data: LabelledSet) -> str:
    """A hash of all that decides the result."""
    table: FeatureTable = data.objects.lightcurve
    arrays: list[NDArray[Any]] = [data.labels, data.groups, data.tags, data.weights, table.values]
    arrays += [np.array(table.names, str), np.array(data.tag_names, str)]
    arrays += [data.ordinary.lightcurve.values, np.array(data.ordinary.lightcurve.names, str)]
    arrays += [part.numpy() for part in data.objects.frame_reader.tensors().values()]
    arrays += data.objects.sequences
    return checkpoint.fingerprint(config, arrays)


def _fit_one(
    name: str,
    fold: int,
    data: LabelledSet,
    held_out: LabelledSet,
    config: Config,
    device: torch.device,
    scratch: Path | None,
) -> tuple[Member[Any], History]:
    """A member, trained or as it was kept, and its learning curve."""
    ensemble = config.ensemble
    assert ensemble is not None
    section = ensemble.members[name]
    usable, others = (part.take(part.objects.has_all(needed(section))) for part in (data, held_out))
    if scratch is not None:
        kept = read_finished(scratch, name, fold, section, data.objects.frame_reader)
        if kept is not None:
            return kept, kept.learning_curve(usable, others)
    if len(np.unique(usable.labels)) < 2:
        raise DataError(
            f"Only {len(usable)} objects are left to train {name} without inner fold {fold}, all of one class.",
            "Give more objects that have what it reads, or another configuration.",
        )
    fitted = member_class(section.kind).fit(usable, section, config.seed * 1000 + fold, device, others)
    if scratch is not None:
        write_member(scratch, name, fold, fitted)
        write_sums(scratch)
    return fitted, fitted.learning_curve(usable, others)


def _combine(
    section: EnsembleSection,
    members: Mapping[str, Fitted],
    trained: TrainedMembers,
    data: LabelledSet,
) -> dict[Modalities, Combination]:
    """One combination for each set of modalities that some member can score."""
    needs = {name: set(trained[0].modalities) for name, trained in members.items()}
    combinations: dict[Modalities, Combination] = {}
    for have in POSSIBLE:
        names = [name for name in section.members if needs[name] <= set(have)]
        read = {modality for name in names for modality in needs[name]}
        if read != set(have):  # a smaller set of modalities has the same members
            continue
        index = np.flatnonzero(data.objects.has_all(have))
        if len(np.unique(data.labels[index])) < 2:
            continue
        stacked = np.stack([trained.logits[name][index] for name in names], axis=1)
        fitted = Combination.fit(names, stacked, data.labels[index])
        ordinary = np.stack([trained.ordinary[name] for name in names], axis=1)
        ordinary = ordinary[np.isfinite(ordinary).all(axis=1)]
        combinations[have] = replace(
            fitted,
            oids=data.objects.oids[index],
            ordinary=fitted.probabilities(ordinary),
            clear=data.clear_at(index) if section.limits_from == "clear" else None,
        )
    return combinations


def _scale_kinds(
    combinations: Mapping[Modalities, Combination], tags: Mapping[str, Array], data: LabelledSet
) -> dict[Modalities, KindScale]:
    """Calibrate the auxiliary logits of the artefact kinds, for each set of modalities."""
    scales = {}
    for have, combination in combinations.items():
        names = tuple(name for name in combination.members if name in tags)
        if not names:
            continue
        mean = np.mean([tags[name] for name in names], axis=0)
        known = np.isfinite(mean).all(axis=1)
        kinds = tuple(tag for tag in data.tag_names if tag in ARTEFACT_KINDS)
        slope, offset = np.full((2, len(kinds)), np.nan)
        for number, kind in enumerate(kinds):
            column = data.tag_names.index(kind)
            truth = data.tags[known, column]
            if LEAST_POSITIVE <= truth.sum() <= len(truth) - LEAST_POSITIVE:
                slope[number], offset[number] = platt(mean[known, column], truth)
        scales[have] = KindScale(names, kinds, slope, offset)
    return scales


def _check(data: LabelledSet, section: EnsembleSection) -> None:
    check_classes(data.labels)
    if data.objects.has(Modality.IMAGE).any() and not data.objects.frame_reader.latents:
        raise DataError("No latent of the embeddings varies.", "Check the encoder that made them.")
    for name, member in section.members.items():
        if not data.objects.has_all(needed(member)).any():
            missing = " and ".join(member.inputs)
            raise DataError(
                f"No training object has the inputs ({missing}) that the member {name} reads.",
                "Give --embeddings and --features, or another configuration (image-only, lightcurve-only).",
            )
