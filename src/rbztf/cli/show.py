"""``rbztf show`` on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rbztf.cli.options import ConfigFile, Data, Json, Quiet, Set, resolve
from rbztf.cli.screen import screen
from rbztf.wording import counted

Scores = Annotated[
    Path | None,
    typer.Option(
        help="What predict --explain --out has written: JSON names the blamed frames.", metavar="FILE"
    ),
]


def show(
    oid: Annotated[str, typer.Argument(help="Object to draw.", metavar="OID", show_default=False)],
    data: Data = None,
    scores: Scores = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Picture ending in .png, .pdf, .svg, or .gif for all frames in turn; default OID.png.",
            metavar="FILE",
        ),
    ] = None,
    config: ConfigFile = None,
    set_: Set = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Draw one object: its light curve, the blamed epochs in red, over a strip of its frames."""
    with screen(as_json, quiet) as told:
        settings = resolve(told, "show", config, set_)
        from rbztf.verbs.show import show as run

        made = run(oid, data=data, scores=scores, out=out, config=settings)
        if as_json:
            told.document(made.to_json())
        dropped = f", {made.n_dropped} of them blamed" if made.n_dropped else ""
        told.say(f"{made.oid}, {counted(made.n_frames, 'frame')}{dropped} → {made.path}")
        told.finish((), made.warnings)
