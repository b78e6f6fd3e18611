"""The folder of a run: resolved configuration, metrics, scores, plots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from rbztf.config import Config
from rbztf.csvfiles import write_csv
from rbztf.errors import Problem
from rbztf.files import write_text
from rbztf.models.checkpoint import History
from rbztf.textfiles import json_text

RUNS = Path("runs")


def run_folder(verb: str, out: Path | str | None = None) -> Path:
    """``out``, or an unused ``runs/TIME-VERB``; nothing is made yet."""
    return Path(out) if out is not None else _unused(RUNS / f"{datetime.now():%Y%m%dT%H%M%S}-{verb}")


def new_run(verb: str, config: Config, out: Path | str | None = None) -> Path:
    """Make ``out``, or ``runs/TIME-VERB``, and write ``config.yaml`` into it.

    Raises
    ------
    WriteError, UsageError
        If it cannot be written.
    """
    folder = run_folder(verb, out)
    write_text(folder / "config.yaml", config.dump(folder))
    return folder


def write_json(path: Path, content: Any) -> None:
    """Write ``content`` as indented JSON."""
    write_text(path, json_text(content))


def write_history(path: Path, histories: Mapping[str, History]) -> None:
    """Write learning curves as CSV, one row an epoch, the run's name first."""
    rows = [{"run": name, **row} for name, history in histories.items() for row in history]
    write_csv(path, rows, ["run"])


def _unused(folder: Path) -> Path:
    candidate, number = folder, 1
    while candidate.exists():
        number += 1
        candidate = folder.with_name(f"{folder.name}-{number}")
    return candidate


@dataclass(frozen=True)
class TrainResult:
    """What ``train-rnn`` or ``train-vae`` made."""

    out: Path
    n_objects: int
    n_frames: int
    epochs: int
    best_epoch: int
    history: History
    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0
    inner_auc: dict[str, float] = field(default_factory=dict)
    """Of an ensemble: AUC on the inner folds, by what objects have."""
    left_out: dict[str, int] = field(default_factory=dict)
    """Labelled objects that were not used, by reason."""

    def to_json(self) -> dict[str, Any]:
        """As printed by ``--json``."""
        content = asdict(self)
        return {**content, "out": str(self.out)}
