"""``predict`` on bare OIDs: what is fetched, what is checked first, and what a killed run leaves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers import (
    refused,
    run_well,
    strict_json,
    through_a_pipe,
    tiny_classifier,
    tiny_encoder,
    tiny_ensemble,
)

import rbztf
from rbztf.errors import UsageError
from rbztf.features import snad_set
from rbztf.simulate.archive.server import SimulatedArchive
from rbztf.simulate.dataset import write_labels
from rbztf.simulate.sky import SimulatedSky
from rbztf.stores.cutouts import open_cutouts
from rbztf.verbs import predict as verb
from rbztf.ztf import Band

pytest.importorskip("light_curve")


@pytest.fixture(scope="module")
def sky() -> SimulatedSky:
    return SimulatedSky(n_objects=24, n_epochs=12, seed=5)


@pytest.fixture
def archive(sky: SimulatedSky) -> Iterator[SimulatedArchive]:
    with SimulatedArchive(sky) as served:
        yield served


@pytest.fixture(scope="module")
def models(sky: SimulatedSky, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A model of light curves alone and one of both, trained on the first 16 objects of the sky."""
    folder = tmp_path_factory.mktemp("models")
    with SimulatedArchive(sky) as served:
        rbztf.fetch(sky.oids[:16], out=folder / "c", archive_url=served.url)
    write_labels(folder / "labels.json", sky)
    tiny_encoder(4).save(folder / "encoder")
    run_well("embed", "--model", folder / "encoder", "--data", folder / "c", "--out", folder / "e", "-q")
    run_well("features", "--data", folder / "c", "--out", folder / "f.csv", "-q")
    made = {}
    for name, members, vectors in (
        ("curves", ("curves",), []),
        ("full", ("statistics", "curves"), ["--embeddings", folder / "e"]),
    ):
        config = folder / f"{name}.yaml"
        config.write_text(yaml.safe_dump({**tiny_ensemble(*members), "name": name}))
        made[name] = folder / name
        run_well(
            *("train-rnn", "-q", "--config", config, "--labels", folder / "labels.json"),
            *("--features", folder / "f.csv", *vectors, "--out", made[name]),
        )
    return made


def predict(model: Path, archive: SimulatedArchive, *arguments: object, code: int = 0) -> dict[str, Any]:
    words = ("predict", "--model", model, "--archive", archive.url, "--json", "-q")
    answer: dict[str, Any] = strict_json(run_well(*words, *arguments, code=code).stdout)
    return answer


def test_a_light_curve_model_fetches_light_curves_alone_and_once(
    models: dict[str, Path], archive: SimulatedArchive, sky: SimulatedSky
) -> None:
    new = sky.oids[16:22]
    answer = predict(models["curves"], archive, *new[:4], "--oid", new[4], "--oid", new[5])
    assert [entry["oid"] for entry in answer["objects"]] == new
    assert {entry["inputs"] for entry in answer["objects"]} == {"lightcurve"}
    assert dict(archive.requests.by_kind) == {"light_curve": 1}
    assert set(open_cutouts(Path("data/cutouts"))) == set(new)
    again = predict(models["curves"], archive, *new)
    assert again["objects"] == answer["objects"]
    assert archive.requests.total == 1
    one = rbztf.predict(new[0], model=models["curves"])
    assert one.objects[0].p_bogus == answer["objects"][0]["p_bogus"]


def test_frames_are_fetched_once_a_model_reads_them(
    models: dict[str, Path], archive: SimulatedArchive, sky: SimulatedSky
) -> None:
    oid = sky.oids[16]
    predict(models["curves"], archive, oid)
    (entry,) = predict(models["full"], archive, oid)["objects"]
    assert entry["inputs"] == "image+lightcurve"
    assert archive.requests.by_kind["image"] >= entry["n_frames"] > 5
    before = archive.requests.total
    assert predict(models["full"], archive, oid)["objects"] == [entry]
    assert archive.requests.total == before


