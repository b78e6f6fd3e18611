"""Train a recurrent classifier on sequences of frame vectors."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from torch import Tensor

from rbztf.config import Config, TrainingSection
from rbztf.errors import DataError
from rbztf.models import checkpoint
from rbztf.models.batching import by_bucket, draw_frames, pad
from rbztf.models.decision.thresholds import best_f1_threshold
from rbztf.models.inner_folds import check_classes, inner_folds
from rbztf.models.objects.object_set import LabelledSet
from rbztf.models.rnn.bundle import ClassifierBundle, Standardisation, build_network
from rbztf.models.rnn.network import RecurrentClassifier
from rbztf.models.training import autocast, learning_rate, make_optimiser, seed_epoch, take_step
from rbztf.progress import Progress, silent

TVERSKY_ALPHA = 0.3
TVERSKY_SMOOTH = 1.0


def tversky_loss(scores: Tensor, targets: Tensor) -> Tensor:
    """One minus the Tversky index of class scores and one-hot targets.

    Tversky (1977); as a loss, Salehi et al. (2017), arXiv:1706.05721, eq. 3. The reference
    takes alpha = 0.3 for false positives, 0.7 for false negatives, smoothing 1, and sigmoids
    of both logits.

    Parameters
    ----------
    scores : Tensor (batch, 2)
        Between 0 and 1.
    targets : Tensor (batch, 2)
        One-hot.
    """
    hit = (scores * targets).sum()
    false_positive = (scores * (1 - targets)).sum()
    false_negative = ((1 - scores) * targets).sum()
    weighted = TVERSKY_ALPHA * false_positive + (1 - TVERSKY_ALPHA) * false_negative
    return 1 - (hit + TVERSKY_SMOOTH) / (hit + weighted + TVERSKY_SMOOTH)


def classifier_loss(logits: Tensor, labels: Tensor, tversky: float = 0.0) -> Tensor:
    """Cross-entropy, plus ``tversky`` times the Tversky loss on sigmoids.

    Parameters
    ----------
    logits : Tensor (batch, 2)
    labels : Tensor (batch,), int64
    tversky : float
        Weight of the second term, 0.01 in the reference.
    """
    loss = F.cross_entropy(logits, labels)
    if tversky:
        loss = loss + tversky * tversky_loss(torch.sigmoid(logits), F.one_hot(labels, 2).to(logits.dtype))
    return loss


Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Fitted:
    """A trained classifier and how the training went, one row an epoch."""

    bundle: ClassifierBundle
    history: checkpoint.History
    best_epoch: int


def fit_classifier(
    data: LabelledSet,
    config: Config,
    *,
    device: torch.device,
    checkpoint_path: Path | None = None,
    progress: Progress = silent,
    stage: str = "train",
) -> Fitted:
    """Train the network that ``config`` describes.

    With ``training.patience`` the objects are first divided into inner folds of whole
    fields: a run without each of them scores it after every epoch. The epoch with the best
    mean AUC is where the final run, on all objects, stops; the inner scores at that epoch,
    all folds together, give the threshold with the best F1. Without, all epochs are trained
    and the threshold is 0.5.

    Parameters
    ----------
    checkpoint_path : Path, optional
        Written after each ``training.checkpoint_every`` epochs, and resumed from; inner runs
        keep theirs beside it.

    Raises
    ------
    DataError
        If there is one class only, nothing varies, or no inner folds can be made.
    """
    _check(data)
    n_epochs, threshold, inner_history = config.training.epochs, 0.5, list[float]()
    if config.training.patience:
        runs = []
        for number, fold in enumerate(
            inner_folds(
                data.labels,
                data.groups,
                config.training.inner_folds,
                config.seed,
                "Give more objects, fewer --folds, or train all epochs: --set training.patience=0.",
            )
        ):
            path = checkpoint_path and checkpoint_path.with_suffix(f".inner{number}.safetensors")
            run = _Run(
                data.take(np.flatnonzero(~fold)),
                data.take(np.flatnonzero(fold)),
                config,
                n_epochs,
                device,
                path,
            )
            runs.append((run, run.to_the_end(progress, f"{stage}, inner {number + 1}")))
        n_epochs, threshold, inner_history = _choose(runs)
    run = _Run(data, None, config, n_epochs, device, checkpoint_path)
    state = run.to_the_end(progress, stage)
    network = run.bundle.network.to("cpu").eval()
    fitted = ClassifierBundle(network, run.bundle.standardisation, config, threshold)
    for row, score in zip(state.history, inner_history):
        row["inner_auc"] = score
    return Fitted(fitted, state.history, n_epochs)


def _choose(runs: list[tuple[_Run, checkpoint.State]]) -> tuple[int, float, list[float]]:
    """Number of epochs, threshold, and the mean inner AUC of each epoch that all runs reached."""
    n_common = min(state.epoch for _, state in runs)
    areas = np.array([[row["inner_auc"] for row in state.history[:n_common]] for _, state in runs])
    best = int(np.argmax(areas.mean(axis=0)))
    labels = np.concatenate([run.aside.labels for run, _ in runs if run.aside is not None])
    scores = np.concatenate([state.scores[best] for _, state in runs])
    return best + 1, best_f1_threshold(labels, scores), areas.mean(axis=0).tolist()


class _Run:
    """One training run, from its last checkpoint to its end."""

    def __init__(
        self,
        train: LabelledSet,
        aside: LabelledSet | None,
        config: Config,
        n_epochs: int,
        device: torch.device,
        checkpoint_path: Path | None,
    ) -> None:
        self.aside, self.config, self.n_epochs = aside, config, n_epochs
        self.device, self.checkpoint_path = device, checkpoint_path
        standardisation = _standardisation(train.objects.sequences, config)
        sequences = [standardisation(sequence) for sequence in train.objects.sequences]
        self.sequences, self.labels = sequences, train.labels
        torch.manual_seed(config.seed)
        latent = sequences[0].shape[1] - config.classifier.reads_loss
        self.bundle = ClassifierBundle(build_network(config, latent).to(device), standardisation, config)

    def to_the_end(self, progress: Progress, stage: str) -> checkpoint.State:
        """Train what is left to train."""
        section, network = self.config.training, self.bundle.network
        optimiser = make_optimiser(network, section)
        mark = checkpoint.fingerprint(self.config, [self.labels, *self.sequences])
        state = checkpoint.State()
        if self.checkpoint_path:
            state = checkpoint.load(self.checkpoint_path, network, optimiser, mark)
        while not state.done:
            row = self._epoch(state.epoch, optimiser)
            state.epoch += 1
            if self.aside is not None:
                scores = self.bundle.probabilities(self.aside.objects.sequences, self.device)
                state.scores.append(scores.tolist())
                row["inner_auc"] = float(roc_auc_score(self.aside.labels, scores))
            state.history.append(row)
            state.done = state.epoch >= self.n_epochs or self._out_of_patience(state)
            due = section.checkpoint_every and state.epoch % section.checkpoint_every == 0
            if self.checkpoint_path and (due or state.done):
                checkpoint.save(self.checkpoint_path, state, network, optimiser, mark)
            progress(f"{stage}: epochs", state.epoch, self.n_epochs, _note(row))
        return state

    def _out_of_patience(self, state: checkpoint.State) -> bool:
        if self.aside is None:
            return False
        best = int(np.argmax([row["inner_auc"] for row in state.history]))
        return state.epoch - 1 - best >= self.config.training.patience

    def _epoch(self, epoch: int, optimiser: torch.optim.Optimizer) -> dict[str, float]:
        """One pass over the training objects; returns a row of the history."""
        section, network = self.config.training, self.bundle.network
        started = time.perf_counter()
        seed_epoch(self.config.seed, epoch)
        network.train()
        batches = list(epoch_batches(self.sequences, self.labels, section, self.config.seed, epoch))
        total, rate = 0.0, section.learning_rate
        for number, (batch, lengths, labels) in enumerate(batches):
            rate = learning_rate(section, epoch * len(batches) + number, section.epochs * len(batches))
            total += self._step(network, optimiser, batch, lengths, labels, rate) * len(labels)
        seconds = time.perf_counter() - started
        return {"epoch": epoch + 1, "loss": total / len(self.labels), "rate": rate, "seconds": seconds}

    def _step(
        self,
        network: RecurrentClassifier,
        optimiser: torch.optim.Optimizer,
        batch: Tensor,
        lengths: Tensor,
        labels: Tensor,
        rate: float,
    ) -> float:
        section = self.config.training
        with autocast(self.device, section):
            logits = network(batch.to(self.device), lengths)
        loss = classifier_loss(logits.float(), labels.to(self.device), self.config.classifier.tversky)
        take_step(network, optimiser, loss, rate, section.clip_norm)
        return float(loss.detach())


def epoch_batches(
    sequences: Sequence[Vectors], classes: NDArray[np.int64], section: TrainingSection, seed: int, epoch: int
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """The batches of one epoch: padded sequences, lengths, labels.

    With ``subsample`` each object shows that many of its frames, in order, drawn anew each
    epoch. With ``bucket_edges`` batches are made as published: objects shuffled, apart by
    length bucket. Without, objects of similar length go together.
    """
    random = np.random.default_rng([seed, epoch])
    shuffled = random.permutation(len(sequences))
    drawn = {int(i): draw_frames(sequences[i], section.subsample, random) for i in shuffled}
    lengths = np.array([len(drawn[int(i)]) for i in shuffled], np.int64)
    if section.bucket_edges:
        batches = list(by_bucket(lengths, section.bucket_edges, section.batch_size))
    else:
        batches = _similar(lengths, section.batch_size)
    for number in random.permutation(len(batches)):
        members = shuffled[batches[number]]
        batch, n_frames = pad([drawn[int(i)] for i in members])
        yield batch, n_frames, torch.from_numpy(classes[members])


def _similar(lengths: NDArray[np.int64], batch_size: int) -> list[NDArray[np.int64]]:
    """Batches of neighbours in length; equal lengths stay in their (shuffled) order."""
    order = np.argsort(lengths, kind="stable")
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]


def _standardisation(sequences: Sequence[Vectors], config: Config) -> Standardisation:
    if not config.classifier.standardise:
        return Standardisation.identity(sequences[0].shape[1])
    return Standardisation.fit(sequences, config.classifier.scale_floor)


def _check(data: LabelledSet) -> None:
    check_classes(data.labels)
    sequences = data.objects.sequences
    if all((sequence == sequences[0][0]).all() for sequence in sequences):
        raise DataError(
            f"All frames of the {len(data)} training objects have the same vector.", "Check the embeddings."
        )


def _note(row: dict[str, float]) -> str:
    inner = f", inner AUC {row['inner_auc']:.3f}" if "inner_auc" in row else ""
    return f"loss {row['loss']:.4f}{inner}"
