"""A fetch killed at any moment leaves a store that the next run completes to the same bytes.

Three kills by default; ``RBZTF_KILLS=50`` or ``benchmarks/kill_fetch.py`` does more.
"""

from __future__ import annotations

import importlib.util
import os
import random
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from rbztf.simulate.archive.server import SimulatedArchive

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "kill_fetch.py"


@pytest.fixture(scope="module")
def killer() -> ModuleType:
    if not SCRIPT.is_file():
        pytest.skip(f"{SCRIPT} is not at hand")
    spec = importlib.util.spec_from_file_location("kill_fetch", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("seed", range(int(os.environ.get("RBZTF_KILLS", "3"))))
def test_killed_and_run_again(
    seed: int,
    killer: ModuleType,
    start_archive: Callable[..., SimulatedArchive],
    tmp_path: Path,
    clean_store: dict[str, bytes],
) -> None:
    archive = start_archive(latency_s=0.02)
    killer.kill_once(archive, tmp_path, random.Random(seed), 0.6)
    killer.finish(archive, tmp_path)
    assert killer.files_of(tmp_path) == clean_store
