"""``rbztf fetch``, ``predict`` on bare OIDs and ``demo``, over real sockets, as a user runs them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers import refused, run_well, strict_json, tiny_classifier, tiny_encoder

from rbztf.config import Config, load_config
from rbztf.simulate.archive.faults import Faults
from rbztf.simulate.archive.server import SimulatedArchive
from rbztf.simulate.sky import SimulatedSky
from rbztf.stores.cutouts import open_cutouts
from rbztf.stores.labels import read_labels


@pytest.fixture(scope="module")
def sky() -> SimulatedSky:
    return SimulatedSky(n_objects=12, n_epochs=10, seed=3)


@pytest.fixture
def archive(sky: SimulatedSky) -> Iterator[SimulatedArchive]:
    with SimulatedArchive(sky) as served:
        yield served


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    tiny_classifier(4, encoder=tiny_encoder(4)).save(folder)
    return folder


def test_fetch_by_option_argument_and_list(
    sky: SimulatedSky, archive: SimulatedArchive, tmp_path: Path
) -> None:
    first, second, third = sky.oids[:3]
    listed = tmp_path / "oids.txt"
    listed.write_text(f"{third}\n")
    command = (
        "fetch",
        first,
        "--oid",
        second,
        "--from",
        listed,
        "--archive",
        archive.url,
        "--out",
        tmp_path / "store",
    )
    answer = strict_json(run_well(*command, "--json").stdout)
    assert answer["complete"]
    store = open_cutouts(tmp_path / "store")
    assert set(store) == {first, second, third}
    before = archive.requests.total
    again = strict_json(run_well(*command, "--json").stdout)
    assert again["n_new"] == 0
    assert archive.requests.total == before
    run_well("fetch", "--check", tmp_path / "store")


def test_missing_images_are_exit_3(sky: SimulatedSky, tmp_path: Path) -> None:
    faults = Faults(rate=0.0, persistent_rate=0.3, seed=1)
    with SimulatedArchive(sky, faults=faults) as served:
        command = ("fetch", *sky.oids[:4], "--archive", served.url, "--out", tmp_path / "store", "--json")
        answer = strict_json(run_well(*command, code=3).stdout)
    assert not answer["complete"]
    assert answer["counts"]["missing"] > 0
    assert answer["counts"]["ok"] > 0


def test_labels_and_positions(sky: SimulatedSky, archive: SimulatedArchive, tmp_path: Path) -> None:
    out = tmp_path / "labels.json"
    run_well("fetch", "--labels", "--labels-url", archive.url, "--out", out)
    assert set(read_labels(out)) == set(sky.oids)
    wanted = sky.object(sky.oids[0])
    place = f"{wanted.ra_deg},{wanted.dec_deg}"
    run_well("fetch", "--position", place, "--archive", archive.url, "--out", tmp_path / "store")
    assert wanted.oid in open_cutouts(tmp_path / "store")


def test_predict_fetches_what_the_store_lacks(
    sky: SimulatedSky, archive: SimulatedArchive, model: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    first, second = sky.oids[:2]
    run_well("fetch", first, "--archive", archive.url, "--out", store)
    command = (
        "predict",
        first,
        second,
        "--model",
        model,
        "--data",
        store,
        "--archive",
        archive.url,
        "--json",
    )
    refusing = strict_json(run_well(*command, "--no-fetch", code=3).stdout)
    assert [entry["oid"] for entry in refusing["objects"]] == [first]
    answer = strict_json(run_well(*command).stdout)
    assert [entry["oid"] for entry in answer["objects"]] == [first, second]
    assert second in open_cutouts(store)


def test_an_unknown_oid_is_said_once(archive: SimulatedArchive, model: Path, tmp_path: Path) -> None:
    unknown = 686103400034440
    command = ("predict", unknown, "--model", model, "--data", tmp_path / "store", "--archive", archive.url)
    answer = strict_json(run_well(*command, "--json", code=3).stdout)
    assert answer["objects"] == []
    assert [problem["where"] for problem in answer["problems"]] == [str(unknown)]


def test_what_to_fetch_must_be_clear() -> None:
    refused("fetch", says=["--position", "--images"])
    refused("fetch", "686103400034440", "--labels", says=["one of them"])
    refused("fetch", "12", says=["not a ZTF OID"])
    refused("fetch", "--position", "north", says=["RA,DEC"])
    refused("fetch", "686103400034440", "--archive", "irsa", says=["address"])


TWO_EPOCHS = {
    "demo-vae": ["training.epochs=2", "vae.simulated_frames=100"],
    "demo": [
        "ensemble.folds=2",
        *(f"ensemble.members.{name}.epochs=2" for name in ("frames", "frame-votes")),
    ],
}


def test_the_demo_goes_the_whole_way(own_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With models that are hardly trained: the way is looked at, not how well it ends."""

    def load(name: str, choices: list[str], **more: Any) -> Config:
        return load_config(name, [*TWO_EPOCHS[name], *choices], **more)

    monkeypatch.setattr("rbztf.verbs.demo.load_config", load)
    answer = strict_json(
        run_well("demo", "--out", "demo", "--objects", 40, "--epochs", 10, "--workers", 1, "--json").stdout
    )
    assert list(answer["seconds"]) == [
        "fetch",
        "train-vae",
        "embed",
        "features",
        "train-rnn",
        "cv",
        "predict",
    ]
    assert answer["n_objects"] == 32
    assert len(answer["predict"]["objects"]) == 8
    assert set(answer["truth"]) == {str(entry["oid"]) for entry in answer["predict"]["objects"]}
    assert 0 <= answer["new_right"] <= 1
    for name in ("cv/roc.png", "cv/artefacts.png", "cv/scores.csv", "classifier/model.yaml", "rbztf.yaml"):
        assert (own_folder / "demo" / name).is_file()
