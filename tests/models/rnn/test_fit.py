"""Training a classifier: it learns, repeats itself, survives a kill, and refuses what cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import labelled_sequences, random_sequences
from safetensors.torch import save_file
from sklearn.metrics import roc_auc_score

from rbztf.config import Config, load_config
from rbztf.errors import DataError, InputError, UsageError
from rbztf.models.bundle import read_tensors
from rbztf.models.objects.object_set import LabelledSet
from rbztf.models.rnn.fit import epoch_batches, fit_classifier

CPU = torch.device("cpu")
SMALL = (
    "classifier.hidden=8",
    "classifier.bidirectional=true",
    "training.epochs=6",
    "training.batch_size=16",
    "training.learning_rate=0.02",
    "training.subsample=12",
)


def objects(n: int = 80, seed: int = 0) -> LabelledSet:
    """Objects in eight fields whose artefacts have a few frames set off in one column."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    sequences = random_sequences(rng.integers(8, 40, n).tolist(), 3, seed)
    for sequence, label in zip(sequences, labels):
        if label:
            sequence[rng.random(len(sequence)) < 0.5, 1] += 3
    return labelled_sequences(sequences, labels.astype(np.int64), rng.integers(0, 8, n))


def config(*overrides: str) -> Config:
    return load_config(None, [*SMALL, *overrides], project_file=None)


def weights(fitted: Any) -> dict[str, torch.Tensor]:
    return dict(fitted.bundle.network.state_dict())


def same(first: Any, second: Any) -> bool:
    return all(torch.equal(tensor, weights(second)[name]) for name, tensor in weights(first).items())


def test_it_learns_what_can_be_learnt() -> None:
    fitted = fit_classifier(objects(), config("training.epochs=15"), device=CPU)
    unseen = objects(seed=1)
    assert roc_auc_score(unseen.labels, fitted.bundle.probabilities(unseen.objects.sequences)) > 0.9
    losses = [row["loss"] for row in fitted.history]
    assert losses[-1] < 0.7 * losses[0]


def test_one_seed_one_result_and_another_seed_another() -> None:
    first, again = (fit_classifier(objects(), config("seed=3"), device=CPU) for _ in range(2))
    assert same(first, again)
    assert not same(first, fit_classifier(objects(), config("seed=4"), device=CPU))


class Killed(Exception):
    """Stands for a kill at the moment progress is reported."""


@pytest.mark.parametrize("at", [1, 3, 5])
@pytest.mark.parametrize("patience", [0, 6])
def test_killed_and_resumed_is_the_same_as_never_killed(tmp_path: Path, at: int, patience: int) -> None:
    settings = config(
        f"training.patience={patience}", "training.schedule=one-cycle", "classifier.dropout=0.3"
    )
    path = tmp_path / "checkpoint.safetensors"

    def kill(stage: str, done: int, total: int | None, note: str = "") -> None:
        if done == at:
            raise Killed

    with pytest.raises(Killed):
        fit_classifier(objects(), settings, device=CPU, checkpoint_path=path, progress=kill)
    resumed = fit_classifier(objects(), settings, device=CPU, checkpoint_path=path)
    whole = fit_classifier(objects(), settings, device=CPU)
    assert same(resumed, whole)
    assert resumed.bundle.threshold == whole.bundle.threshold
    assert [row["loss"] for row in resumed.history] == [row["loss"] for row in whole.history]


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    first = fit_classifier(objects(), config(), device=CPU, checkpoint_path=path)
    stages: list[int] = []
    second = fit_classifier(
        objects(),
        config(),
        device=CPU,
        checkpoint_path=path,
        progress=lambda *report: stages.append(report[1]),
    )
    assert stages == []
    assert same(first, second)


def test_the_checkpoint_of_another_run_is_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    fit_classifier(objects(), config(), device=CPU, checkpoint_path=path)
    with pytest.raises(UsageError, match="another configuration"):
        fit_classifier(objects(), config("training.learning_rate=0.01"), device=CPU, checkpoint_path=path)
    with pytest.raises(UsageError, match="other data"):
        fit_classifier(objects(seed=9), config(), device=CPU, checkpoint_path=path)
    path.write_bytes(b"half a file")
    with pytest.raises(InputError, match="damaged"):
        fit_classifier(objects(), config(), device=CPU, checkpoint_path=path)


def test_the_best_inner_epoch_is_where_the_final_run_stops() -> None:
    fitted = fit_classifier(objects(), config("training.patience=12", "training.epochs=12"), device=CPU)
    scores = [row["inner_auc"] for row in fitted.history]
    assert len(fitted.history) == fitted.best_epoch
    assert max(scores) == scores[-1]
    assert 0 < fitted.bundle.threshold < 1


