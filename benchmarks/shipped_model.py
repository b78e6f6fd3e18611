"""Train the model that comes with rbztf, tell how good it is, and write its bundle.

python benchmarks/shipped_model.py --labels akb.ztf.snad.space.json --features lightcurve_features.csv --reference folds.csv

Without --labels and --features SNAD's files are fetched from GitHub, at a fixed commit. Figures are of
objects that the training had not seen: on the reference's folds, and on folds of whole ZTF fields, with all
objects, those too whose label is ambiguous and on which no limit rests, unless a figure says so.
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
from rbztf.evaluation.bootstrap import field_weights, interval, share
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
from rbztf.models.decision.prior import rarity
from rbztf.models.ensemble.bundle import load_ensemble, save_ensemble
from rbztf.models.ensemble.ensemble import Ensemble
from rbztf.models.ensemble.fit import fit_ensemble
from rbztf.models.objects.object_set import LabelledSet, ObjectSet
from rbztf.models.objects.ranges import fit_ranges
from rbztf.models.objects.read import read_labelled, read_objects
from rbztf.models.objects.scores import ObjectScores
from rbztf.simulate.ordinary.table import ordinary_features
from rbztf.stores.labels import LabelTable, read_labels
from rbztf.ztf import LabelRule, is_ambiguous

LARGEST_BYTES = 5_000_000
PRIOR = 0.02
ERROR_RATES = (0.05, 0.02, 0.1)
OF_THE_CARD = f"error rate of {ERROR_RATES[0]}"
"""The model's own; the others tell what another trade-off costs, on the screen alone."""
DRAWS = 1000
N_ORDINARY, ORDINARY_SEED = 3000, 0
N_NEW, NEW_SEED = 3000, 1
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
    new: FeatureTable
    config: Config

    def fit(self, labels: LabelTable) -> Ensemble:
        """The model trained on ``labels``, and on all ordinary objects."""
        return fit_ensemble(self.labelled(labels), self.config, device=torch.device("cpu"))

    def labelled(self, labels: LabelTable) -> LabelledSet:
        return read_labelled(labels, None, self.features, self.config, self.ordinary)

    def score_new(self, model: Ensemble) -> ObjectScores:
        """Scores of ordinary objects that no model has seen."""
        table = self.new.columns(model.feature_names)
        none = [np.empty((0, 0), np.float32)] * len(table)
        return model.score(ObjectSet.of(table.oids, none, model.reader, table))

    def with_ranges(self, model: Ensemble) -> Ensemble:
        """``model`` with where all training objects lie."""
        data = self.labelled(self.labels)
        return replace(model, ranges=fit_ranges(data, model.modalities, self.config.seed))


@dataclass(frozen=True)
class Decided:
    """Decisions of the objects of all folds, and of new ordinary objects by the model of each fold.

    Attributes
    ----------
    words, ordinary : ndarray, str
    truth : ndarray (n,), int64
        1 = artefact.
    ambiguous : ndarray (n,), bool
    weights : ndarray (draws, n), float64
        Of a bootstrap over fields.
    rarity : float
        Share of picked objects among the real ones of the mixture.
    """

    words: np.ndarray
    ordinary: np.ndarray
    truth: np.ndarray
    ambiguous: np.ndarray
    weights: np.ndarray
    rarity: float

    def figures(self, at: str) -> dict[str, str]:
        """How each group is decided, and which decisions of the mixture are wrong."""
        real, clear = self.truth == 0, ~self.ambiguous
        groups = {
            "artefacts": ~real,
            "artefacts with a clear label": ~real & clear,
            "picked real objects": real & clear,
            "real objects with an ambiguous label": real & ~clear,
        }
        return {f"{kind} {at}": self.shares(among) for kind, among in groups.items()} | {
            f"mixture {at}": self.mixture()
        }

    def shares(self, among: np.ndarray) -> str:
        """How the objects ``among`` are decided, in per cent, with intervals."""
        parts = []
        for word in ("bogus", "unsure", "real"):
            value, (low, high) = share(self.words == word, among, self.weights)
            parts.append(f"{with_interval(100 * value, (100 * low, 100 * high), '{:.1f}')} % {word}")
        return ", ".join(parts)

    def mixture(self) -> str:
        """Errors among artefacts (a share of the prior), picked real objects and ordinary ones with clear labels."""
        ordinary = float((self.ordinary == "bogus").mean())
        ones = np.ones((1, len(self.words)))
        (value,), drawn = (self._mixture(weights, ordinary) for weights in (ones, self.weights))
        missed, alarms, wrong = (
            with_interval(100 * one, tuple(100 * end for end in interval(column)), form)
            for one, column, form in zip(value, drawn.T, ("{:.1f}", "{:.2f}", "{:.0f}"))
        )
        return (
            f"{missed} % of the artefacts called real, {alarms} % of the real objects called bogus "
            f"({100 * ordinary:.2f} % of the ordinary ones), {wrong} % of what is called bogus is real"
        )

    def _mixture(self, weights: np.ndarray, ordinary: float) -> np.ndarray:
        """Artefacts called real, real objects called bogus, share of real among what is called bogus, (draws, 3)."""

        def rate(word: str, among: np.ndarray) -> np.ndarray:
            return np.asarray(weights @ ((self.words == word) & among) / (weights @ among))

        clear = ~self.ambiguous
        artefacts, picked = clear & (self.truth == 1), clear & (self.truth == 0)
        alarms = self.rarity * rate("bogus", picked) + (1 - self.rarity) * ordinary
        false, true = (1 - PRIOR) * alarms, PRIOR * rate("bogus", artefacts)
        return np.stack([rate("real", artefacts), alarms, false / (false + true)], axis=1)


