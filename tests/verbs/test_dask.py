"""Verbs on the workers of a Dask scheduler: the same files as on this machine alone, whatever happens to a worker."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import run_well, tiny_encoder

from rbztf.errors import UsageError
from rbztf.features import rows as feature_rows
from rbztf.features.binary_files import write_binary
from rbztf.features.files import read_features
from rbztf.simulate.dataset import write_dataset
from rbztf.simulate.ordinary.table import ordinary_features
from rbztf.simulate.sky import SimulatedSky
from rbztf.verbs import embed as embed_verb
from rbztf.verbs import features as features_verb
from rbztf.verbs.predict_table import predict_table

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as found:
        yield found


@pytest.fixture(scope="module")
def cutouts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(
        tmp_path_factory.mktemp("sky"), SimulatedSky(n_objects=12, n_epochs=40, seed=3)
    ).cutouts


def test_features_are_the_same(
    cluster: Any, cutouts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features_verb, "UNIT_OBJECTS", 3)
    run_well("features", "--data", cutouts, "--out", tmp_path / "here.csv", "-q")
    words = ("--scheduler", cluster.scheduler_address)
    run_well("features", "--data", cutouts, "--out", tmp_path / "there.csv", "-q", *words)
    assert (tmp_path / "here.csv").read_bytes() == (tmp_path / "there.csv").read_bytes()
    assert len(read_features(tmp_path / "here.csv")) == 12


def test_a_table_is_scored_the_same_while_a_worker_is_killed(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feature_rows, "UNIT", 50)
    table = ordinary_features(600, 1)
    write_binary(tmp_path / "feature_x.dat", 633207400000001 + np.arange(600), table.values, table.names)
    features = tmp_path / "feature_x.dat"
    predict_table(features, tmp_path / "here.csv", workers=1)
    victim = next(iter(cluster.workers.values())).pid

    def kill() -> None:
        while not list(tmp_path.glob("there.csv.parts/*.json")):
            time.sleep(0.01)
        os.kill(victim, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    predict_table(features, tmp_path / "there.csv", scheduler=cluster.scheduler_address)
    killer.join()
    assert (tmp_path / "here.csv").read_bytes() == (tmp_path / "there.csv").read_bytes()


def test_vectors_are_the_same(
    cluster: Any, cutouts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embed_verb, "UNIT_OBJECTS", 5)
    tiny_encoder(4).save(tmp_path / "encoder")
    for name, words in (("here", ()), ("there", ("--scheduler", cluster.scheduler_address))):
        run_well(
            "embed",
            "--model",
            tmp_path / "encoder",
            "--data",
            cutouts,
            "--out",
            tmp_path / name,
            "-q",
            *words,
        )
    for file in ("vectors.npy", "objects.npy", "times.npy", "photometry.npy"):
        assert (tmp_path / "here" / file).read_bytes() == (tmp_path / "there" / file).read_bytes()


def test_a_scheduler_that_is_not_there(
    cutouts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rbztf.parallel.scheduler.CONNECT_S", 1)
    with pytest.raises(UsageError, match="No Dask scheduler answers"):
        features_verb.make_features(cutouts, tmp_path / "f.csv", scheduler="tcp://127.0.0.1:9")
