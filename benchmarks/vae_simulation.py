"""The default autoencoder against the reference's recipe on simulated archives, whose truth is known.

Each archive is written as a cutout store; both recipes are trained on all its frames (labels unused) for the same
number of epochs. Two figures: how well a logistic regression tells a spoilt frame from a clean one by its
latent means (5 folds of whole objects), and the AUC per object of the same sequence classifier
(``configs/demo.yaml``, 5 field folds) on the vectors of each. The published encoder stands beside them.

    python benchmarks/vae_simulation.py --seeds 11 12
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rbztf.config import load_config
from rbztf.evaluation.scores import Scored
from rbztf.models.rnn.published import encoder_from
from rbztf.simulate.dataset import Dataset, write_dataset
from rbztf.simulate.sky import SimulatedSky
from rbztf.stores.embeddings import open_embeddings
from rbztf.stores.labels import read_labels
from rbztf.verbs.cv import cv
from rbztf.verbs.cv_result import CvResult
from rbztf.verbs.embed import embed
from rbztf.verbs.train_vae import train_vae

PUBLISHED = Path(__file__).resolve().parents[2] / "shared/data/upstream/trained_models/vae/encoder.zip"
RECIPES = ("vae", "reference/vae")


Truth = dict[int, dict[float, bool]]
"""Of each object, whether the frame at each time (HJD) is spoilt."""


def read_truth(path: Path) -> Truth:
    truth: Truth = {}
    with path.open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            truth.setdefault(int(row["oid"]), {})[float(row["hjd"])] = bool(row["kind"])
    return truth


def spoilt_at(truth: dict[float, bool], time: float) -> bool:
    """Of the frame nearest in time: the file has fewer digits than the store."""
    return truth[min(truth, key=lambda known: abs(known - time))]


def frame_auc(vectors: Path, truth: Truth, latent: int) -> float:
    """Mean over folds of whole objects of the AUC of spoilt against clean frames, by ``latent`` means."""
    store = open_embeddings(vectors)
    means, spoilt, owner = [], [], []
    for oid in store:
        means.append(store[oid][:, :latent])
        spoilt += [spoilt_at(truth[int(oid)], time) for time in store.times(oid)]
        owner += [int(oid)] * store.count(oid)
    inputs, labels = np.concatenate(means), np.array(spoilt)
    areas = []
    for train, test in GroupKFold(5).split(inputs, labels, owner):
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.3, max_iter=2000))
        model.fit(inputs[train], labels[train])
        areas.append(roc_auc_score(labels[test], model.decision_function(inputs[test])))
    return float(np.mean(areas))


def object_scores(result: CvResult) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """OIDs, labels and out-of-fold scores of all objects, by OID."""
    folds: list[Scored] = list(result.evaluations[0].folds.values())
    oids, labels, scores = (
        np.concatenate([getattr(fold, name) for fold in folds]) for name in ("oids", "labels", "scores")
    )
    order = np.argsort(oids)
    return oids[order], labels[order], scores[order]


def encoders(dataset: Dataset, epochs: int, folder: Path) -> dict[str, Path]:
    """An encoder bundle for each recipe, and the published one where it is at hand."""
    found = {}
    for recipe in RECIPES:
        config = load_config(recipe, [f"training.epochs={epochs}"], project_file=None)
        trained = train_vae(config, data=dataset.cutouts, out=folder / recipe.replace("/", "-"))
        found[f"{recipe}, trained here"] = trained.out
        print(f"  {recipe}: {trained.history[-1]['active']} active latents", flush=True)
    if PUBLISHED.is_file():
        encoder_from(PUBLISHED, load_config("reference/vae", project_file=None)).save(folder / "published")
        found["published encoder"] = folder / "published"
    return found


def one_sky(seed: int, options: argparse.Namespace, folder: Path) -> None:
    """Print the figures of one simulated archive."""
    sky = SimulatedSky(n_objects=options.objects, n_epochs=options.visits, seed=seed)
    dataset = write_dataset(folder / "data", sky)
    truth = read_truth(dataset.truth)
    print(
        f"sky {seed}: {len(sky.oids)} objects, {sum(map(len, truth.values()))} frames, "
        f"{sum(sum(frames.values()) for frames in truth.values())} spoilt"
    )
    scores = {}
    for name, bundle in encoders(dataset, options.epochs, folder).items():
        store = folder / f"vectors-{bundle.name}"
        embed(bundle, dataset.cutouts, store)
        latent = min(36, open_embeddings(store).latent)
        config = load_config("demo", ["data.bands=[r]", f"seed={seed}"], project_file=None)
        result = cv(config, embeddings=store, labels=dataset.labels, out=folder / f"cv-{bundle.name}")
        oids, labels, scores[name] = object_scores(result)
        assert len(oids) == len(read_labels(dataset.labels))
        mean, area = frame_auc(store, truth, latent), roc_auc_score(labels, scores[name])
        print(f"  {name:28} frame AUC {mean:.3f}   object AUC {area:.3f}", flush=True)
    first, *others = scores
    for other in others:
        low, high = difference(labels, scores[first], scores[other])
        print(f"  object AUC, {first} minus {other}: 95 % interval {low:+.3f} to {high:+.3f}")


def difference(labels: np.ndarray, one: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """95 % interval of the difference of two AUCs, by a bootstrap over objects."""
    rng = np.random.default_rng(0)
    draws = []
    for _ in range(1000):
        rows = rng.integers(0, len(labels), len(labels))
        if 0 < labels[rows].mean() < 1:
            draws.append(roc_auc_score(labels[rows], one[rows]) - roc_auc_score(labels[rows], other[rows]))
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(low), float(high)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[11], help="of the simulated skies")
    parser.add_argument("--objects", type=int, default=150)
    parser.add_argument("--visits", type=int, default=24, help="typical number of frames of an object")
    parser.add_argument("--epochs", type=int, default=10)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for seed in options.seeds:
        with tempfile.TemporaryDirectory() as name:
            one_sky(seed, options, Path(name))


if __name__ == "__main__":
    main()
