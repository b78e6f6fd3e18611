"""Settings of the tests, and the published models, imported once."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="rbztf-tests-")  # not the user's own cache

import pytest
import torch
from helpers import REAL_FRAMES, SHARED, UPSTREAM, need, run_well
from hypothesis import settings

settings.register_profile("rbztf", deadline=None, derandomize=True, database=None, max_examples=40)
settings.register_profile("brief", settings.get_profile("rbztf"), max_examples=8)  # for test-min
settings.load_profile("rbztf")
torch.set_num_threads(1)  # threads that wait for each other are slow on a busy machine

PARTS = (
    "akb.ztf.snad.space.json",
    "embeddings_mu.npz",
    "trained_models/vae/encoder.zip",
    "trained_models/vae/encoder_aug.zip",
    "trained_models/vae/encoder_ld78.zip",
    "trained_models/rnn/baseline/model0.zip",
    "trained_models/rnn/baseline/model1.zip",
    "trained_models/rnn/wd_2dir/model0.zip",
    "trained_models/rnn/wd_2dir/model1.zip",
    "trained_models/rnn/lstm/model3.zip",
)
"""A partial copy of the published files."""


LONG_FIRST = (
    "verbs/test_training.py",
    "test_doc_examples.py",
    "verbs/test_ensembles.py",
    "verbs/test_demo.py",
    "test_cli.py",
    "archive/test_fetch_together.py",
    "verbs/test_first_minute.py",
    "verbs/test_cv_models.py",
    "test_chaos.py",
    "models/test_shipped.py",
    "evaluation/test_crossval.py",
    "test_package.py",
)
"""Test files that take longest: they start first, so that no process works alone at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long files in front."""
    places = {Path(__file__).parent / name: place for place, name in enumerate(LONG_FIRST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests were skipped because real data are not beside this checkout."""
    skipped = terminalreporter.stats.get("skipped", [])
    n = sum(f"{SHARED.name}/" in str(report.longrepr[2]) for report in skipped)
    if n:
        terminalreporter.write_line(f"{n} test{'s' * (n > 1)} skipped for want of ../{SHARED.name}")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name a case that holds a whole file by its argument: its bytes may hold the time of day."""
    return argname if isinstance(val, bytes | str) and len(val) > 80 else None


@pytest.fixture(autouse=True)
def own_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test runs in an empty folder of its own, so that nothing is read from or left here."""
    folder = tmp_path_factory.mktemp("cwd")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="session")
def shared_frames() -> Path:
    """Real ZTF pixels, where they are at hand."""
    return need(REAL_FRAMES)


@pytest.fixture(scope="session")
def partial_copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some of the published files, in their places."""
    need(UPSTREAM)
    folder = tmp_path_factory.mktemp("RB_ZTF")
    for part in PARTS:
        target = folder / part
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(need(UPSTREAM / part))
    return folder


@pytest.fixture(scope="session")
def published(partial_copy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``rbztf import`` makes of the partial copy."""
    out = tmp_path_factory.mktemp("import") / "published"
    run_well("import", partial_copy, "--out", out)
    return out


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """The environment for processes of their own."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "100"}
