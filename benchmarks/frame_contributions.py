"""Are the epochs that a model blames the bad ones?

Two questions, each with its own data.

*Simulated*: on a simulated sky the artefact of each epoch is known. The default autoencoder and
the default ensemble are trained on one sky and applied to another. Of each object with clean and bad epochs the AUC of its epochs' shares
against the truth is taken; printed is the mean over objects, by kind. (The artefact head of the
autoencoder is trained on simulated frames of a third sky.)

*Real* (``--published DIR``, made by ``rbztf import``): image-only ensembles are trained on two halves of
the fields, each without the test fields. The first names the tenth of the frames of each test
artefact that it blames most; the second, which never met the first, scores the objects
without them and without as many random ones. Wilcoxon's signed-rank test pairs the two.

    python benchmarks/frame_contributions.py --published published --figure docs/figures/blamed_epochs.png
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import wilcoxon
from sklearn.metrics import roc_auc_score

from rbztf.config import Config, load_config
from rbztf.features.lightcurve import features_from_cutouts
from rbztf.models.ensemble.fit import fit_ensemble
from rbztf.models.objects.frame_reader import FrameReader
from rbztf.models.objects.object_set import ObjectSet, label_objects
from rbztf.models.objects.read import read_objects
from rbztf.simulate.dataset import Dataset, write_dataset
from rbztf.simulate.sky import SimulatedSky
from rbztf.stores.cutouts import open_cutouts
from rbztf.stores.embeddings import open_embeddings
from rbztf.stores.labels import read_labels
from rbztf.verbs.embed import embed
from rbztf.verbs.train_vae import train_vae
from rbztf.ztf import Band

CPU = torch.device("cpu")
DROPPED_SHARE = 0.1
RANDOM_DRAWS = 10
Floats = NDArray[np.float64]


def make_sky(folder: Path, n_objects: int, n_epochs: int, seed: int) -> tuple[SimulatedSky, Dataset]:
    sky = SimulatedSky(n_objects=n_objects, n_epochs=n_epochs, seed=seed)
    return sky, write_dataset(folder, sky)


def read(dataset: Dataset, embeddings: Path, config: Config, reader: FrameReader | None) -> ObjectSet:
    vectors = open_embeddings(embeddings)
    features = features_from_cutouts(open_cutouts(dataset.cutouts))
    return read_objects(sorted(vectors), vectors, features, config, reader)


def simulated(encoder: Path | None, recipe: Config, n_objects: int, n_epochs: int, config: Config) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _, known = make_sky(folder / "known", n_objects, n_epochs, seed=0)
        new_sky, new = make_sky(folder / "new", n_objects // 2, n_epochs, seed=1)
        if encoder is None:
            encoder = folder / "encoder"
            train_vae(recipe, data=known.cutouts, out=encoder)
        for part in (known, new):
            embed(encoder, part.cutouts, part.folder / "embeddings")
        print("simulated:")
        one_model(config, known, new, new_sky)


def one_model(config: Config, known: Dataset, new: Dataset, sky: SimulatedSky) -> None:
    labels = read_labels(known.labels).in_bands([*Band])
    train = read(known, known.folder / "embeddings", config, None)
    model = fit_ensemble(label_objects(train, labels), config, device=CPU)
    test = read(new, new.folder / "embeddings", config, model.reader)
    auc = roc_auc_score(read_labels(new.labels).labels(test.oids.tolist()), model.score(test).p_bogus)
    print(f"{len(train)} objects to train on, {len(test)} new ones: AUC {auc:.3f}")
    by_kind: dict[str, list[float]] = {}
    store = open_cutouts(new.cutouts)
    for oid, share in zip(test.oids.tolist(), model.frame_contributions(test)):
        frame_of = np.asarray(store.epochs(oid)["frame"])
        bad = np.array([kind != "" for kind in sky.truth(oid)])[frame_of >= 0]
        if len(bad) == len(share) and 0 < bad.sum() < len(bad):
            by_kind.setdefault(sky.object(oid).kind, []).append(float(roc_auc_score(bad, share)))
    everything = [value for values in by_kind.values() for value in values]
    print("| kind | objects | mean AUC of shares |\n|---|---|---|")
    for kind, values in sorted(by_kind.items()):
        print(f"| {kind} | {len(values)} | {np.mean(values):.3f} |")
    rng = np.random.default_rng(0)
    drawn = [np.mean(rng.choice(everything, len(everything))) for _ in range(2000)]
    low, high = np.percentile(drawn, [2.5, 97.5])
    print(f"| all | {len(everything)} | {np.mean(everything):.3f} [{low:.3f}, {high:.3f}] |", flush=True)


def real(published: Path, figure: Path | None, config: Config) -> None:
    labels = read_labels(published / "labels.json").in_bands([Band.R])
    vectors = open_embeddings(published / "embeddings")
    oids = [oid for oid in labels if oid in vectors]
    fields = np.array([oid.field for oid in oids])
    places = np.random.default_rng(0).permutation(np.unique(fields))
    thirds = [np.isin(fields, part) for part in np.array_split(places, 3)]
    first, second = (
        _train([oid for oid, inside in zip(oids, part) if inside], vectors, labels, config)
        for part in thirds[:2]
    )
    wanted = [oid for oid, inside in zip(oids, thirds[2]) if inside and labels[oid].label]
    test = read_objects(wanted, vectors, None, config, first.reader)
    second_view = read_objects(wanted, vectors, None, config, second.reader)
    shares = first.frame_contributions(test)
    rng = np.random.default_rng(1)
    blamed, chance = [], []
    for share in shares:
        count = max(1, round(DROPPED_SHARE * len(share)))
        mask = np.ones(len(share), bool)
        mask[np.argsort(-share)[:count]] = False
        blamed.append(mask)
        chance.append([rng.permutation(mask) for _ in range(RANDOM_DRAWS)])
    before = _logit(second.score(second_view).p_bogus)
    without = _logit(_rescore(second, second_view, blamed))
    random = np.mean(
        [_logit(_rescore(second, second_view, [draws[k] for draws in chance])) for k in range(RANDOM_DRAWS)],
        axis=0,
    )
    by_blame, by_chance = before - without, before - random
    test_result = wilcoxon(by_blame, by_chance, alternative="greater")
    print(
        f"real: {len(wanted)} artefacts, a tenth of the frames dropped; mean fall of the log odds of an "
        f"independent model: {by_blame.mean():.3f} (blamed), {by_chance.mean():.3f} (random); larger for "
        f"{np.mean(by_blame > by_chance):.0%} of the objects; Wilcoxon p = {test_result.pvalue:.2g}"
    )
    if figure:
        _draw(by_blame, by_chance, figure)


def _train(oids, vectors, labels, config):  # type: ignore[no-untyped-def]
    data = label_objects(read_objects(oids, vectors, None, config), labels)
    return fit_ensemble(data, config, device=CPU)


def _rescore(model, objects, masks) -> Floats:  # type: ignore[no-untyped-def]
    return model.score(objects.with_frames(masks)).p_bogus


def _logit(p: Floats) -> Floats:
    clipped = np.clip(p, 1e-6, 1 - 1e-6)
    return np.log(clipped / (1 - clipped))


def _draw(by_blame: Floats, by_chance: Floats, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.5, 3.6), layout="constrained")
    axes = figure.subplots()
    edges = np.linspace(-1, 3, 61)
    axes.hist(
        np.clip(by_chance, -1, 3), edges, histtype="stepfilled", color="#bbbbbb", label="as many random ones"
    )
    axes.hist(
        np.clip(by_blame, -1, 3),
        edges,
        histtype="step",
        linewidth=1.6,
        color="#d55e00",
        label="the blamed tenth",
    )
    axes.axvline(0, color="#444444", linewidth=0.8)
    axes.set(xlabel="Fall of the log odds of bogus, independent model", ylabel="Real artefacts")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--published", type=Path, help="folder made by rbztf import")
    parser.add_argument("--encoder", type=Path, help="encoder of the simulated frames; trained if left out")
    parser.add_argument("--encoder-epochs", type=int, default=15, help="of training that encoder")
    parser.add_argument("--objects", type=int, default=300, help="simulated objects to train on")
    parser.add_argument("--epochs", type=int, default=40, help="epochs per simulated object")
    parser.add_argument("--figure", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    recipe = load_config("vae", [f"training.epochs={arguments.encoder_epochs}"], project_file=None)
    config = load_config("default", project_file=None)
    simulated(arguments.encoder, recipe, arguments.objects, arguments.epochs, config)
    if arguments.published:
        real(arguments.published, arguments.figure, load_config("image-only", project_file=None))


if __name__ == "__main__":
    main()
