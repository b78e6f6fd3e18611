"""``rbztf doctor`` says what would be used and why, and what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import make_oid, random_frames, run, strict_json, tiny_classifier, write_cutouts

from rbztf.simulate.archive.server import SimulatedArchive
from rbztf.simulate.sky import SimulatedSky


def findings(*arguments: object) -> tuple[int, dict[tuple[str, str], dict[str, str]]]:
    done = run("doctor", "--json", *arguments)
    found = strict_json(done.stdout)["findings"]
    return done.exit_code, {(each["topic"], each["what"]): each for each in found}


def test_a_prepared_folder() -> None:
    tiny_classifier(4).save(Path("model"))
    write_cutouts(Path("cutouts"), {make_oid(1): random_frames(5)})
    Path("rbztf.yaml").write_text("data: {model: model, cutouts: cutouts}\ndevice: cpu\n")
    code, found = findings()
    assert code == 0
    assert found["model", "predict uses"]["value"].startswith("model: named by rbztf.yaml")
    assert found["data", "cutouts"]["value"].startswith("cutouts, 1 file")
    assert found["device", "cpu"]["value"].startswith("cpu")
    assert found["version", "torch"]["value"]
    assert not any(topic == "archive" for topic, _ in found)


def test_what_is_named_but_missing_is_a_problem() -> None:
    Path("rbztf.yaml").write_text("data: {model: gone, labels: nowhere.csv}\n")
    code, found = findings()
    assert code == 1
    assert "There is no model gone" in found["model", "predict uses"]["problem"]
    assert "rbztf.yaml" in found["data", "labels"]["problem"]
    assert "Problem: data, labels" in run("doctor").stderr


@pytest.mark.parametrize("reachable", [True, False])
def test_the_archive_is_asked_only_when_told_to(reachable: bool) -> None:
    with SimulatedArchive(SimulatedSky(n_objects=2, n_epochs=3)) as archive:
        url = archive.url
        if reachable:
            assert findings("--online", "--archive", url)[1]["archive", url]["value"] == "answers"
    if not reachable:
        code, found = findings("--online", "--archive", url)
        assert code == 1
        assert "it refuses connections" in found["archive", url]["problem"]
