"""``rbztf fetch``, ``predict`` on bare OIDs and ``demo``, over real sockets, as a user runs them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import refused, run_well, strict_json, tiny_classifier, tiny_encoder

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


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_dry_run_counts_what_a_fetch_then_asks_for(
    sky: SimulatedSky, archive: SimulatedArchive, tmp_path: Path
) -> None:
    """It asks for light curves that are not in the store, for no frame, and writes nothing."""
    store = tmp_path / "store"
    command = ("fetch", *sky.oids, "--archive", archive.url, "--out", store, "--json")
    found = strict_json(run_well(*command, "--dry-run").stdout)
    assert not store.exists()
    assert archive.requests.by_kind["image"] == 0
    assert found["n_asked"] == archive.requests.total == 2
    n_epochs = sum(len(sky.light_curve(oid)["mjd"]) for oid in sky.oids)
    assert (found["n_objects"], found["n_epochs"], found["n_frame_requests"]) == (12, n_epochs, n_epochs)
    assert found["n_light_curve_requests"] == 2
    assert found["hours"] == pytest.approx((n_epochs + 2) * 0.5 / 4 / 3600)
    answer = strict_json(run_well(*command).stdout)
    assert answer["n_requests"] == found["n_requests"]
    assert found["n_bytes"] == n_epochs * (28_800 + 250)

    before, asked = files_in(store), archive.requests.total
    again = strict_json(run_well(*command, "--dry-run").stdout)
    assert (again["n_requests"], again["n_bytes"], again["n_asked"]) == (0, 0, 0)
    assert again["n_frames_stored"] == n_epochs
    assert (files_in(store), archive.requests.total) == (before, asked)
    refresh = strict_json(run_well(*command, "--dry-run", "--refresh").stdout)
    assert (refresh["n_requests"], refresh["n_asked"]) == (2, 2)
    assert files_in(store) == before


def test_a_dry_run_counts_as_the_filters_say(
    sky: SimulatedSky, archive: SimulatedArchive, tmp_path: Path
) -> None:
    entry = sky.object(sky.oids[0])
    place = ("--archive", archive.url, "--out", tmp_path / "store", "--dry-run", "--json", "--max-frames", 3)
    by_oid = strict_json(run_well("fetch", entry.oid, *place, "--workers", 2).stdout)
    assert (by_oid["n_frame_requests"], by_oid["n_epochs"]) == (3, len(sky.light_curve(entry.oid)["mjd"]))
    assert by_oid["hours"] == pytest.approx(4 * 0.5 / 2 / 3600)
    by_place = strict_json(run_well("fetch", "--position", f"{entry.ra_deg},{entry.dec_deg}", *place).stdout)
    assert by_place["n_frame_requests"] == 3
    other = strict_json(run_well("fetch", entry.oid, *place, "--band", "g").stdout)
    assert other["n_objects"] == other["n_asked"] == 0


def test_a_dry_run_says_it_in_words_and_names_what_it_cannot_count(
    sky: SimulatedSky, archive: SimulatedArchive, tmp_path: Path
) -> None:
    unknown = 686103400034440
    place = ("--archive", archive.url, "--out", tmp_path / "store", "--dry-run")
    said = run_well("fetch", sky.oids[0], unknown, *place, code=3).stderr
    n_epochs = len(sky.light_curve(sky.oids[0])["mjd"])
    assert f"1 object with {n_epochs} epochs, 0 frames of them stored." in said
    assert "wrote nothing" in said
    assert f"Not done: {unknown}" in said
    assert "no effect" in refused("fetch", "--check", tmp_path, "--dry-run")
    assert "no effect" in refused("fetch", "--labels", "--dry-run")
    assert "no effect" in refused("fetch", "--images", tmp_path, "--dry-run")


def test_an_argument_that_is_no_oid_is_one_sentence(tmp_path: Path) -> None:
    assert "Error" in refused("fetch", "m31", "--out", tmp_path)


@pytest.mark.parametrize("option", ["--mjd-min", "--mjd-max"])
def test_a_julian_date_for_a_modified_one_is_refused(option: str, sky: SimulatedSky, tmp_path: Path) -> None:
    assert "Give MJD 58700.20000" in refused("fetch", sky.oids[0], option, "2458700.7", "--out", tmp_path)


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
