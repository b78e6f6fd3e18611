"""Run the attacks, print the figures, and write docs/reliability.md.

python -m chaos --seed 0 --seconds 1500
"""

from __future__ import annotations

import argparse
import importlib
import io
import json
import multiprocessing
import os
import random
import resource
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):  # no threads: this process forks
    os.environ[name] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from chaos import archives, files, flips, kills, resources, together
from chaos.figures import Part
from chaos.report import Attack, write
from chaos.workshop import N_EPOCHS, N_OBJECTS, Workshop, archive, quicken

REPORT = Path(__file__).resolve().parents[1] / "docs" / "reliability.md"
ATTACKS: dict[str, Attack] = {
    "kills": Attack(kills.attack, 8.0),
    "flips": Attack(flips.attack, 7.0),
    "archives": Attack(archives.attack, 4.0),
    "resources": Attack(resources.attack, 3.0),
    "together": Attack(together.attack, 2.0),
    "files": Attack(files.attack, 2.0),
}
"""By name, in the order in which they start, with its share of the time."""
LANES = 2
"""Attacks at the same time."""


def main() -> None:
    """Exit code 1 if anything did not hold."""
    options = _options()
    started = time.monotonic()
    quicken()
    import torch

    torch.set_num_threads(1)
    _load()
    sky_seed = random.Random(options.seed).randrange(1000)
    from rbztf.simulate.sky import SimulatedSky

    sky = SimulatedSky(N_OBJECTS, N_EPOCHS, sky_seed)
    with tempfile.TemporaryDirectory(prefix="rbztf-chaos-") as folder, archive(sky) as url:
        os.environ["XDG_CACHE_HOME"] = f"{folder}/cache"
        shop = Workshop(Path(folder), url, sky, options.verb or ())
        parts = _run(shop, options, started + options.seconds)
    if options.out:
        write(options.out, parts, options, time.monotonic() - started)
    if options.json:
        figures = {
            name: [[f.what, f.by, f.tried, f.held, f.broke] for f in p.figures] for name, p in parts.items()
        }
        options.json.write_text(json.dumps(figures))
    sys.exit(0 if all(part.held == part.tried for part in parts.values()) else 1)


def _run(shop: Workshop, options: argparse.Namespace, ends: float) -> dict[str, Part]:
    """The chosen attacks, two at the same time, each with its share of the time."""
    chosen = [name for name in ATTACKS if not options.part or name in options.part]
    shares = sum(ATTACKS[name].share for name in chosen)
    left_s = ends - time.monotonic()
    parts = {}
    with ProcessPoolExecutor(LANES, multiprocessing.get_context("fork")) as lanes:
        running = {}
        for name in chosen:
            seconds = min(left_s, LANES * left_s * ATTACKS[name].share / shares)
            running[name] = lanes.submit(_attack, shop, name, options, seconds, ends)
        for name, part in running.items():
            parts[name] = part.result()
            print("\n".join(parts[name].lines()), f"{parts[name].seconds:.0f} s", flush=True)
    return parts


def _attack(shop: Workshop, name: str, options: argparse.Namespace, seconds: float, ends: float) -> Part:
    """One attack in a room of its own, no longer than to the end of all."""
    began = time.monotonic()
    chance = random.Random(f"{options.seed} {name}")
    part = ATTACKS[name].run(shop.room(name), chance, min(seconds, ends - began), options.most)
    part.seconds = time.monotonic() - began
    used = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    part.memory_mb = max(used) / 1024
    return part


def _load() -> None:
    """Import what the verbs import, once for all calls."""
    for name in (
        "lightgbm",
        "light_curve",
        "scipy.stats",
        "scipy.ndimage",
        "sklearn.metrics",
        "astropy.io.ascii",
        "torch._dynamo",  # what every optimiser imports
    ):
        importlib.import_module(name)
    import rbztf

    for path in sorted(Path(rbztf.__file__).parent.rglob("*.py")):
        inside = path.relative_to(Path(rbztf.__file__).parents[1]).with_suffix("")
        if inside.name != "__main__":
            importlib.import_module(".".join(inside.parts).removesuffix(".__init__"))
    import matplotlib

    matplotlib.use("agg")
    from matplotlib.figure import Figure

    figure = Figure()
    figure.subplots().set_title("the first figure loads fonts")
    figure.savefig(io.BytesIO())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--part", choices=list(ATTACKS), action="append", help="only this; may repeat")
    parser.add_argument("--verb", action="append", help="attack only this; may repeat")
    parser.add_argument("--seconds", type=float, default=1500.0, help="in all")
    parser.add_argument("--most", type=int, help="attacks of one kind at most, and none at random moments")
    parser.add_argument("--out", type=Path, help=f"report to write, such as {REPORT.name}")
    parser.add_argument("--json", type=Path, help="figures to write")
    return parser.parse_args()


if __name__ == "__main__":
    main()
