"""Verbs on the workers of a Dask scheduler: the same files as on this machine alone, whatever happens to a worker."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import ROOT, run_well, tiny_encoder

from rbztf.errors import UsageError
from rbztf.features import rows as feature_rows
from rbztf.features.binary_files import write_binary
from rbztf.features.files import read_features, write_features
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
    words = ("features", "--data", cutouts, "--feature-set", "both", "-q")
    run_well(*words, "--out", tmp_path / "here.csv")
    run_well(*words, "--out", tmp_path / "there.csv", "--scheduler", cluster.scheduler_address)
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


def test_the_example_for_dask_jobqueue(tmp_path: Path) -> None:
    """The one of docs/scale.md, with jobs that are processes here in place of Slurm's."""
    pytest.importorskip("dask_jobqueue")
    text = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
    (code,) = (
        block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "SLURMCluster" in block
    )
    code = code.replace(
        "from dask_jobqueue import SLURMCluster", "from dask_jobqueue.local import LocalCluster"
    )
    code = code.replace(
        'SLURMCluster(cores=1, memory="4GB", walltime="04:00:00")', 'LocalCluster(cores=1, memory="1GB")'
    )
    code = code.replace("jobs=2", "jobs=1")
    assert "SLURM" not in code
    table = ordinary_features(60, 1)
    write_features(tmp_path / "features.parquet", replace(table, oids=633207400000001 + np.arange(60)))
    (tmp_path / "run.py").write_text(code)
    done = subprocess.run(
        [sys.executable, "run.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split()[-1] == "60"
    assert (tmp_path / "scores.parquet").is_file()
