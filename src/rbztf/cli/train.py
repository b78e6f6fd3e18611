"""Verbs that train."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rbztf.cli.options import (
    ConfigFile,
    Data,
    Device,
    Embeddings,
    Features,
    Json,
    Labels,
    Quiet,
    Seed,
    Set,
    resolve,
)
from rbztf.cli.screen import Screen, screen
from rbztf.config import STANDARD_CLASSIFIER, STANDARD_VAE

if TYPE_CHECKING:
    from rbztf.verbs.train_rnn import TrainResult


def register(app: typer.Typer) -> None:
    """Add the verbs to the application."""
    from rbztf.cli.app import example

    app.command(
        "train-vae", epilog=example("rbztf train-vae --config vae --data data/cutouts --out models/encoder")
    )(train_vae)
    app.command(
        "train-rnn",
        epilog=example(
            "rbztf train-rnn --config bigru-l2 --embeddings embeddings --labels labels.json --out models/rnn"
        ),
    )(train_rnn)


def train_vae(
    config: ConfigFile = None,
    data: Data = None,
    labels: Annotated[
        Path | None,
        typer.Option(help="Labels for the artefact head; the encoder has then seen them.", metavar="FILE"),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Encoder bundle to write.", metavar="DIR")] = None,
    set_: Set = None,
    device: Device = None,
    seed: Seed = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train the autoencoder on all frames of a cutout folder."""
    with screen(as_json, quiet) as show:
        settings = resolve(config, set_, device, seed, STANDARD_VAE)
        from rbztf.verbs.train_vae import train_vae as run

        _show(show, run(settings, data=data, labels=labels, out=out, progress=show.progress), "frames")


def train_rnn(
    config: ConfigFile = None,
    embeddings: Embeddings = None,
    labels: Labels = None,
    features: Features = None,
    data: Data = None,
    out: Annotated[Path | None, typer.Option(help="Classifier bundle to write.", metavar="DIR")] = None,
    set_: Set = None,
    device: Device = None,
    seed: Seed = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train a classifier on the labelled objects that have vectors (or, where those suffice, light-curve features)."""
    with screen(as_json, quiet) as show:
        settings = resolve(config, set_, device, seed, STANDARD_CLASSIFIER)
        from rbztf.verbs.train_rnn import train_rnn as run

        result = run(
            settings,
            embeddings=embeddings,
            labels=labels,
            features=features,
            data=data,
            out=out,
            progress=show.progress,
        )
        _show(show, result, "objects")


def _show(show: Screen, result: TrainResult, unit: str) -> None:
    if show.as_json:
        show.document(result.to_json())
    elif result.history:
        last = result.history[-1]
        seconds = sum(row["seconds"] for row in result.history)
        count = result.n_frames if unit == "frames" else result.n_objects
        show.say(
            f"{count} {unit}, {result.epochs} epochs, {seconds:.1f} s ({count * result.epochs / seconds:,.0f} {unit}/s), "
            f"last loss {last['loss']:.5f} → {result.out}"
        )
    else:
        say_ensemble(show, result)
    show.finish(result.problems, result.warnings)


def say_ensemble(show: Screen, result: TrainResult) -> None:
    """What training an ensemble came to, in a few lines."""
    show.say(f"{result.n_objects} objects, {result.seconds:.0f} s → {result.out}")
    for have, auc in result.inner_auc.items():
        show.say(f"AUC on inner folds, {have}: {auc:.3f}")
