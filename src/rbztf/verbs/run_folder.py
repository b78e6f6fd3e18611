"""The folder of a run: resolved configuration, metrics, scores, plots."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from rbztf.config import Config
from rbztf.errors import Problem, UsageError
from rbztf.files import json_text
from rbztf.models.checkpoint import History

RUNS = Path("runs")


def run_folder(verb: str, out: Path | str | None = None) -> Path:
    """``out``, or an unused ``runs/TIME-VERB``; nothing is made yet."""
    return Path(out) if out is not None else _unused(RUNS / f"{datetime.now():%Y%m%dT%H%M%S}-{verb}")


def new_run(verb: str, config: Config, out: Path | str | None = None) -> Path:
    """Make ``out``, or ``runs/TIME-VERB``, and write ``config.yaml`` into it.

    Raises
    ------
    UsageError
        If the folder cannot be made.
    """
    folder = run_folder(verb, out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.yaml").write_text(config.dump(), encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"The run folder {folder} cannot be written ({error.strerror}).", "Choose --out."
        ) from None
    return folder


def write_json(path: Path, content: Any) -> None:
    """Write ``content`` as indented JSON."""
    path.write_text(json_text(content), encoding="utf-8")


def write_history(path: Path, histories: Mapping[str, History]) -> None:
    """Write learning curves as CSV, one row an epoch, the run's name first."""
    columns = list(dict.fromkeys(name for history in histories.values() for row in history for name in row))
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, ["run", *columns])
        writer.writeheader()
        for name, history in histories.items():
            writer.writerows({"run": name, **row} for row in history)


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

    def to_json(self) -> dict[str, Any]:
        """As printed by ``--json``."""
        content = asdict(self)
        return {**content, "out": str(self.out)}
