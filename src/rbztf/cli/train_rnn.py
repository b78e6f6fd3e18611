"""``rbztf train-rnn`` on the command line."""

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
    LabelRuleOption,
    Labels,
    Ordinary,
    Quiet,
    Seed,
    Set,
    resolve,
)
from rbztf.cli.screen import Screen, screen
from rbztf.config import DEFAULT_CLASSIFIER
from rbztf.wording import counted

if TYPE_CHECKING:
    from rbztf.verbs.run_folder import TrainResult


def train_rnn(
    config: ConfigFile = None,
    embeddings: Embeddings = None,
    labels: Labels = None,
    features: Features = None,
    ordinary: Ordinary = None,
    data: Data = None,
    label_rule: LabelRuleOption = None,
    out: Annotated[Path | None, typer.Option(help="Classifier bundle to write.", metavar="DIR")] = None,
    set_: Set = None,
    device: Device = None,
    seed: Seed = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train a classifier on the labelled objects that have vectors (or, where those suffice, light-curve features)."""
    with screen(as_json, quiet) as show:
        settings = resolve(
            *(show, "train-rnn", config, set_, DEFAULT_CLASSIFIER),
            data__embeddings=embeddings,
            data__labels=labels,
            data__features=features,
            data__ordinary=ordinary,
            data__cutouts=data,
            data__label_rule=label_rule,
            device=device,
            seed=seed,
        )
        from rbztf.verbs.train_rnn import train_rnn as run

        result = run(
            settings,
            embeddings=embeddings,
            labels=labels,
            features=features,
            ordinary=ordinary,
            data=data,
            out=out,
            progress=show.progress,
        )
        show_training(show, result, "objects")


def show_training(show: Screen, result: TrainResult, unit: str) -> None:
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
    show.say(f"{counted(result.n_objects, 'object')}, {result.seconds:.0f} s → {result.out}")
    for have, auc in result.inner_auc.items():
        show.say(f"AUC on inner folds, {have}: {auc:.3f}")
