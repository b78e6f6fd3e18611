"""The sections of a configuration: frozen, validated."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from rbztf.ztf import AUXILIARY_TAGS, Band, LabelRule


class Section(BaseModel):
    """Base of all sections: immutable, unknown keys and numbers that are not finite refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    def idle(self) -> dict[str, str]:
        """Settings that have no effect beside the others of the section, and beside which."""
        return {}


def _checked_name(name: str, known: Collection[str]) -> str:
    if name not in known:
        raise PydanticCustomError("unknown_name", "Must be one of: {names}", {"names": ", ".join(known)})
    return name


class FramesSection(Section):
    """How pixels become the numbers an encoder sees."""

    normaliser: str = "minmax"
    """A name in :data:`rbztf.frames.normalise.NORMALISERS`. ``minmax``, ``l2``, ``max``,
    ``standard``, ``three_sigma`` as in the reference; ``asinh_noise``, ``asinh_ccd``,
    ``asinh_flux``: sky subtracted, in units of the measured noise, of the noise by GAIN and
    READNOI, or of a fixed flux, stretched by asinh."""
    invalid: Literal["zero", "ignore", "mask"] = "zero"
    """Pixels off the chip: ``zero`` counts them as 0 DN, as published; ``ignore`` leaves them
    out; ``mask`` leaves them out, of the loss too, and tells the encoder which they are."""

    @field_validator("normaliser")
    @classmethod
    def _check_normaliser(cls, name: str) -> str:
        from rbztf.frames.normalise import NORMALISERS  # late: numpy is not needed for --help

        return _checked_name(name, NORMALISERS)


