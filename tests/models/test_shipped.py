"""The model that comes with rbztf: small, described, good on objects it has not seen, quiet on ordinary ones."""

from __future__ import annotations

import re
import subprocess
import tomllib
from functools import cache

import numpy as np
import pytest
from helpers import ROOT, SHARED, need
from sklearn.metrics import roc_auc_score

from rbztf.archive.irsa import parse_light_curves
from rbztf.features.lightcurve import photometry_features, usable_photometry
from rbztf.features.snad_set import FEATURE_NAMES, SNAD_TABLE
from rbztf.features.table import FeatureTable
from rbztf.models.catalogue import list_models, shipped_model
from rbztf.models.decision.decisions import Decisions, Goal, apply_goal
from rbztf.models.decision.prior import shift
from rbztf.models.ensemble.bundle import load_ensemble
from rbztf.models.ensemble.ensemble import Ensemble
from rbztf.models.objects.object_set import Modality, ObjectSet
from rbztf.models.objects.scores import ObjectScores
from rbztf.simulate.ordinary.table import ordinary_features
from rbztf.stores.epochs import epoch_table

pytest.importorskip("light_curve")

CURVE = (Modality.LIGHTCURVE,)
AT_2_PERCENT = Goal(prior=0.02)
NOT_TRAINED_ON = 2
"""Seed of ordinary objects that the model has not seen."""


@cache
def model() -> Ensemble:
    return load_ensemble(shipped_model())


def figure(words: str) -> list[float]:
    """The numbers that the model's card gives of ``words``: each value, and the ends of its interval."""
    (text,) = [text for name, text in model().notes.items() if name.startswith(words)]
    return [float(number) for number in re.findall(r"\d+\.\d+", text)]


def decide(table: FeatureTable) -> tuple[ObjectScores, Decisions]:
    none = [np.empty((0, 0), np.float32)] * len(table)
    objects = ObjectSet.of(table.oids, none, model().reader, table.columns(model().feature_names))
    return apply_goal(model(), model().score(objects), AT_2_PERCENT)


def test_it_fits_into_a_wheel() -> None:
    """At most 5 MB, every file of it in the repository, and taken into the wheel with the package's folder."""
    files = [path for path in shipped_model().rglob("*") if path.is_file()]
    assert 1e5 < sum(path.stat().st_size for path in files) <= 5e6
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["packages"] == ["src/rbztf"]
    assert "exclude" not in wheel
    words = ["git", "-C", str(ROOT), "ls-files", str(shipped_model())]
    listed = subprocess.run(words, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git repository")
    assert {ROOT / name for name in listed.stdout.splitlines()} == set(files)


def test_it_says_what_it_is() -> None:
    notes = model().notes
    for name in ("made by", "trained on", "band", "features", "prior", "sources", "licence"):
        assert notes[name]
        assert notes[name] in (shipped_model() / "README.md").read_text()
    assert "SNAD" in notes["sources"]
    assert "BSD-3-Clause" in notes["licence"]
    assert model().config.data.bands == ("r",)
    assert model().feature_names == FEATURE_NAMES
    assert model().definition == SNAD_TABLE
    assert figure("prior")[0] == pytest.approx(model().prior, abs=1e-3)


def test_what_the_list_of_models_says() -> None:
    (entry,) = [entry for entry in list_models() if entry.origin == "shipped"]
    assert entry.name == "lightcurve"
    known = model().combinations[CURVE]
    assert entry.auc == {"lightcurve": pytest.approx(roc_auc_score(known.labels, known.scores), abs=1e-4)}
    value, low, high = figure("AUC, field folds")
    assert low < value < high
    assert low < entry.auc["lightcurve"] < high
    assert figure("AUC, reference folds")[0] > 0.93


def test_simulated_ordinary_objects_are_left_in_peace() -> None:
    scores, decided = decide(ordinary_features(500, NOT_TRAINED_ON))
    assert scores.p_bogus.mean() <= 0.02
    assert (decided.words == "bogus").mean() <= 0.02
    assert (decided.words == "unsure").mean() <= 0.10


def test_artefacts_are_found_by_the_same_limits() -> None:
    """Of objects that the members were not trained on: their inner folds, and the field folds of the card."""
    known = model().combinations[CURVE]
    artefacts = shift(known.scores[known.labels == 1], model().prior, 0.02)
    words = model().decision_rule(CURVE).decide(artefacts, AT_2_PERCENT).words
    assert (words == "bogus").mean() >= 0.65
    assert (words == "real").mean() <= 0.15
    of_fields = figure("artefacts at a prior of 0.02 and an error rate of 0.05, field folds")
    assert of_fields[0] >= 65
    assert of_fields[6] <= 15
    assert of_fields[0] == pytest.approx(100 * (words == "bogus").mean(), abs=8)


def real_curves() -> FeatureTable:
    """Features of the objects in the r band with at least 100 epochs, as IRSA serves them."""
    rows = {}
    for path in sorted(need(SHARED / "data" / "lightcurves").glob("*.csv")):
        for oid, curve in parse_light_curves(path.read_text()).items():
            if oid.band == "r" and len(curve) >= 100:
                series = usable_photometry(epoch_table(curve.columns, len(curve)))
                rows[int(oid)] = photometry_features(series)
    return FeatureTable(np.array(list(rows), np.int64), FEATURE_NAMES, np.array(list(rows.values())))


def test_real_ordinary_objects_are_left_in_peace() -> None:
    table = real_curves()
    assert len(table) == 16
    scores, decided = decide(table)
    assert scores.p_bogus.mean() <= 0.02
    assert not (decided.words == "bogus").any()
    assert (decided.words == "unsure").sum() <= 1
