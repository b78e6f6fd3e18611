"""Training and scoring of a pooled network as a member of an ensemble."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from rbztf.config import NetworkMember, TrainingSection
from rbztf.features.table import FeatureTable
from rbztf.files import write_bytes
from rbztf.models.batching import by_length, draw_frames, pad
from rbztf.models.bundle import load_exactly, read_tensors, tensor_bytes
from rbztf.models.checkpoint import History
from rbztf.models.ensemble.legacy import LEGACY_TAGS
from rbztf.models.ensemble.member import Member, log_loss
from rbztf.models.ensemble.pooled_network import PooledNetwork
from rbztf.models.ensemble.row_encoding import Floats, RowEncoding
from rbztf.models.objects.frame_reader import FrameReader
from rbztf.models.objects.object_set import LabelledSet, Modality, ObjectSet
from rbztf.models.training import learning_rate, take_step, threads

FRAMES_PER_BATCH = 8192
CLIP_NORM = 1.0


@dataclass(frozen=True)
class FittedNetwork(Member[NetworkMember]):
    """A network and how its inputs are made.

    Attributes
    ----------
    section : NetworkMember
    network : PooledNetwork
    encoding : RowEncoding or None
        None if it reads no rows of statistics or features.
    names : tuple of str
        Columns of statistics and features that ``encoding`` encodes.
    tag_names : tuple of str
        Names of the auxiliary outputs, which follow the logit of bogus.
    history : tuple of dict
        Its learning curve, one row an epoch; empty of a model made before it was kept.
    """

    ending: ClassVar[str] = ".safetensors"

    section: NetworkMember
    network: PooledNetwork
    encoding: RowEncoding | None
    names: tuple[str, ...]
    tag_names: tuple[str, ...] = ()
    history: tuple[dict[str, float], ...] = ()

    @property
    def attributes_frames(self) -> bool:
        """Whether its frames vote by themselves."""
        return self.section.pooling == "votes"

    @classmethod
    def fit(
        cls, data: LabelledSet, section: NetworkMember, seed: int, device: torch.device, held_out: LabelledSet
    ) -> FittedNetwork:
        """Train a network on objects that have all modalities of ``section``."""
        table = _row_table(data.objects, section)
        encoding = RowEncoding.fit(table.values) if table.names else None
        tag_names = data.tag_names if section.auxiliary else ()
        torch.manual_seed(seed)
        network = _build(section, data.objects.frame_reader, encoding, 1 + len(tag_names)).to(device)
        fitted = cls(section, network, encoding, table.names, tag_names)
        history = _train(fitted, data, section, seed, device, held_out)
        network.to("cpu").eval()
        return replace(fitted, history=tuple(history))

    def learning_curve(self, data: LabelledSet, held_out: LabelledSet) -> History:
        """As it was watched in training."""
        return [dict(row) for row in self.history]

    @torch.inference_mode()
    def outputs(self, objects: ObjectSet, device: torch.device | None = None) -> NDArray[np.float64]:
        """All logits, (n, 1 + tags) float64: bogus, then the auxiliary tags."""
        device = device or torch.device("cpu")
        self.network.eval().to(device)
        out = np.empty((len(objects), len(self.network.bias)))
        with threads(1):
            for members, batch in self._batches(objects):
                out[members] = self.network(*(part.to(device) for part in batch)).cpu().numpy()
        return out

    @torch.inference_mode()
    def contributions(self, objects: ObjectSet) -> list[NDArray[np.float64]]:
        """What each frame adds to the logit of bogus; the constant is ``network.bias[0]``."""
        self.network.eval().to("cpu")
        out: dict[int, NDArray[np.float64]] = {}
        with threads(1):
            for members, batch in self._batches(objects):
                parts = self.network.contributions(*batch).numpy().astype(np.float64)
                lengths = batch[1].sum(dim=1).tolist()
                out |= {int(i): row[:n] for i, row, n in zip(members, parts, lengths)}
        return [out[i] for i in range(len(objects))]

    def _batches(
        self, objects: ObjectSet
    ) -> Iterator[tuple[NDArray[np.int64], tuple[Tensor, Tensor, Tensor]]]:
        rows = self._rows(objects)
        if self.network.reads_frames:
            lengths = np.array([len(sequence) for sequence in objects.sequences], np.int64)
        else:
            lengths = np.ones(len(objects), np.int64)
        for members in by_length(lengths, FRAMES_PER_BATCH):
            yield members, collate([self._frames(objects, i) for i in members], rows[members])

    def _frames(self, objects: ObjectSet, i: int) -> Floats:
        return objects.frames[i] if self.network.reads_frames else np.zeros((1, 0), np.float32)

    def _rows(self, objects: ObjectSet) -> Floats:
        if self.encoding is None:
            return np.zeros((len(objects), 0), np.float32)
        return self.encoding(_row_table(objects, self.section).columns(self.names).values)

    def save(self, path: Path) -> None:
        """Write arrays and names as one safetensors file."""
        tensors = {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
        if self.encoding:
            tensors["encoding.edges"] = torch.from_numpy(self.encoding.edges)
            tensors["encoding.median"] = torch.from_numpy(self.encoding.median)
        tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
        described = {
            "columns": json.dumps(self.names),
            "tags": json.dumps(self.tag_names),
            "history": json.dumps(self.history),
        }
        write_bytes(path, tensor_bytes(tensors, described))

    @classmethod
    def load(cls, path: Path, section: NetworkMember, reader: FrameReader) -> FittedNetwork:
        """Read what :meth:`save` wrote."""
        tensors, texts = read_tensors(path)
        described = {name: json.loads(text) for name, text in texts.items()}
        names = described["columns"]
        tag_names = described.get("tags", LEGACY_TAGS[: len(tensors["network.bias"]) - 1])
        encoding = RowEncoding.restore(tensors, len(names)) if names else None
        network = _build(section, reader, encoding, 1 + len(tag_names))
        prefix = "network."
        weights = {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
        load_exactly(network, weights, path)
        history = tuple(described.get("history", ()))
        return cls(section, network.eval(), encoding, tuple(names), tuple(tag_names), history)


MEMBER = FittedNetwork


def _row_table(objects: ObjectSet, section: NetworkMember) -> FeatureTable:
    """The columns that the network reads of each object as a whole."""
    read = {Modality.IMAGE: section.statistics, Modality.LIGHTCURVE: "lightcurve" in section.inputs}
    return objects.table([modality for modality, wanted in read.items() if wanted])


def _train(
    fitted: FittedNetwork,
    data: LabelledSet,
    section: NetworkMember,
    seed: int,
    device: torch.device,
    held_out: LabelledSet,
) -> History:
    """Train in place; the learning curve, one row an epoch."""
    network = fitted.network
    frames = [fitted._frames(data.objects, i) for i in range(len(data))]
    rows = fitted._rows(data.objects)
    targets = torch.from_numpy(_targets(data, section, len(fitted.tag_names)))
    weights = torch.from_numpy(data.weights.astype(np.float32))
    random = np.random.default_rng(seed)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=section.learning_rate, weight_decay=section.weight_decay
    )
    n_batches = max(1, -(-len(data) // section.batch_size))
    schedule = TrainingSection(learning_rate=section.learning_rate, schedule="one-cycle")
    watched = _watched(fitted, held_out, section, seed)
    history: History = []
    for epoch in range(section.epochs):
        network.train()
        seen = np.zeros(len(data))
        order = random.permutation(len(data))
        for number, members in enumerate(np.array_split(order, n_batches)):
            drawn = [draw_frames(frames[i], section.subsample, random) for i in members]
            batch = collate(drawn, rows[members])
            logits = network(*(part.to(device) for part in batch))
            seen[members] = logits[:, 0].detach().cpu().numpy()
            loss = _loss(logits, targets[members].to(device), weights[members].to(device), section.auxiliary)
            rate = learning_rate(schedule, epoch * n_batches + number, section.epochs * n_batches)
            take_step(network, optimiser, loss, rate, CLIP_NORM)
        row = {"epoch": float(epoch + 1), "loss": log_loss(seen, data.labels)}
        if watched:
            row["held_out_loss"] = _held_out_loss(network, watched, held_out.labels, device)
        history.append(row)
    return history


Batch = tuple[Tensor, Tensor, Tensor]


def _watched(
    fitted: FittedNetwork, held_out: LabelledSet, section: NetworkMember, seed: int
) -> list[tuple[NDArray[np.int64], Batch]]:
    """Batches of objects left out, with as many frames of each as in training, the same in every epoch."""
    if not len(held_out):
        return []
    random = np.random.default_rng((seed, 1))
    frames = [
        draw_frames(fitted._frames(held_out.objects, i), section.subsample, random)
        for i in range(len(held_out))
    ]
    rows = fitted._rows(held_out.objects)
    lengths = np.array([len(each) for each in frames], np.int64)
    return [
        (members, collate([frames[i] for i in members], rows[members]))
        for members in by_length(lengths, FRAMES_PER_BATCH)
    ]


@torch.inference_mode()
def _held_out_loss(
    network: PooledNetwork,
    batches: Sequence[tuple[NDArray[np.int64], Batch]],
    labels: NDArray[np.int64],
    device: torch.device,
) -> float:
    network.eval()
    logits = np.empty(len(labels))
    for members, batch in batches:
        logits[members] = network(*(part.to(device) for part in batch))[:, 0].cpu().numpy()
    return log_loss(logits, labels)


def _targets(data: LabelledSet, section: NetworkMember, n_tags: int) -> Floats:
    """Smoothed label, then the tags if they are targets, (n, 1 + n_tags) float32."""
    label = data.labels[:, None] * (1 - 2 * section.smoothing) + section.smoothing
    return np.concatenate([label, data.tags[:, :n_tags]], axis=1, dtype=np.float32)


def _loss(logits: Tensor, targets: Tensor, weights: Tensor, auxiliary: float) -> Tensor:
    each = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    loss = (each[:, 0] * weights).sum() / weights.sum()
    if auxiliary and logits.shape[1] > 1:
        loss = loss + auxiliary * each[:, 1:].sum(dim=1).mean()
    return loss


def collate(frames: Sequence[Floats], rows: Floats) -> tuple[Tensor, Tensor, Tensor]:
    """Pad frame inputs with zeros.

    Returns
    -------
    frames : Tensor (n, longest, columns), float32
    valid : Tensor (n, longest), bool
    rows : Tensor (n, row columns), float32
    """
    batch, lengths = pad(frames)
    valid = torch.arange(batch.shape[1], device=lengths.device) < lengths[:, None]
    return batch, valid, torch.from_numpy(rows)


def _build(
    section: NetworkMember, reader: FrameReader, encoding: RowEncoding | None, outputs: int
) -> PooledNetwork:
    return PooledNetwork(
        reader.width if "image" in section.inputs else 0,
        encoding.width if encoding else 0,
        outputs,
        hidden=section.hidden,
        context=section.context,
        heads=section.heads,
        recurrent=section.recurrent,
        dropout=section.dropout,
        votes=section.pooling == "votes",
    )
