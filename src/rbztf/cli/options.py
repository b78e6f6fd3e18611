"""Options that several verbs share."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rbztf.config import Config, RenamedSetting, Resolved, check_usage, resolve_config
from rbztf.errors import UsageError
from rbztf.ztf import LabelRule

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
Model = Annotated[
    Path | None, typer.Option(help="Model folder, or a name from: rbztf models.", metavar="MODEL")
]
Embeddings = Annotated[
    Path | None, typer.Option(help="Embedding store, or folder of OID.npy.", metavar="PATH")
]
Features = Annotated[
    Path | None,
    typer.Option(help="Table of light-curve features: oid and one column each.", metavar="FILE"),
]
Ordinary = Annotated[
    Path | None,
    typer.Option(
        help="The same CSV of ordinary objects, which nobody picked: trees learn them as real.", metavar="CSV"
    ),
]
LabelRuleOption = Annotated[
    LabelRule | None,
    typer.Option(
        help="Train on all labelled objects (rb-ztf, the default), or not on ambiguous ones (snad2025)."
    ),
]
Labels = Annotated[Path | None, typer.Option(help="SNAD JSON, or CSV with oid,label.", metavar="FILE")]


def resolve(
    show: Screen,
    verb: str,
    source: str | None = None,
    overrides: list[str] | None = None,
    default: str | None = None,
    **options: object,
) -> Config:
    """The configuration that the options of a verb amount to.

    Parameters
    ----------
    verb : str
        As :func:`rbztf.config.usage.keys_read` calls it; a setting that has no effect on it is refused.
    default : str, optional
        The shipped configuration of a verb that was given none.
    options
        Values of further options by the name of the setting, dots written as ``__``; None leaves it alone.
    """
    return check_usage(verb, [resolve_one(show, source, overrides, default, **options)])[0]


def resolve_one(
    show: Screen,
    source: str | None,
    overrides: list[str] | None,
    default: str | None = None,
    **options: object,
) -> Resolved:
    """As :func:`resolve`, with what each file and option sets, and whether a verb reads it still unchecked."""
    check_seed(options.get("seed"))
    given = {key.replace("__", "."): value for key, value in options.items() if value is not None}
    with renamed_settings_told(show):
        return resolve_config(source, overrides or (), options=given, default=default)


@contextmanager
def renamed_settings_told(show: Screen) -> Iterator[None]:
    """Old names of settings that the block meets become warnings on the screen."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", RenamedSetting)
        yield
    for warning in told:
        show.note(str(warning.message))


def refuse_idle(context: typer.Context, what: str, *read: str) -> None:
    """Refuse options of the command line that have no effect with the option ``what``.

    Parameters
    ----------
    read : str
        Parameters of the verb's function that have one, beside ``what`` itself.

    Raises
    ------
    UsageError
        Naming the option.
    """
    for name, option in _given(context).items():
        if option != what and name not in (*read, "as_json", "quiet"):
            raise UsageError(f"{option} has no effect with {what}.", "Leave out one of them.")


def refuse_without(context: typer.Context, what: str, there: bool, *names: str) -> None:
    """Refuse the options of these parameters unless the option ``what`` is ``there`` as well."""
    for name, option in _given(context).items():
        if name in names and not there:
            raise UsageError(f"{option} has no effect without {what}.", f"Leave it out, or give {what}.")


def _given(context: typer.Context) -> dict[str, str]:
    """Parameters of the verb's function that the command line gives, and their options."""
    found = {}
    for parameter in context.command.params:
        name = str(parameter.name)
        source = context.get_parameter_source(name)
        empty = context.params.get(name) in (None, [], ())  # some versions of click call these given too
        if source is not None and source.name == "COMMANDLINE" and not empty:
            found[name] = max(parameter.opts, key=len)
    return found


def tell_idle_seed(show: Screen, verb: str, seed: int | None) -> None:
    """A warning where a seed is given to a verb that draws nothing."""
    check_seed(seed)
    if seed is not None:
        show.note(f"--seed has no effect: nothing that {verb} does is random.")


def check_seed(seed: object) -> None:
    """Refuse a negative seed."""
    if isinstance(seed, int) and seed < 0:
        raise UsageError(f"--seed {seed} is negative.", "Give 0 or more.")
