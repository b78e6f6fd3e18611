"""Flip single bits of a cutout store's files, and count those that its readers do not notice.

python benchmarks/bit_flips.py --flips 1000
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

from rbztf.errors import RbztfError
from rbztf.simulate.archive.server import SimulatedArchive
from rbztf.simulate.sky import SimulatedSky
from rbztf.stores.cutouts import read_object
from rbztf.stores.object_file import read_epochs
from rbztf.verbs.fetch import check_store, fetch


def is_noticed(read: object, path: Path) -> bool:
    """Whether a reader refuses the file in words; any other error is one of ours."""
    try:
        read(path)  # type: ignore[operator]
    except RbztfError:
        return True
    return False


def main() -> None:
    """Print how many flips each reader noticed; exits with 1 if any was missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--flips", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    sky = SimulatedSky(1, options.epochs, options.seed)
    noticed: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name, SimulatedArchive(sky) as archive:
        folder = Path(name)
        fetch(sky.oids, out=folder, archive_url=archive.url)
        (path,) = folder.glob("*.fits")
        content = path.read_bytes()
        for _ in range(options.flips):
            changed = bytearray(content)
            changed[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
            path.write_bytes(changed)
            noticed["frames"] += is_noticed(read_object, path)
            noticed["epochs"] += is_noticed(read_epochs, path)
            noticed["--check"] += not check_store(folder).complete
    for reader, count in noticed.items():
        print(f"{reader:8s} noticed {count} of {options.flips} changed bits ({len(content)} bytes)")
    sys.exit(0 if set(noticed.values()) == {options.flips} else 1)


if __name__ == "__main__":
    main()
