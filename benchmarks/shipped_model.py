"""Train the model that comes with rbztf, tell how good it is, and write its bundle.

python benchmarks/shipped_model.py --labels akb.ztf.snad.space.json --features lightcurve_features.csv --reference folds.csv

Without --labels and --features SNAD's files are fetched from GitHub, at a fixed commit. Figures are of
objects that the training had not seen: on the reference's folds, and on folds of whole ZTF fields.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch

from rbztf import __version__
from rbztf.archive.http import ArchiveSession
from rbztf.archive.pinned_files import SNAD_FEATURES, SNAD_LABELS, PinnedFile, fetch_pinned
from rbztf.config import Config, load_config
from rbztf.evaluation.bootstrap import field_weights, share
from rbztf.evaluation.crossval import score_ensemble
from rbztf.evaluation.folds import Split
from rbztf.evaluation.repeats import make_splits
from rbztf.evaluation.scores import Scored
from rbztf.evaluation.summary import summarise
from rbztf.features.files import read_features
from rbztf.features.snad_set import known_definition
from rbztf.features.table import FeatureTable
from rbztf.models.catalogue import shipped_model
from rbztf.models.decision.decisions import Goal, apply_goal
from rbztf.models.ensemble.bundle import load_ensemble, save_ensemble
from rbztf.models.ensemble.ensemble import Ensemble
from rbztf.models.ensemble.fit import fit_ensemble
from rbztf.models.objects.object_set import LabelledSet, ObjectSet
from rbztf.models.objects.ranges import fit_ranges
from rbztf.models.objects.read import read_labelled, read_objects
from rbztf.simulate.ordinary.table import ordinary_features
from rbztf.stores.labels import LabelTable, read_labels

LARGEST_BYTES = 5_000_000
PRIOR = 0.02
ERROR_RATES = (0.05, 0.02, 0.1)
OF_THE_CARD = f"error rate of {ERROR_RATES[0]}"
"""The model's own; the others tell what another trade-off costs, on the screen alone."""
DRAWS = 1000
N_ORDINARY, ORDINARY_SEED = 3000, 0
N_NEW, NEW_SEED = 1000, 1
SOURCES = "labels: SNAD knowledge base (akb.ztf.snad.space); features: SNAD's table in github.com/snad-space/ztf_real_bogus_clf"
LICENCE = (
    "the model is under rbztf's own (BSD-3-Clause); SNAD's labels and features are public, are not part of "
    "it, and are to be cited (Semenikhin et al. 2024; Malanchev et al. 2023), as is ZTF"
)


@dataclass(frozen=True)
class Data:
    """What the model is trained on: labels of objects that have features, features, ordinary objects."""

    labels: LabelTable
    features: FeatureTable
    ordinary: FeatureTable
    config: Config

    def fit(self, labels: LabelTable) -> Ensemble:
        """The model trained on ``labels``, and on all ordinary objects."""
        return fit_ensemble(self.labelled(labels), self.config, device=torch.device("cpu"))

    def labelled(self, labels: LabelTable) -> LabelledSet:
        return read_labelled(labels, None, self.features, self.config, self.ordinary)

    def with_ranges(self, model: Ensemble) -> Ensemble:
        """``model`` with where all training objects lie."""
        data = self.labelled(self.labels)
        return replace(model, ranges=fit_ranges(data, model.modalities, self.config.seed))


def read(labels: Path, features: Path) -> Data:
    config = load_config("lightcurve-trees", project_file=None)
    table = read_features(features)
    table = replace(table, definition=known_definition(table.names, table.definition))
    known = set(table.oids[table.known()].tolist())
    wanted = read_labels(labels).in_bands(config.data.bands)
    ordinary = ordinary_features(N_ORDINARY, ORDINARY_SEED).columns(table.names)
    return Data(wanted.only([oid for oid in wanted if int(oid) in known]), table, ordinary, config)


def evaluate(data: Data, split: Split) -> dict[str, str]:
    """Figures of objects that were not trained on: of probabilities, and of decisions at the prior."""
    folds: dict[int, Scored] = {}
    words: dict[float, list[np.ndarray]] = {rate: [] for rate in ERROR_RATES}
    for fold, test in split.folds.items():
        rest = [oid for other, oids in split.folds.items() if other != fold for oid in oids]
        model = data.fit(data.labels.only(rest))
        objects = read_objects(list(test), None, data.features, data.config, model.reader)
        scores = model.score(objects)
        folds[fold] = score_ensemble(model, scores, objects, data.labels)
        for rate, decided in words.items():
            decided.append(apply_goal(model, scores, Goal(prior=PRIOR, error_rate=rate))[1].words)
    made = summarise("shipped", split.name, folds, data.labels, draws=DRAWS, seconds=0.0).metrics
    figures = {
        f"{title}, {split.name} folds": with_interval(made[name].pooled, made[name].pooled_ci95, "{:.3f}")
        for name, title in (("roc_auc", "AUC"), ("accuracy", "accuracy"), ("brier", "Brier score"))
    }
    truth = np.concatenate([scored.labels for scored in folds.values()])
    fields = np.concatenate([scored.fields for scored in folds.values()])
    for rate, decided in words.items():
        at = f"at a prior of {PRIOR} and an error rate of {rate}, {split.name} folds"
        for label, kind in ((1, "artefacts"), (0, "picked real objects")):
            figures[f"{kind} {at}"] = shares(np.concatenate(decided), truth == label, fields)
    return figures