def test_an_inner_run_is_not_scored_on_what_it_was_trained_on() -> None:
    """Labels at random cannot be foretold, only learnt by heart: one fixed vector for each object."""
    rng = np.random.default_rng(5)
    n = 160
    labels = rng.permutation(np.arange(n) % 2).astype(np.int64)
    sequences = [np.repeat(row[None], 3, axis=0) for row in rng.normal(size=(n, 24)).astype(np.float32)]
    data = labelled_sequences(sequences, labels, np.arange(n) % 12)
    settings = ("training.subsample=0", "training.epochs=8", "classifier.bidirectional=false")
    by_heart = fit_classifier(data, config(*settings), device=CPU).bundle
    assert roc_auc_score(labels, by_heart.probabilities(sequences)) > 0.9
    inner = fit_classifier(data, config(*settings, "training.patience=8"), device=CPU)
    assert [row["inner_auc"] for row in inner.history] == pytest.approx([0.5] * len(inner.history), abs=0.15)


def test_one_class_is_refused() -> None:
    data = objects()
    with pytest.raises(DataError, match="80 real and 0 artefacts"):
        fit_classifier(
            labelled_sequences(data.objects.sequences, np.zeros(80, np.int64), data.groups),
            config(),
            device=CPU,
        )


def test_constant_features_are_refused() -> None:
    data = objects()
    constant = [np.ones_like(sequence) for sequence in data.objects.sequences]
    with pytest.raises(DataError, match="the same vector"):
        fit_classifier(labelled_sequences(constant, data.labels, data.groups), config(), device=CPU)


def test_one_constant_column_is_no_harm() -> None:
    data = objects()
    for sequence in data.objects.sequences:
        sequence[:, 2] = 7
    probabilities = fit_classifier(data, config(), device=CPU).bundle.probabilities(data.objects.sequences)
    assert np.isfinite(probabilities).all()


def test_no_inner_fold_is_said() -> None:
    data = objects()
    one_field = labelled_sequences(data.objects.sequences, data.labels, np.zeros(80, np.int64))
    with pytest.raises(DataError, match=r"80 training objects in 1 fields cannot be divided into 3"):
        fit_classifier(one_field, config("training.patience=3"), device=CPU)


def test_an_epoch_shows_every_object_once_in_frame_order() -> None:
    data = objects()
    for sequence in data.objects.sequences:
        sequence[:, 0] = np.arange(len(sequence))
    section = config().training
    n_objects = 0
    for batch, lengths, labels in epoch_batches(
        data.objects.sequences, data.labels, section, seed=0, epoch=0
    ):
        n_objects += len(labels)
        for row, length in zip(batch, lengths.tolist()):
            assert length <= section.subsample
            assert (np.diff(row[:length, 0].numpy()) > 0).all()
            assert (row[length:] == 0).all()
    assert n_objects == len(data)


def test_published_batches_keep_length_buckets_apart() -> None:
    data = objects()
    section = config("training.subsample=0", "training.bucket_edges=[20]").training
    for _, lengths, _ in epoch_batches(data.objects.sequences, data.labels, section, seed=0, epoch=0):
        assert (lengths < 20).all() or (lengths >= 20).all()


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_cuda_trains_too(cell: str) -> None:
    fitted = fit_classifier(objects(), config(f"classifier.cell={cell}"), device=torch.device("cuda"))
    unseen = objects(seed=1)
    on_cpu = fitted.bundle.probabilities(unseen.objects.sequences)
    on_gpu = fitted.bundle.probabilities(unseen.objects.sequences, torch.device("cuda"))
    np.testing.assert_allclose(on_cpu, on_gpu, atol=1e-3)
    assert roc_auc_score(unseen.labels, on_cpu) > 0.7


def test_a_checkpoint_with_another_number_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    fit_classifier(objects(), config(), device=CPU, checkpoint_path=path)
    tensors, texts = read_tensors(path)
    name = next(name for name in tensors if name.startswith("model."))
    tensors[name].view(-1)[:1].add_(1e-3)
    save_file(tensors, path, texts)
    with pytest.raises(InputError, match=r"checkpoint .* is damaged \(its sum"):
        fit_classifier(objects(), config(), device=CPU, checkpoint_path=path)
    del texts["sha256"]
    save_file(tensors, path, texts)  # as older versions wrote it
    fit_classifier(objects(), config(), device=CPU, checkpoint_path=path)
    tensors[name].view(-1)[:1].fill_(float("nan"))
    save_file(tensors, path, texts)
    with pytest.raises(InputError, match=r"checkpoint .* is damaged .*not finite"):
        fit_classifier(objects(), config(), device=CPU, checkpoint_path=path)
