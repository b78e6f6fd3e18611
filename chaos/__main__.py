"""Run the attacks, print the figures, and write docs/reliability.md.

python -m chaos --seed 0 --seconds 1500
"""

from __future__ import annotations

import argparse
import importlib
import io
import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):  # no threads: this process forks
    os.environ[name] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from chaos import archives, flips, kills, resources, together
from chaos.report import Attack, write
from chaos.workshop import N_EPOCHS, N_OBJECTS, Workshop, archive, quicken

REPORT = Path(__file__).resolve().parents[1] / "docs" / "reliability.md"
ATTACKS: dict[str, Attack] = {
    "kills": Attack(kills.attack, 5.0),
    "resources": Attack(resources.attack, 4.0),
    "together": Attack(together.attack, 2.0),
    "flips": Attack(flips.attack, 2.0),
    "archives": Attack(archives.attack, 6.0),
}
"""By name, with its share of the time."""


def main() -> None:
    """Exit code 1 if anything did not hold."""
    options = _options()
    quicken()
    import torch

    torch.set_num_threads(1)
    _load()
    sky_seed = random.Random(options.seed).randrange(1000)
    from rbztf.simulate.sky import SimulatedSky

    sky = SimulatedSky(N_OBJECTS, N_EPOCHS, sky_seed)
    chosen = options.part or list(ATTACKS)
    shares = sum(ATTACKS[name].share for name in chosen)
    parts = {}
    with tempfile.TemporaryDirectory(prefix="rbztf-chaos-") as folder, archive(sky) as url:
        os.environ["XDG_CACHE_HOME"] = f"{folder}/cache"
        started = time.monotonic()
        shop = Workshop(Path(folder), url, sky, options.verb or ())
        left_s = options.seconds - (time.monotonic() - started)
        for name in chosen:
            began = time.monotonic()
            attack = ATTACKS[name]
            chance = random.Random(f"{options.seed} {name}")
            part = attack.run(shop, chance, left_s * attack.share / shares, options.most)
            part.seconds = time.monotonic() - began
            parts[name] = part
            print("\n".join(part.lines()), f"{part.seconds:.0f} s", flush=True)
    if options.out:
        write(options.out, parts, options)
    if options.json:
        figures = {
            name: [[f.what, f.by, f.tried, f.held, f.broke] for f in p.figures] for name, p in parts.items()
        }
        options.json.write_text(json.dumps(figures))
    sys.exit(0 if all(part.held == part.tried for part in parts.values()) else 1)


def _load() -> None:
    """Import what the verbs import, once for all calls."""
    for name in (
        "lightgbm",
        "light_curve",
        "scipy.stats",
        "scipy.ndimage",
        "sklearn.metrics",
        "astropy.io.ascii",
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
