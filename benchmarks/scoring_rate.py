"""Scoring a table of light-curve features: rbztf against a forest as SNAD runs it, on the same rows and threads.

    python benchmarks/scoring_rate.py --labels akb.ztf.snad.space.json --features lightcurve_features.csv

The forest has the published settings of SNAD's classifier (831 trees of depth 18), is trained on the same labels and
features, exported with skl2onnx and run in onnxruntime; it gives a probability and nothing else. ``rbztf`` reads the
table from the disk, scores, gives intervals, decisions and the check of the input, and writes the answer. "trees" is its
ensemble's log odds alone. Rows are the labelled objects drawn again and again, each value moved by 0.1 %. Each run is a
process of its own; start-up is left out of the rates and told by itself. Memory is what the processes hold that is not
a file (anonymous), summed over workers. Needs: pip install onnxruntime skl2onnx.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from rbztf.features.binary_files import places
from rbztf.features.files import read_features
from rbztf.features.snad_set import FEATURE_NAMES
from rbztf.stores.labels import read_labels

BLOCK = 65536


def forest(labels: Path, features: Path, out: Path) -> None:
    """Train the forest and write it as ONNX."""
    from skl2onnx import to_onnx
    from sklearn.ensemble import RandomForestClassifier

    known = read_labels(labels)
    table = read_features(features)
    oids = [oid for oid in table.oids[table.known()].tolist() if oid in known]
    values = np.nan_to_num(table.rows(oids).columns(FEATURE_NAMES).values).astype(np.float32)
    model = RandomForestClassifier(831, max_depth=18, random_state=0, n_jobs=-1)
    model.fit(values, known.labels(oids))
    out.write_bytes(to_onnx(model, values[:1], options={"zipmap": False}).SerializeToString())


def make_table(features: Path, n: int, path: Path) -> None:
    """Write a pair of binary files."""
    known = read_features(features)
    source = known.columns(FEATURE_NAMES).values[known.known()].astype(np.float32)
    rng = np.random.default_rng(0)
    sids, values, names = places(path)
    (633207400000001 + np.arange(n)).astype("<u8").tofile(sids)
    names.write_text(" ".join(FEATURE_NAMES))
    with values.open("wb") as stream:
        for start in range(0, n, BLOCK):
            rows = source[rng.integers(0, len(source), min(BLOCK, n - start))]
            (rows * (1 + 1e-3 * rng.standard_normal(rows.shape, np.float32))).astype("<f4").tofile(stream)


FOREST = """
import sys, time, numpy as np, onnxruntime
model, values, threads, columns = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
settings = onnxruntime.SessionOptions()
settings.intra_op_num_threads, settings.log_severity_level = threads, 3
session = onnxruntime.InferenceSession(model, settings)
table = np.memmap(values, "<f4", "r").reshape(-1, columns)
session.run(None, {"X": np.nan_to_num(table[:1000])})
started = time.perf_counter()
for start in range(0, len(table), 1 << 18):
    session.run(None, {"X": np.nan_to_num(table[start:start + (1 << 18)])})
print(len(table) / (time.perf_counter() - started))
"""
TREES = """
import sys, time, numpy as np
from rbztf.models.catalogue import shipped_model
from rbztf.models.ensemble.binned_trees import BinnedTrees
from rbztf.models.load import load_model
trained = load_model(shipped_model()).members["lightcurve-trees"]
trees = BinnedTrees([member.text for member in trained])
table = np.memmap(sys.argv[1], "<f4", "r").reshape(-1, int(sys.argv[2]))[:1 << 18]
trees.sums(table[:1000])
started = time.process_time()
trees.sums(table)
print(len(table) / (time.process_time() - started))
"""
OURS = """
import sys, time
if __name__ == "__main__":
    started = time.perf_counter()
    from rbztf.verbs.predict_table import predict_table
    found = predict_table(sys.argv[1], sys.argv[2], workers=int(sys.argv[3]))
    print(time.perf_counter() - started, found.n_objects)
"""


def anonymous_mb(pid: int) -> float:
    """Memory of a process and its children that is no file's, MB."""
    total = 0
    children = {pid}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = entry.read_text().rpartition(")")[2].split()
            if int(words[1]) in children:
                children.add(int(entry.parent.name))
        except (OSError, ValueError):
            continue
    for each in children:
        try:
            lines = Path(f"/proc/{each}/status").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("RssAnon:"))
    return total / 1024


def run(code: str, *arguments: object) -> tuple[list[float], float]:
    """Numbers that a script prints, and the most memory that it held, MB."""
    with tempfile.NamedTemporaryFile("w", suffix=".py") as script:
        script.write(code)
        script.flush()
        words = [sys.executable, script.name, *map(str, arguments)]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
            peak = 0.0
            ended = threading.Event()

            def watch() -> None:
                nonlocal peak
                while not ended.wait(0.1):
                    peak = max(peak, anonymous_mb(process.pid))

            watcher = threading.Thread(target=watch)
            watcher.start()
            text, _ = process.communicate()
            ended.set()
            watcher.join()
    if process.returncode:
        raise SystemExit(f"a run ended with {process.returncode}")
    return [float(word) for word in text.split()], peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, len(os.sched_getaffinity(0))])
    parser.add_argument("--endings", nargs="+", default=["dat", "parquet"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    found: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = folder / "forest.onnx"
        forest(options.labels, options.features, model)
        make_table(options.features, 1 << 18, folder / "feature_forest.dat")
        make_table(options.features, 1000, folder / "feature_small.dat")
        for threads in options.threads:
            rates: dict[str, list[float]] = {"forest": [], "trees": []}
            for _ in range(options.rounds):
                (rate,), _ = run(FOREST, model, folder / "feature_forest.dat", threads, len(FEATURE_NAMES))
                rates["forest"].append(rate)
                (rate,), _ = run(TREES, folder / "feature_forest.dat", len(FEATURE_NAMES))
                rates["trees"].append(rate * threads)
            peer = float(np.median(rates["forest"]))
            trees = float(np.median(rates["trees"]))
            print(
                f"{threads} threads: forest {peer:,.0f} rows/s; our trees alone {trees:,.0f}, {trees / peer:.1f} times"
            )
            for ending in options.endings:
                (start, _), _ = run(
                    OURS, folder / "feature_small.dat", folder / f"feature_o.{ending}", threads
                )
                for n in options.rows:
                    table = folder / f"feature_{n}.dat"
                    if not table.exists():
                        make_table(options.features, n, table)
                    seconds, peaks = [], []
                    for _ in range(1 if n > 1_000_000 else options.rounds):
                        (took, _), peak = run(OURS, table, folder / f"feature_out.{ending}", threads)
                        seconds.append(took)
                        peaks.append(peak)
                    took = float(np.median(seconds))
                    row = {
                        "threads": threads,
                        "rows": n,
                        "out": ending,
                        "seconds": took,
                        "start": start,
                        "rate": n / max(took - start, 1e-9),
                        "whole rate": n / took,
                        "forest": peer,
                        "ratio": n / max(took - start, 1e-9) / peer,
                        "anonymous MB": max(peaks),
                    }
                    found.append(row)
                    print(
                        f"{threads} threads, {n:>10,} rows → .{ending}: {took:.1f} s, {row['rate']:,.0f} rows/s without "
                        f"{start:.1f} s of start, {row['ratio']:.2f} times the forest; {row['anonymous MB']:.0f} MB",
                        flush=True,
                    )
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    started = time.perf_counter()
    main()
    print(f"{time.perf_counter() - started:.0f} s")
