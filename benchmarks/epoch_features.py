"""What the features of "rbztf epochs 1" add to SNAD's 54, judged on a simulated sky, and their values on real light curves.

python benchmarks/epoch_features.py --light-curves FOLDER

FOLDER holds answers of IRSA's light-curve service (CSV); objects of any band with at least 100 epochs count.
The AUC is of trees (configs/lightcurve-trees.yaml) on folds of whole simulated fields, out of fold.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
from astropy.table import Table

from rbztf.archive.irsa import parse_light_curves
from rbztf.config import Config, load_config
from rbztf.evaluation.summary import Evaluation, compare
from rbztf.features.epoch_set import EPOCH_NAMES, epoch_features
from rbztf.features.files import write_features
from rbztf.features.lightcurve import features_of, features_of_epochs, usable_photometry
from rbztf.features.sets import FeatureSet
from rbztf.features.snad_set import ALL_FLAGS, FEATURE_NAMES
from rbztf.features.table import Definition, FeatureTable
from rbztf.simulate.dataset import write_labels
from rbztf.simulate.sky import SimulatedSky
from rbztf.stores.epochs import COLUMNS, epoch_table
from rbztf.verbs.cv import cv

FEWEST_EPOCHS = 100
FLARE = "M_dwarf_flare"
OF_FLAGS = ("flagged_share_epochs", "bad_share_epochs")
OF_THE_FIT = tuple(name for name in EPOCH_NAMES if name.startswith(("chi_", "sharp_")))
VARIANTS: dict[str, tuple[str, ...]] = {
    "SNAD's 54": FEATURE_NAMES,
    "epochs": EPOCH_NAMES,
    "epochs, chi and sharp alone": OF_THE_FIT,
    "epochs, no flags, chi, sharp": tuple(
        name for name in EPOCH_NAMES if name not in (*OF_FLAGS, *OF_THE_FIT)
    ),
    "both": (*FEATURE_NAMES, *EPOCH_NAMES),
    "both, no flags": tuple(name for name in (*FEATURE_NAMES, *EPOCH_NAMES) if name not in OF_FLAGS),
    "both, no flags, chi, sharp": tuple(
        name for name in (*FEATURE_NAMES, *EPOCH_NAMES) if name not in (*OF_FLAGS, *OF_THE_FIT)
    ),
}
"""Columns of each model; the simulated flags, chi and sharp follow simple rules that help more than real ones may."""


def of_sky(sky: SimulatedSky) -> list[Table]:
    return [_table(sky.light_curve(oid)) for oid in sky.oids]


def of_archive(folder: Path) -> list[Table]:
    answers = [parse_light_curves(path.read_text()) for path in sorted(folder.glob("*.csv"))]
    curves = {oid: curve for answer in answers for oid, curve in answer.items()}
    return [_table(curve.columns) for curve in curves.values() if len(curve) >= FEWEST_EPOCHS]


def _table(found: dict[str, np.ndarray]) -> Table:
    columns = {name: values for name, values in found.items() if name in COLUMNS}
    return epoch_table(columns, len(columns["mjd"]))


def judge(table: FeatureTable, sky: SimulatedSky, config: Config) -> None:
    """Print the AUC of each variant, the gain over SNAD's 54 on the same objects, and how many flares are called bogus."""
    evaluations: list[Evaluation] = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_labels(folder / "labels.json", sky)
        for number, (name, columns) in enumerate(VARIANTS.items()):
            write_features(folder / f"{number}.csv", table.columns(columns))
            result = cv(
                config,
                labels=folder / "labels.json",
                features=folder / f"{number}.csv",
                out=folder / f"run-{number}",
            )
            evaluations.append(replace(result.evaluations[0], name=name))
    draws = config.cv.bootstrap
    print("| features | number | AUC | gain over SNAD's 54 | flares called bogus |\n|---|---|---|---|---|")
    for found in evaluations:
        auc = found.metrics["roc_auc"]
        low, high = auc.pooled_ci95
        gain = ""
        if found is not evaluations[0]:
            (pair,) = compare([evaluations[0], found], draws)
            difference = pair["difference"]["roc_auc"]
            gain = "{:+.4f} [{:+.4f}, {:+.4f}]".format(difference["pooled"], *difference["pooled_ci95"])
        flares = found.by_tag[FLARE]
        alarm_low, alarm_high = flares["ci95"]
        cells = (
            found.name,
            f"{len(VARIANTS[found.name])}",
            f"{auc.pooled:.4f} [{low:.4f}, {high:.4f}]",
            gain,
            f"{flares['called_bogus']:.2f} [{alarm_low:.2f}, {alarm_high:.2f}] of {flares['n']}",
        )
        print(f"| {' | '.join(cells)} |")


