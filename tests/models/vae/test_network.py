"""The autoencoder is the reference's: layers, keys, and what it computes."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from helpers import UPSTREAM, need, random_frames, tiny_encoder
from torch import Tensor

from rbztf.frames.normalise import RawFrames, normalise
from rbztf.models.rnn.published import read_state_dict
from rbztf.models.vae.network import Decoder, Encoder, Vae

NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
ENCODER_KEYS = [
    *(
        f"encoder.{block}.{part}"
        for block in range(5)
        for part in ("0.weight", *(f"1.{name}" for name in NORM))
    ),
    "encoder.6.weight",
    "encoder.6.bias",
]
EPSILON, SLOPE = 1e-5, 0.01


def reference_encoder(tensors: dict[str, Tensor], frames: Tensor) -> Tensor:
    """The reference's encoder in evaluation mode, written out with its weights."""
    x = frames
    for block in range(5):
        stride, padding = (2, 1) if block < 4 else (1, 0)
        x = F.conv2d(x, tensors[f"encoder.{block}.0.weight"], stride=stride, padding=padding)
        mean, variance, gain, offset = (
            tensors[f"encoder.{block}.1.{name}"][None, :, None, None]
            for name in ("running_mean", "running_var", "weight", "bias")
        )
        x = (x - mean) / torch.sqrt(variance + EPSILON) * gain + offset
        x = torch.where(x >= 0, x, SLOPE * x)
    return x.reshape(len(x), -1) @ tensors["encoder.6.weight"].T + tensors["encoder.6.bias"]


@pytest.mark.parametrize("latent", [1, 36, 78])
def test_the_encoder_has_the_reference_s_layers(latent: int) -> None:
    encoder = Encoder(latent)
    shapes = {name: tuple(tensor.shape) for name, tensor in encoder.state_dict().items()}
    assert list(shapes) == ENCODER_KEYS
    channels = [1, 32, 64, 128, 256, 512]
    for block in range(5):
        side = 3 if block < 4 else 1
        assert shapes[f"encoder.{block}.0.weight"] == (channels[block + 1], channels[block], side, side)
    assert shapes["encoder.6.weight"] == (2 * latent, 2048)
    assert encoder.eval()(torch.zeros(2, 1, 28, 28)).shape == (2, 2 * latent)


def test_the_encoder_computes_what_its_layers_say() -> None:
    bundle = tiny_encoder(5, seed=3)
    frames = torch.from_numpy(normalise(RawFrames(random_frames(7))))[:, None]
    with torch.no_grad():
        assert torch.allclose(
            bundle.encoder(frames), reference_encoder(bundle.encoder.state_dict(), frames), atol=1e-5
        )


@pytest.mark.parametrize(("name", "latent"), [("encoder", 36), ("encoder_aug", 36), ("encoder_ld78", 78)])
def test_published_weights_load_unchanged(name: str, latent: int) -> None:
    tensors = read_state_dict(need(UPSTREAM / f"trained_models/vae/{name}.zip"))
    assert list(tensors) == ENCODER_KEYS
    encoder = Encoder(latent).eval()
    encoder.load_state_dict(tensors)
    frames = torch.from_numpy(normalise(RawFrames(random_frames(5))))[:, None]
    with torch.no_grad():
        assert torch.allclose(encoder(frames), reference_encoder(tensors, frames), rtol=1e-4, atol=1e-4)


def test_the_decoder_has_the_reference_s_layers() -> None:
    decoder = Decoder(9).eval()
    modules = [type(module).__name__ for module in decoder.decoder]
    assert modules == [
        "Linear",
        "Unflatten",
        *["Sequential"] * 4,
        "ConvTranspose2d",
        "BatchNorm2d",
        "LeakyReLU",
        "Conv2d",
        "ReLU",
    ]
    shapes = {name: tuple(tensor.shape) for name, tensor in decoder.state_dict().items()}
    assert shapes["decoder.0.weight"] == (512, 9)
    channels = [512, 256, 128, 64, 32]
    for block in range(4):
        assert shapes[f"decoder.{block + 2}.0.weight"] == (channels[block], channels[block + 1], 3, 3)
    assert shapes["decoder.6.weight"] == (32, 32, 3, 3)
    assert shapes["decoder.9.weight"] == (1, 32, 7, 7)
    with torch.no_grad():
        decoded = decoder(torch.randn(4, 9))
    assert decoded.shape == (4, 1, 28, 28)
    assert decoded.min() >= 0


def test_the_draw_is_the_mean_plus_noise_of_the_given_variance() -> None:
    torch.manual_seed(0)
    vae = Vae(Encoder(3), Decoder(3)).eval()
    frames = torch.rand(4, 1, 28, 28)
    with torch.no_grad():
        vae.decoder.decoder[9].bias.fill_(0.5)  # an untrained decoder gives zeros
        reconstruction, mean, log_variance = vae(frames, torch.Generator().manual_seed(5))
        again, *_ = vae(frames, torch.Generator().manual_seed(5))
        other, *_ = vae(frames, torch.Generator().manual_seed(6))
        noise = torch.randn(4, 3, generator=torch.Generator().manual_seed(5))
        by_hand = vae.decoder(mean + noise * torch.exp(log_variance / 2))
    assert torch.equal(reconstruction, again)
    assert not torch.equal(reconstruction, other)
    assert torch.allclose(reconstruction, by_hand, atol=1e-6)
    assert torch.equal(torch.cat([mean, log_variance], dim=1), vae.encoder(frames))


def test_one_seed_gives_the_same_weights() -> None:
    def made(seed: int) -> dict[str, Tensor]:
        torch.manual_seed(seed)
        return Vae(Encoder(3), Decoder(3)).state_dict()

    first, again, other = made(4), made(4), made(5)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


OTHER_SIZE = """
import rbztf.ztf
rbztf.ztf.SIZE_PIX = 32
import numpy as np
import torch
from rbztf.config import load_config
from rbztf.models.vae.fit import fit_vae
from rbztf.models.vae.known_frames import known_frames
from rbztf.models.vae.training_frames import prepare_frames
from rbztf.simulate.dataset import write_dataset
from rbztf.simulate.sky import SimulatedSky
from rbztf.stores.cutouts import open_cutouts
from pathlib import Path

torch.set_num_threads(1)
store = open_cutouts(write_dataset("sky", SimulatedSky(n_objects=4, n_epochs=6)).cutouts)
settings = ["vae.latent=4", "training.epochs=1", "vae.mask_share=0.5", "vae.shift_share=0.5"]
config = load_config("vae", settings, project_file=None)
known = known_frames(20, config.frames, 0)
frames, problems = prepare_frames(store, config.frames, Path("scratch"), known=known)
assert not problems
assert frames.frames.shape[1:] == (32, 32)
bundle = fit_vae(frames, config, device=torch.device("cpu")).bundle
inputs = frames.inputs(np.arange(5))
assert bundle.embed_inputs(inputs, torch.device("cpu")).shape == (5, bundle.width)
assert bundle.reconstruct(inputs, torch.device("cpu")).shape == (5, 32, 32)
"""


def test_another_size_of_cutouts_is_one_constant(environment: dict[str, str]) -> None:
    done = subprocess.run([sys.executable, "-c", OTHER_SIZE], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
