"""The bundle of an ensemble: what lies in its folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from rbztf.config import Member, NetworkMember, TreesMember
from rbztf.errors import InputError
from rbztf.features.snad_set import known_definition
from rbztf.features.table import Definition
from rbztf.files import write_bytes
from rbztf.models import bundle
from rbztf.models.ensemble.card import ensemble_card
from rbztf.models.ensemble.ensemble import Ensemble, Fitted, Have, KindScale
from rbztf.models.ensemble.network_member import FittedNetwork
from rbztf.models.ensemble.stacking import Combination
from rbztf.models.ensemble.trees_member import FittedTrees
from rbztf.models.objects.frame_reader import FrameReader
from rbztf.models.objects.object_set import Modality
from rbztf.models.vae.bundle import config_of, encoder_in

KIND = "ensemble"
MEMBERS = "members"
LEGACY_KINDS = ("ghost", "track", "column", "spike", "defocusing", "bright_star", "frame_edge")
"""Artefact kinds of bundles written before they named their own, in their order."""
LEGACY_TAGS = (
    *LEGACY_KINDS,
    *(
        "1-point",
        "supernova",
        "AGN",
        "VAR",
        "Pulsating",
        "Eclipsing",
        "M_dwarf_flare",
        "STAR",
        "non-catalogued",
    ),
)
"""Auxiliary outputs of the networks of such bundles."""


def save_ensemble(model: Ensemble, folder: Path) -> None:
    """Write the bundle; ``folder`` appears whole or stays as it was."""
    tensors: dict[str, Tensor] = model.reader.tensors()
    described = []
    for number, (have, combination) in enumerate(model.combinations.items()):
        tensors |= {
            f"combination.{number}.weights": torch.from_numpy(combination.weights),
            f"combination.{number}.scores": torch.from_numpy(combination.scores),
            f"combination.{number}.labels": torch.from_numpy(combination.labels),
        }
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
        for name, bags in model.members.items():
            for bag, member in enumerate(bags):
                write_member(part / MEMBERS, name, bag, member)
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
        If it is no such bundle, or damaged.
    """
    folder = Path(folder)
    metadata = bundle.read_metadata(folder, KIND)
    config = config_of(folder, metadata)
    tensors = bundle.read_weights(folder)
    if config.ensemble is None:
        raise InputError(f"{folder} does not say what its members are.", "Make the model again.")
    try:
        _check_files(folder, metadata["members"])
        combinations, kinds = _read_combinations(metadata["combinations"], tensors)
        members = {
            name: tuple(_read_kept(folder, name, bag, section) for bag in range(config.ensemble.folds))
            for name, section in config.ensemble.members.items()
        }
        names = tuple(metadata["features"]["names"])
        definition = known_definition(names, Definition.from_json(metadata["features"]["definition"]))
        latent, prior = int(metadata["latent"]), float(metadata["prior"])
        reader = FrameReader.restore(tensors)
        _check_width(members, reader)
        _check_combinations(combinations, kinds, members)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise InputError(f"{folder} is damaged or lacks {error}.", "Make the model again.") from None
    encoder = encoder_in(folder)
    notes = metadata.get("notes", {})
    return Ensemble(
        members, combinations, kinds, config, latent, reader, prior, names, definition, encoder, notes
    )


def _read_combinations(
    described: Sequence[Mapping[str, Any]], tensors: Mapping[str, Tensor]
) -> tuple[dict[Have, Combination], dict[Have, KindScale]]:
    combinations: dict[Have, Combination] = {}
    kinds: dict[Have, KindScale] = {}
    for number, entry in enumerate(described):
        have = tuple(Modality(name) for name in entry["inputs"])
        parts = (tensors[f"combination.{number}.{part}"].numpy() for part in ("weights", "scores", "labels"))
        weights, scores, labels = parts
        combinations[have] = Combination(
            tuple(entry["members"]), weights, float(entry["bias"]), scores, labels
        )
        if "kinds_from" in entry:
            slope, offset = tensors[f"kinds.{number}"].numpy()
            names = tuple(entry.get("kinds", LEGACY_KINDS))
            kinds[have] = KindScale(tuple(entry["kinds_from"]), names, slope, offset)
    return combinations, kinds


def _check_combinations(
    combinations: Mapping[Have, Combination],
    kinds: Mapping[Have, KindScale],
    members: Mapping[str, Sequence[Fitted]],
) -> None:
    for combination in combinations.values():
        if set(combination.members) - set(members) or combination.weights.shape != (
            len(combination.members),
        ):
            raise ValueError("weights of its members")
    for scale in kinds.values():
        known = [set(member.tags) for name in scale.members for member in members[name]]
        if scale.slope.shape != (len(scale.kinds),) or any(set(scale.kinds) - tags for tags in known):
            raise ValueError("calibration of its kinds")
    if not combinations:
        raise ValueError("weights of its members")


def _check_width(members: Mapping[str, Sequence[Fitted]], reader: FrameReader) -> None:
    for bags in members.values():
        for member in bags:
            if isinstance(member, FittedNetwork) and member.network.frame_inputs not in (0, reader.width):
                raise ValueError("the columns that its networks read")


def _check_files(folder: Path, hashes: Mapping[str, str]) -> None:
    """Refuse files of members that are not as they were written: a cut tree still parses."""
    for name, expected in hashes.items():
        path = folder / MEMBERS / name
        if path.is_file() and _hash(path) != expected:
            raise InputError(f"{path} is damaged (its hash is another).", "Make the model again.")


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _read_kept(folder: Path, name: str, bag: int, section: Member) -> Fitted:
    member = read_member(folder / MEMBERS, name, bag, section)
    if member is None:
        raise InputError(f"{folder} lacks the member {name}, bag {bag}.", "Make the model again.")
    return member


def write_member(folder: Path, name: str, bag: int, member: Fitted) -> None:
    """Write one trained member; its file appears whole or not at all."""
    path = _member_path(folder, name, bag, isinstance(member, FittedTrees))
    if isinstance(member, FittedTrees):
        content = "\n".join((json.dumps(member.names), member.text())).encode()
    else:
        tensors = {key: tensor.contiguous() for key, tensor in member.tensors().items()}
        described = {"columns": json.dumps(member.names), "tags": json.dumps(member.tags)}
        content = save(tensors, described)
    write_bytes(path, content)


def read_member(folder: Path, name: str, bag: int, section: Member) -> Fitted | None:
    """Read what :func:`write_member` wrote; None if it is not there.

    Raises
    ------
    InputError
        If the file is damaged.
    """
    path = _member_path(folder, name, bag, isinstance(section, TreesMember))
    if not path.is_file():
        return None
    try:
        if isinstance(section, NetworkMember):
            with safe_open(path, "pt") as stored:
                described = {name: json.loads(text) for name, text in (stored.metadata() or {}).items()}
            tensors = load_file(path)
            tags = described.get("tags", LEGACY_TAGS[: len(tensors["network.bias"]) - 1])
            return FittedNetwork.restore(tensors, section, described["columns"], tags)
        first, _, text = path.read_text(encoding="utf-8").partition("\n")
        names = [str(name) for name in json.loads(first)]
    except (OSError, SafetensorError, ValueError, TypeError, KeyError, RuntimeError) as error:
        raise InputError(f"{path} is damaged ({error}).", "Make the model again.") from None
    modalities = [Modality(part) for part in section.inputs]
    return FittedTrees.parse(text, modalities, names, str(path))


def _member_path(folder: Path, name: str, bag: int, trees: bool) -> Path:
    return folder / f"{name}-{bag}{'.txt' if trees else '.safetensors'}"
