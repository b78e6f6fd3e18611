"""What every model folder has: weights in safetensors, ``model.yaml``, a model card, ``SHA256SUMS``.

No pickle: a bundle from a stranger can be wrong, but it cannot run code.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from rbztf.errors import DataError, InputError, UsageError
from rbztf.files import is_taken, put_back, regular, whole_folder, write_bytes, write_text
from rbztf.formats.sums import CARD, verify, write_sums
from rbztf.yamltext import read_yaml

SCHEMA = 1
WEIGHTS = "weights.safetensors"
METADATA = "model.yaml"
UNKNOWN = "kinds."
"""Begins the names of tensors in which NaN stands for what the training set was too small for."""
MOST_COLUMNS = 100_000
"""That a model reads of a frame."""


def weights_hash(tensors: Mapping[str, Tensor]) -> str:
    """A short hash of named tensors: the same weights have the same hash anywhere."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()[:16]


@contextmanager
def new_bundle(folder: Path) -> Iterator[Path]:
    """A temporary folder that takes the place of ``folder`` when the block ends well.

    Raises
    ------
    UsageError
        If ``folder`` exists and is something else than a bundle, or as :func:`whole_folder`.
    WriteError
        If it cannot be written.
    """
    if is_taken(folder, METADATA):
        raise UsageError(f"{folder} exists and is not a model folder.", "Choose another --out.")
    with whole_folder(folder) as part:
        yield part


def write_parts(folder: Path, metadata: Mapping[str, Any], tensors: Mapping[str, Tensor], card: str) -> None:
    """Write the files of a bundle into the existing ``folder``; their sums cover what lies there already.

    Raises
    ------
    DataError
        If a tensor holds a number that is not finite, but one of :data:`UNKNOWN`.
    """
    for name, tensor in tensors.items():
        if not name.startswith(UNKNOWN) and not torch.isfinite(tensor).all():
            raise DataError(
                f"The training came to no finite {name}, so no model was written.",
                "Lower training.learning_rate, or check the training set for extreme values.",
            )
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_bytes(folder / WEIGHTS, tensor_bytes(plain))
    content = {"schema": SCHEMA, **metadata}
    write_text(folder / METADATA, yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
    write_text(folder / CARD, card)
    write_sums(folder, WEIGHTS, METADATA, CARD)


def read_metadata(folder: Path, *kinds: str) -> dict[str, Any]:
    """The ``model.yaml`` of a bundle of one of ``kinds`` ("encoder", "classifier", "ensemble").

    Raises
    ------
    InputError
        If the folder is not a bundle, or of another kind, or written by a newer version.
    """
    put_back(folder)
    path = folder / METADATA
    if not path.is_file():
        raise InputError(
            f"{folder} is not a model folder: {METADATA} is missing.", "Name a folder made by rbztf."
        )
    content = read_yaml(path, advice="Make or import the model again.")
    try:
        schema, found = int(content["schema"]), str(content["kind"])
    except (TypeError, KeyError, ValueError, OverflowError):
        raise InputError(
            f"{path} does not say what kind of model it describes, or in which version.",
            "Make or import the model again.",
        ) from None
    if schema > SCHEMA:
        raise InputError(
            f"{folder} was written by a newer rbztf (model version {schema}, this one knows {SCHEMA}).",
            "Update rbztf.",
        )
    if found not in kinds:
        raise InputError(
            f"{folder} holds a model of kind {found!r:.40}, not {' or '.join(map(repr, kinds))}.",
            f"Name a folder of kind {' or '.join(kinds)}.",
        )
    return dict(content)


def read_weights(folder: Path) -> dict[str, Tensor]:
    """The tensors of a bundle, on the CPU, once all its files are found to be as they were written.

    Raises
    ------
    InputError
        If a file is missing, is not what its sum says, or the weights are not a safetensors file.
    """
    tensors, _ = read_tensors(folder / WEIGHTS)
    verify(folder, METADATA, WEIGHTS, others=True)
    return tensors


def tensor_bytes(tensors: Mapping[str, Tensor], texts: Mapping[str, str] | None = None) -> bytes:
    """A safetensors file of tensors and texts: the same ones are the same bytes.

    The library writes texts in any order, so the header is written anew here.
    """
    content = save(dict(tensors), dict(texts) if texts else None)
    if not texts:
        return content
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8:end]) | {"__metadata__": dict(sorted(texts.items()))}).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + content[end:]


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a safetensors file, on the CPU, and its texts by name.

    Raises
    ------
    InputError
        If the file is missing or is not a safetensors file.
    """
    try:
        with safe_open(regular(path), "pt") as stored:
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
            return tensors, stored.metadata() or {}
    except Exception as error:  # noqa: BLE001 - damaged bytes fail in a dozen ways, none of them documented
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{path} is not a safetensors file ({reason}); nothing in it was run.",
            "Make or import the model again.",
        ) from None


def check_finite(tensors: Mapping[str, Tensor], origin: Path | str) -> None:
    """Refuse tensors that hold a number no training gives.

    Raises
    ------
    InputError
        Naming the first tensor with a NaN or an infinity.
    """
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise InputError(
                f"{name} in {origin} holds numbers that are not finite.", "Make or import the model again."
            )


def array_in(tensors: Mapping[str, Tensor], name: str, dtype: torch.dtype) -> NDArray[Any]:
    """A tensor of a bundle as an array, on which a score can rest.

    Raises
    ------
    KeyError
        If it is missing.
    ValueError
        Saying what the bundle lacks, if it is of another type or not finite.
    """
    tensor = tensors[name]
    if tensor.dtype != dtype:
        raise ValueError(f"{name} as {dtype}: it is {tensor.dtype}")
    if not torch.isfinite(tensor).all():
        raise ValueError(f"finite numbers in {name}")
    return np.asarray(tensor.numpy())


def number_in(content: Mapping[str, Any], name: str, low: float, high: float) -> float:
    """A number of ``model.yaml`` from ``low`` to ``high``.

    Raises
    ------
    KeyError, TypeError
        If it is missing, or no number.
    ValueError
        Saying what the bundle lacks, if it is out of range or not finite.
    """
    value = content[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"a number as {name}: it is {value!r:.40}")
    if not low <= value <= high or not math.isfinite(value):
        raise ValueError(f"a sound {name}: it is {value}")
    return float(value)


def load_exactly(module: nn.Module, tensors: Mapping[str, Tensor], origin: Path | str) -> None:
    """Load ``tensors`` into ``module``, every key, shape and type matching, every number finite.

    Raises
    ------
    InputError
        If they do not fit.
    """
    expected = module.state_dict()
    for name, tensor in tensors.items():
        if name in expected and tensor.dtype != expected[name].dtype:
            raise InputError(
                f"The weights in {origin} do not fit their model ({name} is {tensor.dtype}).",
                "Import it again.",
            )
    check_finite(tensors, origin)
    try:
        module.load_state_dict(dict(tensors), strict=True)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise InputError(
            f"The weights in {origin} do not fit their model ({reason}).", "Import it again."
        ) from None
