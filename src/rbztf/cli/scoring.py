"""Verbs that turn frames into vectors and vectors into probabilities."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rbztf.cli.options import ConfigFile, Data, Device, Embeddings, Json, Model, Quiet, Seed, Set, resolve
from rbztf.cli.screen import Screen, screen

if TYPE_CHECKING:
    from rbztf.verbs.predict import PredictResult

SHOWN_ROWS = 40


def register(app: typer.Typer) -> None:
    """Add the verbs to the application."""
    from rbztf.cli.app import example

    app.command(epilog=example("rbztf embed --model published/encoder --data data/cutouts --out embeddings"))(
        embed
    )
    app.command(
        epilog=example("rbztf predict 686103400034440 --model published/rnn/wd_2dir/0 --data data/cutouts")
    )(predict)


def embed(
    model: Model = None,
    data: Data = None,
    out: Annotated[Path | None, typer.Option(help="Embedding store to write.", metavar="DIR")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Warn of frames unlike those the encoder was trained on.")
    ] = False,
    config: ConfigFile = None,
    set_: Set = None,
    device: Device = None,
    seed: Seed = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Turn every frame of a cutout folder into a vector."""
    with screen(as_json, quiet) as show:
        settings = resolve(config, set_, device, seed)
        from rbztf.verbs.embed import embed as run

        result = run(model, data, out, config=settings, check=check, progress=show.progress)
        if as_json:
            show.document(result.to_json())
        else:
            rate = result.n_frames / max(result.seconds, 1e-9)
            show.say(
                f"{result.n_objects} objects, {result.n_frames} frames, {result.latent} latents "
                f"({rate:,.0f} frames/s) → {result.out}"
            )
            if result.comparison is not None:
                show.say(f"{result.comparison.outside:.1%} of the frames lie outside the training set")
        show.finish(result.problems, result.warnings)


def predict(
    oids: Annotated[
        list[str] | None, typer.Argument(help="Objects; all in the data if left out.", metavar="[OID]…")
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from", help="List of OIDs: text, CSV, JSON, Parquet, or - for stdin.", metavar="FILE"
        ),
    ] = None,
    model: Model = None,
    data: Data = None,
    embeddings: Embeddings = None,
    no_fetch: Annotated[
        bool, typer.Option("--no-fetch", help="Do not fetch objects that the data lack.")
    ] = False,
    archive: Annotated[str | None, typer.Option(help="Address of the archive.", metavar="URL")] = None,
    out: Annotated[Path | None, typer.Option(help="Write .csv, .json or .parquet.", metavar="FILE")] = None,
    config: ConfigFile = None,
    set_: Set = None,
    device: Device = None,
    seed: Seed = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Give the probability that objects are bogus."""
    with screen(as_json, quiet) as show:
        settings = resolve(config, set_, device, seed)
        from rbztf.archive.oid_lists import read_oids
        from rbztf.report.tables import check_ending, write_predictions
        from rbztf.sky import Oid
        from rbztf.verbs.predict import predict as run

        if out is not None:
            check_ending(out)
        wanted = [Oid(oid) for oid in oids or ()] + (read_oids(from_) if from_ else [])
        result = run(
            list(dict.fromkeys(wanted)) or None,
            model=model,
            data=data,
            embeddings=embeddings,
            fetch=not no_fetch,
            archive_url=archive,
            config=settings,
            progress=show.progress,
        )
        if out is not None:
            write_predictions(out, result)
            show.say(f"{len(result.objects)} objects → {out}")
        if as_json:
            show.document(result.to_json())
        elif out is None:
            _show_predictions(show, result)
        show.finish(result.problems, result.warnings)


def _show_predictions(show: Screen, result: PredictResult) -> None:
    """A table for a terminal, CSV for a pipe."""
    if not show.out.is_terminal:
        import sys

        from rbztf.report.tables import predictions_csv

        sys.stdout.write(predictions_csv(result))
        return
    rows = [
        [str(p.oid), f"{p.p_bogus:.3f}", p.decision, str(p.n_frames), str(p.n_missing)]
        for p in result.objects[:SHOWN_ROWS]
    ]
    show.table(f"Scores by {result.model}", ["oid", "P(bogus)", "decision", "frames", "missing"], rows)
    if len(result.objects) > SHOWN_ROWS:
        show.say(f"{len(result.objects) - SHOWN_ROWS} more: use --out FILE.")
