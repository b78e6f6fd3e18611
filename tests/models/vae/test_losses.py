"""Losses against their formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.distributions import Normal
from torch.distributions import kl_divergence as torch_kl

from rbztf.models.rnn.fit import classifier_loss, tversky_loss
from rbztf.models.vae.losses import free_bits_kl, kl_divergence, log_cosh, vae_loss


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@given(st.floats(-300, 300))
def test_log_cosh(residual: float) -> None:
    found = float(log_cosh(torch.tensor(residual, dtype=torch.float64)))
    assert found == pytest.approx(float(np.log(np.cosh(np.longdouble(residual)))), rel=1e-12, abs=1e-15)
    assert found >= 0


def test_log_cosh_of_large_residuals_neither_overflows_nor_loses_its_slope() -> None:
    residual = torch.tensor([-1e30, -1e4, 0.0, 1e4, 1e30], requires_grad=True)
    loss = log_cosh(residual)
    loss.sum().backward()
    assert torch.allclose(loss.detach()[[0, 1, 3, 4]], residual.detach().abs()[[0, 1, 3, 4]], rtol=1e-4)
    assert torch.equal(residual.grad, torch.tensor([-1.0, -1.0, 0.0, 1.0, 1.0]))
    small = torch.linspace(-4, 4, 41, dtype=torch.float64, requires_grad=True)
    log_cosh(small).sum().backward()
    assert torch.allclose(small.grad, torch.tanh(small.detach()))


@given(seed=st.integers(0, 1000))
def test_kl_divergence(seed: int) -> None:
    mean, log_variance = normal(5, 7, seed=seed), normal(5, 7, seed=seed + 1)
    expected = torch_kl(Normal(mean, torch.exp(log_variance / 2)), Normal(0.0, 1.0)).sum(dim=1)
    assert torch.allclose(kl_divergence(mean, log_variance), expected, rtol=1e-4, atol=1e-5)


def test_kl_divergence_of_the_prior_is_zero() -> None:
    assert torch.equal(kl_divergence(torch.zeros(3, 4), torch.zeros(3, 4)), torch.zeros(3))


def test_the_autoencoder_s_loss_is_the_reference_s() -> None:
    """mean log cosh + weight x KL, summed over latents and meaned over the batch."""
    frames, reconstruction = normal(6, 1, 28, 28), normal(6, 1, 28, 28, seed=1)
    mean, log_variance = normal(6, 36, seed=2), normal(6, 36, seed=3)
    loss, error, kl = vae_loss(frames, reconstruction, mean, log_variance, 8e-5)
    residual = (frames - reconstruction).double()
    reference = torch.log(torch.cosh(residual)).mean() + 8e-5 * torch.mean(
        -0.5 * torch.sum(1 + log_variance - mean**2 - log_variance.exp(), dim=1)
    )
    assert loss.shape == error.shape == kl.shape == (6,)
    assert float(loss.mean()) == pytest.approx(float(reference), rel=1e-5)
    assert torch.allclose(loss, error + 8e-5 * kl)


def test_pixels_without_data_do_not_make_the_loss_smaller() -> None:
    """Half of the pixels masked, the others all off by 0.7: the loss is that of 0.7."""
    reconstruction = torch.zeros(3, 1, 28, 28)
    frames = torch.full_like(reconstruction, 0.7)
    frames[:, :, :14] = -40.0  # whatever stands there
    weights = torch.ones_like(frames)
    weights[:, :, :14] = 0
    latent = torch.zeros(3, 4)
    _, error, _ = vae_loss(frames, reconstruction, latent, latent, 1.0, weights)
    assert error.tolist() == pytest.approx([math.log(math.cosh(0.7))] * 3, rel=1e-5)
    _, nothing, _ = vae_loss(frames, reconstruction, latent, latent, 1.0, torch.zeros_like(frames))
    assert nothing.tolist() == [0, 0, 0]


def test_tversky_by_hand() -> None:
    scores = torch.tensor([[0.3, 0.8], [0.9, 0.4]])
    targets = torch.tensor([[0.0, 1.0], [0.0, 1.0]])
    hit, false_alarm, missed = 0.8 + 0.4, 0.3 + 0.9, 0.2 + 0.6
    expected = 1 - (hit + 1) / (hit + 0.3 * false_alarm + 0.7 * missed + 1)
    assert float(tversky_loss(scores, targets)) == pytest.approx(expected, rel=1e-6)
    assert float(tversky_loss(targets, targets)) == pytest.approx(0)


@given(seed=st.integers(0, 1000), weight=st.sampled_from([0.0, 0.01, 2.0]))
def test_the_classifier_s_loss(seed: int, weight: float) -> None:
    logits = normal(8, 2, seed=seed).requires_grad_()
    labels = (normal(8, seed=seed + 1) > 0).long()
    chosen = torch.log_softmax(logits.detach(), dim=1)[torch.arange(8), labels]
    targets = torch.stack([1 - labels, labels], dim=1).float()
    tversky = tversky_loss(torch.sigmoid(logits.detach()), targets)
    loss = classifier_loss(logits, labels, weight)
    assert float(loss.detach()) == pytest.approx(float(-chosen.mean() + weight * tversky), rel=1e-5)
    loss.backward()
    assert torch.isfinite(logits.grad).all()


@given(st.integers(0, 100))
def test_pixels_without_data_do_not_enter_the_loss(seed: int) -> None:
    torch.manual_seed(seed)
    frames, rebuilt = torch.randn(2, 4, 1, 28, 28)
    mean, log_variance = torch.randn(2, 4, 5)
    weights = (torch.rand(4, 1, 28, 28) < 0.6).float()
    before = vae_loss(frames, rebuilt, mean, log_variance, 0.1, weights)
    frames = torch.where(weights > 0, frames, torch.randn_like(frames) * 100)
    after = vae_loss(frames, rebuilt, mean, log_variance, 0.1, weights)
    for one, other in zip(before, after):
        assert torch.equal(one, other)
    everywhere = vae_loss(frames, rebuilt, mean, log_variance, 0.1, torch.ones_like(weights))
    torch.testing.assert_close(everywhere, vae_loss(frames, rebuilt, mean, log_variance, 0.1))


@given(st.integers(0, 100), st.floats(0, 2))
def test_free_bits_bound_the_cost_of_each_latent(seed: int, free: float) -> None:
    torch.manual_seed(seed)
    mean, log_variance = torch.randn(2, 16, 5)
    cost, kl = free_bits_kl(mean, log_variance, free), kl_divergence(mean, log_variance).mean()
    assert cost >= kl - 1e-5
    assert cost >= 5 * free - 1e-5
    torch.testing.assert_close(free_bits_kl(mean, log_variance, 0.0), kl)
