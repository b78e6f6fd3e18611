"""Predictions on a terminal, or as CSV into a pipe."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rbztf.cli.screen import Screen

if TYPE_CHECKING:
    from rbztf.prediction.result import Prediction, PredictResult

SHOWN_ROWS = 40
SHOWN_EPOCHS = 5
"""Epochs of an object that --explain names on a terminal."""
LEAST_SHOWN_KIND = 0.2
"""Probability below which a kind of artefact is not named in the table."""


def show_predictions(show: Screen, result: PredictResult) -> None:
    """A table for a terminal, CSV for a pipe."""
    from rbztf.models.catalogue import title

    if not show.out.is_terminal:
        import sys

        from rbztf.prediction.result import predictions_csv

        sys.stdout.write(predictions_csv(result))
        return
    explained = any(p.n_dropped is not None for p in result.objects)
    with_frames = any(p.n_frames or p.n_missing for p in result.objects)
    rows = [_row(p, with_frames, explained) for p in result.objects[:SHOWN_ROWS]]
    columns = ["oid", "P(bogus)", "95 %", "decision"]
    columns += ["likely kind", "frames", "missing"] if with_frames else []
    columns += ["without the blamed"] if explained else []
    priors = {entry.prior for entry in result.objects} - {None}
    prior = f", for a share of artefacts of {next(iter(priors)):.3g}" if priors else ""
    show.table(f"Scores by {title(result.model)}{prior}", columns, rows)
    for entry in result.objects[:SHOWN_ROWS]:
        if entry.blamed:
            show.say(f"{entry.oid}: {_worst(entry)}")
    if len(result.objects) > SHOWN_ROWS:
        show.say(f"{len(result.objects) - SHOWN_ROWS} more: use --out FILE.")


def _worst(entry: Prediction) -> str:
    """The epochs that contribute most, in words."""
    worst = [epoch for epoch in entry.blamed[:SHOWN_EPOCHS] if epoch.share > 0]
    if not worst:
        return "no epoch speaks for bogus"
    named = (
        f"MJD {epoch.mjd:.4f} ({epoch.share:+.2f})"
        if math.isfinite(epoch.mjd)
        else f"frame {epoch.frame} ({epoch.share:+.2f})"
        for epoch in worst
    )
    return f"worst epochs (log odds of bogus): {', '.join(named)}"


def _row(p: Prediction, with_frames: bool, explained: bool) -> list[str]:
    interval = f"{p.p_low:.2f}–{p.p_high:.2f}" if p.p_low is not None and p.p_high is not None else ""
    row = [str(p.oid), f"{p.p_bogus:.3f}", interval, p.decision or f"none: {p.input_check}"]
    if with_frames:
        kind, share = max(p.kinds.items(), key=lambda item: item[1], default=("", 0.0))
        likely = f"{kind} {share:.2f}" if share >= LEAST_SHOWN_KIND else ""
        row += [likely, str(p.n_frames), str(p.n_missing)]
    if explained:
        row.append(f"{p.p_without:.3f} ({p.n_dropped} dropped)" if p.p_without is not None else "")
    return row
