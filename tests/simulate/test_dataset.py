"""A simulated sky on disk reads back as a fetched data set."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from rbztf.simulate.dataset import Dataset, write_dataset
from rbztf.simulate.sky import SimulatedSky
from rbztf.stores.cutouts import open_cutouts


@pytest.fixture(scope="module")
def small() -> SimulatedSky:
    return SimulatedSky(n_objects=14, n_epochs=6, seed=9)


@pytest.fixture(scope="module")
def dataset(small: SimulatedSky, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return write_dataset(tmp_path_factory.mktemp("simulated"), small)


def test_cutouts_read_back(small: SimulatedSky, dataset: Dataset) -> None:
    store = open_cutouts(dataset.cutouts)
    assert list(store) == small.oids
    for oid in small.oids:
        held, curve = store[oid], small.light_curve(oid)
        np.testing.assert_array_equal(held.frames, small.frames(oid))
        np.testing.assert_allclose(held.frame_photometry()[:, 0], curve["hjd"], rtol=0, atol=1e-9)
        assert held.collection == "simulated"
        assert held.ra_deg == small.object(oid).ra_deg
        np.testing.assert_array_equal(held.epochs["filefracday"], curve["filefracday"])
        assert set(held.epochs["status"]) == {"ok"}


def test_labels_are_in_the_form_of_the_knowledge_base(small: SimulatedSky, dataset: Dataset) -> None:
    entries = json.loads(dataset.labels.read_text(encoding="utf-8"))
    assert [entry["oid"] for entry in entries] == small.oids
    assert set(entries[0]) == {"oid", "description", "simbadid", "tags", "changed_by", "changed_at"}
    for entry in entries:
        assert ("artefact" in entry["tags"]) == bool(small.object(entry["oid"]).label)


def test_the_truth_has_a_line_for_every_frame(small: SimulatedSky, dataset: Dataset) -> None:
    with dataset.truth.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["oid", "epoch", "hjd", "kind"]
    expected = [
        (str(int(oid)), str(k), kind) for oid in small.oids for k, kind in enumerate(small.truth(oid))
    ]
    assert [(row["oid"], row["epoch"], row["kind"]) for row in rows] == expected


def test_progress_is_reported(tmp_path: Path) -> None:
    seen: list[tuple[str, int, int | None]] = []
    sky = SimulatedSky(n_objects=3, n_epochs=5)
    write_dataset(
        tmp_path, sky, progress=lambda stage, done, total, note="": seen.append((stage, done, total))
    )
    assert seen == [("simulate", 1, 3), ("simulate", 2, 3), ("simulate", 3, 3)]
