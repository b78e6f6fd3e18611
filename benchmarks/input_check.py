"""How often `input_check` is outside or unusual: objects of fields kept from the training, and input that is wrong.

python benchmarks/input_check.py --labels akb.ztf.snad.space.json --features lightcurve_features.csv --embeddings FOLDER --light-curves FOLDER

Five folds of whole ZTF fields: what a model keeps of its training objects, limits included, is made from the
others, and both the objects of a fold and the same made wrong are compared with it. FOLDER of --embeddings is an
embedding store of the same objects, that of --light-curves holds answers of IRSA's light-curve service for
ordinary objects; --frames is an NPZ file whose `science` holds real frames, (n, 28, 28) in DN. Whatever is not given is left out.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ordinary_decisions import of_archive
from shipped_model import read

from rbztf.config import load_config
from rbztf.evaluation.repeats import make_splits
from rbztf.features.table import FeatureTable
from rbztf.frames.plausible import frames_fault
from rbztf.models.catalogue import shipped_model
from rbztf.models.ensemble.bundle import load_ensemble
from rbztf.models.objects.object_set import LabelledSet, Modality, ObjectSet
from rbztf.models.objects.ranges import check_objects, fit_ranges
from rbztf.models.objects.read import read_labelled
from rbztf.models.objects.training_range import InputCheck
from rbztf.simulate.ordinary.table import ordinary_features
from rbztf.stores.embeddings import open_embeddings
from rbztf.stores.labels import LabelTable

N_ORDINARY, SEED = 500, 5
LATENT = 36
"""Means of the published encoder."""
WRONG_UNITS = ("mean_magn_r", "amplitude_magn_r", "period_0_magn_r", "chi2_magn_r", "linear_trend_magn_r")
Array = NDArray[np.float64]


@dataclass
class Count:
    """What was found of objects of one kind."""

    checks: list[InputCheck] = field(default_factory=list)

    def add(self, ranges: Mapping[Any, Any], objects: ObjectSet, inputs: tuple[Modality, ...]) -> None:
        found = check_objects(ranges, objects, [inputs] * len(objects))
        self.checks += [each.check for each in found if each is not None]

    def __str__(self) -> str:
        n = len(self.checks)
        share = {each: 100 * self.checks.count(each) / n for each in (InputCheck.OUTSIDE, InputCheck.UNUSUAL)}
        return f"{share[InputCheck.OUTSIDE]:.1f} | {share[InputCheck.UNUSUAL]:.1f} | {n}"


def wrong_features(table: FeatureTable, rng: np.random.Generator) -> Iterable[tuple[str, Array]]:
    """What is done to the features, and the values then."""
    values, names = table.values, list(table.names)
    n, k = values.shape
    oids, rows = table.oids.astype(float), np.arange(n, dtype=float)
    magnitudes = [names.index(name) for name in names if "magn" in name]
    yield "features all times 10", values * 10
    yield "features all times 1000", values * 1000
    yield "features all times 0.001", values * 1e-3
    yield "features all negated", -values
    yield "features all 0", np.zeros_like(values)
    yield "features: columns shifted by one", np.roll(values, 1, axis=1)
    yield "features of magnitudes in mmag", _with(values, magnitudes, values[:, magnitudes] * 1000)
    yield "features: OID in all columns", np.repeat(oids[:, None], k, axis=1)
    yield "features: row number in all columns", np.repeat(rows[:, None], k, axis=1)
    drawn = rng.integers(0, k, n)
    for what, column in (("OID", oids), ("row number", rows)):
        changed = values.copy()
        changed[np.arange(n), drawn] = column
        yield f"features: {what} in one column, drawn at random", changed
    for name in WRONG_UNITS:
        j = names.index(name)
        yield f"{name}: OID instead", _with(values, j, oids)
        yield f"{name}: row number instead", _with(values, j, rows)
        yield f"{name} times 1000", _with(values, j, values[:, j] * 1000)
    j = names.index("period_0_magn_r")
    yield "period_0_magn_r in hours", _with(values, j, values[:, j] * 24)


def _with(values: Array, columns: Any, new: Array) -> Array:
    out = values.copy()
    out[:, columns] = new
    return out


def wrong_vectors(objects: ObjectSet, rng: np.random.Generator) -> Iterable[tuple[str, list[Any]]]:
    """What is done to the latent means, and the sequences then."""
    changes: dict[str, Callable[[Any], Any]] = {
        "latents all times 10": lambda z: z * 10,
        "latents all times 0.1": lambda z: z * 0.1,
        "latents all negated": lambda z: -z,
        "latents: order of columns turned": lambda z: z[:, ::-1],
        "latents: the same in every frame": lambda z: np.repeat(z[:1], len(z), axis=0),
        "latents: standard normal noise": lambda z: rng.standard_normal(z.shape).astype(np.float32),
        "latents all 0": lambda z: z * 0,
    }
    for name, change in changes.items():
        yield name, [np.ascontiguousarray(change(z)) for z in objects.sequences]


def measure_features(data: LabelledSet, labels: LabelTable) -> dict[str, Count]:
    """Counts of the objects of left-out fields and of wrong features."""
    counts: dict[str, Count] = {"published objects of left-out fields, features": Count()}
    for train, test in outer_folds(data, labels):
        ranges = fit_ranges(train, (Modality.LIGHTCURVE,), 0)
        objects = test.objects
        counts["published objects of left-out fields, features"].add(ranges, objects, (Modality.LIGHTCURVE,))
        for name, values in wrong_features(objects.lightcurve, np.random.default_rng(0)):
            table = FeatureTable(objects.oids, objects.lightcurve.names, values)
            wrong = ObjectSet(objects.sequences, table, objects.reader)
            counts.setdefault(name, Count()).add(ranges, wrong, (Modality.LIGHTCURVE,))
    return counts


def measure_vectors(data: LabelledSet, labels: LabelTable) -> dict[str, Count]:
    """Counts of the objects of left-out fields and of wrong vectors."""
    counts: dict[str, Count] = {"published objects of left-out fields, latents": Count()}
    for train, test in outer_folds(data, labels):
        ranges = fit_ranges(train, (Modality.IMAGE,), 0)
        counts["published objects of left-out fields, latents"].add(ranges, test.objects, (Modality.IMAGE,))
        for name, sequences in wrong_vectors(test.objects, np.random.default_rng(0)):
            wrong = ObjectSet(sequences, test.objects.lightcurve, test.objects.reader)
            counts.setdefault(name, Count()).add(ranges, wrong, (Modality.IMAGE,))
    return counts


def measure_frames(frames: NDArray[np.float32]) -> dict[str, Count]:
    """Counts of real frames, one an object, and of wrong ones."""
    rng = np.random.default_rng(0)
    objects: dict[str, list[NDArray[np.float32]]] = {
        "real frames, one an object": [frame[None] for frame in frames],
        "real frames, 20 an object": [frames[i : i + 20] for i in range(0, len(frames) - 19, 20)],
        "constant frames": [np.full((10, *frames.shape[1:]), level, np.float32) for level in range(1, 200)],
        "negated frames": [-frame[None] for frame in frames],
    }
    for n in (3, 10, 50, 300):
        shape = (n, *frames.shape[1:])
        objects[f"noise, {n} frames an object"] = [
            rng.normal(300, 9, shape).astype(np.float32) for _ in range(200)
        ]
    words = {True: InputCheck.OUTSIDE, False: InputCheck.INSIDE}
    return {
        name: Count([words[bool(frames_fault(each))] for each in those]) for name, those in objects.items()
    }


def outer_folds(data: LabelledSet, labels: LabelTable) -> Iterable[tuple[LabelledSet, LabelledSet]]:
    """Training and test objects of five folds of whole fields."""
    (split,) = make_splits("field", labels, 5, 0, set(labels))
    for test in split.folds.values():
        held = np.isin(data.objects.oids, np.array(list(map(int, test))))
        yield data.take(~held), data.take(held)


def of_shipped(table: FeatureTable) -> Count:
    """Counts by the model that comes with rbztf."""
    model = load_ensemble(shipped_model())
    none = [np.empty((0, 0), np.float32)] * len(table)
    objects = ObjectSet.of(table.oids, none, model.reader, table.columns(model.feature_names))
    count = Count()
    count.add(model.ranges, objects, (Modality.LIGHTCURVE,))
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--labels", type=Path, required=True, help="labels of SNAD's knowledge base, JSON")
    parser.add_argument("--features", type=Path, required=True, help="SNAD's table of features, CSV")
    parser.add_argument("--embeddings", type=Path)
    parser.add_argument("--light-curves", type=Path)
    parser.add_argument("--frames", type=Path)
    arguments = parser.parse_args()
    data = read(arguments.labels, arguments.features)
    counts = measure_features(data.labelled(data.labels), data.labels)
    if arguments.embeddings:
        store = open_embeddings(arguments.embeddings, LATENT)
        labels = data.labels.only([oid for oid in data.labels if oid in store])
        config = load_config("image-only", project_file=None)
        counts |= measure_vectors(read_labelled(labels, store, None, config), labels)
    counts["new simulated ordinary objects, shipped model"] = of_shipped(ordinary_features(N_ORDINARY, SEED))
    if arguments.light_curves:
        counts["real ordinary objects, shipped model"] = of_shipped(of_archive(arguments.light_curves))
    if arguments.frames:
        counts |= measure_frames(np.load(arguments.frames)["science"])
    print("| input | outside, % | unusual, % | objects |\n|---|---|---|---|")
    for name, count in counts.items():
        print(f"| {name} | {count} |")


if __name__ == "__main__":
    main()
