"""What ``export.yaml`` says of a model's files of ONNX."""

from __future__ import annotations

from typing import Any

from rbztf.frames.background import MAD_TO_SIGMA
from rbztf.models.ensemble.ensemble import Ensemble
from rbztf.models.ensemble.stacking import LARGEST_LOGIT
from rbztf.models.objects.frame_kinds import FLOOR, FrameKinds
from rbztf.models.objects.frame_reader import LARGEST_DEVIATION, SCALE_FLOOR, FrameReader
from rbztf.models.vae.bundle import EncoderBundle

Entry = dict[str, Any]


def tensors_of(infos: Any) -> Entry:
    """Shape and dtype of inputs or outputs of a graph, by name."""
    from onnx import helper

    return {
        info.name: {
            "shape": [axis.dim_param or axis.dim_value for axis in info.type.tensor_type.shape.dim],
            "dtype": str(helper.tensor_dtype_to_np_dtype(info.type.tensor_type.elem_type)),
        }
        for info in infos
    }


def described(model: Any, about: str, **more: Any) -> Entry:
    """What a file holds, reads and gives."""
    return {
        "about": about,
        "inputs": tensors_of(model.graph.input),
        "outputs": tensors_of(model.graph.output),
        **more,
    }


def normaliser(encoder: EncoderBundle) -> Entry:
    """How pixels become the input of an encoder."""
    return dict(encoder.config.frames.model_dump(mode="json"))


def channels(encoder: EncoderBundle) -> list[str]:
    """What each channel of its input holds."""
    more = ["1 where the pixel holds data, else 0"] if encoder.encoder.channels > 1 else []
    return ["pixels, normalised (rbztf.frames)", *more]


def _kinds(kinds: FrameKinds) -> Entry:
    """The network whose answers follow the columns of a vector."""
    return {
        "reads": list(kinds.columns),
        "mean": kinds.mean.tolist(),
        "scale": kinds.scale.tolist(),
        "layers": [{"weight": weight.tolist(), "bias": bias.tolist()} for weight, bias in kinds.layers],
        "usual": kinds.usual.tolist(),
        "answers": "p = softmax of the last layer, of (v - mean) / scale through the layers, each but the last followed by "
        f"max(0, x); then log((p + {FLOOR}) / (1 - p + {FLOOR})) of the first kind (a clean frame), and "
        f"log((p + {FLOOR}) / (usual + {FLOOR})) of the others. They are columns after those of the vector",
    }


def reading(reader: FrameReader) -> Entry:
    """How the vectors of an object's frames become what its networks read."""
    return {
        **({} if reader.kinds is None else {"kinds": _kinds(reader.kinds)}),
        "latents": list(reader.latents),
        "mean": [float(value) for value in reader.mean],
        "scale": [float(value) for value in reader.scale],
        "columns": [
            "(v - mean) / scale, of each latent v",
            "d / scale, with d = v - median of v over the object's frames",
            "|v - v of the frame before| / scale; 0 for the first frame",
            f"d / scale / ({MAD_TO_SIGMA} * median(|d|) / scale + {SCALE_FLOOR}), "
            f"clipped to [-{LARGEST_DEVIATION:g}, {LARGEST_DEVIATION:g}], divided by 3",
        ],
    }


def combined(model: Ensemble, files: dict[str, str]) -> list[Entry]:
    """How the logits of members become the probability of bogus, by what a score rests on."""
    entries = []
    for inputs, combination in model.combinations.items():
        entry: Entry = {
            "inputs": [str(modality) for modality in inputs],
            "p_bogus": "sigmoid(bias + sum over members of weight * clip(mean of its trainings' first logit))",
            "clip": [-LARGEST_LOGIT, LARGEST_LOGIT],
            "bias": float(combination.bias),
            "members": [
                {"member": name, "file": files[name], "weight": float(weight)}
                for name, weight in zip(combination.members, combination.weights)
            ],
        }
        if inputs in model.kinds:
            scale = model.kinds[inputs]
            entry["kinds"] = {
                "p": "sigmoid(offset + slope * mean of the kind's logit over trainings of these members)",
                "members": list(scale.members),
                "slope": _numbers(dict(zip(scale.kinds, scale.slope))),
                "offset": _numbers(dict(zip(scale.kinds, scale.offset))),
            }
        entries.append(entry)
    return entries


def _numbers(by_kind: dict[str, Any]) -> dict[str, float | None]:
    return {kind: float(value) if value == value else None for kind, value in by_kind.items()}
