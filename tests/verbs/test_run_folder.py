"""The folder of a run."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import strict_json

from rbztf.config import load_config
from rbztf.errors import UsageError
from rbztf.verbs.run_folder import new_run, write_json


def test_runs_do_not_share_a_folder(own_folder: Path) -> None:
    config = load_config("reference/gru", ["seed=4"])
    folders = [new_run("cv", config) for _ in range(3)]
    assert len(set(folders)) == 3
    assert all(folder.parent == Path("runs") and "-cv" in folder.name for folder in folders)
    assert load_config(folders[0] / "config.yaml") == config


def test_a_folder_that_cannot_be_made_is_refused(own_folder: Path) -> None:
    Path("file").write_text("x")
    for place in ("file", "file/run"):
        with pytest.raises(UsageError, match="cannot be written"):
            new_run("cv", load_config(), place)
    assert Path("file").read_text() == "x"


def test_json_is_strict(own_folder: Path) -> None:
    write_json(Path("a.json"), {"a": float("nan"), "é": [1, (2.5, None)]})
    assert strict_json(Path("a.json").read_text()) == {"a": None, "é": [1, [2.5, None]]}
