"""Kill a fetch at random moments (kill -9), run it again, and compare the store with an undisturbed one.

python benchmarks/kill_fetch.py --kills 50
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rbztf.simulate.archive.server import SimulatedArchive
from rbztf.simulate.sky import SimulatedSky

FETCH = """
import sys
from rbztf.archive.http_settings import HttpSettings
from rbztf.verbs.fetch import fetch
url, out, *oids = sys.argv[1:]
sys.exit(0 if fetch(oids, out=out, archive_url=url, settings=HttpSettings(backoff_s=0.01)).complete else 3)
"""
LATENCY_S = 0.02


def kill_once(archive: SimulatedArchive, out: Path, chance: random.Random, longest_s: float) -> float:
    """Start a fetch and kill it; returns how long it was left alone after its first request.

    The moment is uniform in ``longest_s`` from the first request on, so that start-up, where
    nothing can be broken, is not what is killed.
    """
    asked = archive.requests.total
    moment_s = chance.uniform(0, longest_s)
    with _start(archive, out) as process:
        while archive.requests.total == asked and process.poll() is None:
            time.sleep(0.001)
        time.sleep(moment_s)
        process.kill()
    return moment_s


def finish(archive: SimulatedArchive, out: Path) -> float:
    """Run a fetch to its end; returns how long it took from its first request."""
    asked = archive.requests.total
    with _start(archive, out) as process:
        while archive.requests.total == asked and process.poll() is None:
            time.sleep(0.001)
        started = time.monotonic()
        if process.wait():
            raise RuntimeError(f"the fetch ended with {process.returncode}")
    return time.monotonic() - started


def files_of(folder: Path) -> dict[str, bytes]:
    """Everything in a store but its lock, by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".rbztf.lock"}


def _start(archive: SimulatedArchive, out: Path) -> subprocess.Popen[bytes]:
    oids = [str(int(oid)) for oid in archive.sky.oids]
    return subprocess.Popen([sys.executable, "-c", FETCH, archive.url, str(out), *oids])


def main() -> None:
    """Print one line per kill and the verdict."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--objects", type=int, default=6)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    sky = SimulatedSky(options.objects, options.epochs, options.seed)
    equal = 0
    with SimulatedArchive(sky, latency_s=LATENCY_S) as archive, tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole"
        whole_s = finish(archive, whole)
        expected = files_of(whole)
        for number in range(options.kills):
            out = Path(folder) / str(number)
            moment_s = kill_once(archive, out, chance, whole_s)
            left = sorted(path.suffix for path in out.iterdir()) if out.exists() else []
            finish(archive, out)
            same = files_of(out) == expected
            equal += same
            journals, files = left.count(".journal"), left.count(".fits")
            print(
                f"{number + 1:3d} killed after {moment_s:5.3f} s: {files} files, {journals} journals, "
                f"then {'the same store' if same else 'ANOTHER STORE'}",
                flush=True,
            )
    print(f"{equal} of {options.kills} stores equal the undisturbed one ({whole_s:.2f} s)")
    sys.exit(0 if equal == options.kills else 1)


if __name__ == "__main__":
    main()
