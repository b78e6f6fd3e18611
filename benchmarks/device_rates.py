"""How fast frames are learned and embedded on a device, a GPU or the CPU.

    python benchmarks/device_rates.py --device cuda --json rates.json

Frames are noise with a star in the middle, normalised, in memory. "autocast" computes products in bfloat16, "TF32" in
the shortened float32 of NVIDIA's tensor cores; the largest difference of a latent from float32 says what each costs.
Rates are medians over rounds after one that does not count.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
import torch

from rbztf.config import Config, load_config
from rbztf.models.training import choose_device
from rbztf.models.vae.encoder_inputs import Inputs
from rbztf.models.vae.encoding import encode, folded
from rbztf.models.vae.fit import fit_vae
from rbztf.models.vae.network import make_encoder
from rbztf.models.vae.training_frames import FrameSet

CONFIGS = ("vae", "vae-ld78")


def frames(n: int) -> np.ndarray:
    """Normalised frames, (n, 28, 28) float32."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:28, :28] - 13.5
    star = np.exp(-(x**2 + y**2) / 6).astype(np.float32)
    made = rng.standard_normal((n, 28, 28), np.float32)
    made *= 0.1
    made += star * rng.gamma(2, 1, (n, 1, 1)).astype(np.float32)
    return np.asarray(np.clip(made, 0, 1))


def with_settings(config: Config, **training: object) -> Config:
    return config.model_copy(update={"training": config.training.model_copy(update=training)})


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def rate(n: int, rounds: int, device: torch.device, run: Callable[[], object]) -> float:
    """Frames a second, the median of rounds."""
    seconds = []
    for _ in range(rounds + 1):
        synchronise(device)
        started = time.perf_counter()
        run()
        synchronise(device)
        seconds.append(time.perf_counter() - started)
    return n / statistics.median(seconds[1:])


def shortened(device: torch.device) -> dict[str, Callable[[], AbstractContextManager[object]]]:
    """Ways to compute products that are not float32."""

    class Tf32(nullcontext[None]):
        def __enter__(self) -> None:
            torch.set_float32_matmul_precision("high")
            torch.backends.cudnn.allow_tf32 = True

        def __exit__(self, *error: object) -> None:
            torch.set_float32_matmul_precision("highest")
            torch.backends.cudnn.allow_tf32 = False

    ways: dict[str, Callable[[], AbstractContextManager[object]]] = {
        "autocast": lambda: torch.autocast(device.type, torch.bfloat16)
    }
    return {"TF32": Tf32, **ways} if device.type == "cuda" else ways


def embedding(config: Config, values: np.ndarray, rounds: int, device: torch.device) -> dict[str, float]:
    """Rates and errors of encoding."""
    torch.manual_seed(0)
    network = folded(make_encoder(config.frames, config.vae).eval()).to(device)
    inputs = Inputs(values, np.ones(values.shape, np.uint8), np.zeros((len(values), 4), np.float32))
    exact = encode(network, inputs, device)
    found = {"float32": rate(len(values), rounds, device, lambda: encode(network, inputs, device))}
    for name, context in shortened(device).items():

        def run(context: Callable[[], AbstractContextManager[object]] = context) -> np.ndarray:
            with context():
                return encode(network, inputs, device)

        found[name] = rate(len(values), rounds, device, run)
        found[f"{name}, largest difference"] = float(np.abs(run().astype(np.float32) - exact).max())
    return found


def training(config: Config, values: np.ndarray, epochs: int, device: torch.device) -> dict[str, float]:
    """Rates of the epochs after the first."""
    data = FrameSet(values, np.zeros(len(values), np.int64))
    found = {}
    for name, context in {"float32": nullcontext, **shortened(device)}.items():
        with context():
            history = fit_vae(data, with_settings(config, epochs=epochs + 1), device=device).history
        found[name] = statistics.median(row["frames_per_s"] for row in history[1:])
        found[f"{name}, last loss"] = history[-1]["loss"]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--frames", type=int, default=8192)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    device = choose_device(options.device)
    torch.backends.cudnn.allow_tf32 = False
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    values = frames(options.frames)
    found: dict[str, object] = {"device": name, "torch": torch.__version__, "frames": options.frames}
    for config_name in CONFIGS:
        config = load_config(config_name, project_file=None)
        found[f"embedding, {config_name}"] = embedding(config, values, options.rounds, device)
        found[f"training, {config_name}"] = training(config, values, options.rounds, device)
    print(json.dumps(found, indent=1))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
