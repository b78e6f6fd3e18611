"""Verbs that bring data in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rbztf.cli.options import Json, Quiet
from rbztf.cli.screen import screen

REFERENCE = "https://github.com/semtim/RB_ZTF"


def register(app: typer.Typer) -> None:
    """Add the verbs to the application."""
    from rbztf.cli.app import example

    app.command("import", epilog=example("rbztf import RB_ZTF --out published"))(import_)


def import_(
    source: Annotated[
        str, typer.Argument(help="A copy of the repository, or its address.", metavar="[DIR|URL]")
    ] = (REFERENCE),
    out: Annotated[Path, typer.Option(help="Where to write.", metavar="DIR")] = Path("published"),
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Bring the published RB_ZTF files in: encoders, classifiers, embeddings, labels."""
    with screen(as_json, quiet) as show:
        from rbztf.verbs.import_published import import_published

        result = import_published(source, out, progress=show.progress)
        if as_json:
            show.document(result.to_json())
        else:
            rows = [*result.found.items(), *((name, "missing in the source") for name in result.missing)]
            show.table(f"Imported into {out}", ["what", "found"], rows, left=2)
        show.finish(result.problems)