def ranges(real: list[Table], simulated: np.ndarray) -> None:
    """Print each feature's quantiles on real light curves beside those on the simulated ones."""
    values = np.array([epoch_features(table) for table in real])
    print(
        f"\n{np.isfinite(values).all(axis=1).sum()} of {len(values)} real light curves have all features finite.\n"
    )
    print("| feature | real: 5 %, median, 95 % | simulated |\n|---|---|---|")
    for name, ours, theirs in zip(EPOCH_NAMES, values.T, simulated.T):
        cells = (_quantiles(ours), _quantiles(theirs))
        print(f"| `{name}` | {' | '.join(cells)} |")


def _quantiles(values: np.ndarray) -> str:
    known = values[np.isfinite(values)]
    if not len(known):
        return "unknown"
    return ", ".join(f"{value:.3g}" for value in np.quantile(known, (0.05, 0.5, 0.95)))


def speed(tables: list[Table], rounds: int) -> None:
    """Print the CPU time of each set, in turn, on one thread; columns are read anew each time."""
    ways: dict[str, Callable[[], object]] = {
        "SNAD's 54": lambda: features_of([usable_photometry(table) for table in tables], 1),
        "epochs": lambda: [epoch_features(table) for table in tables],
    }
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, run in ways.items():
            started = time.process_time()
            run()
            spent[name].append(1000 * (time.process_time() - started) / len(tables))
    ms = {name: float(np.median(each)) for name, each in spent.items()}
    length = int(np.median([len(table) for table in tables]))
    times = ", ".join(f"{name} {each:.2f} ms" for name, each in ms.items())
    share = ms["epochs"] / ms["SNAD's 54"]
    print(f"\nCPU time a light curve ({len(tables)}, median {length} epochs): {times}, ratio {share:.2f}")


def main(words: Iterable[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--light-curves", type=Path, metavar="FOLDER", help="answers of IRSA")
    parser.add_argument("--objects", type=int, default=600, metavar="N")
    parser.add_argument("--epochs", type=int, default=100, metavar="N", help="typical number of an object")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--repeats", type=int, default=3, metavar="N", help="draws of the folds")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="of the timing")
    options = parser.parse_args(None if words is None else list(words))
    sky = SimulatedSky(options.objects, options.epochs, options.seed)
    simulated = of_sky(sky)
    values, _ = features_of_epochs(simulated, FeatureSet.BOTH)
    made = Definition(FeatureSet.BOTH.source(), ALL_FLAGS)
    table = FeatureTable(np.array(sky.oids, np.int64), FeatureSet.BOTH.names, values, made)
    config = load_config("lightcurve-trees", project_file=None)
    section = config.cv.model_copy(update={"split": "field", "repeats": options.repeats})
    judge(table, sky, config.model_copy(update={"cv": section}))
    speed(simulated[:100], options.rounds)
    if options.light_curves:
        real = of_archive(options.light_curves)
        speed(real, options.rounds)
        ranges(real, table.columns(EPOCH_NAMES).values)


if __name__ == "__main__":
    main()
