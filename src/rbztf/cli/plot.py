"""``rbztf plot`` on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rbztf.cli.options import ConfigFile, Data, Embeddings, Json, Labels, Quiet, Set, resolve
from rbztf.cli.screen import screen
from rbztf.cli.show import Scores
from rbztf.figures.kinds import PlotKind
from rbztf.figures.saving import Width


def plot(
    kind: Annotated[
        PlotKind,
        typer.Argument(
            help="Of cross-validations: roc, calibration, risk, histogram. Of objects: frames, lightcurve. "
            "Of an embedding store: latents. Of scores: field, the share of bogus by field and CCD.",
            show_default=False,
        ),
    ],
    what: Annotated[
        list[str] | None,
        typer.Argument(
            help="Run folders of cv or their scores.csv; OIDs for frames and lightcurve; an embedding store for "
            "latents; for field also what predict --out has written.",
            metavar="[RUN|OID|PATH]…",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Figure ending in .pdf, .svg or .png; default KIND.pdf.", metavar="FILE"),
    ] = None,
    data: Data = None,
    scores: Scores = None,
    embeddings: Embeddings = None,
    labels: Labels = None,
    width: Annotated[
        Width, typer.Option(help="Of the figure: one column of a journal, or the page.")
    ] = Width.PAGE,
    config: ConfigFile = None,
    set_: Set = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Draw a figure for a paper, in vectors."""
    with screen(as_json, quiet) as told:
        settings = resolve(told, "plot", config, set_)
        from rbztf.verbs.plot import plot as run

        made = run(
            kind,
            what or (),
            out=out,
            data=data,
            scores=scores,
            embeddings=embeddings,
            labels=labels,
            width=width,
            config=settings,
        )
        if as_json:
            told.document(made.to_json())
        told.say(f"{made.shows} → {made.path}")
        told.finish((), ())