def shares(words: np.ndarray, among: np.ndarray, fields: np.ndarray) -> str:
    """How the objects ``among`` are decided, in per cent, with intervals from a bootstrap over fields."""
    (weights,) = field_weights([fields], DRAWS)
    parts = []
    for word in ("bogus", "unsure", "real"):
        value, (low, high) = share(words == word, among, weights)
        parts.append(f"{with_interval(100 * value, (100 * low, 100 * high), '{:.1f}')} % {word}")
    return ", ".join(parts)


def with_interval(value: float, ci95: tuple[float, float], form: str) -> str:
    return f"{form.format(value)} [{form.format(ci95[0])}, {form.format(ci95[1])}]"


def decided_ordinary(model: Ensemble) -> dict[str, str]:
    """How ordinary objects are decided that the model has not seen."""
    table = ordinary_features(N_NEW, NEW_SEED).columns(model.feature_names)
    none = [np.empty((0, 0), np.float32)] * len(table)
    objects = ObjectSet.of(table.oids, none, model.reader, table)
    given, figures = model.score(objects), {}
    for rate in ERROR_RATES:
        scores, decided = apply_goal(model, given, Goal(prior=PRIOR, error_rate=rate))
        count = {word: (decided.words == word).mean() for word in ("bogus", "unsure")}
        figures[
            f"{N_NEW} new simulated ordinary objects at a prior of {PRIOR} and an error rate of {rate}"
        ] = (
            f"{count['bogus']:.1%} bogus, {count['unsure']:.1%} unsure, mean probability {scores.p_bogus.mean():.4f}; "
            f"real up to {decided.limit_real[0]:.4f}, bogus from {decided.limit_bogus[0]:.4f}"
        )
    return figures


def fetched(folder: Path) -> tuple[Path, Path]:
    """SNAD's labels and features, from GitHub."""

    def get(file: PinnedFile) -> Path:
        with ArchiveSession() as session:
            fetch_pinned(session, file, folder / file.name)
        return folder / file.name

    return get(SNAD_LABELS), get(SNAD_FEATURES)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--labels", type=Path, help="labels of SNAD's knowledge base, JSON")
    parser.add_argument("--features", type=Path, help="SNAD's table of light-curve features, CSV")
    parser.add_argument("--reference", default="reference", help="the reference's folds, or a CSV with them")
    parser.add_argument("--out", type=Path, default=shipped_model())
    parser.add_argument(
        "--ranges", action="store_true", help="only measure anew where the training objects lie"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        given = arguments.labels, arguments.features
        labels, features = given if all(given) else fetched(Path(scratch))
        data = read(labels, features)
    if arguments.ranges:
        save_ensemble(data.with_ranges(load_ensemble(arguments.out)), arguments.out)
        return
    figures: dict[str, str] = {}
    for name in (arguments.reference, "field"):
        (split,) = make_splits(name, data.labels, 5, data.config.seed, set(data.labels))
        title = "field" if name == "field" else "reference"
        figures |= evaluate(data, Split(title, split.folds))
    model = data.fit(data.labels)
    notes = {
        "made by": f"rbztf {__version__}, benchmarks/shipped_model.py, {datetime.now(UTC).date()}",
        "trained on": f"{len(data.labels)} objects, {data.labels.labels(list(data.labels)).sum()} of them artefacts, "
        f"and {N_ORDINARY} simulated ordinary objects",
        "band": "r; objects of other bands get no score",
        "features": "SNAD's 54 light-curve features, rbztf set 1; made of data release 17",
        "prior": f"{model.prior:.3f} of the training objects are artefacts; probabilities are for that share, "
        "unless --prior says another",
        "figures": "of objects that the training had not seen, with 95 % intervals (bootstrap over fields); reference "
        "folds: the reference's own; field folds: five of whole ZTF fields",
        "command": "python benchmarks/shipped_model.py --labels FILE --features CSV --reference FOLDS, with the files "
        "of the sources",
        "sources": SOURCES,
        "licence": LICENCE,
        **figures,
        **decided_ordinary(model),
    }
    card = {key: text for key, text in notes.items() if OF_THE_CARD in key or "error rate" not in key}
    save_ensemble(data.with_ranges(replace(model, notes=card)), arguments.out)
    report(notes, arguments.out)


def report(notes: Mapping[str, str], out: Path) -> None:
    """Print what was found, and refuse a model that is too large for the package."""
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    for key, value in notes.items():
        print(f"{key}: {value}")
    print(f"{out}: {size / 1e6:.2f} MB")
    if size > LARGEST_BYTES:
        raise SystemExit(f"It is larger than {LARGEST_BYTES / 1e6:.0f} MB.")


if __name__ == "__main__":
    main()
