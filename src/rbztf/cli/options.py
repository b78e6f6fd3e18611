"""Options that several verbs share."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rbztf.config import Config, RenamedSetting, load_config
from rbztf.errors import UsageError

if TYPE_CHECKING:
    from rbztf.cli.screen import Screen

ConfigFile = Annotated[
    str | None,
    typer.Option("--config", "-c", help="YAML file, or name of a shipped configuration.", metavar="FILE"),
]
ConfigFiles = Annotated[
    list[str] | None,
    typer.Option(
        "--config", "-c", help="YAML file, or name of a shipped configuration; may repeat.", metavar="FILE"
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="Override one configuration value; may repeat.", metavar="KEY=VALUE"),
]
Device = Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:N.")]
Seed = Annotated[int | None, typer.Option(help="Seed of everything random.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")]
Out = Annotated[Path | None, typer.Option(help="Where to write.")]
Data = Annotated[Path | None, typer.Option(help="Folder of cutouts.", metavar="DIR")]
Model = Annotated[Path | None, typer.Option(help="Model folder.", metavar="DIR")]
Embeddings = Annotated[
    Path | None, typer.Option(help="Embedding store, or folder of OID.npy.", metavar="PATH")
]
Features = Annotated[
    Path | None,
    typer.Option(help="CSV of light-curve features, oid and one column each.", metavar="CSV"),
]
Labels = Annotated[Path | None, typer.Option(help="SNAD JSON, or CSV with oid,label.", metavar="FILE")]


def resolve(
    show: Screen,
    source: str | None = None,
    overrides: list[str] | None = None,
    device: str | None = None,
    seed: int | None = None,
    default: str | None = None,
    **more: object,
) -> Config:
    """The configuration that the options of a verb amount to; None leaves a key alone. Renamed keys lead to a warning.

    ``default`` is the shipped configuration of a verb that was given none; ``more`` maps keys, dots written as ``__``, to values of further options.
    """
    if seed is not None and seed < 0:
        raise UsageError(f"--seed {seed} is negative.", "Give 0 or more.")
    options = {
        "device": device,
        "seed": seed,
        **{key.replace("__", "."): value for key, value in more.items()},
    }
    given = [f"{key}={value}" for key, value in options.items() if value is not None]
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", RenamedSetting)
        config = load_config(source, [*(overrides or ()), *given], default=default)
    for warning in told:
        show.note(str(warning.message))
    return config
