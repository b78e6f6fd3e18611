"""Opening 805,632 vectors, and ``rbztf predict`` on 1,000 of their objects: time and memory.

``--published DIR``, made by ``rbztf import``, takes the published vectors and classifiers;
without it a store of the same size is made up, and classifiers of the same architecture.
Time is that of the whole command, with the start of Python and torch; memory is the
largest resident size of the process.

    python benchmarks/predict.py
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from rbztf.stores.embedding_writer import EmbeddingWriter
from rbztf.stores.embeddings import EmbeddingInfo, open_embeddings
from rbztf.stores.epochs import no_photometry

N_OBJECTS, N_FRAMES, LATENT = 1784, 805_632, 36
TARGETS = {"open_s": 0.5, "predict_s": 20.0, "memory_gb": 2.0}
MAKE_MODEL = """
import sys, torch
from rbztf.config import load_config
from rbztf.models.rnn.bundle import ClassifierBundle, Standardisation, build_network
from pathlib import Path
config = load_config("reference/" + sys.argv[1], ["classifier.padding=masked"], project_file=None)
torch.manual_seed(0)
network = build_network(config, 36).eval()
ClassifierBundle(network, Standardisation.identity(36), config).save(Path(sys.argv[2]))
"""
OPEN = """
import sys, time
from rbztf.stores.embeddings import open_embeddings
started = time.perf_counter()
store = open_embeddings(sys.argv[1])
store[next(iter(store))]
print(time.perf_counter() - started)
"""
MODELS = {"GRU": ("baseline", "gru"), "bidirectional GRU": ("wd_2dir", "bigru-l2"), "LSTM": ("lstm", "lstm")}


def make_store(folder: Path) -> Path:
    """Vectors of as many objects and frames as are published."""
    rng = np.random.default_rng(0)
    lengths = np.clip(rng.lognormal(np.log(426), 0.5, N_OBJECTS), 5, 1090).astype(int)
    lengths = np.maximum((lengths * N_FRAMES / lengths.sum()).astype(int), 5)
    lengths[-1] += N_FRAMES - lengths.sum()
    with EmbeddingWriter(folder, EmbeddingInfo(LATENT), LATENT) as writer:
        for number, n in enumerate(lengths):
            vectors = rng.normal(size=(n, LATENT)).astype(np.float32)
            writer.add(600203100000000 + number, vectors, no_photometry(n))
    return folder


def run(command: list[str]) -> tuple[float, float]:
    """Seconds and largest resident GB of a command."""
    started = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{' '.join(command)} failed with {child.returncode}")
    return time.perf_counter() - started, usage.ru_maxrss / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--published", type=Path, help="folder made by rbztf import")
    parser.add_argument("--objects", type=int, default=1000)
    parser.add_argument("--repeat", type=int, default=5)
    arguments = parser.parse_args()
    scratch = Path(tempfile.mkdtemp())
    try:
        measure(arguments, scratch)
    finally:
        shutil.rmtree(scratch)


def measure(arguments: argparse.Namespace, scratch: Path) -> None:
    published = arguments.published
    embeddings = published / "embeddings" if published else make_store(scratch / "embeddings")
    store = open_embeddings(embeddings)
    oids = list(store)[: arguments.objects]
    n_frames = sum(store.count(oid) for oid in oids)
    (scratch / "oids.txt").write_text("\n".join(map(str, oids)))

    opened = [
        float(
            subprocess.run([sys.executable, "-c", OPEN, embeddings], capture_output=True, check=True).stdout
        )
        for _ in range(arguments.repeat)
    ]
    total = sum(store.count(oid) for oid in store)
    print(f"opening {len(store):,} objects, {total:,} vectors: {statistics.median(opened):.4f} s", end="")
    print("" if statistics.median(opened) < TARGETS["open_s"] else f"  over {TARGETS['open_s']} s")

    print(f"predict on {len(oids):,} objects, {n_frames:,} frames:")
    print(f"{'model':<20} {'seconds':>8} {'frames/s':>10} {'memory, GB':>11}")
    for title, (name, recipe) in MODELS.items():
        model = published / "rnn" / name / "0" if published else scratch / name
        if not published:
            subprocess.run([sys.executable, "-c", MAKE_MODEL, recipe, model], check=True)
        command = [
            sys.executable,
            "-m",
            "rbztf",
            "predict",
            "--from",
            str(scratch / "oids.txt"),
            "--no-fetch",
        ]
        command += ["--model", str(model), "--embeddings", str(embeddings), "--out", str(scratch / "p.csv")]
        spent, memory = zip(*(run(command) for _ in range(arguments.repeat)))
        seconds, gigabytes = statistics.median(spent), max(memory)
        fine = seconds < TARGETS["predict_s"] and gigabytes < TARGETS["memory_gb"]
        verdict = "" if fine else "  over the target"
        print(f"{title:<20} {seconds:8.2f} {n_frames / seconds:10,.0f} {gigabytes:11.2f}{verdict}")


if __name__ == "__main__":
    main()
