"""``rbztf export`` on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rbztf.cli.options import Json, Quiet
from rbztf.cli.screen import screen


def export(
    model: Annotated[
        Path, typer.Argument(help="Model folder, or a name from: rbztf models.", metavar="MODEL")
    ],
    out: Annotated[Path | None, typer.Option(help="Folder to write: onnx by default.", metavar="DIR")] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write a model as ONNX, for scoring without rbztf."""
    with screen(as_json, quiet) as show:
        from rbztf.verbs.export import export as run

        result = run(model, out)
        if as_json:
            show.document(result.to_json())
            return
        for name, about in result.files.items():
            show.say(f"{result.out / name}: {about}")
        show.say(f"What goes in and comes out: {result.out / 'export.yaml'}")
