"""Predictions for those who look: as words, as what figures draw, and as tables of notebooks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rbztf.errors import Problem
from rbztf.figures import notebook
from rbztf.figures.object_figure import Blame
from rbztf.wording import counted

COLUMNS = ("oid", "p_bogus", "p_low", "p_high", "decision", "input_check", "inputs", "n_frames")
"""Shown in notebooks."""


def in_words(
    called: str, p_bogus: float | None, low: float | None, high: float | None, kinds: Mapping[str, float]
) -> str:
    """A score for a title: ``bogus, p(bogus) 0.93 [0.88, 0.96], ghost 0.71``; empty where there is none."""
    if p_bogus is None:
        return called
    span = f" [{low:.2f}, {high:.2f}]" if low is not None and high is not None else ""
    kind, share = max(kinds.items(), key=lambda pair: pair[1], default=("", 0.0))
    likely = f", {kind} {share:.2f}" if kind and called != "real" else ""
    return f"{called}, p(bogus) {p_bogus:.2f}{span}{likely}".lstrip(", ")


def blames_of(epochs: Iterable[Any]) -> list[Blame]:
    """What figures draw of contributions (:class:`~rbztf.prediction.result.EpochContribution`), in the same order."""
    return [Blame(each.frame, each.share, each.dropped) for each in epochs]


def html(model: str, objects: Sequence[Any], problems: Sequence[Problem], warnings: Sequence[str]) -> str:
    """Predictions ``objects`` as a table, and below it what was not done and what to know."""
    rows = [
        [
            entry.oid,
            f"{entry.p_bogus:.3f}",
            *(None if p is None else f"{p:.2f}" for p in (entry.p_low, entry.p_high)),
            entry.decision,
            entry.input_check,
            entry.inputs,
            entry.n_frames,
        ]
        for entry in objects
    ]
    caption = f"{counted(len(objects), 'object')} scored by {model}"
    notes = [*(f"Not done: {problem}" for problem in problems), *warnings]
    return notebook.table(caption, COLUMNS, rows, notes)
