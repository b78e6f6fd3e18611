"""``rbztf features`` on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rbztf.cli.options import ConfigFile, Data, Json, Quiet, Set, resolve
from rbztf.cli.screen import screen
from rbztf.wording import counted


def features(
    data: Data = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Table to write: .csv, .json, .parquet, .ecsv, .fits or .vot.", metavar="FILE"),
    ] = None,
    feature_set: Annotated[
        str,
        typer.Option(
            help="snad (the 54 of SNAD's table), epochs (flags, PSF fit, gaps, flares) or both.",
            metavar="SET",
        ),
    ] = "snad",
    until: Annotated[float | None, typer.Option(help="Leave out later epochs.", metavar="MJD")] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Dask scheduler: its address, or local.", metavar="ADDRESS")
    ] = None,
    workers: Annotated[int, typer.Option(help="Threads; 0 takes one a core.", metavar="N", min=0)] = 0,
    config: ConfigFile = None,
    set_: Set = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Compute light-curve features from the epochs of a cutout folder."""
    with screen(as_json, quiet) as show:
        settings = resolve(show, "features", config, set_)
        from rbztf.verbs.features import make_features

        result = make_features(
            data,
            out,
            feature_set=feature_set,
            until_mjd=until,
            scheduler=scheduler,
            workers=workers,
            config=settings,
            progress=show.progress,
        )
        if as_json:
            show.document(result.to_json())
        else:
            rate = result.n_objects / max(result.seconds, 1e-9)
            show.say(
                f"{result.n_known} of {result.n_objects} objects, {counted(result.n_features, 'feature')} "
                f"({rate:,.0f} objects/s) → {result.out}"
            )
        show.finish(result.problems)
