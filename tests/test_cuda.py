"""The whole way on a GPU: train-vae, embed, train-rnn, cv and predict. Skipped where there is none.

test_devices.py checks without a GPU that tensors are made where they are used.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from helpers import run_well, strict_json, tiny_ensemble
from safetensors.torch import load_file

from rbztf.simulate.dataset import write_dataset
from rbztf.simulate.sky import SimulatedSky
from rbztf.stores.embeddings import open_embeddings

GPU = "cuda"
pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="there is no CUDA device on this machine"
)
FAST_VAE = ("training.epochs=2", "training.batch_size=32", "vae.latent=4", "vae.simulated_frames=50")
FAST_RNN = ("training.epochs=3", "training.patience=2", "vae.latent=4", "classifier.hidden=8")
CLASSIFIERS = ("gru", "ensemble")


@dataclass(frozen=True)
class Made:
    """A simulated sky and what the verbs made of it on the GPU."""

    folder: Path
    cutouts: Path
    labels: Path

    @property
    def encoder(self) -> Path:
        return self.folder / "encoder"

    @property
    def embeddings(self) -> Path:
        return self.folder / "embeddings"

    @property
    def features(self) -> Path:
        return self.folder / "features.csv"

    def training(self, kind: str) -> tuple[object, ...]:
        """Configuration and data to train a classifier with."""
        given = ("--embeddings", self.embeddings, "--labels", self.labels)
        if kind == "gru":
            return ("--config", "bigru-l2", *given, *settings(FAST_RNN))
        return ("--config", self.folder / "ensemble.yaml", *given, "--features", self.features)

    def trained(self, kind: str) -> Path:
        """A classifier, trained on the GPU when it is first asked for."""
        out = self.folder / kind
        if not out.exists():
            on_gpu("train-rnn", *self.training(kind), "--out", out)
        return out


def settings(pairs: tuple[str, ...]) -> list[str]:
    return [word for pair in pairs for word in ("--set", pair)]


def on_gpu(*words: object) -> dict[str, Any]:
    """Run a verb on the GPU, see that it used it, and return its document."""
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    answer: dict[str, Any] = strict_json(run_well(*words, "--device", GPU, "--json").stdout)
    assert torch.cuda.max_memory_allocated() > before
    return answer


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("cuda")
    dataset = write_dataset(folder, SimulatedSky(n_objects=48, n_epochs=12, seed=1))
    at = Made(folder, dataset.cutouts, dataset.labels)
    (folder / "ensemble.yaml").write_text(yaml.safe_dump(tiny_ensemble()))
    on_gpu("train-vae", "--data", at.cutouts, "--out", at.encoder, *settings(FAST_VAE))
    on_gpu("embed", "--model", at.encoder, "--data", at.cutouts, "--out", at.embeddings)
    run_well("features", "--data", at.cutouts, "--out", at.features)
    return at


@pytest.mark.parametrize("kind", ["encoder", *CLASSIFIERS])
def test_weights_are_finite(kind: str, made: Made) -> None:
    folder = made.encoder if kind == "encoder" else made.trained(kind)
    files = [load_file(path) for path in folder.rglob("*.safetensors")]
    weights = [
        one for file in files for name, one in file.items() if name.startswith(("encoder.", "network."))
    ]
    assert weights
    assert all(torch.isfinite(tensor).all() for tensor in weights)


def test_embed_gives_the_vectors_that_the_cpu_gives(made: Made, tmp_path: Path) -> None:
    words = ("embed", "--model", made.encoder, "--data", made.cutouts, "--out", tmp_path / "e")
    run_well(*words, "--device", "cpu")
    ours, cpu = open_embeddings(made.embeddings), open_embeddings(tmp_path / "e")
    assert list(ours) == list(cpu)
    for oid in ours:
        np.testing.assert_allclose(ours[oid], cpu[oid], atol=0.02)
        np.testing.assert_allclose(ours.frame_losses(oid), cpu.frame_losses(oid), rtol=0.02, atol=1e-3)


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_predict_gives_the_scores_that_the_cpu_gives(kind: str, made: Made) -> None:
    words = ("predict", "--model", made.trained(kind), "--data", made.cutouts, "--no-fetch")
    ours = on_gpu(*words)
    cpu = strict_json(run_well(*words, "--device", "cpu", "--json").stdout)
    assert len(ours["objects"]) == 48
    assert ours["problems"] == []
    scores, expected = ([entry["p_bogus"] for entry in answer["objects"]] for answer in (ours, cpu))
    assert scores == pytest.approx(expected, abs=0.02)


def test_predict_explains(made: Made) -> None:
    words = ("predict", "--model", made.trained("ensemble"), "--embeddings", made.embeddings, "--explain")
    answer = on_gpu(*words, "--no-fetch")
    assert any(entry["blamed"] for entry in answer["objects"])


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_cv(kind: str, made: Made, tmp_path: Path) -> None:
    words = ("cv", *made.training(kind), "--folds", 2, "--workers", 1, "--out", tmp_path / "run")
    (model,) = on_gpu(*words, "--set", "cv.bootstrap=20")["models"]
    assert 0 <= model["roc_auc"]["pooled"] <= 1
