"""``rbztf report`` on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rbztf.cli.options import (
    ConfigFile,
    Data,
    Device,
    Embeddings,
    Json,
    Labels,
    Model,
    Quiet,
    Set,
    resolve,
)
from rbztf.cli.screen import Screen, screen
from rbztf.wording import counted

if TYPE_CHECKING:
    from rbztf.reporting.build import Report


def report(
    scores: Annotated[
        Path,
        typer.Argument(
            help="What predict --out has written (JSON names the frames to blame), or a run folder of cv.",
            metavar="RUN|SCORES",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the page.", metavar="DIR")] = Path("report"),
    data: Data = None,
    labels: Labels = None,
    embeddings: Embeddings = None,
    model: Model = None,
    all_frames: Annotated[
        bool,
        typer.Option(
            "--all-frames", help="All frames of each object, not only the most blamed and some of all times."
        ),
    ] = False,
    title: Annotated[str, typer.Option(help="Of the page.", metavar="TEXT")] = "",
    config: ConfigFile = None,
    set_: Set = None,
    device: Device = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write a page that shows objects, their light curves and frames, and takes your verdicts."""
    with screen(as_json, quiet) as show:
        settings = resolve(show, "report", config, set_, device=device)
        from rbztf.verbs.report import report as run

        made = run(
            scores,
            out=out,
            data=data,
            labels=labels,
            embeddings=embeddings,
            model=model,
            all_frames=all_frames,
            title=title,
            config=settings,
            progress=show.progress,
        )
        if as_json:
            show.document(made.to_json())
        tell(show, made)
        show.finish(made.problems, made.warnings)


def tell(show: Screen, made: Report) -> None:
    """Where the page is."""
    show.say(f"{counted(made.n_objects, 'object')}, {counted(made.n_frames, 'frame')} → {made.page}")
    show.say(f"Open it in a browser: {made.url}")
