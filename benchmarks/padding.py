"""A training batch, forward and backward: masked against padded.

``padded`` is torch's own layer over the zero-padded batch, as published; ``masked`` runs
each direction on its own and takes the state at the last valid frame, so that a score does
not depend on the batch. ``packed`` (with ``--packed``) is the usual way to the same result.

    python benchmarks/padding.py
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
import torch
from torch import Tensor

from rbztf.models.rnn.fit import classifier_loss
from rbztf.models.rnn.network import RecurrentClassifier

LATENT, HIDDEN, BATCH = 36, 128, 32
TARGET = 1.3


class Packed(RecurrentClassifier):
    """The masked network by way of ``pack_padded_sequence``."""

    def forward(self, sequences: Tensor, lengths: Tensor) -> Tensor:
        logits: Tensor = self.clf(self._state_packed(sequences, lengths))
        return logits


def make_batch(generator: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """A batch from one of the published length buckets, 400 to 600 frames."""
    lengths = torch.from_numpy(generator.integers(400, 600, BATCH))
    batch = torch.zeros(BATCH, int(lengths.max()), LATENT)
    for row, n in enumerate(lengths.tolist()):
        batch[row, :n] = torch.from_numpy(generator.normal(size=(n, LATENT)).astype(np.float32))
    return batch, lengths, torch.from_numpy(generator.integers(0, 2, BATCH))


def step_seconds(network: RecurrentClassifier, batch: tuple[Tensor, Tensor, Tensor]) -> float:
    sequences, lengths, labels = batch
    network.zero_grad()
    started = time.perf_counter()
    classifier_loss(network(sequences, lengths), labels).backward()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1, help="of torch; training uses one")
    parser.add_argument("--packed", action="store_true", help="time pack_padded_sequence as well")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    columns = ["padded", "masked"] + (["packed"] if arguments.packed else [])
    print(
        f"{'network':<20} {'frames/s padded':>16} "
        + " ".join(f"{name + '/padded':>14}" for name in columns[1:])
    )
    for cell in ("gru", "lstm"):
        for both in (False, True):
            options = {"cell": cell, "hidden": HIDDEN, "bidirectional": both}
            networks = {
                "padded": RecurrentClassifier(LATENT, padding="reference", **options),
                "masked": RecurrentClassifier(LATENT, padding="masked", **options),
                "packed": Packed(LATENT, **options),
            }
            generator = np.random.default_rng(0)
            times: dict[str, list[float]] = {name: [] for name in columns}
            frames = []
            for repetition in range(arguments.repeat + 1):
                batch = make_batch(generator)
                for name in columns if repetition % 2 else reversed(columns):
                    spent = step_seconds(networks[name], batch)
                    if repetition:  # the first is to warm up
                        times[name].append(spent)
                frames.append(int(batch[1].sum()))
            rate = statistics.median(n / t for n, t in zip(frames[1:], times["padded"]))
            ratios = [
                statistics.median(a / b for a, b in zip(times[name], times["padded"])) for name in columns[1:]
            ]
            title = ("bidirectional " if both else "") + cell.upper()
            verdict = "" if ratios[0] <= TARGET else f"  over {TARGET}"
            print(f"{title:<20} {rate:16,.0f} " + " ".join(f"{ratio:14.2f}" for ratio in ratios) + verdict)


if __name__ == "__main__":
    main()