def test_another_band_is_named_before_anything_is_fetched(
    models: dict[str, Path], archive: SimulatedArchive, sky: SimulatedSky
) -> None:
    other = sky.oids[16] - 10**11
    answer = predict(models["curves"], archive, other, code=3)
    (problem,) = answer["problems"]
    assert problem["where"] == str(other)
    assert "in the band g; the model was trained on the band r" in problem["what"]
    assert archive.requests.total == 0


def test_a_model_of_other_bands_scores_those(
    models: dict[str, Path], archive: SimulatedArchive, sky: SimulatedSky, tmp_path: Path
) -> None:
    """Which bands a model was trained on is kept in it, in every kind of model."""
    oid, folder = sky.oids[16], models["curves"].parent
    tiny = {**tiny_ensemble("curves"), "data": {"bands": ["g", "r"], "min_frames": 3}}
    (tmp_path / "both.yaml").write_text(yaml.safe_dump(tiny))
    run_well(
        *("train-rnn", "-q", "--config", tmp_path / "both.yaml", "--labels", folder / "labels.json"),
        *("--features", folder / "f.csv", "--out", tmp_path / "both"),
    )
    classifier = tiny_classifier(encoder=tiny_encoder(4))
    data = classifier.config.data.model_copy(update={"bands": (Band.G,)})
    replace(classifier, config=classifier.config.model_copy(update={"data": data})).save(tmp_path / "g")
    green = oid - 10**11
    assert {problem["where"] for problem in predict(tmp_path / "g", archive, oid, code=3)["problems"]} == {
        str(oid)
    }
    answer = predict(tmp_path / "both", archive, oid, green, code=3)
    assert [entry["oid"] for entry in answer["objects"]] == [oid]
    (problem,) = answer["problems"]
    assert problem["where"] == str(green)
    assert "in the band" not in problem["what"]


