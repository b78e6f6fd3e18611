"""How the model that comes with rbztf decides of ordinary objects, simulated and real, at a share of artefacts of 2 %.

python benchmarks/ordinary_decisions.py --light-curves FOLDER

FOLDER holds answers of IRSA's light-curve service (CSV). Objects in the r band with at least 100 epochs count.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbztf.archive.irsa import parse_light_curves
from rbztf.features.lightcurve import photometry_features, usable_photometry
from rbztf.features.snad_set import FEATURE_NAMES
from rbztf.features.table import FeatureTable
from rbztf.models.catalogue import shipped_model
from rbztf.models.decision.decisions import Goal, apply_goal
from rbztf.models.ensemble.bundle import load_ensemble
from rbztf.models.ensemble.ensemble import Ensemble
from rbztf.models.objects.object_set import ObjectSet
from rbztf.simulate.ordinary.table import ordinary_features
from rbztf.simulate.sky import SimulatedSky
from rbztf.stores.epochs import COLUMNS, epoch_table

PRIOR = 0.02
FEWEST_EPOCHS = 100
SEED = 2
"""Of simulated objects; the model was trained with others."""
SKY_KINDS = ("constant", "RR Lyrae", "eclipsing binary", "AGN")
SKY_EPOCHS = 200
Columns = dict[str, NDArray[Any]]


def of_sky(n: int) -> FeatureTable:
    """Real objects of a simulated sky whose photometry is measured on frames; those that are rare are left out."""
    sky = SimulatedSky(n_objects=n, n_epochs=SKY_EPOCHS, seed=SEED, artefact_share=0.0)
    return of_curves(sky.light_curve(oid) for oid in sky.oids if sky.object(oid).kind in SKY_KINDS)


def of_archive(folder: Path) -> FeatureTable:
    """Objects of answers of IRSA."""
    found = (parse_light_curves(path.read_text()).items() for path in sorted(folder.glob("*.csv")))
    curves = {oid: curve for answer in found for oid, curve in answer if oid.band == "r"}
    return of_curves(curve.columns for curve in curves.values() if len(curve) >= FEWEST_EPOCHS)


def of_curves(curves: Iterator[Columns]) -> FeatureTable:
    rows = []
    for found in curves:
        columns = {name: values for name, values in found.items() if name in COLUMNS}
        rows.append(photometry_features(usable_photometry(epoch_table(columns, len(columns["mjd"])))))
    return FeatureTable(np.arange(len(rows)), FEATURE_NAMES, np.array(rows))


def line(model: Ensemble, what: str, table: FeatureTable) -> str:
    none = [np.empty((0, 0), np.float32)] * len(table)
    objects = ObjectSet.of(table.oids, none, model.reader, table.columns(model.feature_names))
    scores, decided = apply_goal(model, model.score(objects), Goal(prior=PRIOR))
    count = [f"{(decided.words == word).sum()}" for word in ("bogus", "unsure", "real")]
    return f"| {what} | {len(table)} | {scores.p_bogus.mean():.4f} | {scores.p_bogus.max():.4f} | {' | '.join(count)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--light-curves", type=Path, metavar="FOLDER", help="answers of IRSA")
    parser.add_argument("--objects", type=int, default=500, metavar="N", help="simulated ordinary objects")
    parser.add_argument(
        "--sky-objects", type=int, default=300, metavar="N", help="real objects of a simulated sky"
    )
    arguments = parser.parse_args()
    model = load_ensemble(shipped_model())
    print("| objects | number | mean p | largest p | bogus | unsure | real |\n|---|---|---|---|---|---|---|")
    print(line(model, "simulated ordinary objects", ordinary_features(arguments.objects, SEED)))
    print(line(model, f"objects of a simulated sky ({', '.join(SKY_KINDS)})", of_sky(arguments.sky_objects)))
    if arguments.light_curves:
        print(line(model, "real light curves", of_archive(arguments.light_curves)))


if __name__ == "__main__":
    main()