def read(labels: Path, features: Path) -> Data:
    config = load_config("lightcurve-trees", project_file=None)
    table = read_features(features)
    table = replace(table, definition=known_definition(table.names, table.definition))
    known = set(table.oids[table.known()].tolist())
    wanted = read_labels(labels).in_bands(config.data.bands)
    ordinary = ordinary_features(N_ORDINARY, ORDINARY_SEED).columns(table.names)
    new = ordinary_features(N_NEW, NEW_SEED)
    return Data(wanted.only([oid for oid in wanted if int(oid) in known]), table, ordinary, new, config)


def evaluate(data: Data, split: Split) -> dict[str, str]:
    """Figures of objects that were not trained on: of probabilities, and of decisions at the prior."""
    folds: dict[int, Scored] = {}
    words: dict[float, list[np.ndarray]] = {rate: [] for rate in ERROR_RATES}
    ordinary: dict[float, list[np.ndarray]] = {rate: [] for rate in ERROR_RATES}
    shares_picked = []
    for fold, test in split.folds.items():
        rest = [oid for other, oids in split.folds.items() if other != fold for oid in oids]
        model = data.fit(data.labels.only(rest))
        objects = read_objects(list(test), None, data.features, data.config, model.reader)
        scores, of_new = model.score(objects), data.score_new(model)
        folds[fold] = score_ensemble(model, scores, objects, data.labels)
        shares_picked.append(rarity(model.prior, PRIOR))
        for rate in ERROR_RATES:
            goal = Goal(prior=PRIOR, error_rate=rate)
            words[rate].append(apply_goal(model, scores, goal)[1].words)
            ordinary[rate].append(apply_goal(model, of_new, goal)[1].words)
    by_rule = summarise("shipped", split.name, folds, data.labels, draws=DRAWS, seconds=0.0).by_rule
    figures = {
        f"{title}{by}, {split.name} folds": with_interval(made[name].pooled, made[name].pooled_ci95, "{:.3f}")
        for rule, by in ((LabelRule.RB_ZTF, ""), (LabelRule.SNAD2025, " without ambiguous objects"))
        for made in (by_rule[rule].metrics,)
        for name, title in (("roc_auc", "AUC"), ("accuracy", "accuracy"), ("brier", "Brier score"))
    }
    oids = [int(oid) for scored in folds.values() for oid in scored.oids]
    truth = np.concatenate([scored.labels for scored in folds.values()])
    ambiguous = np.array([is_ambiguous(data.labels[oid].tags) for oid in oids])
    (weights,) = field_weights([np.concatenate([scored.fields for scored in folds.values()])], DRAWS)
    for rate in ERROR_RATES:
        decided = Decided(
            *(np.concatenate(found[rate]) for found in (words, ordinary)),
            *(truth, ambiguous, weights, float(np.mean(shares_picked))),
        )
        figures |= decided.figures(f"at a prior of {PRIOR} and an error rate of {rate}, {split.name} folds")
    return figures


def with_interval(value: float, ci95: tuple[float, float], form: str) -> str:
    return f"{form.format(value)} [{form.format(ci95[0])}, {form.format(ci95[1])}]"


def decided_ordinary(model: Ensemble, given: ObjectScores) -> dict[str, str]:
    """How ordinary objects are decided that the model has not seen."""
    figures = {}
    for rate in ERROR_RATES:
        scores, decided = apply_goal(model, given, Goal(prior=PRIOR, error_rate=rate))
        count = {word: (decided.words == word).mean() for word in ("bogus", "unsure")}
        figures[
            f"{N_NEW} new simulated ordinary objects at a prior of {PRIOR} and an error rate of {rate}"
        ] = (
            f"{count['bogus']:.2%} bogus, {count['unsure']:.2%} unsure, mean probability {scores.p_bogus.mean():.4f}; "
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
    n_open = len(data.labels) - len(data.labels.by_rule(LabelRule.SNAD2025))
    notes = {
        "made by": f"rbztf {__version__}, benchmarks/shipped_model.py, {datetime.now(UTC).date()}",
        "trained on": f"{len(data.labels)} objects, {data.labels.labels(list(data.labels)).sum()} of them artefacts, "
        f"and {N_ORDINARY} simulated ordinary objects; {n_open} of the {len(data.labels)} labelled objects are ambiguous "
        "by SNAD's rule of 2025: they count less in training, and not for the limits of decisions",
        "band": "r; objects of other bands get no score",
        "features": "SNAD's 54 light-curve features, rbztf set 1; made of data release 17",
        "prior": f"{model.prior:.3f} of the training objects are artefacts; probabilities are for that share, "
        "unless --prior says another",
        "figures": "of objects that the training had not seen, with 95 % intervals (bootstrap over fields), ambiguous ones "
        "too unless it says without; reference folds: the reference's own; field folds: five of whole ZTF fields",
        "command": "python benchmarks/shipped_model.py --labels FILE --features CSV --reference FOLDS, with the files "
        "of the sources",
        "sources": SOURCES,
        "licence": LICENCE,
        **figures,
        **decided_ordinary(model, data.score_new(model)),
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
