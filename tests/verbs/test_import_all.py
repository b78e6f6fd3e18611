"""``rbztf import`` with all its sources: RB_ZTF, SNAD's features and labels, light curves of the archive."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
import torch
import yaml
from helpers import (
    make_oid,
    on_github,
    random_sequences,
    refused,
    run_well,
    serving,
    strict_json,
    tiny_encoder,
)

import rbztf
from rbztf.archive import download, pinned_files
from rbztf.archive.http_settings import HttpSettings
from rbztf.archive.pinned_files import SNAD_FEATURES, SNAD_LABELS
from rbztf.config import load
from rbztf.errors import UsageError
from rbztf.features.files import read_features
from rbztf.features.snad_set import FEATURE_NAMES, SNAD_TABLE
from rbztf.simulate.archive.server import SimulatedArchive
from rbztf.simulate.dataset import label_entries
from rbztf.simulate.sky import SimulatedSky
from rbztf.stores.labels import read_labels
from rbztf.verbs import import_published as verb

KNOWN, NEW = slice(0, 20), slice(20, 21)
SKY = SimulatedSky(n_objects=21, n_epochs=12, seed=5)
Files = dict[str, bytes]


def repository(**parts: bytes) -> bytes:
    """The zip file of a repository."""
    packed = io.BytesIO()
    with ZipFile(packed, "w") as archive:
        for name, content in parts.items():
            archive.writestr(f"RB_ZTF-HEAD/{name}", content)
    return packed.getvalue()


def saved(content: Any) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


def entries() -> list[dict[str, Any]]:
    """Labels of the objects that are trained on."""
    known = set(SKY.oids[KNOWN])
    return [entry for entry in label_entries(SKY) if entry["oid"] in known]


def table(oids: list[int]) -> bytes:
    """SNAD's table, as it is published: with a label, and without a word on how it was made."""
    rng = np.random.default_rng(0)
    labels = {entry["oid"]: int("artefact" in entry["tags"]) for entry in entries()}
    rows = [["oid", "label", *FEATURE_NAMES]]
    for oid in oids:
        label = labels[oid]
        rows.append([str(oid), str(label), *map(str, rng.normal(label, 1.0, len(FEATURE_NAMES)))])
    return "\n".join(map(",".join, rows)).encode()


@pytest.fixture
def files() -> Files:
    vectors = random_sequences([12] * len(SKY.oids[KNOWN]), 72)
    arrays = {}
    for oid, array in zip(SKY.oids[KNOWN], vectors):
        stream = io.BytesIO()
        np.save(stream, array)
        arrays[f"embeddings/{oid}.npy"] = stream.getvalue()
    changed = [dict(entry) for entry in entries()]
    changed[0]["tags"] = [] if "artefact" in changed[0]["tags"] else ["artefact"]
    later = [*changed, {"oid": make_oid(9), "tags": ["M"]}, {"oid": 5, "tags": []}]
    return {
        "/RB_ZTF.zip": repository(
            **{
                "akb.ztf.snad.space.json": json.dumps(entries()).encode(),
                "trained_models/vae/encoder.zip": saved(tiny_encoder(36).encoder.state_dict()),
                **arrays,
            }
        ),
        **on_github(SNAD_FEATURES, table(list(map(int, SKY.oids[KNOWN])))),
        **on_github(SNAD_LABELS, json.dumps(later).encode()),
    }


