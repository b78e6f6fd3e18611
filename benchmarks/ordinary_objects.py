"""Write the light-curve features of simulated ordinary objects, to train on (``rbztf train-rnn --ordinary``).

python benchmarks/ordinary_objects.py --count 3000 --seed 0 --out ordinary.csv
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rbztf.features.files import write_features
from rbztf.simulate.ordinary.table import ordinary_features


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=3000, metavar="N")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, metavar="CSV")
    arguments = parser.parse_args()
    write_features(arguments.out, ordinary_features(arguments.count, arguments.seed))
    print(f"{arguments.count} ordinary objects: {arguments.out}")


if __name__ == "__main__":
    main()
