"""A network that learns on simulated frames which artefact a frame shows, and reads real ones.

Simulated and real frames differ in where the encoder puts them, so each column of the simulated vectors is moved and
stretched to the median and deviation of the training objects' frames first; no label is used. Its answers, one column
a kind, are read beside the latents. A frame is judged by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from rbztf.models.bundle import array_in
from rbztf.models.training import threads

Floats = NDArray[np.float32]
HIDDEN = 64
EPOCHS, BATCH, RATE, DECAY, DROPOUT, NOISE = 18, 512, 4e-3, 1e-2, 0.3, 0.1
"""Of the training; ``NOISE`` in deviations of the inputs."""
FLOOR = 1e-4
"""Added to probabilities before their logarithm."""
LAYERS = 3
PREFIX = "reader.kinds"


@dataclass(frozen=True)
class SimulatedVectors:
    """Vectors of simulated frames.

    Attributes
    ----------
    vectors : ndarray (n, columns), float32
        Of the encoder whose vectors the model reads.
    kinds : ndarray (n,), int64
        What each shows, counted from 0, a clean frame.
    """

    vectors: Floats
    kinds: NDArray[np.int64]


@dataclass(frozen=True)
class FrameKinds:
    """The network: standardised columns through two hidden layers to log probabilities of kinds.

    Attributes
    ----------
    columns : tuple of int
        Columns of a frame's vector that it reads, c of them.
    mean, scale : ndarray (c,), float32
    layers : tuple of (ndarray (out, in), ndarray (out,)), float32
        Weights and biases.
    usual : ndarray (kinds,), float32
        Mean probability of each kind over the training objects' frames.
    """

    columns: tuple[int, ...]
    mean: Floats
    scale: Floats
    layers: tuple[tuple[Floats, Floats], ...]
    usual: Floats

    @classmethod
    def fit(
        cls, frames: Floats, simulated: SimulatedVectors, columns: tuple[int, ...], seed: int
    ) -> FrameKinds:
        """Learn from simulated frames, moved to where the real ones lie.

        Parameters
        ----------
        frames : ndarray (m, width), float32
            Frames of the training objects, without labels.
        columns : tuple of int
            Those that vary.
        """
        real, made = frames[:, list(columns)], simulated.vectors[:, list(columns)]
        middle, spread = np.median(real, axis=0), real.std(axis=0) + 1e-6
        values = (made - np.median(made, axis=0)) / (made.std(axis=0) + 1e-6) * spread + middle
        mean, scale = values.mean(axis=0), values.std(axis=0) + 1e-6
        network = _train((values - mean) / scale, simulated.kinds, seed)
        linear = [layer for layer in network if isinstance(layer, nn.Linear)]
        layers = tuple((layer.weight.detach().numpy(), layer.bias.detach().numpy()) for layer in linear)
        untold = np.ones(len(layers[-1][1]), np.float32)
        found = cls(columns, mean.astype(np.float32), scale.astype(np.float32), layers, untold)
        usual = found.probabilities(frames).mean(axis=0)
        return cls(columns, found.mean, found.scale, layers, usual.astype(np.float32))

    def __len__(self) -> int:
        """Kinds, a clean frame among them."""
        return len(self.usual)

    def probabilities(self, frames: Floats) -> Floats:
        """Of each kind, (n_frames, kinds) float32."""
        values = (frames[:, list(self.columns)] - self.mean) / self.scale
        for number, (weight, bias) in enumerate(self.layers):
            values = values @ weight.T + bias
            if number < len(self.layers) - 1:
                values = np.maximum(values, 0)
        values = np.exp(values - values.max(axis=1, keepdims=True))
        return np.asarray(values / values.sum(axis=1, keepdims=True), np.float32)

    def read(self, frames: Floats) -> Floats:
        """Log odds that a frame is clean, then of each artefact how much likelier it is than usual (logarithm).

        Parameters
        ----------
        frames : ndarray (n_frames, width), float32

        Returns
        -------
        ndarray (n_frames, kinds), float32
        """
        p = self.probabilities(frames)
        out = np.log(p + FLOOR) - np.log(self.usual + FLOOR)
        out[:, 0] = np.log((p[:, 0] + FLOOR) / (1 - p[:, 0] + FLOOR))
        return np.asarray(out, np.float32)

    def tensors(self) -> dict[str, Tensor]:
        """All arrays, for a bundle."""
        found = {"mean": self.mean, "scale": self.scale, "usual": self.usual}
        for number, (weight, bias) in enumerate(self.layers):
            found |= {f"{number}.weight": weight, f"{number}.bias": bias}
        columns = torch.tensor(self.columns, dtype=torch.int64)
        return {
            f"{PREFIX}.columns": columns,
            **{
                f"{PREFIX}.{name}": torch.from_numpy(np.ascontiguousarray(array))
                for name, array in found.items()
            },
        }

    @classmethod
    def restore(cls, tensors: Mapping[str, Tensor]) -> FrameKinds | None:
        """A network from its :meth:`tensors`; None where there is none.

        Raises
        ------
        KeyError, ValueError
            If one is missing or not sound, or they do not fit each other.
        """
        if f"{PREFIX}.columns" not in tensors:
            return None
        columns = array_in(tensors, f"{PREFIX}.columns", torch.int64)

        def part(name: str) -> Floats:
            return array_in(tensors, f"{PREFIX}.{name}", torch.float32)

        layers = tuple((part(f"{number}.weight"), part(f"{number}.bias")) for number in range(LAYERS))
        found = cls(tuple(columns.tolist()), part("mean"), part("scale"), layers, part("usual"))
        widths = [len(found.columns), *(len(bias) for _, bias in layers)]
        shapes = [weight.shape for weight, _ in layers]
        fits = shapes == [(after, before) for before, after in pairwise(widths)]
        if not fits or columns.ndim != 1 or found.mean.shape != found.scale.shape != columns.shape:
            raise ValueError("layers of its network of kinds that fit each other")
        if found.usual.shape != (widths[-1],) or (columns < 0).any() or not (found.scale > 0).all():
            raise ValueError("a sound network of kinds")
        if ((found.usual < 0) | (found.usual > 1)).any():
            raise ValueError("shares of kinds between 0 and 1")
        return found


def _train(values: Floats, kinds: NDArray[np.int64], seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    x, y = torch.from_numpy(np.asarray(values, np.float32)), torch.from_numpy(kinds)
    parts: list[nn.Module] = []
    for width in (x.shape[1], HIDDEN):
        parts += [nn.Linear(width, HIDDEN), nn.ReLU(), nn.Dropout(DROPOUT)]
    network = nn.Sequential(*parts, nn.Linear(HIDDEN, int(kinds.max()) + 1))
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    steps = EPOCHS * -(-len(x) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    with threads(1):
        for _ in range(EPOCHS):
            for rows in torch.split(torch.randperm(len(x)), BATCH):
                noisy = x[rows] + NOISE * torch.randn(len(rows), x.shape[1])
                loss = F.cross_entropy(network(noisy), y[rows])
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                schedule.step()
    return network.eval()
