"""An epoch of classifier training: the reference's loop against ours, side by side.

The reference's loop, rebuilt from its description: every object is a file that is loaded
again each epoch, batches of 32 from length buckets are padded with zeros, and a pass over
the test fold ends every epoch. Ours trains the same network, with the same loss and batch
size, on all frames of the same objects.

    python benchmarks/training_loop.py --embeddings published/embeddings --labels published/labels.json
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence

from rbztf.config import load_config
from rbztf.models.objects.object_set import LabelledSet, ObjectSet
from rbztf.models.rnn.fit import fit_classifier
from rbztf.stores.embeddings import open_embeddings
from rbztf.stores.labels import read_labels
from rbztf.ztf import Band

EDGES = np.array([200, 400, 600, 800])
LATENT = 36


class ReferenceLoop:
    """One network and the loop it is trained by."""

    def __init__(
        self, folder: Path, train: list[int], test: list[int], labels: dict[int, int], two_ways: bool
    ) -> None:
        self.folder, self.train, self.test, self.labels = folder, train, test, labels
        self.rnn = nn.GRU(LATENT, 128, batch_first=True, bidirectional=two_ways)
        self.clf = nn.Linear(256 if two_ways else 128, 2)
        parameters = [*self.rnn.parameters(), *self.clf.parameters()]
        self.optimiser = torch.optim.Adam(parameters, lr=1e-4, weight_decay=1e-5 if two_ways else 0)
        self.lengths = {oid: len(np.load(folder / f"{oid}.npy")) for oid in train + test}

    def batches(self, oids: list[int]) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        bucket = np.searchsorted(EDGES, [self.lengths[oid] for oid in oids], side="right")
        for number in range(len(EDGES) + 1):
            members = [oid for oid, inside in zip(oids, bucket == number) if inside]
            for start in range(0, len(members), 32):
                chosen = members[start : start + 32]
                items = [torch.from_numpy(np.load(self.folder / f"{oid}.npy")[:, :LATENT]) for oid in chosen]
                yield (
                    pad_sequence(items, batch_first=True),
                    torch.tensor([self.labels[oid] for oid in chosen]),
                )

    def logits(self, batch: torch.Tensor) -> torch.Tensor:
        state = self.rnn(batch)[1]
        return self.clf(state.transpose(0, 1).flatten(1))

    def epoch(self) -> None:
        order = np.random.default_rng().permutation(self.train).tolist()
        for batch, labels in self.batches(order):
            loss = nn.functional.cross_entropy(self.logits(batch), labels)
            self.optimiser.zero_grad()
            loss.backward()
            self.optimiser.step()
        with torch.no_grad():
            for batch, labels in self.batches(self.test):
                nn.functional.cross_entropy(self.logits(batch), labels)


def our_epochs(data: LabelledSet, two_ways: bool, count: int) -> list[float]:
    """Seconds of each epoch of our loop: same network and batch size, all frames."""
    config = load_config(
        "reference/bigru-l2" if two_ways else "reference/gru",
        ["classifier.padding=masked", "training.bucket_edges=[]", f"training.epochs={count}"],
        project_file=None,
    )
    return [row["seconds"] for row in fit_classifier(data, config, device=torch.device("cpu")).history]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--embeddings", type=Path, help="an embedding store; synthetic vectors if left out")
    parser.add_argument("--labels", type=Path)
    parser.add_argument(
        "--objects", type=int, default=400, help="objects to train on; a third as many to test on"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    vectors, labels = load(arguments)
    oids = list(vectors)
    n_train = round(len(oids) * 3 / 4)
    with tempfile.TemporaryDirectory() as name:
        for oid, array in vectors.items():  # as published: means and log variances
            np.save(Path(name) / f"{oid}.npy", np.concatenate([array, array], axis=1))
        print(
            f"{n_train} objects, {sum(len(vectors[oid]) for oid in oids[:n_train])} frames, {arguments.threads} threads"
        )
        print(f"{'network':<10} {'reference':>12} {'ours':>10} {'ratio':>7}")
        for two_ways in (False, True):
            epoch_s, data = compare(Path(name), vectors, labels, oids, n_train, two_ways, arguments.rounds)
        started = time.perf_counter()
        fit_classifier(data, load_config("bigru-l2", project_file=None), device=torch.device("cpu"))
        ours = time.perf_counter() - started
        print(
            f"500 BiGRU epochs of the reference: {500 * epoch_s:,.0f} s; a whole training with configs/bigru-l2.yaml,"
        )
        print(f"inner folds included: {ours:.1f} s; ratio {500 * epoch_s / ours:.0f}")


def compare(
    folder: Path,
    vectors: dict[int, np.ndarray],
    labels: dict[int, int],
    oids: list[int],
    n_train: int,
    two_ways: bool,
    rounds: int,
) -> tuple[float, LabelledSet]:
    """Print one row; returns the reference's seconds an epoch, and our form of the same objects."""
    reference = ReferenceLoop(folder, oids[:n_train], oids[n_train:], labels, two_ways)
    data = LabelledSet(
        ObjectSet.of(oids[:n_train], [vectors[oid] for oid in oids[:n_train]], None, None),
        np.array([labels[oid] for oid in oids[:n_train]]),
        np.array([oid // 10**12 or oid % 12 for oid in oids[:n_train]]),
        np.zeros((n_train, 0), np.float32),
        np.ones(n_train),
        (),
    )
    theirs, ours = [], []
    for _ in range(rounds):
        started = time.perf_counter()
        reference.epoch()
        theirs.append(time.perf_counter() - started)
        ours += our_epochs(data, two_ways, 1)
    one, other = statistics.median(theirs), statistics.median(ours)
    print(
        f"{'BiGRU' if two_ways else 'GRU':<10} {one:>10.2f} s {other:>8.2f} s {one / other:>7.2f}", flush=True
    )
    return one, data


def load(arguments: argparse.Namespace) -> tuple[dict[int, np.ndarray], dict[int, int]]:
    count = round(arguments.objects * 4 / 3)
    random = np.random.default_rng(0)
    if arguments.embeddings:
        store, table = (
            open_embeddings(arguments.embeddings),
            read_labels(arguments.labels).in_bands((Band.R,)),
        )
        known = [oid for oid in table if oid in store]
        oids = random.permutation(np.array(known, np.int64))[:count].tolist()
        return {oid: store[oid] for oid in oids}, {oid: int(table[oid].label) for oid in oids}
    lengths = random.integers(5, 1000, count)
    arrays = {i: random.normal(size=(n, LATENT)).astype(np.float32) for i, n in enumerate(lengths)}
    return arrays, {i: i % 2 for i in arrays}


if __name__ == "__main__":
    main()
