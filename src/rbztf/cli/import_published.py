"""``rbztf import`` on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rbztf.cli.options import (
    ConfigFile,
    Device,
    Features,
    Json,
    Quiet,
    Seed,
    Set,
    check_seed,
    refuse_without,
    renamed_settings_told,
)
from rbztf.cli.screen import Screen, screen
from rbztf.cli.train_rnn import say_ensemble

if TYPE_CHECKING:
    from rbztf.config import Config

REFERENCE = "https://github.com/semtim/RB_ZTF"
_OF_TRAINING = ("config", "set_", "device", "seed")
_OF_OWN = ("archive", "collection")


def import_(
    context: typer.Context,
    source: Annotated[
        str, typer.Argument(help="A copy of the repository, or its address.", metavar="[DIR|URL]")
    ] = (REFERENCE),
    out: Annotated[
        Path | None, typer.Option(help="Where to write; the user's cache if left out.", metavar="DIR")
    ] = None,
    features: Features = None,
    own_features: Annotated[
        bool,
        typer.Option(
            "--own-features",
            help="Fetch the light curves of the labelled objects and compute their features here.",
        ),
    ] = False,
    archive: Annotated[
        str | None, typer.Option(help="Where --own-features fetches from; IRSA if left out.", metavar="URL")
    ] = None,
    collection: Annotated[
        str | None, typer.Option(help="Data release of --own-features.", metavar="NAME")
    ] = None,
    train: Annotated[
        bool, typer.Option("--train", help="Train the default classifier on them, into OUT/model.")
    ] = False,
    config: ConfigFile = None,
    set_: Set = None,
    device: Device = None,
    seed: Seed = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Bring the published files of RB_ZTF in (encoders, classifiers, embeddings, labels), and SNAD's features."""
    with screen(as_json, quiet) as show:
        refuse_without(context, "--train", train, *_OF_TRAINING)
        refuse_without(context, "--own-features", own_features, *_OF_OWN)
        choices = (config, set_, device, seed)
        if train:
            _settings(show, None, *choices)  # what is wrong with them is said before any download
        from rbztf.verbs.import_published import import_published

        places = {"archive_url": archive, "collection": collection}
        result = import_published(
            source,
            out,
            features=features,
            own_features=own_features,
            progress=show.progress,
            **{name: value for name, value in places.items() if value is not None},
        )
        warnings: tuple[str, ...] = ()
        problems = list(result.problems)
        document = result.to_json()
        if not as_json:
            rows = [*result.found.items(), *((name, "missing in the source") for name in result.missing)]
            show.table(f"Imported into {result.out}", ["what", "found"], rows, left=2)
        if train:
            from rbztf.verbs.import_published import train_imported

            settings = _settings(show, result.out / "rbztf.yaml", *choices)
            trained = train_imported(result.out, settings, progress=show.progress)
            document["trained"] = trained.to_json()
            warnings = trained.warnings
            problems += trained.problems
            if not as_json:
                say_ensemble(show, trained)
        if as_json:
            show.document(document)
        show.finish(problems, warnings)


def _settings(
    show: Screen,
    project_file: Path | None,
    source: str | None,
    overrides: list[str] | None,
    device: str | None,
    seed: int | None,
) -> Config:
    """The configuration of the training."""
    from rbztf.config import DEFAULT_CLASSIFIER, check_usage, resolve_config

    check_seed(seed)
    options = {key: value for key, value in (("device", device), ("seed", seed)) if value is not None}
    with renamed_settings_told(show):
        resolved = resolve_config(
            source, overrides or (), options=options, project_file=project_file, default=DEFAULT_CLASSIFIER
        )
    return check_usage("train-rnn", [resolved])[0]
