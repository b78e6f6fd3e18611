"""``rbztf predict`` on the command line."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from rbztf.cli.options import (
    ConfigFile,
    Data,
    Device,
    Embeddings,
    Features,
    Json,
    Model,
    Quiet,
    Seed,
    Set,
    refuse_idle,
    refuse_without,
    resolve,
    tell_idle_seed,
)
from rbztf.cli.screen import screen
from rbztf.cli.show_predictions import show_predictions
from rbztf.wording import counted


def predict(
    context: typer.Context,
    oids: Annotated[
        list[str] | None, typer.Argument(help="Objects; all in the data if left out.", metavar="[OID]…")
    ] = None,
    oid: Annotated[
        list[str] | None, typer.Option("--oid", help="An object; may repeat.", metavar="OID")
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="List of OIDs: text, a table (CSV, JSON, Parquet, ECSV, FITS, VOTable), or - for stdin.",
            metavar="FILE",
        ),
    ] = None,
    model: Model = None,
    data: Data = None,
    embeddings: Embeddings = None,
    features: Features = None,
    until: Annotated[
        float | None,
        typer.Option(help="Leave out later epochs, such as those after the training's.", metavar="MJD"),
    ] = None,
    max_false_alarm: Annotated[
        float | None,
        typer.Option(help="Threshold: at most this share of real objects called bogus.", metavar="P"),
    ] = None,
    max_missed: Annotated[
        float | None, typer.Option(help="Threshold: at most this share of artefacts missed.", metavar="P")
    ] = None,
    error_rate: Annotated[
        float | None,
        typer.Option(help="Share of wrong answers allowed in each class; else 'unsure'.", metavar="P"),
    ] = None,
    prior: Annotated[
        float | None,
        typer.Option(
            help="Share of artefacts among the objects asked about, such as 0.02; that of the training if left out.",
            metavar="P",
        ),
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Name the frames to blame, and the score without them.")
    ] = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Decide also of objects that are outside what the model was trained on."
        ),
    ] = False,
    mask: Annotated[
        Path | None,
        typer.Option(
            help="Write the epochs of each object as a table, those to drop marked.", metavar="FILE"
        ),
    ] = None,
    clean: Annotated[
        Path | None,
        typer.Option(help="Write light curves (OID.ecsv) with the epochs to drop flagged.", metavar="DIR"),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(help="Write a page that shows the objects, their frames and the blame.", metavar="DIR"),
    ] = None,
    frames_for: Annotated[
        str | None,
        typer.Option(
            help="Score light curves, then frames of these alone: 0.2<p<0.9, unsure, or N (with the lowest p).",
            metavar="WHICH",
        ),
    ] = None,
    no_fetch: Annotated[
        bool, typer.Option("--no-fetch", help="Do not fetch objects that the data lack.")
    ] = False,
    archive: Annotated[str | None, typer.Option(help="Address of the archive.", metavar="URL")] = None,
    collection: Annotated[
        str | None, typer.Option(help="Data release of light curves that are fetched.", metavar="NAME")
    ] = None,
    wait: Annotated[
        float | None,
        typer.Option(
            help="Longest wait for objects that another process is fetching; without end if left out.",
            metavar="SECONDS",
        ),
    ] = None,
    hats: Annotated[
        str | None,
        typer.Option(help="Score the light curves of a HATS catalog into the catalog --out.", metavar="PATH"),
    ] = None,
    region: Annotated[
        str | None,
        typer.Option(
            help="Part of the catalog: RA, Dec (degrees) and a radius, as 45,10,30arcmin.", metavar="TEXT"
        ),
    ] = None,
    partitions: Annotated[
        str | None, typer.Option(help="Partitions of the catalog, for jobs of an array.", metavar="A:B")
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            help="Dask scheduler for a whole table of --features, or --hats: its address, or local.",
            metavar="ADDRESS",
        ),
    ] = None,
    workers: Annotated[
        int,
        typer.Option(
            help="Processes for a whole table of --features, or --hats; 0 takes one a core.",
            metavar="N",
            min=0,
        ),
    ] = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Write .csv, .json, .parquet, .ecsv, .fits, .vot or (a table) .dat.", metavar="FILE"
        ),
    ] = None,
    config: ConfigFile = None,
    set_: Set = None,
    device: Device = None,
    seed: Seed = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Give the probability that objects are bogus."""
    with screen(as_json, quiet) as show:
        tell_idle_seed(show, "predict", seed)
        settings = resolve(show, "predict", config, set_, device=device)
        from rbztf.archive.irsa import ARCHIVE_URL, COLLECTION
        from rbztf.errors import UsageError
        from rbztf.locks import remove
        from rbztf.models.decision.decisions import Goal
        from rbztf.prediction.part_tables import ENDINGS as TABLE_ENDINGS
        from rbztf.prediction.parts import parts_folder
        from rbztf.prediction.result import check_ending, write_mask, write_predictions
        from rbztf.stores.oid_lists import read_oids
        from rbztf.tables import check_table_ending
        from rbztf.verbs.clean import write_light_curves
        from rbztf.verbs.fetch import DEFAULT_OUT
        from rbztf.verbs.paths import locate_optional
        from rbztf.verbs.predict import predict as run
        from rbztf.verbs.predict_table import predict_table, table_asked
        from rbztf.verbs.triage import predict_triaged
        from rbztf.ztf import Oid

        if mask is not None:
            check_table_ending(mask)
        goal = Goal(max_false_alarm, max_missed, error_rate, prior)
        if hats is not None:
            from rbztf.verbs.predict_hats import predict_hats

            _check_hats(context, out)
            assert out is not None
            catalog = predict_hats(
                hats,
                out,
                region=region,
                partitions=partitions,
                model=model,
                until_mjd=until,
                goal=goal if goal != Goal() else None,
                force=force,
                scheduler=scheduler,
                workers=workers,
                progress_bar=not quiet and not as_json,
                config=settings,
            )
            show.say(
                f"{counted(catalog.n_objects, 'object')}, {counted(catalog.n_partitions, 'partition')} → {out}"
            )
            if as_json:
                show.document(catalog.to_json())
            return
        refuse_without(context, "--hats", False, "region", "partitions")
        per_object = bool(oids or oid or from_ or frames_for or explain or mask or clean or report or as_json)
        table = None if per_object else table_asked(data, embeddings, features, settings)
        if table is not None and out is not None and out.suffix in TABLE_ENDINGS:
            scored = predict_table(
                table,
                out,
                model=model,
                until_mjd=until,
                goal=goal if goal != Goal() else None,
                force=force,
                scheduler=scheduler,
                workers=workers,
                config=settings,
                progress=show.progress,
            )
            show.say(f"{counted(scored.n_objects, 'object')} → {out}")
            show.finish(scored.problems, scored.warnings)
            return
        refuse_without(context, "a table of --features alone and --out FILE", False, "scheduler", "workers")
        if out is not None:
            check_ending(out)
        wanted = [Oid(each) for each in [*(oids or ()), *(oid or ())]] + (read_oids(from_) if from_ else [])
        named = list(dict.fromkeys(wanted))
        if frames_for is not None and not named:
            raise UsageError("--frames-for needs the objects.", "Name them: OIDs, or --from FILE.")
        score = (
            partial(predict_triaged, named, frames_for)
            if frames_for is not None
            else partial(run, named or None)
        )
        result = score(
            model=model,
            data=data,
            embeddings=embeddings,
            features=features,
            until_mjd=until,
            goal=goal if goal != Goal() else None,
            explain=explain or mask is not None or clean is not None or report is not None,
            force=force,
            fetch=not no_fetch,
            archive_url=archive or ARCHIVE_URL,
            collection=collection or COLLECTION,
            wait_s=wait,
            parts=parts_folder(out) if out is not None else None,
            config=settings,
            progress=show.progress,
        )
        if out is not None:
            write_predictions(out, result)
            remove(parts_folder(out))
            show.say(f"{counted(len(result.objects), 'object')} → {out}")
        if mask is not None:
            write_mask(mask, result)
            show.say(f"Epochs of {len(result.objects)} objects → {mask}")
        if clean is not None:
            cleaned = write_light_curves(
                result, locate_optional("cutouts", data, settings) or DEFAULT_OUT, clean
            )
            result = cleaned.predictions
            show.say(
                f"{counted(len(cleaned.paths), 'light curve')}, {counted(cleaned.n_epochs_flagged, 'epoch')} flagged → {clean}"
            )
        if report is not None:
            from rbztf.cli.report import tell
            from rbztf.verbs.report import report as write_page

            page = write_page(
                result,
                out=report,
                data=locate_optional("cutouts", data, settings) or DEFAULT_OUT,
                embeddings=embeddings,
                model=model,
                config=settings,
                progress=show.progress,
            )
            tell(show, page)
            result = replace(result, problems=(*result.problems, *page.problems))
        if as_json:
            show.document(result.to_json())
        elif out is None:
            show_predictions(show, result)
        show.finish(result.problems, result.warnings)


def _check_hats(context: typer.Context, out: Path | None) -> None:
    """Refuse options that have no effect on a catalog, or a missing place for its scores."""
    from rbztf.errors import UsageError

    goal = ("max_false_alarm", "max_missed", "error_rate", "prior", "force", "until")
    work = ("region", "partitions", "scheduler", "workers", "out", "model", "config", "set_", "seed")
    refuse_idle(context, "--hats", *goal, *work)
    if out is None:
        raise UsageError("--hats needs a place for the scores.", "Give --out CATALOG.")
