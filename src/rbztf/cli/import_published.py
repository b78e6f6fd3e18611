"""``rbztf import`` on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rbztf.cli.options import Json, Quiet
from rbztf.cli.screen import Screen, screen
from rbztf.cli.train_rnn import say_ensemble

if TYPE_CHECKING:
    from rbztf.verbs.run_folder import TrainResult

REFERENCE = "https://github.com/semtim/RB_ZTF"


def import_(
    source: Annotated[
        str, typer.Argument(help="A copy of the repository, or its address.", metavar="[DIR|URL]")
    ] = (REFERENCE),
    out: Annotated[
        Path | None, typer.Option(help="Where to write; the user's cache if left out.", metavar="DIR")
    ] = None,
    train: Annotated[
        bool, typer.Option("--train", help="Train the default classifier on them, into OUT/model.")
    ] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Bring the published RB_ZTF files in: encoders, classifiers, embeddings, labels, features."""
    with screen(as_json, quiet) as show:
        from rbztf.verbs.import_published import import_published

        result = import_published(source, out, progress=show.progress)
        warnings: tuple[str, ...] = ()
        document = result.to_json()
        if not as_json:
            rows = [*result.found.items(), *((name, "missing in the source") for name in result.missing)]
            show.table(f"Imported into {result.out}", ["what", "found"], rows, left=2)
        if train:
            trained = _train(result.out, show)
            document["trained"] = trained.to_json()
            warnings = trained.warnings
        if as_json:
            show.document(document)
        show.finish(result.problems, warnings)


def _train(out: Path, show: Screen) -> TrainResult:
    """Train the default classifier on what was imported."""
    from rbztf.config import DEFAULT_CLASSIFIER, load_config
    from rbztf.verbs.import_published import use_model
    from rbztf.verbs.train_rnn import train_rnn

    config = load_config(DEFAULT_CLASSIFIER, project_file=out / "rbztf.yaml")
    result = train_rnn(config, out=out / "model", progress=show.progress)
    use_model(out)
    if not show.as_json:
        say_ensemble(show, result)
    return result
