"""Objects a second of ``rbztf predict`` with the default ensemble, from embeddings and light-curve features.

All objects of a store are scored by the whole command, start of Python and torch included, and
several times in one process, which is what a long run keeps up. ``--published DIR`` is
made by ``rbztf import --train --out DIR``.

    python benchmarks/predict_ensemble.py --published published
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rbztf.verbs.predict import predict


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--published", type=Path, default=Path("published"), help="made by rbztf import --train"
    )
    parser.add_argument("--model", type=Path, help="another ensemble than DIR/model")
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    folder, model = arguments.published, arguments.model or arguments.published / "model"
    if not model.is_dir():
        print(f"There is no {model}; make it: rbztf import --train --out {folder}")
        return
    places = ["--embeddings", folder / "embeddings", "--features", folder / "features.csv", "--no-fetch"]
    with tempfile.TemporaryDirectory() as scratch:
        words = [sys.executable, "-m", "rbztf", "predict", "--quiet", "--model", model, *places]
        started = time.perf_counter()
        subprocess.run([*map(str, words), "--out", f"{scratch}/p.csv"], check=True, stdout=subprocess.DEVNULL)
        print(f"whole command: {time.perf_counter() - started:.2f} s", flush=True)
    for number in range(1 + arguments.repeat):
        started, cpu = time.perf_counter(), time.process_time()
        found = predict(
            model=model,
            embeddings=folder / "embeddings",
            features=folder / "features.csv",
            fetch=False,
        )
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
        n, frames = len(found.objects), sum(entry.n_frames for entry in found.objects)
        print(
            f"{'first call' if number == 0 else 'running':<14} {n} objects, {frames} frames: {seconds:.2f} s, "
            f"{n / seconds:.0f} objects/s ({1000 * cpu / n:.1f} ms CPU each, {os.cpu_count()} cores)",
            flush=True,
        )


if __name__ == "__main__":
    main()
