"""The typer application and the table of its verbs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from rbztf._version import __version__
from rbztf.cli import (
    check,
    clean,
    configs,
    cv,
    demo,
    doctor,
    doubt,
    embed,
    export,
    features,
    fetch,
    import_published,
    label,
    models,
    plot,
    predict,
    report,
    show,
    train_rnn,
    train_vae,
)

app = typer.Typer(
    name="rbztf",
    help="Tell artefacts from real variables in ZTF data releases by the image frames behind each light curve.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rbztf {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


def _example(command: str) -> str:
    return f"[bold]Example:[/bold]  [cyan]{command}[/cyan]"


Verb = tuple[str, Callable[..., None], str]
VERBS: tuple[Verb, ...] = (
    ("import", import_published.import_, "rbztf import RB_ZTF --out published"),
    ("fetch", fetch.fetch, "rbztf fetch --oid 257201400048862 --out data/cutouts"),
    ("features", features.features, "rbztf features --data data/cutouts --out features.csv"),
    (
        "train-vae",
        train_vae.train_vae,
        "rbztf train-vae --config vae --data data/cutouts --out models/encoder",
    ),
    ("embed", embed.embed, "rbztf embed --model published/encoder --data data/cutouts --out embeddings"),
    (
        "train-rnn",
        train_rnn.train_rnn,
        "rbztf train-rnn --config bigru-l2 --embeddings embeddings --labels labels.json --out models/rnn",
    ),
    ("cv", cv.cv, "rbztf cv --config bigru-l2 --embeddings embeddings --labels labels.json --folds 5"),
    (
        "predict",
        predict.predict,
        "rbztf predict 257201400048862 539209100126426 --prior 0.02 --out scores.csv",
    ),
    ("report", report.report, "rbztf report scores.json --data data/cutouts --out report"),
    (
        "label",
        label.label,
        "rbztf label scores.json --embeddings embeddings --labels labels.json --out queue.csv",
    ),
    (
        "doubt",
        doubt.doubt,
        "rbztf doubt --scores runs/default/scores.csv --labels labels.json --out doubt.csv",
    ),
    ("show", show.show, "rbztf show 257201400048862 --scores scores.json --out object.pdf"),
    ("plot", plot.plot, "rbztf plot roc runs/default --width column --out roc.pdf"),
    ("clean", clean.clean, "rbztf clean 257201400048862 --out clean"),
    ("check", check.check, "rbztf check data/cutouts embeddings model features.csv"),
    ("export", export.export, "rbztf export lightcurve --out onnx"),
    ("models", models.models, "rbztf models"),
    ("configs", configs.configs, "rbztf configs diff gru bigru-l2"),
    ("doctor", doctor.doctor, "rbztf doctor --online"),
    ("demo", demo.demo, "rbztf demo --out demo"),
)
"""Every verb: its name, its function and the example at the end of its help."""

ALIASES = {"train": "train-rnn"}
"""Other names of verbs: the classifier that is trained by default is not a recurrent network."""

for name, function, example in VERBS:
    app.command(name, epilog=_example(example))(function)
    for alias in (other for other, meant in ALIASES.items() if meant == name):
        shown = _example(example.replace(f" {name} ", f" {alias} "))
        app.command(alias, epilog=shown, short_help=f"The same as {name}.")(function)
