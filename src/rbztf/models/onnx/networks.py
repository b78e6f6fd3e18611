"""Encoders and networks as modules that PyTorch can write as ONNX, for any number of objects and frames."""

from __future__ import annotations

import copy
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rbztf.errors import UsageError, reason
from rbztf.models.ensemble.network_member import FittedNetwork
from rbztf.models.ensemble.pooled_network import PooledNetwork
from rbztf.models.ensemble.row_encoding import RowEncoding
from rbztf.models.rnn.bundle import ClassifierBundle

OPSET = 17
"""Of all files."""
OBJECTS, FRAMES = "n", "frames"
"""Names of the axes whose length is free."""


def written(module: nn.Module, inputs: Mapping[str, Tensor], outputs: Sequence[str]) -> Any:
    """A module as :class:`onnx.ModelProto`.

    Parameters
    ----------
    inputs : dict of str to Tensor
        Examples. The first axis of each runs over objects, the second of those with three over frames.
    outputs : sequence of str
        Names; the first axis of each runs over objects.

    Raises
    ------
    UsageError
        If this version of PyTorch cannot.
    """
    import onnx

    axes: dict[str, dict[int, str]] = {name: {0: OBJECTS} for name in (*inputs, *outputs)}
    for name, tensor in inputs.items():
        if tensor.ndim == 3:
            axes[name][1] = FRAMES
    with (
        tempfile.TemporaryDirectory() as name,
        torch.inference_mode(),
        warnings.catch_warnings(action="ignore"),
    ):
        path = Path(name) / "network.onnx"
        try:
            torch.onnx.export(
                module.eval(),
                tuple(inputs.values()),
                path,
                input_names=list(inputs),
                output_names=list(outputs),
                dynamic_axes=axes,
                opset_version=OPSET,
                dynamo=False,
            )
        except (TypeError, RuntimeError, ImportError) as error:
            raise UsageError(
                f"PyTorch {torch.__version__} cannot write the network as ONNX ({reason(error)}).",
                "Export with the version of PyTorch in constraints.txt.",
            ) from None
        return onnx.load(path)


def valid_frames(frames: Tensor, lengths: Tensor) -> Tensor:
    """Which frames of a padded batch are an object's, (n, frames) bool."""
    return torch.arange(frames.shape[1])[None, :] < lengths[:, None]


class OneWay(nn.Module):
    """One direction of a recurrent layer, over frames in the order of that direction.

    Parameters
    ----------
    layer : GRU or LSTM
    backward : bool
    """

    def __init__(self, layer: nn.GRU | nn.LSTM, backward: bool) -> None:
        super().__init__()
        self.layer = type(layer)(layer.input_size, layer.hidden_size, batch_first=True)
        suffix = "_reverse" if backward else ""
        own = layer.state_dict()
        self.layer.load_state_dict({name: own[f"{name}{suffix}"] for name in self.layer.state_dict()})
        self.backward = backward

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """Its outputs (n, frames, hidden), each where the direction reaches it."""
        read = _turned(frames, lengths) if self.backward else frames
        outputs: Tensor = self.layer(read)[0]
        return outputs


def _turned(frames: Tensor, lengths: Tensor) -> Tensor:
    """Each sequence reversed within its length."""
    steps = torch.arange(frames.shape[1])[None, :]
    index = torch.where(steps < lengths[:, None], lengths[:, None] - 1 - steps, steps)
    return torch.gather(frames, 1, index[:, :, None].expand(-1, -1, frames.shape[2]))


