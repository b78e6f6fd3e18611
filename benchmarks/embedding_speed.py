"""How fast an encoder runs by several ways that give the same vectors.

Eager is the published encoder layer by layer in evaluation mode; folded multiplies batch normalisation into the
convolutions; ONNX Runtime and its exporter are measured where they are installed. Turns are interleaved; rates are
by CPU time on one thread, so other work on the machine changes them little. The share is of the rate at
which the machine multiplies matrices of 1024 x 1024 (sgemm).

    python benchmarks/embedding_speed.py
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from rbztf.config import FramesSection
from rbztf.models.vae.encoder_inputs import make_inputs
from rbztf.models.vae.encoding import folded
from rbztf.models.vae.network import Encoder
from rbztf.simulate.sky import SimulatedSky

Way = Callable[[Tensor], Tensor]
LATENT = 36


def operations(channels: int) -> int:
    """Floating-point operations of the products in the encoder for one frame."""
    products = (
        14 * 14 * 9 * channels * 32 + 7 * 7 * 9 * 32 * 64 + 4 * 4 * 9 * 64 * 128 + 2 * 2 * 9 * 128 * 256
    )
    return 2 * (products + 2 * 2 * 256 * 512 + 2048 * 2 * LATENT)


def encoder(channels: int) -> Encoder:
    """An encoder whose batch normalisation has seen something."""
    torch.manual_seed(0)
    made = Encoder(LATENT, channels)
    with torch.no_grad():
        for _ in range(5):
            made(torch.rand(64, channels, 28, 28))
    return made.eval()


def onnx(model: torch.nn.Module, example: Tensor, folder: Path) -> Way | None:
    """``model`` in ONNX Runtime on one thread, or None where it is not installed."""
    try:
        import onnxruntime

        torch.onnx.export(
            model,
            (example,),
            str(folder / "encoder.onnx"),
            input_names=["x"],
            output_names=["y"],
            dynamic_axes={"x": {0: "n"}, "y": {0: "n"}},
            dynamo=False,
        )
    except ImportError:
        return None
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(str(folder / "encoder.onnx"), settings)
    return lambda frames: torch.from_numpy(session.run(None, {"x": frames.numpy()})[0])


def ways(channels: int, batch: Tensor, folder: Path) -> dict[str, tuple[Way, Tensor]]:
    """What is compared, each with the input in its own layout."""
    made = encoder(channels)
    fast = folded(made)
    last = batch.contiguous(memory_format=torch.channels_last)
    found: dict[str, tuple[Way, Tensor]] = {
        "eager": (made, batch),
        "folded, channels last (ours)": (fast, last),
        "folded": (folded(made).to(memory_format=torch.contiguous_format), batch),
    }
    session = onnx(folded(made).to(memory_format=torch.contiguous_format), batch[:8], folder)
    if session is not None:
        found["ONNX Runtime"] = (session, batch)
    return found


def measure(steps: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median CPU seconds of each step."""
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            started = time.process_time()
            step()
            seconds[name].append(time.process_time() - started)
    return {name: statistics.median(values) for name, values in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")
    matrix = torch.randn(1024, 1024)
    with tempfile.TemporaryDirectory() as name, torch.inference_mode():
        for channels, title in ((1, "reference's input"), (2, "with a mask channel")):
            batch = torch.rand(options.frames, channels, 28, 28)
            compared = ways(channels, batch, Path(name))
            steps: dict[str, Callable[[], object]] = {"sgemm": lambda: matrix @ matrix}
            steps |= {way: (lambda run=run, x=x: run(x)) for way, (run, x) in compared.items()}
            seconds = measure(steps, options.rounds)
            sgemm = 2 * 1024**3 / seconds["sgemm"]
            expected = compared["eager"][0](batch)
            print(f"{title}; sgemm {sgemm / 1e9:.0f} GFLOP/s, {options.threads} thread")
            for way, (run, x) in compared.items():
                rate = options.frames / seconds[way]
                gap = float((run(x) - expected).abs().max())
                share = rate * operations(channels) / sgemm
                print(
                    f"  {way:30} {rate:7.0f} frames/s  {seconds['eager'] / seconds[way]:5.2f} times eager  "
                    f"{share:4.0%} of sgemm  largest difference {gap:.1e}"
                )
    frames = SimulatedSky(n_objects=60, n_epochs=30, seed=1)
    pixels = np.concatenate([frames.frames(oid) for oid in frames.oids])[: options.frames]
    for section in (FramesSection(), FramesSection(normaliser="asinh_noise", invalid="mask")):
        once = measure({"": lambda section=section: make_inputs(pixels, section)}, 5)[""]
        print(f"normaliser {section.normaliser}: {len(pixels) / once:.0f} frames/s")


if __name__ == "__main__":
    main()
