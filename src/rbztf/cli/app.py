"""The application: its verbs are in the modules imported below."""

from __future__ import annotations

from typing import Annotated

import typer

import rbztf

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
        typer.echo(f"rbztf {rbztf.__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


def example(command: str) -> str:
    """The example shown at the end of a verb's help."""
    return f"[bold]Example:[/bold]  [cyan]{command}[/cyan]"


from rbztf.cli import data, demo, evaluate, features, fetch, scoring, train  # noqa: E402

data.register(app)
fetch.register(app)
features.register(app)
train.register(app)
scoring.register(app)
evaluate.register(app)
demo.register(app)
