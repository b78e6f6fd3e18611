"""Rate of ``rbztf embed``, from a cutout store to an embedding store, against that of the encoder's network alone.

    python benchmarks/embed_rate.py

"minmax" is an encoder as the published ones are: their normaliser, no decoder. "vae" is that of ``configs/vae.yaml``,
without its decoder and with it; the decoder gives the loss of each frame and computes about as much as the encoder,
so the network is then encoder and decoder. Weights are random: they change no rate.

"network" runs on tensors that are ready, its batches side by side on as many threads as torch chooses; "shared" has
those threads share each product, as torch does by itself; "in memory" is ``EncoderBundle.embed`` of frames in DN, shared as well;
"embed" is ``rbztf.embed``, with its loading of the model. Turns are interleaved, rates the best of the rounds. Ratios are to
the faster way of the network, by wall and by CPU time; the target is judged by CPU time, which other work on the machine
changes less.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from rbztf.config import Config, load_config
from rbztf.models.training import threads
from rbztf.models.vae.bundle import EncoderBundle
from rbztf.models.vae.encoder_inputs import Inputs, read_facts
from rbztf.models.vae.encoding import batches as split
from rbztf.models.vae.encoding import encoder_input, folded
from rbztf.models.vae.network import make_vae
from rbztf.parallel.threads import map_threads
from rbztf.stores.cutouts import open_cutouts
from rbztf.stores.epochs import epoch_table
from rbztf.stores.object_file import write_object
from rbztf.verbs.embed import embed
from rbztf.ztf import SIZE_PIX

READY_FRAMES = 16_384
"""Frames on which the network alone is timed."""
CLIPPED_EACH = 50
"""One frame of so many is at the edge of the chip."""
TARGETS = {"minmax": 0.8, "vae": 0.65}
CPU = torch.device("cpu")


def write_store(folder: Path, n_objects: int, n_frames: int) -> None:
    """Objects of ``n_frames`` frames each: sky, noise and a star; a few frames clipped."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    offset = np.mgrid[:SIZE_PIX, :SIZE_PIX] - (SIZE_PIX - 1) / 2
    star = np.exp(-np.square(offset).sum(axis=0) / 6).astype(np.float32)
    noise = 15 * rng.standard_normal((n_frames, SIZE_PIX, SIZE_PIX), np.float32)
    known = {"gain": 6.2, "readnoise": 10.0, "saturate": 50_000.0, "magzp": 26.2, "mag": 18.0, "magerr": 0.1}
    for number in range(n_objects):
        sky, flux = rng.uniform(100, 900, (n_frames, 1, 1)), rng.gamma(2, 100, (n_frames, 1, 1))
        frames = (noise + sky + flux * star).astype(np.float32)
        frames[number % CLIPPED_EACH :: CLIPPED_EACH, :, :5] = np.nan
        columns = {name: np.full(n_frames, value) for name, value in known.items()}
        columns |= {"hjd": 2458300.5 + np.arange(n_frames), "frame": np.arange(n_frames)}
        epochs = epoch_table(columns, n_frames)
        write_object(folder, 600203100000001 + number, frames, epochs, ra_deg=10.0, dec_deg=20.0)


def make_bundle(config: Config, *, decoder: bool) -> EncoderBundle:
    torch.manual_seed(0)
    vae = make_vae(config.frames, config.vae).eval()
    return EncoderBundle(vae.encoder, vae.decoder if decoder else None, config)


def ready(bundle: EncoderBundle) -> Inputs:
    values = np.random.default_rng(1).random((READY_FRAMES, SIZE_PIX, SIZE_PIX), np.float32)
    return Inputs(values, np.ones(values.shape, np.uint8), np.zeros((READY_FRAMES, 4), np.float32))


def network_alone(bundle: EncoderBundle, *, shared: bool) -> Callable[[], int]:
    """Run the network on tensors that are ready; gives the number of frames."""
    inputs = ready(bundle)
    network = folded(bundle.encoder)
    batches = [encoder_input(inputs[rows], bundle.encoder.channels, CPU) for rows in split(len(inputs))]
    decoder = bundle.decoder

    @torch.inference_mode()
    def one(batch: Tensor) -> int:
        latents = network(batch)
        if decoder is not None:
            decoder(latents[:, : bundle.encoder.latent])
        return len(batch)

    def run() -> int:
        n_threads = torch.get_num_threads()
        with nullcontext() if shared else threads(1):
            return sum(map_threads(one, batches, 0 if shared else n_threads))

    return run


def measure(steps: dict[str, Callable[[], int]], rounds: int) -> dict[str, dict[str, float]]:
    """Frames a second of each step by wall and CPU time, the best of the rounds."""
    found = {name: {"wall": 0.0, "cpu": 0.0} for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            wall, cpu = time.perf_counter(), time.process_time()
            n = step()
            rates = {"wall": n / (time.perf_counter() - wall), "cpu": n / (time.process_time() - cpu)}
            found[name] = {kind: max(rate, found[name][kind]) for kind, rate in rates.items()}
    return found


def compare(
    title: str, bundle: EncoderBundle, store: Path, work: Path, rounds: int
) -> dict[str, dict[str, float]]:
    """Rates of the network, of its use in memory and of the whole way, printed with their ratios."""
    bundle.save(work / title)
    cutouts = next(iter(open_cutouts(store).values()))
    frames, facts = (
        np.tile(cutouts.frames, (8, 1, 1)),
        read_facts(cutouts)[np.tile(np.arange(len(cutouts.frames)), 8)],
    )

    def in_memory() -> int:
        return len(bundle.embed(frames, CPU, facts))

    def whole() -> int:
        return embed(work / title, store, work / "embeddings").n_frames

    steps = {"network": network_alone(bundle, shared=False), "shared": network_alone(bundle, shared=True)}
    rates = measure({**steps, "in memory": in_memory, "embed": whole}, rounds)
    fastest = {kind: max(rates[way][kind] for way in steps) for kind in ("wall", "cpu")}
    target = TARGETS.get(title)
    for name, rate in rates.items():
        rate |= {f"{kind} ratio": rate[kind] / fastest[kind] for kind in fastest}
        verdict = (
            "" if name != "embed" or target is None or rate["cpu ratio"] >= target else f"  under {target}"
        )
        print(
            f"{title:16} {name:10} {rate['wall']:7,.0f} frames/s {rate['cpu']:7,.0f} a CPU second   "
            f"{rate['wall ratio']:.2f} {rate['cpu ratio']:.2f} of the network{verdict}",
            flush=True,
        )
    return rates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--objects", type=int, default=200)
    parser.add_argument("--frames", type=int, default=250, help="of each object")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--folder", type=Path, help="keep the store here, and use it if it is there")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        store = (options.folder or work) / f"cutouts-{options.objects}-{options.frames}"
        if not store.exists():
            write_store(store, options.objects, options.frames)
        found = {}
        for title, config, decoder in (
            ("minmax", Config(), False),
            ("vae", load_config("vae"), False),
            ("vae with decoder", load_config("vae"), True),
        ):
            found[title] = compare(title, make_bundle(config, decoder=decoder), store, work, options.rounds)
    if options.json:
        options.json.write_text(json.dumps({"threads": options.threads, "rates": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
