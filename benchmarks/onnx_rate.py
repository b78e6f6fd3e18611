"""How fast exported models run in ONNX Runtime, against the same models here, on one thread.

Turns are interleaved; rates are by CPU time. Trees are those of the shipped model, on random rows; the encoder is
untrained, which changes nothing of its speed (``embedding_speed.py`` compares more ways of it).

    python benchmarks/onnx_rate.py
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import lightgbm
import numpy as np
import onnxruntime
import torch

from rbztf.config import load_config
from rbztf.models.catalogue import shipped_model
from rbztf.models.ensemble.binned_trees import BinnedTrees
from rbztf.models.ensemble.bundle import load_ensemble
from rbztf.models.onnx.write import export_model
from rbztf.models.vae.bundle import EncoderBundle
from rbztf.models.vae.encoding import folded
from rbztf.models.vae.network import Encoder

LATENT = 36
BATCH = 256
"""Frames at once, as ``rbztf embed`` has them."""


def session(model: Any) -> Any:
    """A model in ONNX Runtime on one thread."""
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), settings)


def measure(steps: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median CPU seconds of each step."""
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for step in steps.values():
        step()
    for _ in range(rounds):
        for name, step in steps.items():
            started = time.process_time()
            step()
            seconds[name].append(time.process_time() - started)
    return {name: statistics.median(values) for name, values in seconds.items()}


def show(title: str, unit: str, n: int, seconds: dict[str, float]) -> None:
    print(title)
    first = next(iter(seconds.values()))
    for name, spent in seconds.items():
        print(f"  {name:36} {n / spent:9,.0f} {unit}/s  {first / spent:5.2f} times the first")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--frames", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = load_ensemble(shipped_model())
    made = export_model(model).models
    rows = np.random.default_rng(0).normal(0, 3, (options.rows, len(model.feature_names))).astype(np.float32)
    texts = [member.text for member in model.members["lightcurve-trees"]]  # type: ignore[attr-defined]
    trees, boosters = BinnedTrees(texts), [lightgbm.Booster(model_str=text) for text in texts]
    score = session(made["score.onnx"])
    steps: dict[str, Callable[[], object]] = {
        "LightGBM": lambda: [b.predict(rows, raw_score=True, num_threads=1) for b in boosters],
        "rbztf (binned trees)": lambda: trees.sums(rows),
        "ONNX Runtime (score.onnx)": lambda: score.run(None, {"features": rows}),
    }
    show("trees of the shipped model, 1 thread", "rows", options.rows, measure(steps, options.rounds))
    config = load_config(None, [f"vae.latent={LATENT}"], project_file=None)
    for channels in (1, 2):
        encoder = Encoder(LATENT, channels).eval()
        run = session(export_model(EncoderBundle(encoder, None, config)).models["encoder.onnx"])
        network = folded(encoder)
        frames = torch.rand(options.frames, channels, 28, 28)
        parts = frames.split(BATCH)
        laid_out = [part.contiguous(memory_format=torch.channels_last) for part in parts]
        arrays = [part.numpy() for part in parts]
        with torch.inference_mode():
            steps = {
                "PyTorch (folded, channels last)": lambda: [network(part) for part in laid_out],  # noqa: B023
                "ONNX Runtime (encoder.onnx)": lambda: [run.run(None, {"frames": a}) for a in arrays],  # noqa: B023
            }
            seconds = measure(steps, options.rounds)
        show(f"encoder, {channels} channel(s), 1 thread", "frames", options.frames, seconds)


if __name__ == "__main__":
    main()
