"""From nothing to a score: an empty home, an empty folder, an OID, and the model that comes with rbztf."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import refused, run_well, strict_json

import rbztf
from rbztf.config import load as loading
from rbztf.errors import UsageError
from rbztf.features import snad_set
from rbztf.models import catalogue
from rbztf.models.catalogue import shipped_model
from rbztf.simulate.archive.server import SimulatedArchive
from rbztf.simulate.sky import SimulatedSky
from rbztf.stores.cutouts import open_cutouts

pytest.importorskip("light_curve")


@pytest.fixture(scope="module")
def sky() -> SimulatedSky:
    return SimulatedSky(n_objects=8, n_epochs=40, seed=6)


@pytest.fixture
def archive(sky: SimulatedSky) -> Iterator[SimulatedArchive]:
    with SimulatedArchive(sky) as served:
        yield served


@pytest.fixture(autouse=True)
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing was ever imported."""
    for module in (loading, catalogue):
        monkeypatch.setattr(module, "HOME_FILE", tmp_path / "home" / "published" / "rbztf.yaml")
    return tmp_path / "home"


def test_a_score_from_nothing(
    archive: SimulatedArchive, sky: SimulatedSky, empty_home: Path, environment: dict[str, str]
) -> None:
    """As a user calls it, in a process of its own: one request for all objects, nothing trained, no frame."""
    words = [
        sys.executable,
        "-m",
        "rbztf",
        "predict",
        *map(str, sky.oids),
        "--archive",
        archive.url,
        "--json",
    ]
    home = {"HOME": str(empty_home), "XDG_CACHE_HOME": str(empty_home / "cache")}
    done = subprocess.run(words, capture_output=True, text=True, env=environment | home, check=False)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert [entry["oid"] for entry in answer["objects"]] == sky.oids
    assert {entry["inputs"] for entry in answer["objects"]} == {"lightcurve"}
    assert {entry["n_frames"] for entry in answer["objects"]} == {0}
    assert {entry["in_training"] for entry in answer["objects"]} == {False}
    assert len({entry["p_bogus"] for entry in answer["objects"]}) == len(sky.oids)
    assert answer["model"] == str(shipped_model())
    (warning,) = [warning for warning in answer["warnings"] if "no frames read" in warning]
    assert "rbztf import --train" in warning
    assert dict(archive.requests.by_kind) == {"light_curve": 1}
    assert set(open_cutouts(Path("data/cutouts"))) == set(sky.oids)


def test_the_same_line_again_asks_for_nothing(archive: SimulatedArchive, sky: SimulatedSky) -> None:
    words = ("predict", sky.oids[0], "--archive", archive.url, "-q")
    first = run_well(*words)
    assert "no frames read" in first.stderr
    assert run_well(*words).stdout == first.stdout
    assert archive.requests.total == 1
    (entry,) = rbztf.predict(sky.oids[0], fetch=False).objects
    assert f"{entry.p_bogus}"[:6] in first.stdout


def test_another_model_says_nothing_of_the_shipped_one(
    archive: SimulatedArchive, sky: SimulatedSky, tmp_path: Path
) -> None:
    copy = tmp_path / "own"
    copy.mkdir()
    for path in shipped_model().rglob("*"):
        target = copy / path.relative_to(shipped_model())
        target.mkdir() if path.is_dir() else target.write_bytes(path.read_bytes())
    words = ("predict", sky.oids[0], "--archive", archive.url, "--json", "-q", "--model")
    own = strict_json(run_well(*words, copy).stdout)
    assert not any("no frames read" in warning for warning in own["warnings"])
    named = strict_json(run_well(*words, "lightcurve").stdout)
    assert any("no frames read" in warning for warning in named["warnings"])
    assert own["objects"][0]["p_bogus"] == named["objects"][0]["p_bogus"]


def test_a_missing_package_is_one_sentence_before_any_request(
    archive: SimulatedArchive, sky: SimulatedSky, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise UsageError("Light-curve features need the package light-curve.", "Install it.")

    monkeypatch.setattr(snad_set, "package", missing)
    refused("predict", sky.oids[0], "--archive", archive.url, says=["package light-curve", "Install it"])
    assert archive.requests.total == 0


def test_another_share_of_artefacts(archive: SimulatedArchive, sky: SimulatedSky) -> None:
    words = ("predict", *sky.oids, "--archive", archive.url, "--json", "-q")
    as_trained = strict_json(run_well(*words).stdout)["objects"]
    rare = strict_json(run_well(*words, "--prior", 0.02).stdout)["objects"]
    assert all(one["p_bogus"] < other["p_bogus"] for one, other in zip(rare, as_trained))
    assert {entry["prior"] for entry in rare} == {0.02}
    assert {entry["limit_bogus"] for entry in rare} != {entry["limit_bogus"] for entry in as_trained}


def test_the_list_of_models_shows_it() -> None:
    shown = run_well("models").stdout
    assert "lightcurve" in shown
    assert "shipped" in shown
    (entry,) = strict_json(run_well("models", "--json").stdout)["models"]
    assert f"{entry['auc']['lightcurve']:.3f}" in shown
    assert "AUC, field folds" in entry["notes"]
