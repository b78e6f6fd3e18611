"""Every tensor is made on the device it is used on; checked without a GPU.

The source is searched for tensors whose device is not stated, and losses and gradients are
computed on torch's ``meta`` device, where an operation with a tensor left on the CPU fails.
On real GPUs: test_cuda.py.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from helpers import ROOT
from torch import Tensor

from rbztf.config import load_config
from rbztf.models.ensemble.pooled_network import PooledNetwork
from rbztf.models.rnn.fit import classifier_loss
from rbztf.models.rnn.network import RecurrentClassifier
from rbztf.models.vae.batches import Loaded
from rbztf.models.vae.objective import Objective

SOURCE = ROOT / "src" / "rbztf"
FOLDERS = ("models", "evaluation", "prediction", "verbs")
MAKERS = frozenset(
    [
        "arange",
        "as_tensor",
        "asarray",
        "empty",
        "eye",
        "frombuffer",
        "from_numpy",
        "full",
        "linspace",
        "normal",
        "ones",
        "rand",
        "randint",
        "randn",
        "randperm",
        "tensor",
        "zeros",
    ]
)
"""Functions of torch that make a tensor on the CPU unless told otherwise."""
MOVED = frozenset({"to", "register_buffer", "Parameter"})
"""Calls around a new tensor that move it, or let it move with its module."""
ON_THE_CPU = {
    "tensors": "arrays of a model, for its bundle",
    "save": "arrays of a model, for its bundle or checkpoint",
    "write_into": "arrays of a model, for its bundle",
    "save_ensemble": "arrays of a model, for its bundle",
    "pad": "batches are made on the CPU and moved whole",
    "_tensors": "batches are made on the CPU and moved whole",
    "collate": "batches are made on the CPU and moved whole",
    "epoch_batches": "batches are made on the CPU and moved whole",
    "_train": "all targets; those of a batch are moved with it",
    "probabilities": "softmax of logits that are back on the CPU",
    "_centre": "a buffer of the objective, which moves with it",
    "_draw_pictures": "errors of a few frames, for a picture",
    "reference_split": "the published split, drawn by torch's generator of the CPU",
}
"""Functions that may make tensors without stating their device, and why."""


EXPORTED = SOURCE / "models" / "onnx"
"""Modules that are traced on the CPU, and nowhere else."""


def without_device() -> Iterator[tuple[str, str]]:
    """Function and place of each tensor that is made without its device being stated."""
    for folder in FOLDERS:
        for path in sorted(set((SOURCE / folder).rglob("*.py")) - set(EXPORTED.glob("*.py"))):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            above = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
            for node in ast.walk(tree):
                if not is_maker(node) or any(word.arg == "device" for word in node.keywords):
                    continue
                around = list(ancestors(node, above))
                if not any(isinstance(one, ast.Call) and called(one) in MOVED for one in around):
                    function = next((one.name for one in around if isinstance(one, ast.FunctionDef)), "")
                    yield function, f"{path.relative_to(SOURCE)}:{node.lineno} torch.{node.func.attr}"


def is_maker(node: Any) -> bool:
    return isinstance(node, ast.Call) and called(node) in MAKERS and ast.unparse(node.func.value) == "torch"


def called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def ancestors(node: ast.AST, above: dict[ast.AST, ast.AST]) -> Iterator[ast.AST]:
    while node in above:
        node = above[node]
        yield node


def test_tensors_are_made_with_their_device() -> None:
    assert [place for function, place in without_device() if function not in ON_THE_CPU] == []


META = torch.device("meta")


@pytest.mark.parametrize("name", ["vae", "reference/vae-aug"])
def test_the_autoencoder_and_its_augmentation_stay_on_the_device(name: str) -> None:
    settings = ["vae.latent=4", "vae.artefact_weight=0"]  # rows of known kinds are not known on meta
    objective = Objective(load_config(name, settings, project_file=None)).to(META)
    states = torch.ones(8, 1, 28, 28, dtype=torch.uint8, device=META)
    kinds = torch.zeros(8, dtype=torch.int64, device=META)
    terms = objective(Loaded(torch.rand(8, 1, 28, 28, device=META), states, kinds), 0.5)
    assert all(term.device == META for term in terms)
    check_gradients(terms.loss, objective)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("padding", ["masked", "reference"])
def test_recurrent_networks_stay_on_the_device(cell: str, padding: str) -> None:
    network = RecurrentClassifier(3, cell=cell, bidirectional=True, padding=padding, dropout=0.5).to(META)
    lengths = torch.tensor([7, 3, 1, 5])  # on the CPU, as packing wants them
    logits = network(torch.rand(4, 7, 3, device=META), lengths)
    loss = classifier_loss(logits, torch.zeros(4, dtype=torch.int64, device=META), 0.01)
    check_gradients(loss, network)


@pytest.mark.parametrize("votes", [False, True])
def test_pooled_networks_stay_on_the_device(votes: bool) -> None:
    network = PooledNetwork(3, 0 if votes else 5, 2, votes=votes).to(META)
    rows = torch.rand(4, 0 if votes else 5, device=META)
    logits = network(torch.rand(4, 7, 3, device=META), torch.ones(4, 7, dtype=torch.bool, device=META), rows)
    check_gradients(logits.square().mean(), network)


def check_gradients(loss: Tensor, network: torch.nn.Module) -> None:
    assert loss.device == META
    loss.backward()
    without = [name for name, parameter in network.named_parameters() if parameter.grad is None]
    assert without in ([], ["heads.artefact.weight", "heads.artefact.bias"])


def test_a_tensor_left_on_the_cpu_is_noticed_on_the_meta_device() -> None:
    with pytest.raises(RuntimeError, match="meta"):
        torch.rand(3, device=META) + torch.rand(3)
