"""``rbztf check`` on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rbztf.cli.options import Json, Quiet
from rbztf.cli.screen import Screen, screen
from rbztf.wording import counted

if TYPE_CHECKING:
    from rbztf.verbs.check import Checked


def check(
    paths: Annotated[list[Path], typer.Argument(help="Stores, models, tables of features.", metavar="PATH…")],
    seal: Annotated[bool, typer.Option("--seal", help="Give sums to what is sound and has none.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Verify cutouts, embeddings, models and tables of features."""
    with screen(as_json, quiet) as show:
        from rbztf.verbs.check import check as run

        found = [run(path, seal=seal, progress=show.progress) for path in paths]
        finish_check(show, found)


def finish_check(show: Screen, found: list[Checked]) -> None:
    """Show what was checked; the exit code says whether all is sound."""
    if show.as_json:
        show.document({"checked": [entry.to_json() for entry in found]})
    warnings = []
    for entry in found:
        if not show.as_json:
            state = f"{len(entry.problems)} problems" if entry.problems else "sound"
            objects = "" if entry.kind == "model" else f", {counted(entry.n_objects, 'valid object')}"
            sealed = f", {entry.n_sealed} given sums" if entry.n_sealed else ""
            show.say(f"{entry.path}: {entry.kind}, {state}{objects}{sealed}")
        if entry.n_unsealed:
            warnings.append(
                f"{entry.path} has no sums (older versions wrote none), so changed bits in it cannot all be "
                f"noticed. Add them: rbztf check {entry.path} --seal"
            )
    show.finish([problem for entry in found for problem in entry.problems], warnings)