def test_a_missing_package_is_named_before_anything_is_fetched(
    models: dict[str, Path], archive: SimulatedArchive, sky: SimulatedSky, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise UsageError("Light-curve features need the package light-curve.", "Install it.")

    monkeypatch.setattr(snad_set, "package", missing)
    words = ("predict", "--archive", archive.url, sky.oids[16], "--model")
    refused(*words, models["curves"], says=["package light-curve", "Install it"])
    assert archive.requests.total == 0
    answer = predict(models["full"], archive, sky.oids[16])
    assert answer["objects"][0]["inputs"] == "image"
    assert any("frames alone" in warning for warning in answer["warnings"])


def killed_after(n_objects: int) -> Any:
    def progress(stage: str, done: int, total: int | None, note: str = "") -> None:
        if stage == "predict" and done >= n_objects:
            raise KeyboardInterrupt

    return progress


def test_a_killed_run_goes_on_where_it_stopped(
    models: dict[str, Path], archive: SimulatedArchive, sky: SimulatedSky, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verb, "FETCHED_AT_ONCE", 2)
    new, out = sky.oids[16:22], Path("scores.json")
    with pytest.raises(KeyboardInterrupt):
        rbztf.predict(
            new,
            model=models["curves"],
            archive_url=archive.url,
            parts=Path("scores.json.parts"),
            progress=killed_after(4),
        )
    lines = [line for path in sorted(Path("scores.json.parts").glob("*.jsonl")) for line in path.open()]
    assert [json.loads(line)["oid"] for line in lines] == new[:4]
    before = archive.requests.total
    predict(models["curves"], archive, *new, "--out", out)
    assert archive.requests.total == before + 1
    assert not Path("scores.json.parts").exists()
    whole = json.loads(out.read_text())
    assert whole["objects"] == predict(models["curves"], archive, *new)["objects"]


def test_parts_of_another_request_are_refused(
    models: dict[str, Path], archive: SimulatedArchive, sky: SimulatedSky
) -> None:
    with pytest.raises(KeyboardInterrupt):
        rbztf.predict(
            sky.oids[16:18],
            model=models["curves"],
            archive_url=archive.url,
            parts=Path("scores.csv.parts"),
            progress=killed_after(2),
        )
    words = ("predict", "--model", models["curves"], "--archive", archive.url, *sky.oids[16:18])
    refused(
        *words, "--max-missed", 0.1, "--out", "scores.csv", says=["with other options", "remove the folder"]
    )
    refused(*words, "--data", "elsewhere", "--out", "scores.csv", says=["with other options"])
    assert not Path("scores.csv").exists()
    run_well(*words, "--out", "scores.csv", "-q")
    assert Path("scores.csv").exists()


def test_features_may_come_through_a_pipe(
    models: dict[str, Path], archive: SimulatedArchive, sky: SimulatedSky
) -> None:
    table, known = models["curves"].parent / "f.csv", sky.oids[:2]
    expected = predict(models["curves"], archive, *known, "--features", table)["objects"]
    answer = through_a_pipe(
        table, lambda pipe: predict(models["curves"], archive, *known, "--features", pipe)
    )
    assert answer["objects"] == expected
    assert archive.requests.total == 0


def test_frames_are_fetched_of_those_alone_that_are_asked_for(
    models: dict[str, Path], archive: SimulatedArchive, sky: SimulatedSky, tmp_path: Path
) -> None:
    asked = sky.oids[16:]
    data = ("--data", tmp_path / "c")
    alone = {
        entry["oid"]: entry
        for entry in predict(models["full"], archive, *asked, "--data", tmp_path / "all")["objects"]
    }
    assert {entry["inputs"] for entry in alone.values()} == {"image+lightcurve"}
    every = archive.requests.by_kind["image"]
    found = predict(models["full"], archive, *asked, *data, "--frames-for", "3")
    assert archive.requests.by_kind["image"] - every <= every // 2
    rests = [entry["inputs"] for entry in found["objects"]]
    assert [entry["oid"] for entry in found["objects"]] == list(asked)
    assert (rests.count("image+lightcurve"), rests.count("lightcurve")) == (3, len(asked) - 3)
    assert any("Frames were read of 3 of 8 objects (3)" in text for text in found["warnings"])
    store = open_cutouts(tmp_path / "c")
    with_frames = [oid for oid in asked if len(store[oid].frames)]
    assert len(with_frames) == 3
    for entry in found["objects"]:
        if entry["inputs"] == "image+lightcurve":
            assert entry["p_bogus"] == pytest.approx(alone[entry["oid"]]["p_bogus"], abs=1e-6)
    curves = rbztf.predict(asked, model=models["full"], data=tmp_path / "all", frames=False)
    lowest = sorted(curves.objects, key=lambda entry: entry.p_bogus)[:3]
    assert {entry.oid for entry in lowest} == set(with_frames)
    again = predict(models["full"], archive, *asked, *data, "--frames-for", "0<p<1")
    assert {entry["inputs"] for entry in again["objects"]} == {"image+lightcurve"}
    none = predict(models["full"], archive, *asked, "--data", tmp_path / "n", "--frames-for", "p>0.9999999")
    assert {entry["inputs"] for entry in none["objects"]} == {"lightcurve"}


def test_triage_that_makes_no_sense_is_refused(
    models: dict[str, Path], sky: SimulatedSky, tmp_path: Path
) -> None:
    oid = sky.oids[16]
    for text in ("p", "0.5<q<1", "0.9<p<0.2", "0", "-3", "", "p<x", "0.2<p<0.9.1"):
        refused(
            "predict",
            oid,
            "--frames-for",
            text,
            "--model",
            models["full"],
            says=["frames are wanted", "0.2<p<0.9"],
        )
    refused("predict", "--frames-for", "unsure", "--model", models["full"], says=["needs the objects"])
    tiny_classifier(4).save(tmp_path / "classifier")
    with pytest.raises(UsageError, match="does not score light curves alone"):
        rbztf.predict([oid], model=tmp_path / "classifier", frames=False)
