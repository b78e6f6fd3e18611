"""How often the score of an independent retraining lies in the interval ``p_low`` to ``p_high``.

The default ensemble is trained without an outer fold and gives each object of that fold a score and
its interval. It is then trained again, from nothing, on resamples of the same training objects:
as many ZTF fields, drawn with replacement, with all their objects (those of a field drawn twice
count twice, and lie in one inner fold), another seed, other inner folds, other weights and
calibration. Every object of the outer fold is scored by both on its images alone, its light curve
alone, and both. The table tells the share of pairs of an object and a resample whose
retrained score lies inside, and, in brackets, the least and the largest share of a single
retraining.

    python benchmarks/interval_coverage.py --published published --features features.csv \
        --reference folds.csv --folds 0 --resamples 4

The first ensemble of each fold and the scores of its retrainings are kept in ``--runs``, and used
again if there, so that another rule for the interval needs no training.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from rbztf.config import Config, load_config
from rbztf.evaluation.folds import Split, read_split
from rbztf.features.files import read_features
from rbztf.features.table import FeatureTable
from rbztf.models.ensemble.bundle import load_ensemble, save_ensemble
from rbztf.models.ensemble.ensemble import Ensemble
from rbztf.models.ensemble.fit import fit_ensemble
from rbztf.models.objects.object_set import Modality, label_objects
from rbztf.models.objects.read import FrameSelection, read_objects, usable_objects
from rbztf.models.objects.scores import ObjectScores
from rbztf.models.training import threads
from rbztf.stores.embeddings import Embeddings, open_embeddings
from rbztf.stores.labels import LabelTable, read_labels
from rbztf.ztf import Band, Oid

Array = NDArray[np.float64]
RESTS_ON = {
    "image": (Modality.IMAGE,),
    "lightcurve": (Modality.LIGHTCURVE,),
    "both": (Modality.IMAGE, Modality.LIGHTCURVE),
}
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Data:
    """What ensembles are trained on and tested with."""

    vectors: Embeddings
    features: FeatureTable
    labels: LabelTable
    split: Split


def read_data(arguments: argparse.Namespace, config: Config) -> Data:
    vectors = open_embeddings(arguments.published / "embeddings", config.vae.latent)
    features = read_features(arguments.features)
    labels = read_labels(arguments.published / "labels.json").in_bands([Band.R])
    usable, _ = usable_objects(vectors, labels, FrameSelection.of(config, vectors.latent), features)
    return Data(vectors, features, labels, read_split(arguments.reference).only(set(usable)))


def draw_fields(oids: Sequence[Oid], seed: int) -> list[Oid]:
    """The objects of as many fields as ``oids`` lie in, drawn with replacement."""
    fields = sorted({oid.field for oid in oids})
    drawn = np.random.default_rng(seed).choice(fields, len(fields))
    return [oid for field in drawn for oid in oids if oid.field == field]


def train(oids: Sequence[Oid], data: Data, config: Config) -> Ensemble:
    assert config.ensemble is not None
    objects = read_objects(oids, data.vectors, data.features, config)
    labelled = label_objects(objects, data.labels, config.ensemble)
    return fit_ensemble(labelled, config, device=CPU)


def score(model: Ensemble, oids: Sequence[Oid], data: Data, config: Config) -> dict[str, ObjectScores]:
    """Scores of ``oids`` by their images, their light curves, and both."""
    objects = read_objects(oids, data.vectors, data.features, config, model.reader)
    outputs = model.outputs(objects)
    return {name: model.score_outputs(outputs, [have] * len(oids)) for name, have in RESTS_ON.items()}


def first_scores(fold: int, runs: Path, data: Data, config: Config) -> dict[str, ObjectScores]:
    """What the ensemble trained on all other folds says of a fold."""
    folder = runs / f"fold{fold}"
    if not folder.is_dir():
        save_ensemble(train(other_folds(fold, data), data, config), folder)
        print(f"fold {fold}: trained", flush=True)
    return score(load_ensemble(folder), data.split.folds[fold], data, config)


def retrained(fold: int, number: int, runs: Path, data: Data, config: Config) -> dict[str, Array]:
    """Scores of a fold by the ensemble of the resample with that number."""
    path = runs / f"fold{fold}-{number}.npy"
    if not path.is_file():
        config = config.model_copy(update={"seed": number})
        model = train(draw_fields(other_folds(fold, data), number), data, config)
        found = score(model, data.split.folds[fold], data, config)
        np.save(path, [found[name].p_bogus for name in RESTS_ON])
        print(f"fold {fold}: resample {number} trained", flush=True)
    return dict(zip(RESTS_ON, np.load(path)))


def other_folds(fold: int, data: Data) -> list[Oid]:
    return [oid for number, oids in data.split.folds.items() if number != fold for oid in oids]


@dataclass(frozen=True)
class Pairs:
    """Scores of the objects of all folds and what retrainings make of them.

    Attributes
    ----------
    p, width : ndarray (n,), float64
        Score, and width of its interval.
    inside : ndarray (n, resamples), bool
    fold : ndarray (n,), int64
    """

    p: Array
    width: Array
    inside: NDArray[np.bool_]
    fold: NDArray[np.int64]

    def row(self, title: str, among: NDArray[np.bool_]) -> str:
        """Objects, share inside with its range over single retrainings, median width."""
        if not among.any():
            return f"| {title} | 0 | | |"
        each = [
            inside.mean()
            for fold in np.unique(self.fold[among])
            for inside in self.inside[among & (self.fold == fold)].T
        ]
        share, width = self.inside[among].mean(), np.median(self.width[among])
        return f"| {title} | {among.sum()} | {share:.3f} [{min(each):.3f}, {max(each):.3f}] | {width:.2f} |"


def compare(name: str, folds: Sequence[int], resamples: int, runs: Path, data: Data, config: Config) -> Pairs:
    parts = []
    for fold in folds:
        first = first_scores(fold, runs, data, config)[name]
        again = [retrained(fold, number, runs, data, config)[name] for number in range(1, resamples + 1)]
        scores = np.stack(again, axis=1)
        inside = (scores >= first.p_low[:, None]) & (scores <= first.p_high[:, None])
        width = first.p_high - first.p_low
        known = np.isfinite(width)  # the others lack what the score is to rest on
        numbers = np.full(known.sum(), fold)
        parts.append(Pairs(first.p_bogus[known], width[known], inside[known], numbers))
    return Pairs(*(np.concatenate(column) for column in zip(*(vars(part).values() for part in parts))))


def table(pairs: dict[str, Pairs]) -> list[str]:
    lines = ["| score | objects | share inside | median width |", "|---|---|---|---|"]
    for name, found in pairs.items():
        lines.append(found.row(f"from {name}", np.ones(len(found.p), bool)))
    both = pairs["both"]
    decade = np.minimum((both.p * 10).astype(int), 9)
    for number in range(10):
        title = f"from both, p in {number / 10:.1f} to {(number + 1) / 10:.1f}"
        lines.append(both.row(title, decade == number))
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--published", type=Path, required=True, help="folder made by rbztf import")
    parser.add_argument("--features", type=Path, required=True, help="CSV of light-curve features")
    parser.add_argument("--reference", type=Path, required=True, help="CSV with oid,fold")
    parser.add_argument("--folds", type=int, nargs="+", default=[0], help="outer folds to test")
    parser.add_argument("--resamples", type=int, default=4, help="retrainings for each fold")
    parser.add_argument("--runs", type=Path, default=Path("runs/interval"))
    arguments = parser.parse_args()
    arguments.runs.mkdir(parents=True, exist_ok=True)
    config = load_config("default", [], project_file=None)
    data = read_data(arguments, config)
    with threads(1):
        pairs = {
            name: compare(name, arguments.folds, arguments.resamples, arguments.runs, data, config)
            for name in RESTS_ON
        }
    print(f"folds {arguments.folds}, {arguments.resamples} retrainings each:")
    print("\n".join(table(pairs)))


if __name__ == "__main__":
    main()
