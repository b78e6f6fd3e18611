"""Encoding and losses of frames, batch by batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers import random_frames, tiny_encoder

from rbztf.config import FramesSection
from rbztf.models.vae import encoding
from rbztf.models.vae.encoder_inputs import make_inputs
from rbztf.models.vae.encoding import encode, frame_losses
from rbztf.models.vae.losses import kl_divergence, log_cosh
from rbztf.models.vae.network import Decoder, Encoder, Vae


def test_a_vector_does_not_depend_on_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = tiny_encoder(4)
    frames = make_inputs(random_frames(23), FramesSection())
    whole = encode(bundle.encoder, frames, torch.device("cpu"))
    assert whole.shape == (23, 8)
    monkeypatch.setattr(encoding, "BATCH", 5)
    assert np.allclose(encode(bundle.encoder, frames, torch.device("cpu")), whole, atol=1e-5)
    assert np.allclose(encode(bundle.encoder, frames[7:8], torch.device("cpu")), whole[7:8], atol=1e-5)


def test_the_loss_of_a_frame_is_that_of_its_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "BATCH", 3)
    torch.manual_seed(1)
    vae = Vae(Encoder(4), Decoder(4)).eval()
    inputs = make_inputs(random_frames(7), FramesSection())
    cpu = torch.device("cpu")
    found = frame_losses(vae, inputs, encode(vae.encoder, inputs, cpu), 0.25, cpu)
    with torch.no_grad():
        batch = torch.from_numpy(inputs.values)[:, None]
        mean, log_variance = vae.encoder(batch).chunk(2, dim=1)
        error = log_cosh(batch - vae.decoder(mean)).mean(dim=(1, 2, 3))
        expected = error + 0.25 * kl_divergence(mean, log_variance)
    assert np.allclose(found, expected.numpy(), rtol=1e-5)
