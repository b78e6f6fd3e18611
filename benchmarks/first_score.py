"""``rbztf predict`` of new objects from an empty home, by the model that comes with rbztf: run time and requests.

python benchmarks/first_score.py --objects 1
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rbztf.simulate.archive.server import SimulatedArchive
from rbztf.simulate.sky import SimulatedSky

TARGET_S = 10.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--objects", type=int, default=1)
    arguments = parser.parse_args()
    sky = SimulatedSky(n_objects=arguments.objects, n_epochs=200)
    for oid in sky.oids:
        sky.light_curve(oid)  # made now, so that the archive answers at once
    with tempfile.TemporaryDirectory() as home, SimulatedArchive(sky) as archive:
        words = [sys.executable, "-m", "rbztf", "predict", *map(str, sky.oids), "--archive", archive.url]
        environment = {**os.environ, "HOME": home, "XDG_CACHE_HOME": str(Path(home) / "cache")}
        started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(words, env=environment, cwd=home, capture_output=True, text=True, check=False)
        seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
        requests = dict(archive.requests.by_kind)
    if done.returncode:
        raise SystemExit(done.stderr)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(
        f"{arguments.objects} objects: {seconds:.1f} s (target {TARGET_S:.0f}), {cpu_s:.1f} s of CPU, requests {requests}"
    )


if __name__ == "__main__":
    main()
