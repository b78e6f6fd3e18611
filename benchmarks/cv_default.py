"""``rbztf cv --folds 5`` of the default: wall-clock time, and memory of all its processes together.

python benchmarks/cv_default.py --published published --features features.csv
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
TARGETS = {"minutes": 20.0, "memory_gb": 4.0}


def resident_gb(root: int) -> float:
    """Resident memory of a process and all below it (shared pages counted each time), from /proc."""
    parents, pages = {}, {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # ended meanwhile
                continue
            parents[int(folder.name)], pages[int(folder.name)] = int(fields[1]), int(fields[21])
    total, waiting = 0, [root]
    while waiting:
        pid = waiting.pop()
        total += pages.get(pid, 0)
        waiting += [child for child, parent in parents.items() if parent == pid]
    return total * PAGE_BYTES / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--published", type=Path, required=True, help="folder made by rbztf import")
    parser.add_argument("--features", type=Path, required=True, help="CSV of light-curve features")
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    published = arguments.published
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "rbztf", "cv", "--config", "default", "--folds", "5", "--quiet"]
        command += ["--embeddings", published / "embeddings", "--labels", published / "labels.json"]
        command += [
            "--features",
            arguments.features,
            "--workers",
            arguments.workers,
            "--out",
            f"{scratch}/cv",
        ]
        started, peak = time.perf_counter(), 0.0
        child = subprocess.Popen(list(map(str, command)))
        while child.poll() is None:
            peak = max(peak, resident_gb(child.pid))
            time.sleep(0.5)
    if child.returncode:
        raise SystemExit(f"cv failed with {child.returncode}")
    minutes = (time.perf_counter() - started) / 60
    print(
        f"{minutes:.1f} min (target {TARGETS['minutes']:.0f}), {peak:.2f} GB (target {TARGETS['memory_gb']:.0f})"
    )


if __name__ == "__main__":
    main()
