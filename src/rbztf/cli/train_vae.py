"""``rbztf train-vae`` on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rbztf.cli.options import ConfigFile, Data, Device, Json, Quiet, Seed, Set, resolve
from rbztf.cli.screen import screen
from rbztf.cli.train_rnn import show_training
from rbztf.config import DEFAULT_VAE


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
        settings = resolve(show, "train-vae", config, set_, DEFAULT_VAE, device=device, seed=seed)
        from rbztf.verbs.train_vae import train_vae as run

        show_training(
            show, run(settings, data=data, labels=labels, out=out, progress=show.progress), "frames"
        )