@pytest.fixture
def github(files: Files, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """GitHub on a local socket, and an empty home."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    for module in (load, verb):
        monkeypatch.setattr(module, "HOME_FILE", tmp_path / "home/rbztf/published/rbztf.yaml")
    monkeypatch.setattr(pinned_files, "PATIENCE", HttpSettings(workers=1, tries=1))
    monkeypatch.setattr(download, "PATIENCE", HttpSettings(workers=1, tries=1))
    with serving(files) as url:
        monkeypatch.setattr(pinned_files, "API_URL", url)
        monkeypatch.setattr(pinned_files, "RAW_URL", url)
        yield url


def imported(*arguments: object, code: int = 0) -> dict[str, Any]:
    answer: dict[str, Any] = strict_json(run_well("import", *arguments, "--json", "-q", code=code).stdout)
    return answer


SMALL = [
    word
    for setting in (
        *("data.min_frames=3", "ensemble.folds=2", "ensemble.members.frames.epochs=2"),
        "ensemble.simulated_frames=200",
        *(f"ensemble.members.{name}=null" for name in ("frame-votes", "lightcurve-network", "both")),
        *(f"ensemble.members.{name}.trees=12" for name in ("frame-statistics", "lightcurve-trees")),
    )
    for word in ("--set", setting)
]
"""The default, trained in seconds: one network of frames, and trees of both."""


def test_from_an_empty_home_to_the_fused_score_of_a_new_object(github: str, tmp_path: Path) -> None:
    pytest.importorskip("light_curve")
    answer = imported(f"{github}/RB_ZTF.zip", "--train", *SMALL)
    assert answer["problems"] == []
    assert answer["found"]["features.csv"] == "20 objects, 54 features"
    assert answer["trained"]["n_objects"] == 20
    assert "image + lightcurve" in answer["trained"]["inner_auc"]
    with SimulatedArchive(SKY) as archive:
        words = ("predict", *SKY.oids[NEW], "--archive", archive.url, "--json", "-q")
        answer = strict_json(run_well(*words).stdout)
    assert [entry["oid"] for entry in answer["objects"]] == SKY.oids[NEW]
    assert {entry["inputs"] for entry in answer["objects"]} == {"image+lightcurve"}
    assert {entry["in_training"] for entry in answer["objects"]} == {False}
    assert all(0 < entry["p_bogus"] < 1 for entry in answer["objects"])
    assert answer["model"] == str(tmp_path / "home/rbztf/published/model")


def test_the_labels_of_the_training_stay_and_the_later_ones_are_compared(
    github: str, files: Files, tmp_path: Path
) -> None:
    answer = imported(f"{github}/RB_ZTF.zip", "--out", tmp_path / "o")
    assert answer["label_changes"] == {"n_objects": 21, "n_shared": 20, "n_differ": 1}
    assert (
        "21 objects; 1 of the 20 in labels.json have another label" in answer["found"]["labels_latest.json"]
    )
    assert list(read_labels(tmp_path / "o/labels.json")) == [entry["oid"] for entry in entries()]
    content = next(body for path, body in files.items() if path.endswith(SNAD_LABELS.name))
    assert (tmp_path / "o/labels_latest.json").read_bytes() == content
    data = yaml.safe_load((tmp_path / "o/rbztf.yaml").read_text())["data"]
    assert data["labels"] == "labels.json"
    assert data["features"] == "features.csv"
    made = read_features(tmp_path / "o/features.csv")
    assert made.names == FEATURE_NAMES
    assert made.definition == SNAD_TABLE


@pytest.mark.parametrize("gone", ["RB_ZTF", SNAD_FEATURES.name, SNAD_LABELS.name])
def test_what_cannot_be_downloaded_is_named_and_the_rest_imported(
    gone: str, github: str, files: Files, tmp_path: Path
) -> None:
    for path in [path for path in files if gone in path]:
        del files[path]
    result = run_well("import", f"{github}/RB_ZTF.zip", "--out", tmp_path / "o", "--json", code=3)
    answer = strict_json(result.stdout)
    name = {SNAD_FEATURES.name: "features.csv", SNAD_LABELS.name: "labels_latest.json"}.get(gone, gone)
    assert [problem["where"] for problem in answer["problems"]] == [name]
    assert f"Not done: {name}: " in result.stderr
    parts = {"features.csv", "labels_latest.json", "labels.json", "encoder", "embeddings"}
    own = {"labels.json", "encoder", "embeddings"}
    assert set(answer["found"]) == parts - (own if gone == "RB_ZTF" else {name})


def test_nothing_that_can_be_downloaded_is_one_sentence(github: str, files: Files, tmp_path: Path) -> None:
    files.clear()
    refused("import", f"{github}/RB_ZTF.zip", "--out", tmp_path / "o", "-q", code=1, says=["/RB_ZTF.zip"])
    assert not (tmp_path / "o").exists()


def test_damaged_files_of_a_download_are_not_used_again(github: str, files: Files, tmp_path: Path) -> None:
    good = files["/RB_ZTF.zip"]
    labels = json.dumps(entries()).encode()
    files["/RB_ZTF.zip"] = repository(
        **{"akb.ztf.snad.space.json": labels, "trained_models/vae/encoder.zip": b"rubbish"}
    )
    address = f"{github}/RB_ZTF.zip"
    assert "encoder" not in imported(address, "--out", tmp_path / "o", code=3)["found"]
    files["/RB_ZTF.zip"] = good
    assert "encoder" in imported(address, "--out", tmp_path / "o")["found"]
    files.clear()
    imported(address, "--out", tmp_path / "again")  # what is whole stays in the cache


def test_a_damaged_table_of_snad_is_downloaded_again(github: str, files: Files, tmp_path: Path) -> None:
    good = dict(files)
    files.update(on_github(SNAD_FEATURES, b"oid,a\nx,1\n"))
    answer = imported(f"{github}/RB_ZTF.zip", "--out", tmp_path / "o", code=3)
    assert [problem["where"] for problem in answer["problems"]] == ["features.csv"]
    files.update(good)
    assert "features.csv" in imported(f"{github}/RB_ZTF.zip", "--out", tmp_path / "o")["found"]


def test_a_table_of_one_s_own_and_a_folder_download_nothing(
    tmp_path: Path, github: str, files: Files
) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / SNAD_FEATURES.name).write_bytes(table(list(map(int, SKY.oids[KNOWN]))))
    (copy / SNAD_LABELS.name).write_text(json.dumps(entries()[:4]))
    (copy / "akb.ztf.snad.space.json").write_text(json.dumps(entries()))
    (tmp_path / "mine.csv").write_text(f"oid,a,b\n{make_oid(1)},1,2\n")
    files.clear()
    answer = imported(copy, "--out", tmp_path / "o")
    assert answer["found"]["features.csv"] == "20 objects, 54 features"
    assert answer["found"]["labels.json"] == "20 objects"
    answer = imported(copy, "--out", tmp_path / "o", "--features", tmp_path / "mine.csv")
    assert answer["found"]["features.csv"] == "1 object, 2 features"
    refused("import", copy, "--out", tmp_path / "p", "--features", tmp_path / "none.csv", says=["none.csv"])
    assert not (tmp_path / "p").exists()


def test_own_features_are_computed_from_light_curves_of_the_archive(github: str, tmp_path: Path) -> None:
    pytest.importorskip("light_curve")
    with SimulatedArchive(SKY) as archive:
        words = (f"{github}/RB_ZTF.zip", "--out", tmp_path / "o", "--own-features", "--archive", archive.url)
        answer = imported(*words)
        asked = dict(archive.requests.by_kind)
        assert (
            answer["found"]["features.csv"] == "20 objects, 54 features of 20 labelled objects, computed here"
        )
        assert asked == {"light_curve": 3}
        first = read_features(tmp_path / "o/features.csv")
        rbztf.fetch(SKY.oids[KNOWN], out=tmp_path / "c", archive_url=archive.url, max_frames=0)
        rbztf.make_features(tmp_path / "c", tmp_path / "f.csv")
        second = read_features(tmp_path / "f.csv")
        assert np.array_equal(first.rows(second.oids).values, second.values, equal_nan=True)
        assert first.definition == second.definition
        imported(*words)
        assert archive.requests.by_kind["light_curve"] == 6  # those of rbztf.fetch, none again


def test_an_archive_that_is_down_leaves_the_rest_of_the_import(github: str, tmp_path: Path) -> None:
    pytest.importorskip("light_curve")
    with serving({}) as archive:
        answer = imported(
            *(f"{github}/RB_ZTF.zip", "--out", tmp_path / "o", "--own-features", "--archive", archive),
            code=3,
        )
    assert {"labels.json", "embeddings"} <= set(answer["found"])
    assert "features.csv" not in answer["found"]
    assert "features.csv" in [problem["where"] for problem in answer["problems"]]


def test_what_cannot_work_is_said_before_any_download(
    github: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise UsageError("Light-curve features need the package light-curve.", "Install it.")

    monkeypatch.setattr(verb, "package", missing)
    address = "http://127.0.0.1:9/RB_ZTF.zip"
    refused("import", address, "--own-features", says=["package light-curve", "Install it"])
    refused("import", address, "--set", "ensemble.folds=3", says=["no effect without --train"])
    refused("import", address, "--archive", github, says=["no effect without --own-features"])
    refused("import", address, "--train", "--set", "ensemble.nonsense=3", says=["nonsense"])
    refused("import", address, "--own-features", "--features", "f.csv", says=["Leave out one"])
