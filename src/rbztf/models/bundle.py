"""What every model folder has: weights in safetensors, ``model.yaml``, a model card.

No pickle: a bundle from a stranger can be wrong, but it cannot run code.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from rbztf.errors import InputError, UsageError
from rbztf.files import is_taken, put_back, regular, whole_folder, write_bytes, write_text
from rbztf.yamltext import read_yaml

SCHEMA = 1
WEIGHTS = "weights.safetensors"
METADATA = "model.yaml"
CARD = "README.md"


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
    """Write the three files of a bundle into the existing ``folder``."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_bytes(folder / WEIGHTS, save(plain))
    content = {"schema": SCHEMA, **metadata}
    write_text(folder / METADATA, yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
    write_text(folder / CARD, card)


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
    """The tensors of a bundle, on the CPU.

    Raises
    ------
    InputError
        If the file is missing or is not a safetensors file.
    """
    path = folder / WEIGHTS
    try:
        return load_file(regular(path))
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"{path} is not a safetensors file ({error}); nothing in it was run.",
            "Make or import the model again.",
        ) from None


def load_exactly(module: nn.Module, tensors: Mapping[str, Tensor], origin: Path | str) -> None:
    """Load ``tensors`` into ``module``, every key and shape matching.

    Raises
    ------
    InputError
        If they do not fit.
    """
    try:
        module.load_state_dict(dict(tensors), strict=True)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise InputError(
            f"The weights in {origin} do not fit their model ({reason}).", "Import it again."
        ) from None
