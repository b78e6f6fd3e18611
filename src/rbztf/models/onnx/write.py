"""A model as files of ONNX, and what is said of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import singledispatch
from typing import Any

import torch
from torch import Tensor

from rbztf.errors import UsageError
from rbztf.models.ensemble.ensemble import Ensemble, Fitted
from rbztf.models.ensemble.network_member import FittedNetwork
from rbztf.models.ensemble.trees_member import FittedTrees
from rbztf.models.model import Model
from rbztf.models.objects.object_set import Modality
from rbztf.models.onnx import describe
from rbztf.models.onnx.graph import score_model, trees_model
from rbztf.models.onnx.networks import Pooled, Recurrent, written
from rbztf.models.rnn.bundle import ClassifierBundle
from rbztf.models.vae.bundle import EncoderBundle
from rbztf.models.vae.encoding import folded
from rbztf.ztf import SIZE_PIX

ENCODER, CLASSIFIER, SCORE = "encoder.onnx", "classifier.onnx", "score.onnx"
PADDED = "frames of an object in the order of time, then anything finite; lengths (at least 1) say how many are its own"
PADDING = (
    "the network reads the padding of a batch as published: a score depends on the longest object beside it"
)
FEW = "an object of whose features fewer than half are finite has no score in rbztf"
NOT_HERE = (
    "normalising of pixels, and light-curve features (rbztf features, or the package light-curve)",
    "intervals, decisions and the check of inputs",
    "another share of artefacts than prior: add logit(wanted) - logit(prior) to the log odds",
)


@dataclass
class Exported:
    """Models of ONNX by file name, and what ``export.yaml`` says of them."""

    models: dict[str, Any] = field(default_factory=dict)
    files: dict[str, describe.Entry] = field(default_factory=dict)
    more: describe.Entry = field(default_factory=dict)

    def add(self, name: str, model: Any, about: str, **more: Any) -> None:
        """A file more."""
        self.models[name] = model
        self.files[name] = describe.described(model, about, **more)


def export_model(model: Model | EncoderBundle) -> Exported:
    """All that can be said in ONNX of an encoder, a classifier or an ensemble.

    Raises
    ------
    UsageError
        For a model of a kind that cannot.
    """
    out = Exported()
    _add(model, out)
    return out


@singledispatch
def _add(model: Any, out: Exported) -> None:
    """Put the files of a model into ``out``."""
    raise UsageError("The model is of a kind that has no export.", "See what there is: rbztf models.")


def _add_what_both_have(model: Model, out: Exported) -> None:
    out.more["not_in_onnx"] = list(NOT_HERE)
    if model.encoder is not None:
        _add(model.encoder, out)


@_add.register
def _add_encoder(encoder: EncoderBundle, out: Exported) -> None:
    network = folded(encoder.encoder).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    example = torch.zeros(2, encoder.encoder.channels, SIZE_PIX, SIZE_PIX)
    out.add(
        ENCODER,
        written(network, {"frames": example}, ["encoded"]),
        "normalised frames to latent means, then log variances",
        encoder=encoder.hash,
        latent=encoder.encoder.latent,
        channels=describe.channels(encoder),
        normaliser=describe.normaliser(encoder),
        side_channels=list(encoder.config.vae.side_channels),
    )


@_add.register
def _add_classifier(model: ClassifierBundle, out: Exported) -> None:
    _add_what_both_have(model, out)
    width = len(model.standardisation.mean)
    example = {"vectors": torch.zeros(2, 3, width), "lengths": torch.tensor([3, 2])}
    more: dict[str, Any] = {"padding": PADDED}
    if model.network.padding == "reference":
        more["batches"] = PADDING
    out.add(
        CLASSIFIER,
        written(Recurrent(model).eval(), example, ["logits", "p_bogus"]),
        "latent means of an object's frames to logits of real and bogus, and the probability of bogus",
        columns=[
            *(f"latent {k}" for k in range(model.latent)),
            *["loss"] * model.config.classifier.reads_loss,
        ],
        **more,
    )
    out.more["threshold"] = float(model.threshold)


@_add.register
def _add_ensemble(model: Ensemble, out: Exported) -> None:
    _add_what_both_have(model, out)
    names = {}
    for name, trained in model.members.items():
        names[name] = f"{name}.onnx"
        if names[name] in (ENCODER, SCORE):
            names[name] = f"member-{name}.onnx"
        _add_member(out, names[name], name, trained)
    out.more["prior"] = float(model.prior)
    if model.feature_names:
        out.more["features"] = {
            "names": list(model.feature_names),
            "definition": model.definition.to_json(),
        }
    if model.reader.latents:
        out.more["frames"] = describe.reading(model.reader)
    out.more["scores"] = describe.combined(model, names)
    combination = model.combinations.get((Modality.LIGHTCURVE,))
    if combination is not None:
        columns = {
            name: [model.feature_names.index(column) for column in _names(model.members[name])]
            for name in combination.members
        }
        parts = {name: out.models[names[name]] for name in combination.members}
        out.add(
            SCORE,
            score_model(combination, parts, columns, len(model.feature_names)),
            "light-curve features alone to the calibrated probability of bogus and its log odds",
            columns=list(model.feature_names),
            unknown="NaN where a feature is unknown",
            few=FEW,
        )


def _names(trained: Fitted) -> tuple[str, ...]:
    return tuple(trained[0].names)  # type: ignore[attr-defined]


def _add_member(out: Exported, file: str, name: str, trained: Fitted) -> None:
    first = trained[0]
    if any(_names((member,)) != _names(trained) for member in trained):
        raise UsageError(f"Trainings of the member {name} read different columns.", "Train the model again.")
    more: dict[str, Any] = {"member": name, "outputs_of_a_training": ["bogus", *first.tag_names]}
    if _names(trained):
        more |= {"columns": list(_names(trained)), "unknown": "NaN where a column is unknown"}
    model, about = _written(first, trained, more)
    out.add(file, model, about, **more)


@singledispatch
def _written(first: Any, trained: Fitted, more: dict[str, Any]) -> tuple[Any, str]:
    """The trainings of a member as one model of ONNX, and what it does; ``more`` gets what else is to be said."""
    raise UsageError(f"The member {more['member']} is of a kind that has no export.", "Export another model.")


@_written.register
def _trees_written(
    first: FittedTrees, trained: Sequence[FittedTrees], more: dict[str, Any]
) -> tuple[Any, str]:
    return trees_model(list(trained)), "gradient-boosted trees: rows of columns to logits"


@_written.register
def _network_written(
    first: FittedNetwork, trained: Sequence[FittedNetwork], more: dict[str, Any]
) -> tuple[Any, str]:
    if first.network.reads_frames:
        more["padding"] = PADDED
    model = written(Pooled(list(trained)).eval(), _example(trained), ["logits"])
    return model, "a network of frames, rows of columns, or both, to logits"


def _example(trained: Sequence[FittedNetwork]) -> dict[str, Tensor]:
    first, example = trained[0], dict[str, Tensor]()
    if first.network.reads_frames:
        example["frames"] = torch.zeros(2, 3, first.network.frame_inputs)
        example["lengths"] = torch.tensor([3, 2])
    if first.encoding is not None:
        example["rows"] = torch.zeros(2, len(first.names), dtype=torch.float64)
    return example
