"""``rbztf embed`` on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rbztf.cli.options import (
    ConfigFile,
    Data,
    Device,
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
from rbztf.wording import counted


def embed(
    context: typer.Context,
    model: Model = None,
    data: Data = None,
    out: Annotated[Path | None, typer.Option(help="Embedding store to write.", metavar="DIR")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Warn of frames unlike those the encoder was trained on.")
    ] = False,
    images: Annotated[
        Path | None,
        typer.Option(
            help="Embed out of whole science images, each read once; needs --targets.", metavar="DIR"
        ),
    ] = None,
    targets: Annotated[
        Path | None, typer.Option(help="CSV of oid, ra, dec for --images.", metavar="CSV")
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Dask scheduler: its address, or local.", metavar="ADDRESS")
    ] = None,
    config: ConfigFile = None,
    set_: Set = None,
    device: Device = None,
    seed: Seed = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Turn every frame of a cutout folder into a vector."""
    with screen(as_json, quiet) as show:
        tell_idle_seed(show, "embed", seed)
        settings = resolve(show, "embed", config, set_, device=device)
        from rbztf.errors import UsageError
        from rbztf.verbs.embed import embed as run
        from rbztf.verbs.embed_images import embed_images

        if images is not None:
            refuse_idle(
                context, "--images", "targets", "model", "out", "scheduler", "config", "set_", "device"
            )
            if targets is None:
                raise UsageError("--images needs the objects.", "Give --targets CSV (oid, ra, dec).")
            result = embed_images(
                images,
                targets,
                model=model,
                out=out,
                config=settings,
                scheduler=scheduler,
                progress=show.progress,
            )
        else:
            refuse_without(context, "--images", False, "targets")
            result = run(
                model, data, out, config=settings, check=check, scheduler=scheduler, progress=show.progress
            )
        if as_json:
            show.document(result.to_json())
        else:
            rate = result.n_frames / max(result.seconds, 1e-9)
            show.say(
                f"{counted(result.n_objects, 'object')}, {counted(result.n_frames, 'frame')}, {result.latent} latents "
                f"({rate:,.0f} frames/s) → {result.out}"
            )
            if result.comparison is not None:
                show.say(f"{result.comparison.outside:.1%} of the frames lie outside the training set")
        show.finish(result.problems, result.warnings)
