"""Checkpoints without pickle: one safetensors file per run, replaced atomically.

A run that is killed and started again with the same configuration and data goes on after
its last finished epoch and ends with the same weights: everything random in an epoch is
drawn from the seed and the number of that epoch, nothing from what ran before.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rbztf.config import Config
from rbztf.errors import InputError, UsageError
from rbztf.files import write_bytes, write_text
from rbztf.models.bundle import check_finite, read_tensors, tensor_bytes, weights_hash

SUM = "sha256"
"""Name of the sum among the texts of a checkpoint; older ones lack it."""
History = list[dict[str, float]]


@dataclass
class State:
    """Where a run stands after an epoch.

    Attributes
    ----------
    epoch : int
        Epochs finished.
    history : list of dict
        One row an epoch.
    scores : list of list of float
        Scores of the objects set aside after each epoch, where there are any.
    done : bool
        Nothing is left to train.
    """

    epoch: int = 0
    history: History = field(default_factory=list)
    scores: list[list[float]] = field(default_factory=list)
    done: bool = False


def fingerprint(config: Config, arrays: Iterable[np.ndarray[Any, Any]]) -> str:
    """A hash of all that decides a run's result: model, training, seed and data."""
    content = config.model_dump(
        mode="json", include={"frames", "vae", "classifier", "training", "ensemble", "seed"}
    )
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode())
    for array in arrays:
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()[:16]


def claim(folder: Path, fingerprint_: str) -> None:
    """Make ``folder`` the scratch of the run with this fingerprint.

    Raises
    ------
    UsageError
        If it belongs to another run.
    """
    mark = folder / "fingerprint"
    if not mark.is_file():
        write_text(mark, fingerprint_)
    elif mark.read_text() != fingerprint_:
        raise _another_run(folder)


def _another_run(folder: Path) -> UsageError:
    return UsageError(
        f"{folder} holds an unfinished run with another configuration or other data.",
        "Choose another --out, or delete that folder to start anew.",
    )


def save(
    path: Path, state: State, model: nn.Module, optimiser: torch.optim.Optimizer, fingerprint_: str
) -> None:
    """Write a checkpoint; the one before it stays until this one is whole."""
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    for index, moments in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{name}": torch.as_tensor(value) for name, value in moments.items()}
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    text = json.dumps({"fingerprint": fingerprint_, **asdict(state)})
    write_bytes(path, tensor_bytes(plain, {"state": text, SUM: _sum(text, plain)}))


def load(path: Path, model: nn.Module, optimiser: torch.optim.Optimizer, fingerprint_: str) -> State:
    """Bring ``model`` and ``optimiser`` to where a checkpoint left them.

    Returns
    -------
    State
        A fresh one if there is no checkpoint.

    Raises
    ------
    UsageError
        If the checkpoint belongs to another configuration, other data or another network.
    InputError
        If the file is damaged.
    """
    if not path.is_file():
        return State()
    try:
        tensors, texts = read_tensors(path)
        if SUM in texts and texts[SUM] != _sum(texts["state"], tensors):
            raise ValueError("its sum is not that of its content")
        check_finite(tensors, path)
        facts = json.loads(texts["state"])
        found, state = facts["fingerprint"], State(*(facts[field.name] for field in fields(State)))
    except (InputError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise InputError(
            f"The checkpoint {path} is damaged ({_reason(error)}).", "Delete it to start anew."
        ) from None
    if found != fingerprint_:
        raise _another_run(path.parent)
    try:
        model.load_state_dict(_below(tensors, "model."))
    except RuntimeError:  # the network has other layers in this version of rbztf
        raise _another_run(path.parent) from None
    _load_optimiser(optimiser, _below(tensors, "optimiser."))
    return state


def _reason(error: Exception) -> str:
    return error.message if isinstance(error, InputError) else str(error)


def _sum(text: str, tensors: Mapping[str, Tensor]) -> str:
    return hashlib.sha256(f"{weights_hash(tensors)} {text}".encode()).hexdigest()


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _load_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, _, key = name.partition(".")
        moments.setdefault(int(index), {})[key] = tensor
    content = optimiser.state_dict()
    optimiser.load_state_dict({"state": moments, "param_groups": content["param_groups"]})


def mean_history(curves: Sequence[History]) -> History:
    """Row by row over trainings, as far as all of them went, with what all of them know."""
    rows = []
    for together in zip(*curves):
        shared = [name for name in together[0] if all(name in row for row in together)]
        rows.append({name: float(np.mean([row[name] for row in together])) for name in shared})
    return rows