class VaeSection(Section):
    """Architecture and loss of the variational autoencoder."""

    latent: int = Field(36, ge=1)
    kl_weight: float = Field(8e-5, ge=0)
    rotation_deg: float = Field(0.0, ge=0, le=180)
    """Augmentation: each frame turned by a random angle of up to this much (bilinear)."""
    flips: bool = False
    """Augmentation: each frame turned by quarters and mirrored at random, which loses nothing."""
    shift_share: float = Field(0.0, ge=0, le=1)
    """Augmentation: share of frames moved by part of a pixel, their noise kept at its level."""
    mask_share: float = Field(0.0, ge=0, le=1)
    """Augmentation: share of frames of which a side or a border is hidden, as at the chip's edge."""
    decoder: Literal["reference", "compact"] = "reference"
    side_channels: tuple[str, ...] = ()
    """Names in :data:`rbztf.frames.background.SIDE_CHANNELS`: what the normaliser takes out of the
    pixels, appended to the latent means."""
    kl_warm_up: float = Field(0.0, ge=0, le=1)
    """Share of the training in which the weight of the KL term rises from 0."""
    free_bits: float = Field(0.0, ge=0)
    """Nats per latent below which its KL costs nothing, so that no latent is given up."""
    centre_weight: float = Field(0.0, ge=0)
    """How much more than 1 the pixels of the central object count in the loss."""
    measure_weight: float = Field(0.0, ge=0)
    """Weight of an auxiliary head that tells simple measures of the frame from its latent means."""
    artefact_weight: float = Field(0.0, ge=0)
    """Weight of an auxiliary head that tells the artefact of simulated frames from their means."""
    simulated_frames: int = Field(0, ge=0)
    """Simulated frames of known artefacts, added to those to train on."""

    @field_validator("side_channels")
    @classmethod
    def _check_side_channels(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        from rbztf.frames.background import SIDE_CHANNELS

        return tuple(_checked_name(name, SIDE_CHANNELS) for name in names)


class DataSection(Section):
    """Where things are, for verbs whose paths were left out, and which objects count."""

    embeddings: Path | None = None
    labels: Path | None = None
    features: Path | None = None
    ordinary: Path | None = None
    """Light-curve features of ordinary objects, which nobody picked and nearly all of which are real."""
    cutouts: Path | None = None
    model: Path | None = None
    bands: tuple[Band, ...] = (Band.R,)
    label_rule: LabelRule = LabelRule.RB_ZTF
    """Which labelled objects are trained on: all (``rb-ztf``), or not those whose label is open (``snad2025``)."""
    min_frames: int = Field(5, ge=1)
    """Frames below which an object is scored without them, or not at all (the published classifiers never saw fewer)."""


class ClassifierSection(Section):
    """The recurrent network that reads an object's sequence of vectors."""

    cell: Literal["gru", "lstm"] = "gru"
    hidden: int = Field(128, ge=1)
    bidirectional: bool = False
    padding: Literal["masked", "reference"] = "masked"
    """``reference`` lets the network read the zeros that fill a batch, as published."""
    standardise: bool = True
    scale_floor: float = Field(0.0, ge=0)
    """Least standard deviation a column is divided by, so that latents near constancy stay quiet."""
    dropout: float = Field(0.0, ge=0, lt=1)
    tversky: float = Field(0.0, ge=0)
    """Weight of the Tversky loss beside the cross-entropy."""
    inputs: Literal["vectors", "vectors+loss", "frames", "frames+loss"] = "vectors"
    """``+loss`` appends the VAE loss of each frame; ``frames`` runs a frozen encoder inside."""

    @property
    def reads_loss(self) -> bool:
        """Whether the VAE loss of each frame is read after its vector."""
        return self.inputs.endswith("+loss")

    def idle(self) -> dict[str, str]:
        return {} if self.standardise else {"scale_floor": "standardise: false"}


class TrainingSection(Section):
    """The optimisation loop, of the autoencoder and of the classifier alike."""

    epochs: int = Field(20, ge=1)
    batch_size: int = Field(64, ge=1)
    learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(0.0, ge=0)
    optimiser: Literal["adam", "adamw"] = "adam"
    schedule: Literal["constant", "one-cycle"] = "constant"
    clip_norm: float = Field(0.0, ge=0)
    """Largest norm of the gradient; 0 leaves it alone."""
    subsample: int = Field(0, ge=0)
    """Frames of an object shown per epoch, in order, drawn anew each time; 0 shows all."""
    bucket_edges: tuple[int, ...] = ()
    """Sequence lengths at which batches are separated, as published; empty sorts by length."""
    patience: int = Field(0, ge=0)
    """Epochs without a better AUC before an inner run stops; 0 trains all epochs, without inner folds."""
    inner_folds: int = Field(3, ge=2)
    """Folds of whole fields within the training objects; they choose the epoch and the threshold."""
    mixed_precision: bool = True
    """On CUDA only."""
    checkpoint_every: int = Field(1, ge=0)
    """Epochs between checkpoints; 0 writes none."""

    def idle(self) -> dict[str, str]:
        return {} if self.patience else {"inner_folds": "patience: 0"}


Inputs = tuple[Literal["image", "lightcurve"], ...]


class MemberSection(Section):
    """What the sections of all kinds of members have."""

    kind: str
    inputs: Inputs


class NetworkMember(MemberSection):
    """A network of the ensemble: reads frames, light-curve features, or both (models/ensemble)."""

    kind: Literal["network"]
    inputs: Inputs = Field(("image",), min_length=1)
    pooling: Literal["context", "votes"] = "context"
    """Whether frames vote in the context of the object, or by themselves (then for ``--explain``)."""
    statistics: bool = False
    """Whether it reads the statistics of the latents beside the frames."""
    hidden: int = Field(64, ge=1)
    context: int = Field(64, ge=1)
    heads: int = Field(4, ge=1)
    recurrent: int = Field(0, ge=0)
    """Hidden size of each direction of a GRU over the frames; 0 leaves it out."""
    dropout: float = Field(0.5, ge=0, lt=1)
    epochs: int = Field(15, ge=1)
    batch_size: int = Field(64, ge=2)
    learning_rate: float = Field(2e-3, gt=0)
    weight_decay: float = Field(1e-2, ge=0)
    subsample: int = Field(128, ge=1)
    """Frames of an object shown per epoch, in order, drawn anew each time."""
    smoothing: float = Field(0.05, ge=0, lt=0.5)
    """Targets are this far from 0 and 1."""
    auxiliary: float = Field(0.0, ge=0)
    """Weight of the tags as further targets."""

    def idle(self) -> dict[str, str]:
        if "image" not in self.inputs:
            of_frames = ("pooling", "hidden", "heads", "recurrent", "subsample")
            return dict.fromkeys(of_frames, "inputs without image")
        return {"heads": "pooling: votes"} if self.pooling == "votes" else {}

    @model_validator(mode="after")
    def _check_inputs(self) -> NetworkMember:
        if self.statistics and "image" not in self.inputs:
            raise ValueError("statistics are of frames, so inputs must hold image")
        if self.pooling == "votes" and (self.statistics or self.inputs != ("image",)):
            raise ValueError(
                "frames that vote by themselves are all it can read: inputs [image], no statistics"
            )
        return self


class TreesMember(MemberSection):
    """Gradient-boosted trees of the ensemble (LightGBM), on statistics, features, or both."""

    kind: Literal["trees"]
    inputs: Inputs = Field(("image", "lightcurve"), min_length=1)
    trees: int = Field(800, ge=1)
    learning_rate: float = Field(0.03, gt=0)
    leaves: int = Field(15, ge=2)
    min_leaf: int = Field(10, ge=1)
    row_share: float = Field(0.7, gt=0, le=1)
    column_share: float = Field(0.2, gt=0, le=1)
    random_splits: bool = True
    """One random threshold a feature, as extremely randomised trees have."""
    ordinary_weight: float = Field(0.3, ge=0, le=1)
    """Weight in training of ordinary objects (``data.ordinary``), which count as real; 0 leaves them out."""

    def idle(self) -> dict[str, str]:
        return {"ordinary_weight": "inputs with image"} if "image" in self.inputs else {}


Member = Annotated[NetworkMember | TreesMember, Field(discriminator="kind")]
MEMBER_KINDS: dict[str, type[MemberSection]] = {
    get_args(section.model_fields["kind"].annotation)[0]: section for section in get_args(get_args(Member)[0])
}
"""Section of each kind of member."""


class EnsembleSection(Section):
    """Several members, their logits added with weights from inner folds, and calibrated."""

    members: dict[str, Member] = Field(min_length=1)
    folds: int = Field(5, ge=2)
    """Inner folds of whole fields. Each member is trained without each; all of these are kept."""
    least_spread: float = Field(0.05, ge=0)
    """Latents that vary less than this share of the most variable one are left out."""
    log_variances: bool = False
    """Whether the log variances of the latents are read of each frame beside their means."""
    simulated_frames: int = Field(0, ge=0)
    """Simulated frames from which a network learns what a frame shows; its answers are read beside the latents."""
    uncertain_weight: float = Field(1.0, gt=0, le=1)
    """Weight in training of objects tagged ``uncertain``; evaluation counts all alike."""
    ambiguous_weight: float = Field(1.0, gt=0, le=1)
    """Likewise of objects whose label is open by the rule ``snad2025``, with ``data.label_rule: rb-ztf``."""
    tag_weights: dict[str, Annotated[float, Field(gt=0, le=100)]] = {}
    """How much more than others objects with a tag weigh in training, names in :data:`rbztf.ztf.AUXILIARY_TAGS`."""
    doubt_weight: float = Field(1.0, gt=0, le=1)
    """Weight of objects whose label inner out-of-fold scores contradict, in a second training; 1: there is none."""
    error_rate: float = Field(0.05, gt=0, lt=1)
    """Of the conformal decision, per class; what it cannot decide is ``unsure``."""
    limits_from: Literal["all", "clear"] = "all"
    """Labelled objects that conformal limits rest on: all, or those whose label is not open by ``snad2025``."""

    @field_validator("tag_weights")
    @classmethod
    def _check_tags(cls, weights: dict[str, float]) -> dict[str, float]:
        return {_checked_name(name, AUXILIARY_TAGS): weight for name, weight in weights.items()}

    @property
    def reads_frames(self) -> bool:
        """Whether one of its members does."""
        return any("image" in member.inputs for member in self.members.values())

    def idle(self) -> dict[str, str]:
        of_frames = ("least_spread", "log_variances", "simulated_frames")
        return {} if self.reads_frames else dict.fromkeys(of_frames, "members that read no frames")


class CvSection(Section):
    """Cross-validation."""

    split: str = "field"
    """``field``, ``reference``, ``random``, or a CSV file with ``oid,fold``."""
    folds: int = Field(5, ge=2)
    repeats: int = Field(1, ge=1)
    """Draws of the folds, with the seeds ``seed``, ``seed`` + 1 and so on (field and random splits)."""
    ablate: bool = False
    """Also report what parts of an ensemble can do, from the same trainings."""
    equal_length: int = Field(100, ge=0)
    """Frames to which an audit of ensembles cuts every longer object; 0 leaves the audit out."""
    bootstrap: int = Field(1000, ge=0)
    """Draws of fields for the 95 % intervals."""


class Config(Section):
    """Everything a run depends on besides its data."""

    name: str = ""
    data: DataSection = DataSection()
    frames: FramesSection = FramesSection()
    vae: VaeSection = VaeSection()
    classifier: ClassifierSection = ClassifierSection()
    training: TrainingSection = TrainingSection()
    ensemble: EnsembleSection | None = None
    """Where it is given, the model is an ensemble, and ``training`` counts for the autoencoder alone."""
    cv: CvSection = CvSection()
    device: str = "auto"
    """``auto`` (CUDA where there is one), ``cpu``, ``cuda``, ``cuda:1`` …"""
    seed: int = Field(0, ge=0, lt=2**32)

    def dump(self, folder: Path = Path()) -> str:
        """The resolved configuration as YAML; loading it from a file in ``folder`` gives an equal one."""
        content = self.model_dump(mode="json")
        for key, value in self.data:
            if isinstance(value, Path) and not value.is_absolute():
                content["data"][key] = os.path.relpath(value, folder)
        return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
