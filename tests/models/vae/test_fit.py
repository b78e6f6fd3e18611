"""Training the autoencoder."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import random_frames, vae_config, vae_frames

from rbztf.config import Config, load_config
from rbztf.errors import DataError, UsageError
from rbztf.frames.normalise import RawFrames, normalise
from rbztf.models.vae import heads
from rbztf.models.vae.augment import rotate
from rbztf.models.vae.fit import FittedVae, fit_vae
from rbztf.models.vae.training_frames import FrameSet

CPU = torch.device("cpu")


def frames(n: int = 96) -> FrameSet:
    return FrameSet(normalise(RawFrames(random_frames(n))), np.arange(n))


def config(*overrides: str) -> Config:
    small = ("vae.latent=4", "training.epochs=4", "training.batch_size=32", "training.learning_rate=0.002")
    return load_config(None, [*small, *overrides], project_file=None)


def same(first: FittedVae, second: FittedVae) -> bool:
    assert first.bundle.decoder is not None
    assert second.bundle.decoder is not None
    pairs = [
        (first.bundle.encoder, second.bundle.encoder),
        (first.bundle.decoder, second.bundle.decoder),
    ]
    return all(
        torch.equal(tensor, other.state_dict()[name])
        for one, other in pairs
        for name, tensor in one.state_dict().items()
    )


def test_the_loss_falls_and_its_parts_add_up() -> None:
    history = fit_vae(frames(), config(), device=CPU).history
    assert history[-1]["loss"] < 0.6 * history[0]["loss"]
    for row in history:
        assert row["loss"] == pytest.approx(row["reconstruction"] + 8e-5 * row["kl"], rel=1e-4)


def test_one_seed_one_result() -> None:
    first, again = (fit_vae(frames(), config("vae.rotation_deg=20"), device=CPU) for _ in range(2))
    assert same(first, again)


def test_a_checkpoint_of_a_network_with_other_kinds_is_not_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "checkpoint.safetensors"
    settings = config("training.epochs=1", "vae.artefact_weight=0.1")
    fit_vae(frames(8), settings, device=CPU, checkpoint_path=path)
    monkeypatch.setattr(heads, "FRAME_KINDS", (*heads.FRAME_KINDS, "spot"))
    with pytest.raises(UsageError, match="unfinished run with another configuration"):
        fit_vae(frames(8), settings, device=CPU, checkpoint_path=path)


def test_killed_and_resumed_is_the_same_as_never_killed(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"

    def kill(stage: str, done: int, total: int | None, note: str = "") -> None:
        if stage == "train-vae" and done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_vae(frames(), config(), device=CPU, checkpoint_path=path, progress=kill)
    resumed = fit_vae(frames(), config(), device=CPU, checkpoint_path=path)
    assert same(resumed, fit_vae(frames(), config(), device=CPU))
    assert len(resumed.history) == 4


def test_one_frame_is_too_few() -> None:
    with pytest.raises(DataError, match="1 frame is not enough"):
        fit_vae(frames(1), config(), device=CPU)


def test_a_last_batch_of_one_frame_does_no_harm() -> None:
    history = fit_vae(frames(33), config("training.epochs=1"), device=CPU).history
    assert math.isfinite(history[0]["loss"])


def test_an_epoch_shows_every_frame_once() -> None:
    data = FrameSet(
        np.arange(50, dtype=np.float32)[:, None, None] * np.ones((1, 28, 28), np.float32), np.arange(50)
    )
    seen = np.concatenate([batch.values[:, 0, 0] for batch in data.batches(16, seed=1, epoch=2)])
    assert sorted(seen.tolist()) == list(range(50))
    other = np.concatenate([batch.values[:, 0, 0] for batch in data.batches(16, seed=1, epoch=3)])
    assert seen.tolist() != other.tolist()


def test_a_quarter_turn_is_a_quarter_turn() -> None:
    pictures = torch.rand(3, 1, 28, 28)
    turned = rotate(pictures, torch.full((3,), math.pi / 2))
    quarter = [torch.rot90(pictures, k, dims=(2, 3)) for k in (1, 3)]
    assert min(float((turned - candidate).abs().max()) for candidate in quarter) < 1e-4
    torch.testing.assert_close(rotate(pictures, torch.zeros(3)), pictures, atol=1e-5, rtol=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_cuda_trains_too() -> None:
    fitted = fit_vae(frames(), config(), device=torch.device("cuda"))
    assert fitted.history[-1]["loss"] < fitted.history[0]["loss"]
    assert next(fitted.bundle.encoder.parameters()).device == CPU


def test_training_uses_every_term_and_counts_active_latents() -> None:
    history = fit_vae(vae_frames(), vae_config("training.epochs=6"), device=CPU).history
    assert history[-1]["reconstruction"] < history[0]["reconstruction"]
    for row in history:
        assert row["measures"] > 0
        assert row["artefacts"] > 0
        assert 0 <= row["active"] <= 5


def test_killed_and_resumed_with_all_terms_is_the_same_as_never_killed(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"

    def kill(stage: str, done: int, total: int | None, note: str = "") -> None:
        if stage == "train-vae" and done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_vae(vae_frames(), vae_config(), device=CPU, checkpoint_path=path, progress=kill)
    resumed = fit_vae(vae_frames(), vae_config(), device=CPU, checkpoint_path=path)
    whole = fit_vae(vae_frames(), vae_config(), device=CPU)
    assert resumed.bundle.hash == whole.bundle.hash
    for column in ("loss", "measures", "artefacts", "active"):
        assert [row[column] for row in resumed.history] == [row[column] for row in whole.history]


def test_the_loss_is_finite_from_the_first_step() -> None:
    history = fit_vae(vae_frames(33), vae_config("training.epochs=1"), device=CPU).history
    assert math.isfinite(history[0]["loss"])
