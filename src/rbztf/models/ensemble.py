"""An ensemble with all it needs, from frames, vectors and features to a calibrated probability."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from rbztf.config import Config, Member, NetworkMember, TreesMember
from rbztf.errors import InputError
from rbztf.features.table import Definition
from rbztf.models import bundle
from rbztf.models.combine import Combination, sigmoid
from rbztf.models.encoder_bundle import EncoderBundle, config_of, load_encoder
from rbztf.models.networks import FittedNetwork
from rbztf.models.objects import Modality, ObjectSet
from rbztf.models.thresholds import best_f1_threshold
from rbztf.models.trees import FittedTrees
from rbztf.sky import ARTEFACT_KINDS

KIND = "ensemble"
MEMBERS = "members"
Array = NDArray[np.float64]
Fitted = FittedNetwork | FittedTrees
Have = tuple[Modality, ...]
INTERVAL_SIGMAS = 1.96


@dataclass(frozen=True)
class KindScale:
    """Calibration of the artefact kinds: which networks' tags are averaged, slope and offset.

    Attributes
    ----------
    members : tuple of str
    slope, offset : ndarray (kinds,), float64
        NaN for a kind with too few examples.
    """

    members: tuple[str, ...]
    slope: Array
    offset: Array


@dataclass(frozen=True)
class Verdicts:
    """What an ensemble says of objects.

    Attributes
    ----------
    p_bogus : ndarray (n,), float64
        Calibrated probability of bogus.
    p_low, p_high : ndarray (n,), float64
        95 % interval of it from how far the trainings without one inner fold differ.
    inputs : list of tuple of Modality
        What each score rests on.
    kinds : ndarray (n, len(ARTEFACT_KINDS)), float64
        Probability that the object is an artefact of each kind; NaN where the model cannot tell.
    """

    p_bogus: Array
    p_low: Array
    p_high: Array
    inputs: list[Have]
    kinds: Array


@dataclass(frozen=True)
class Ensemble:
    """Members, how they are combined, and the encoder of the frames.

    Attributes
    ----------
    members : dict of str to tuple of FittedNetwork or FittedTrees
        One training a bag.
    combinations : dict of tuple of Modality to Combination
        For objects with those modalities.
    kinds : dict of tuple of Modality to KindScale
    config : Config
    latent : int
        Latent means per frame; 0 for a model without images.
    latents : tuple of int
        Those that are read.
    prior : float
        Share of artefacts among the training objects: the score of an object of which
        nothing is known.
    feature_names : tuple of str
        Light-curve features it was trained on.
    definition : Definition
        Of the light-curve features it was trained on.
    encoder : EncoderBundle or None
    notes : dict
        For the model card.
    """

    members: dict[str, tuple[Fitted, ...]]
    combinations: dict[Have, Combination]
    kinds: dict[Have, KindScale]
    config: Config
    latent: int
    latents: tuple[int, ...]
    prior: float
    feature_names: tuple[str, ...]
    definition: Definition
    encoder: EncoderBundle | None = None
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def modalities(self) -> Have:
        """What the members read, together."""
        used = {modality for bags in self.members.values() for modality in bags[0].modalities}
        return tuple(modality for modality in Modality if modality in used)

    def threshold(self, have: Have | None = None) -> float:
        """Probability from which calling objects bogus gives the best F1 on the inner folds.

        Parameters
        ----------
        have : tuple of Modality, optional
            For objects with those modalities; all that the model reads if left out.
        """
        combination = self.combinations[self._usable(have if have is not None else self.modalities)]
        return best_f1_threshold(combination.labels, combination.scores)

    def available(self, objects: ObjectSet) -> list[Have]:
        """The modalities that the score of each object can rest on; empty if nothing is known."""
        flags = {modality: objects.has(modality) for modality in self.modalities}
        return [
            self._usable(tuple(modality for modality in self.modalities if flags[modality][i]))
            for i in range(len(objects))
        ]

    def _usable(self, have: Have) -> Have:
        """The largest part of ``have`` for which there is a combination."""
        parts = [key for key in self.combinations if set(key) <= set(have)]
        return max(parts, key=len, default=())

    def score(self, objects: ObjectSet, device: torch.device | None = None) -> Verdicts:
        """Score objects; each alone has the score it has in any company (to 1e-6)."""
        n = len(objects)
        p, low, high = np.full((3, n), self.prior)
        low[:], high[:] = 0.0, 1.0
        kinds = np.full((n, len(ARTEFACT_KINDS)), np.nan)
        inputs = self.available(objects)
        for have in set(inputs) - {()}:
            index = np.array([i for i, found in enumerate(inputs) if found == have])
            logits, tags = self._member_logits(objects.take(index), have, device)
            p[index], low[index], high[index] = self._with_interval(self.combinations[have], logits)
            if have in self.kinds:
                scale = self.kinds[have]
                kinds[index] = sigmoid(scale.slope * tags + scale.offset)
        return Verdicts(p, low, high, inputs, kinds)

    def _member_logits(
        self, objects: ObjectSet, have: Have, device: torch.device | None
    ) -> tuple[Array, Array]:
        """Logits (bags, n, members) of a combination, and mean tag logits (n, kinds)."""
        names = self.combinations[have].members
        n_bags = len(self.members[names[0]])
        logits = np.empty((n_bags, len(objects), len(names)))
        tags, n_tags = np.zeros((len(objects), len(ARTEFACT_KINDS))), 0
        tagged = self.kinds[have].members if have in self.kinds else ()
        for column, name in enumerate(names):
            for bag, member in enumerate(self.members[name]):
                if isinstance(member, FittedNetwork):
                    outputs = member.outputs(objects, device)
                    logits[bag, :, column] = outputs[:, 0]
                    if name in tagged:
                        tags += outputs[:, 1 : 1 + len(ARTEFACT_KINDS)]
                        n_tags += 1
                else:
                    logits[bag, :, column] = member.logits(objects)
        return logits, tags / max(n_tags, 1)

    @staticmethod
    def _with_interval(combination: Combination, logits: Array) -> tuple[Array, Array, Array]:
        middle = combination.logits(logits.mean(axis=0))
        spread = combination.logits(logits).std(axis=0, ddof=1)
        half = INTERVAL_SIGMAS * spread
        return sigmoid(middle), sigmoid(middle - half), sigmoid(middle + half)

    def save(self, folder: Path) -> None:
        """Write the bundle; ``folder`` appears whole or stays as it was."""
        tensors: dict[str, Tensor] = {}
        described = []
        for number, (have, combination) in enumerate(self.combinations.items()):
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
            if have in self.kinds:
                scale = self.kinds[have]
                entry["kinds_from"] = list(scale.members)
                tensors[f"kinds.{number}"] = torch.from_numpy(np.stack([scale.slope, scale.offset]))
            described.append(entry)
        metadata = {
            "kind": KIND,
            "latent": self.latent,
            "latents": list(self.latents),
            "prior": self.prior,
            "encoder": self.encoder.hash if self.encoder else "",
            "features": {"names": list(self.feature_names), "definition": self.definition.to_json()},
            "combinations": described,
            "notes": self.notes,
            "config": self.config.model_dump(mode="json"),
        }
        from rbztf.models.card import ensemble_card

        with bundle.new_bundle(folder) as part:
            bundle.write_parts(part, metadata, tensors, ensemble_card(self))
            for name, bags in self.members.items():
                for bag, member in enumerate(bags):
                    write_member(part / MEMBERS, name, bag, member)
            if self.encoder:
                (part / "encoder").mkdir()
                self.encoder.write_into(part / "encoder")

    def with_encoder(self, encoder: EncoderBundle | None, notes: Mapping[str, Any]) -> Ensemble:
        """The same model with its encoder and notes for its card."""
        return replace(self, encoder=encoder, notes=dict(notes))


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
    try:
        assert config.ensemble is not None
        combinations, kinds = _read_combinations(metadata["combinations"], tensors)
        members = {
            name: tuple(
                _read_kept(folder, name, bag, section, metadata["features"]["names"])
                for bag in range(config.ensemble.bags)
            )
            for name, section in config.ensemble.members.items()
        }
        definition = Definition.from_json(metadata["features"]["definition"])
        names = tuple(metadata["features"]["names"])
        latent, prior = int(metadata["latent"]), float(metadata["prior"])
        latents = tuple(int(number) for number in metadata["latents"])
        _check_combinations(combinations, kinds, set(members))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, AssertionError) as error:
        raise InputError(f"{folder} is damaged or lacks {error}.", "Make the model again.") from None
    encoder = load_encoder(folder / "encoder") if (folder / "encoder").is_dir() else None
    notes = metadata.get("notes", {})
    return Ensemble(
        members, combinations, kinds, config, latent, latents, prior, names, definition, encoder, notes
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
            kinds[have] = KindScale(tuple(entry["kinds_from"]), slope, offset)
    return combinations, kinds


def _check_combinations(
    combinations: Mapping[Have, Combination], kinds: Mapping[Have, KindScale], members: set[str]
) -> None:
    for combination in combinations.values():
        if set(combination.members) - members or combination.weights.shape != (len(combination.members),):
            raise ValueError("weights of its members")
    for scale in kinds.values():
        if set(scale.members) - members or scale.slope.shape != (len(ARTEFACT_KINDS),):
            raise ValueError("calibration of its kinds")
    if not combinations:
        raise ValueError("weights of its members")


def _read_kept(folder: Path, name: str, bag: int, section: Member, columns: Sequence[str]) -> Fitted:
    member = read_member(folder / MEMBERS, name, bag, section, columns)
    if member is None:
        raise InputError(f"{folder} lacks the member {name}, bag {bag}.", "Make the model again.")
    return member


def write_member(folder: Path, name: str, bag: int, member: Fitted) -> None:
    """Write one trained member; its file appears whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    path = _member_path(folder, name, bag, isinstance(member, FittedTrees))
    part = path.with_name(f".{path.name}.part")
    if isinstance(member, FittedTrees):
        content = "\n".join((json.dumps(member.names), member.text()))
        part.write_text(content, encoding="utf-8")
    else:
        save_file({key: tensor.contiguous() for key, tensor in member.tensors().items()}, part)
    part.replace(path)


def read_member(folder: Path, name: str, bag: int, section: Member, columns: Sequence[str]) -> Fitted | None:
    """Read what :func:`write_member` wrote; None if it is not there.

    Parameters
    ----------
    columns : sequence of str
        Light-curve features of a network; trees carry their own.

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
            tensors = load_file(path)
            return FittedNetwork.restore(tensors, section, columns, len(tensors["network.bias"]))
        first, _, text = path.read_text(encoding="utf-8").partition("\n")
        names = [str(name) for name in json.loads(first)]
    except (OSError, SafetensorError, ValueError, TypeError, KeyError, RuntimeError) as error:
        raise InputError(f"{path} is damaged ({error}).", "Make the model again.") from None
    modalities = [Modality(part) for part in section.inputs]
    return FittedTrees.parse(text, modalities, names, str(path))


def _member_path(folder: Path, name: str, bag: int, trees: bool) -> Path:
    return folder / f"{name}-{bag}{'.txt' if trees else '.safetensors'}"
