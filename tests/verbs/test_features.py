"""From a cutout store to a table of features."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers import files_below, make_oid, random_frames, refused, run_well, strict_json, write_cutouts

import rbztf
from rbztf.errors import Problem, UsageError
from rbztf.features.files import read_features
from rbztf.features.lightcurve import features_from_cutouts, light_curve_features
from rbztf.simulate.dataset import Dataset, write_dataset
from rbztf.simulate.sky import SimulatedSky

SKY = SimulatedSky(n_objects=5, n_epochs=12, seed=4)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return write_dataset(tmp_path_factory.mktemp("simulated"), SKY)


def test_the_command(dataset: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "new" / "features.csv"
    result = run_well("features", "--data", dataset.cutouts, "--out", out, "--json", "--quiet")
    answer = strict_json(result.stdout)
    assert (answer["n_objects"], answer["n_known"], answer["n_features"]) == (5, 5, 54)
    assert answer["problems"] == []
    table = read_features(out)
    assert table.definition.to_json() == answer["definition"]
    assert table.oids.tolist() == SKY.oids
    store = rbztf.open_cutouts(dataset.cutouts)
    for oid, row in zip(table.oids, table.values):
        np.testing.assert_array_equal(row, light_curve_features(store[oid].epochs))
    again = run_well("features", "--data", dataset.cutouts, "--out", out)
    assert again.stdout == ""
    assert again.stderr.startswith("5 of 5 objects, 54 features")


def test_the_definition(dataset: Dataset, tmp_path: Path) -> None:
    result = rbztf.make_features(dataset.cutouts, tmp_path / "f.csv")
    definition = result.definition
    assert definition.source.startswith("light-curve 0.")
    assert definition.source.endswith(", rbztf set 1")
    assert definition.catflags == 65535
    curves = [SKY.light_curve(oid) for oid in SKY.oids]
    used = np.concatenate([curve["hjd"][curve["catflags"] == 0] for curve in curves]) - 2400000.5
    assert definition.span_mjd == pytest.approx((used.min(), used.max()), abs=1e-6)
    middle = float(np.median(used))
    early = rbztf.make_features(dataset.cutouts, tmp_path / "f.csv", until_mjd=middle).definition
    assert early.span_mjd is not None
    assert early.span_mjd[1] <= middle
    assert early.same_as(definition)
    other = rbztf.make_features(dataset.cutouts, tmp_path / "f.csv", catflags=32768).definition
    assert not other.same_as(definition)


def test_frames_are_not_needed(dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rbztf.stores import fastfits

    monkeypatch.delattr(fastfits, "read_extension")
    store = rbztf.open_cutouts(dataset.cutouts)
    seen: list[tuple[str, int, int | None]] = []
    table = features_from_cutouts(
        store,
        [SKY.oids[2], SKY.oids[0], SKY.oids[2]],
        progress=lambda stage, done, total, note="": seen.append((stage, done, total)),
    )
    assert table.oids.tolist() == [SKY.oids[2], SKY.oids[0]]
    assert (seen[0], seen[-1]) == (("features", 0, 2), ("features", 2, 2))


def test_damaged_and_poor_objects(dataset: Dataset, tmp_path: Path) -> None:
    folder = tmp_path / "c"
    shutil.copytree(dataset.cutouts, folder)
    damaged, cut = SKY.oids[:2]
    (folder / f"{damaged}.fits").write_bytes(b"corrupt")
    whole = (folder / f"{cut}.fits").read_bytes()
    (folder / f"{cut}.fits").write_bytes(whole[: len(whole) // 3])
    newer, poor, missing = make_oid(7), make_oid(8), make_oid(9)
    content = (folder / f"{SKY.oids[3]}.fits").read_bytes()
    schema = b"SCHEMA  =                    1"
    assert schema in content
    (folder / f"{newer}.fits").write_bytes(content.replace(schema, schema[:-1] + b"2"))
    write_cutouts(folder, {poor: random_frames(6)})  # without magnitudes
    result = run_well("features", "--data", folder, "--out", tmp_path / "f.csv", "--json", code=3)
    said = {entry["where"]: entry["what"] for entry in strict_json(result.stdout)["problems"]}
    assert set(said) == {str(int(oid)) for oid in (damaged, cut, newer, poor)}
    assert f"{damaged}.fits" in said[str(damaged)]
    assert "layout version 2" in said[str(newer)]
    assert said[str(poor)].startswith("0 usable epochs are too few")
    table = read_features(tmp_path / "f.csv")
    assert set(table.oids) == {*SKY.oids[2:], poor}
    assert not table.rows([poor]).known()[0]
    problems: list[Problem] = []
    empty = features_from_cutouts(rbztf.open_cutouts(folder), [missing], problems=problems)
    assert empty.values.shape == (0, 54)
    assert [problem.where for problem in problems] == [str(missing)]


def test_nothing_to_compute_writes_nothing(tmp_path: Path) -> None:
    write_cutouts(tmp_path / "c", {make_oid(1): random_frames(6)})
    before = files_below(tmp_path)
    arguments = ("features", "--data", tmp_path / "c", "--out", tmp_path / "f.csv")
    refused(*arguments, code=1, says=["no object whose features", "0 usable epochs"])
    refused(*arguments, "--until", 2458849.5, says=["MJD 58849?"])
    refused("features", "--out", tmp_path / "f.csv", says=["--data DIR"])
    refused("features", "--data", tmp_path / "gone", says=["gone"])
    assert files_below(tmp_path) == before


def test_other_people_s_files_are_left_alone(dataset: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "lightcurve_features.csv"
    path.write_text("oid,a\n")
    (tmp_path / "rbztf.yaml").write_text(f"data: {{features: {path}, cutouts: {dataset.cutouts}}}")
    refused("features", "--config", tmp_path / "rbztf.yaml", says=["was not written by rbztf"])
    for out in (tmp_path, path, path / "below.csv"):
        with pytest.raises(UsageError):
            rbztf.make_features(dataset.cutouts, out)
    assert path.read_text() == "oid,a\n"


def test_the_reference_s_layout_has_epochs_without_magnitudes(tmp_path: Path) -> None:
    from helpers import write_frame

    oid = make_oid(3)
    write_frame(tmp_path / "c" / str(oid) / "58301.5.fits", random_frames(1)[0])
    epochs = rbztf.open_cutouts(tmp_path / "c").epochs(oid)
    assert epochs["hjd"].tolist() == [2458302.0]
    assert np.isnan(light_curve_features(epochs)).all()
