"""The bundle of an ensemble: what lies in its folder."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rbztf.config import MemberSection
from rbztf.errors import InputError, reason
from rbztf.features.snad_set import known_definition
from rbztf.features.table import Definition
from rbztf.formats.sums import lists, verify
from rbztf.models import bundle
from rbztf.models.ensemble.card import ensemble_card
from rbztf.models.ensemble.ensemble import Ensemble, Fitted, KindScale
from rbztf.models.ensemble.legacy import LEGACY_KINDS
from rbztf.models.ensemble.member import Member, member_class
from rbztf.models.ensemble.stacking import Combination
from rbztf.models.objects.frame_reader import FrameReader
from rbztf.models.objects.object_set import Modalities, Modality
from rbztf.models.objects.ranges import range_tensors, take_ranges
from rbztf.models.objects.read import FrameSelection
from rbztf.models.vae.bundle import config_of, encoder_in

KIND = "ensemble"
MEMBERS = "members"
PARTS = {
    "weights": torch.float64,
    "scores": torch.float64,
    "labels": torch.int64,
    "oids": torch.int64,
    "ordinary": torch.float64,
    "clear": torch.bool,
}
"""Of a combination, each as a tensor."""
NEWER_PARTS = ("oids", "ordinary", "clear")
"""Which older bundles lack, or models that do not need them."""
PRIORS = (1e-9, 1 - 1e-9)
"""Least and largest share of artefacts that a model can have been trained with."""


def save_ensemble(model: Ensemble, folder: Path) -> None:
    """Write the bundle; ``folder`` appears whole or stays as it was."""
    tensors: dict[str, Tensor] = model.reader.tensors() | range_tensors(model.ranges)
    described = []
    for number, (have, combination) in enumerate(model.combinations.items()):
        tensors |= {
            f"combination.{number}.weights": torch.from_numpy(combination.weights),
            f"combination.{number}.scores": torch.from_numpy(combination.scores),
            f"combination.{number}.labels": torch.from_numpy(combination.labels),
            f"combination.{number}.ordinary": torch.from_numpy(combination.ordinary),
        }
        if combination.oids is not None:
            tensors[f"combination.{number}.oids"] = torch.from_numpy(combination.oids)
        if combination.clear is not None:
            tensors[f"combination.{number}.clear"] = torch.from_numpy(combination.clear)
        entry: dict[str, Any] = {
            "inputs": [str(modality) for modality in have],
            "members": list(combination.members),
            "bias": combination.bias,
            "inner_auc": round(combination.auc, 4),
        }
        if have in model.kinds:
            scale = model.kinds[have]
            entry |= {"kinds_from": list(scale.members), "kinds": list(scale.kinds)}
            tensors[f"kinds.{number}"] = torch.from_numpy(np.stack([scale.slope, scale.offset]))
        described.append(entry)
    metadata = {
        "kind": KIND,
        "latent": model.latent,
        "prior": model.prior,
        "encoder": model.encoder.hash if model.encoder else "",
        "features": {"names": list(model.feature_names), "definition": model.definition.to_json()},
        "combinations": described,
        "notes": model.notes,
        "config": model.config.model_dump(mode="json"),
    }
    with bundle.new_bundle(folder) as part:
        for name, trained in model.members.items():
            for fold, member in enumerate(trained):
                write_member(part / MEMBERS, name, fold, member)
        hashes = {path.name: _hash(path) for path in sorted((part / MEMBERS).iterdir())}
        bundle.write_parts(part, {**metadata, "members": hashes}, tensors, ensemble_card(model))
        if model.encoder:
            (part / "encoder").mkdir()
            model.encoder.write_into(part / "encoder")


def load_ensemble(folder: Path | str) -> Ensemble:
    """Load an ensemble's bundle.

    Raises
    ------
    InputError
        If it is not such a bundle, or damaged.
    """
    folder = Path(folder)
    metadata = bundle.read_metadata(folder, KIND)
    config = config_of(folder, metadata)
    tensors = bundle.read_weights(folder)
    if config.ensemble is None:
        raise InputError(f"{folder} does not say what its members are.", "Make the model again.")
    if tensors.get("reader.photometry", False):
        raise InputError(
            f"The networks of {folder} read the magnitude of each frame (ensemble.photometry), "
            "which rbztf no longer does.",
            "Train the model again.",
        )
    try:
        _check_files(folder, metadata["members"])
        combinations, kinds = _read_combinations(metadata["combinations"], tensors)
        reader = FrameReader.restore(tensors)
        members = {
            name: tuple(
                _read_kept(folder, name, fold, section, reader) for fold in range(config.ensemble.folds)
            )
            for name, section in config.ensemble.members.items()
        }
        names = tuple(metadata["features"]["names"])
        definition = known_definition(names, Definition.from_json(metadata["features"]["definition"]))
        latent = int(bundle.number_in(metadata, "latent", 0, bundle.MOST_COLUMNS))
        prior = bundle.number_in(metadata, "prior", *PRIORS)
        width = FrameSelection.of(config, latent).width
        ranges = take_ranges(tensors, {Modality.IMAGE: 2 * width, Modality.LIGHTCURVE: len(names)})
        if max(reader.kinds.columns if reader.kinds else (), default=-1) >= width:
            raise ValueError("as many latents as its network of kinds reads")
        if max(reader.latents, default=-1) >= width + len(reader.kinds or ()):
            raise ValueError("as many latents as its networks read")
        _check_combinations(combinations, kinds, members)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise InputError(f"{folder} is damaged or lacks {error}.", "Make the model again.") from None
    encoder = encoder_in(folder, str(metadata.get("encoder") or ""))
    notes = metadata.get("notes", {})
    return Ensemble(
        members, combinations, kinds, config, latent, reader, prior, names, definition, encoder, notes, ranges
    )


def _read_combinations(
    described: Sequence[Mapping[str, Any]], tensors: Mapping[str, Tensor]
) -> tuple[dict[Modalities, Combination], dict[Modalities, KindScale]]:
    combinations: dict[Modalities, Combination] = {}
    kinds: dict[Modalities, KindScale] = {}
    for number, entry in enumerate(described):
        have = tuple(Modality(name) for name in entry["inputs"])
        parts = {
            part: bundle.array_in(tensors, f"combination.{number}.{part}", dtype)
            for part, dtype in PARTS.items()
            if part not in NEWER_PARTS or f"combination.{number}.{part}" in tensors
        }
        bias = bundle.number_in(entry, "bias", -sys.float_info.max, sys.float_info.max)
        combinations[have] = Combination(tuple(entry["members"]), bias=bias, **parts)
        if "kinds_from" in entry:
            slope, offset = _scale_in(tensors, f"kinds.{number}")
            names = tuple(entry.get("kinds", LEGACY_KINDS))
            kinds[have] = KindScale(tuple(entry["kinds_from"]), names, slope, offset)
    return combinations, kinds


def _scale_in(tensors: Mapping[str, Tensor], name: str) -> NDArray[np.float64]:
    """Slope and offset of each kind, (2, kinds) float64: both finite, or both NaN."""
    known = torch.nan_to_num(tensors[name], nan=0.0, posinf=torch.inf, neginf=-torch.inf)
    bundle.array_in({name: known}, name, torch.float64)
    found = tensors[name].numpy()
    if found.ndim != 2 or (np.isnan(found[0]) != np.isnan(found[1])).any():
        raise ValueError("calibration of its kinds")
    return found


def _check_combinations(
    combinations: Mapping[Modalities, Combination],
    kinds: Mapping[Modalities, KindScale],
    members: Mapping[str, Fitted],
) -> None:
    for combination in combinations.values():
        if set(combination.members) - set(members) or combination.weights.shape != (
            len(combination.members),
        ):
            raise ValueError("weights of its members")
        if (combination.weights < 0).any():
            raise ValueError("weights of its members that are not negative")
        for scores in (combination.scores, combination.ordinary):
            if scores.ndim != 1 or ((scores < 0) | (scores > 1)).any():
                raise ValueError("scores of its training objects that are probabilities")
        if set(np.unique(combination.labels).tolist()) != {0, 1}:
            raise ValueError("labels of its training objects, 0 and 1")
        clear = combination.clear
        if clear is not None and (
            clear.shape != combination.labels.shape or len(set(combination.labels[clear].tolist())) < 2
        ):
            raise ValueError("objects of both classes that its limits rest on")
        oids = combination.labels if combination.oids is None else combination.oids
        if not combination.scores.shape == combination.labels.shape == oids.shape:
            raise ValueError("scores of its training objects")
        if combination.oids is not None and len(np.unique(oids)) < len(oids):
            raise ValueError("training objects that differ from each other")
    for scale in kinds.values():
        known = [set(member.tag_names) for name in scale.members for member in members[name]]
        if scale.slope.shape != (len(scale.kinds),) or any(set(scale.kinds) - tags for tags in known):
            raise ValueError("calibration of its kinds")
    if not combinations:
        raise ValueError("weights of its members")


def _check_files(folder: Path, hashes: Mapping[str, str]) -> None:
    """Refuse files of members that are not as they were written: a cut tree still parses."""
    for name, expected in hashes.items():
        path = folder / MEMBERS / name
        if path.is_file() and _hash(path) != expected:
            raise InputError(f"{path} is damaged (its hash is another).", "Make the model again.")


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _read_kept(
    folder: Path, name: str, fold: int, section: MemberSection, reader: FrameReader
) -> Member[Any]:
    member = read_member(folder / MEMBERS, name, fold, section, reader)
    if member is None:
        raise InputError(f"{folder} lacks the member {name}, fold {fold}.", "Make the model again.")
    return member


def write_member(folder: Path, name: str, fold: int, member: Member[Any]) -> None:
    """Write one trained member; its file appears whole or not at all."""
    member.save(folder / f"{name}-{fold}{member.ending}")


def read_finished(
    scratch: Path, name: str, fold: int, section: MemberSection, reader: FrameReader
) -> Member[Any] | None:
    """As :func:`read_member`, from a training under way, whose folder has the sums of what is finished.

    Raises
    ------
    InputError
        If the file is damaged.
    """
    file = f"{name}-{fold}{member_class(section.kind).ending}"
    try:
        if not (scratch / file).is_file() or not lists(scratch, file):
            return None
        verify(scratch, file)
        return read_member(scratch, name, fold, section, reader)
    except InputError as error:
        raise InputError(error.message, f"Remove {scratch}: its members are trained anew then.") from None


def read_member(
    folder: Path, name: str, fold: int, section: MemberSection, reader: FrameReader
) -> Member[Any] | None:
    """Read what :func:`write_member` wrote; None if it is not there.

    Raises
    ------
    InputError
        If the file is damaged.
    """
    kind = member_class(section.kind)
    path = folder / f"{name}-{fold}{kind.ending}"
    if not path.is_file():
        return None
    try:
        return kind.load(path, section, reader)
    except (OSError, ValueError, TypeError, KeyError, IndexError, RuntimeError) as error:
        raise InputError(f"{path} is damaged ({reason(error)}).", "Make the model again.") from None
