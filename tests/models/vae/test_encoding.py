"""Encoding and losses of frames, batch by batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers import random_frames, tiny_encoder

from rbztf.config import FramesSection
from rbztf.models.training import threads
from rbztf.models.vae import encoding
from rbztf.models.vae.encoder_inputs import make_inputs
from rbztf.models.vae.encoding import encode, folded, frame_losses
from rbztf.models.vae.losses import kl_divergence, log_cosh
from rbztf.models.vae.network import Decoder, Encoder, Vae

CPU = torch.device("cpu")


@pytest.mark.parametrize("n_threads", [1, 2])
def test_a_vector_does_not_depend_on_the_batch(n_threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bit for bit: one frame alone gives what it gives among others."""
    cpu = torch.device("cpu")
    network, frames = folded(tiny_encoder(4).encoder), make_inputs(random_frames(53), FramesSection())
    whole = encode(network, frames, cpu)
    assert whole.shape == (53, 8)
    with threads(n_threads):
        assert np.array_equal(encode(network, frames[7:8], cpu)[0], whole[7])
        assert np.array_equal(encode(network, frames[:19], cpu), whole[:19])
        monkeypatch.setattr(encoding, "BATCH", 5)
        assert np.array_equal(encode(network, frames, cpu), whole)
    assert encode(network, frames[:0], cpu).shape == (0, 8)


def test_batches_are_as_equal_as_can_be() -> None:
    lengths = [rows.stop - rows.start for rows in encoding.batches(2 * encoding.BATCH + 1, CPU)]
    assert sum(lengths) == 2 * encoding.BATCH + 1
    assert len(lengths) == 3
    assert max(lengths) - min(lengths) <= 1
    assert list(encoding.batches(0, CPU)) == []


def test_the_loss_of_a_frame_is_that_of_its_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "BATCH", 3)
    torch.manual_seed(1)
    vae = Vae(Encoder(4), Decoder(4)).eval()
    inputs = make_inputs(random_frames(7), FramesSection())
    cpu = torch.device("cpu")
    found = frame_losses(vae, inputs, encode(folded(vae.encoder), inputs, cpu), 0.25, cpu)
    with torch.no_grad():
        batch = torch.from_numpy(inputs.values)[:, None]
        mean, log_variance = vae.encoder(batch).chunk(2, dim=1)
        error = log_cosh(batch - vae.decoder(mean)).mean(dim=(1, 2, 3))
        expected = error + 0.25 * kl_divergence(mean, log_variance)
    assert np.allclose(found, expected.numpy(), rtol=1e-5)
