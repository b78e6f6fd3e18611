"""Encoder bundles: embedding, reconstruction, saving and loading."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import random_frames, tiny_encoder, vae_config, vae_frames

from rbztf.config import FramesSection
from rbztf.models.vae.bundle import load_encoder
from rbztf.models.vae.drift import VectorStatistics
from rbztf.models.vae.encoder_inputs import make_inputs
from rbztf.models.vae.encoding import encode, folded
from rbztf.models.vae.fit import fit_vae

CPU = torch.device("cpu")


def test_embedding_gives_means_variances_and_loss() -> None:
    plain, whole = tiny_encoder(4), tiny_encoder(4, decoder=True)
    frames = random_frames(3)
    frames[1, :, :9] = np.nan
    device = torch.device("cpu")
    vectors = whole.embed(frames, device)
    assert vectors.shape == (3, whole.width) == (3, 9)
    assert np.array_equal(vectors[:, :8], plain.embed(frames, device))
    assert np.array_equal(
        vectors[:, :8], encode(folded(plain.encoder), make_inputs(frames, FramesSection()), device)
    )
    assert (whole.stamp.has_loss, plain.stamp.has_loss) == (True, False)
    assert whole.hash == plain.hash != tiny_encoder(4, seed=1).hash


@pytest.mark.parametrize("side", [(), ("noise",), ("sky", "valid", "saturated")])
def test_a_bundle_keeps_decoder_side_channels_and_statistics(tmp_path: Path, side: tuple[str, ...]) -> None:
    fitted = fit_vae(
        vae_frames(), vae_config(f"vae.side_channels=[{', '.join(side)}]", "training.epochs=1"), device=CPU
    )
    frames = random_frames(40, seed=5)
    frames[3, :6] = np.nan
    vectors = fitted.bundle.embed(frames, CPU)
    assert vectors.shape == (40, 2 * (5 + len(side)) + 1)
    assert np.isfinite(vectors).all()
    made = replace(fitted.bundle, statistics=VectorStatistics.of(fitted.bundle.checked(vectors)))
    made.save(tmp_path / "m")
    found = load_encoder(tmp_path / "m")
    assert np.array_equal(found.embed(frames, CPU), vectors)
    assert found.checked(vectors).shape == (40, len(found.checked_columns)) == (40, 6 + len(side))
    assert found.columns == (*(f"latent {k}" for k in range(5)), *side)
    assert found.latent == found.stamp.latent == 5 + len(side)
    assert found.statistics is not None
    assert (found.hash, found.statistics.edge) == (made.hash, made.statistics.edge)
    rebuilt = found.reconstruct(found.inputs(frames), CPU)
    assert rebuilt.shape == frames.shape
    assert rebuilt.min() < 0  # below the sky, which the reference's decoder cannot


def test_hidden_pixels_change_what_the_encoder_sees_only_through_the_mask() -> None:
    bundle = fit_vae(vae_frames(), vae_config("training.epochs=1"), device=CPU).bundle
    frames = random_frames(2)
    frames[:, :5] = np.nan
    other = frames.copy()
    other[:, :5] = np.inf
    assert np.array_equal(bundle.embed(frames, CPU), bundle.embed(other, CPU))


def test_the_network_is_made_once_and_by_itself() -> None:
    """It is kept for the bundle, not for one made of it with other weights, and leaves the encoder as it is."""
    cpu, frames = torch.device("cpu"), random_frames(3)
    made, other = tiny_encoder(4), tiny_encoder(4, seed=9)
    before = made.hash
    made.ready(cpu)
    assert made._network(cpu) is made._network(cpu)
    vectors = made.embed(frames, cpu)
    assert not np.array_equal(replace(made, encoder=other.encoder).embed(frames, cpu), vectors)
    assert replace(made).hash == before
