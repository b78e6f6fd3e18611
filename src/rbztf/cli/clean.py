"""``rbztf clean`` on the command line."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from rbztf.cli.options import ConfigFile, Data, Device, Json, Model, Quiet, Set, resolve
from rbztf.cli.screen import screen
from rbztf.wording import counted


class Format(StrEnum):
    """How light curves are written."""

    ECSV = "ecsv"
    FITS = "fits"


def clean(
    oids: Annotated[
        list[str] | None, typer.Argument(help="Objects; all in the data if left out.", metavar="[OID]…")
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="List of OIDs: text, a table (CSV, JSON, Parquet, ECSV, FITS, VOTable), or - for stdin.",
            metavar="FILE",
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of light curves to write.", metavar="DIR")] = Path(
        "clean"
    ),
    format_: Annotated[Format, typer.Option("--format", help="Of the light curves.")] = Format.ECSV,
    model: Model = None,
    data: Data = None,
    no_fetch: Annotated[
        bool, typer.Option("--no-fetch", help="Do not fetch objects that the data lack.")
    ] = False,
    archive: Annotated[str | None, typer.Option(help="Address of the archive.", metavar="URL")] = None,
    config: ConfigFile = None,
    set_: Set = None,
    device: Device = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write light curves with the epochs that artefacts spoil flagged."""
    with screen(as_json, quiet) as show:
        settings = resolve(show, "clean", config, set_, device=device)
        from rbztf.archive.irsa import ARCHIVE_URL
        from rbztf.stores.oid_lists import read_oids
        from rbztf.verbs.clean import clean as run

        wanted = [*(oids or ()), *(read_oids(from_) if from_ else ())]
        result = run(
            wanted or None,
            out=out,
            ending=f".{format_}",
            model=model,
            data=data,
            fetch=not no_fetch,
            archive_url=archive or ARCHIVE_URL,
            config=settings,
            progress=show.progress,
        )
        if as_json:
            show.document(result.to_json())
        show.say(
            f"{counted(len(result.paths), 'light curve')}, {counted(result.n_epochs_flagged, 'epoch')} flagged → {out}"
        )
        show.finish(result.predictions.problems, result.predictions.warnings)