class Recurrent(nn.Module):
    """A classifier bundle: vectors as an encoder makes them, and lengths, to logits and the probability of bogus.

    Parameters
    ----------
    model : ClassifierBundle
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, model: ClassifierBundle) -> None:
        super().__init__()
        network = model.network
        self.register_buffer("mean", torch.from_numpy(model.standardisation.mean.copy()))
        self.register_buffer("scale", torch.from_numpy(model.standardisation.scale.copy()))
        self.clf, self.hidden = network.clf, network.rnn_layer.hidden_size
        self.reads_padding = network.padding == "reference"
        ways = (False, True) if network.rnn_layer.bidirectional else (False,)
        self.ways = nn.ModuleList(OneWay(network.rnn_layer, backward) for backward in ways)

    def forward(self, vectors: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (n, 2): real, bogus; and the probability of bogus (n,)."""
        valid = valid_frames(vectors, lengths)[:, :, None]
        read = torch.where(valid, (vectors - self.mean) / self.scale, torch.zeros_like(vectors))
        if self.reads_padding:
            lengths = torch.zeros_like(lengths) + vectors.shape[1]
        last = (lengths - 1)[:, None, None].expand(-1, 1, self.hidden)
        states = [torch.gather(way(read, lengths), 1, last)[:, 0] for way in self.ways]
        logits: Tensor = self.clf(torch.cat(states, dim=1))
        return logits, logits.softmax(dim=1)[:, 1]


class _InOrder(PooledNetwork):
    """A pooled network that reads frames in order without packing them, which ONNX cannot say."""

    def unpack(self) -> None:
        """To be called once, after its class was changed."""
        assert self.recurrent is not None
        self.ways = nn.ModuleList(OneWay(self.recurrent, backward) for backward in (False, True))

    def _read_in_order(self, encoded: Tensor, valid: Tensor) -> Tensor:
        lengths = valid.sum(dim=1)
        forward, backward = (way(encoded, lengths) for way in self.ways)
        return torch.cat([forward, _turned(backward, lengths)], dim=2)


class Rows(nn.Module):
    """:class:`rbztf.models.ensemble.row_encoding.RowEncoding` in PyTorch.

    Parameters
    ----------
    encoding : RowEncoding
    """

    edges: Tensor
    median: Tensor

    def __init__(self, encoding: RowEncoding) -> None:
        super().__init__()
        self.register_buffer("edges", torch.from_numpy(encoding.edges.copy()))
        self.register_buffer("median", torch.from_numpy(encoding.median.copy()))

    def forward(self, rows: Tensor) -> Tensor:
        """Encode rows, (n, k) float64, NaN where unknown, → (n, k * bins) float32."""
        known = rows.abs() <= torch.finfo(torch.float64).max
        filled = torch.where(known, rows, self.median)[:, :, None]
        low, high = self.edges[:, :-1], self.edges[:, 1:]
        wide = high > low
        width = torch.where(wide, high - low, torch.ones_like(low))
        passed = torch.where(wide, (filled - low) / width, (filled > low).double())
        return (passed.clamp(0.0, 1.0).flatten(1) - 0.5).float()


class Pooled(nn.Module):
    """All trainings of a network of an ensemble.

    Parameters
    ----------
    trained : sequence of FittedNetwork
    """

    def __init__(self, trained: Sequence[FittedNetwork]) -> None:
        super().__init__()
        networks = []
        for member in trained:
            network = copy.deepcopy(member.network)
            if getattr(network, "recurrent", None) is not None:
                network.__class__ = _InOrder
                assert isinstance(network, _InOrder)
                network.unpack()
            networks.append(network)
        self.networks = nn.ModuleList(networks)
        self.rows = nn.ModuleList(Rows(member.encoding) for member in trained if member.encoding)
        self.reads_frames = trained[0].network.reads_frames

    def forward(self, *inputs: Tensor) -> Tensor:
        """Logits (n, trainings, outputs), of frames and lengths where it reads them, and rows where it does."""
        given = list(inputs)
        if self.reads_frames:
            frames, lengths = given.pop(0), given.pop(0)
            valid = valid_frames(frames, lengths)
        else:
            frames = valid = given[0][:, None, :0].float()
        empty = frames[:, 0, :0]
        logits = []
        for number, network in enumerate(self.networks):
            encoded = self.rows[number](given[0]) if self.rows else empty
            logits.append(network(frames, valid, encoded))
        return torch.stack(logits, dim=1)
