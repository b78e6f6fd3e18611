"""Verbs that say how good models are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rbztf.cli.options import ConfigFiles, Device, Embeddings, Json, Labels, Out, Quiet, Seed, Set, resolve
from rbztf.cli.screen import Screen, screen
from rbztf.errors import UsageError

if TYPE_CHECKING:
    from rbztf.config import Config
    from rbztf.verbs.cv import CvResult


def register(app: typer.Typer) -> None:
    """Add the verbs to the application."""
    from rbztf.cli.app import example

    app.command(epilog=example("rbztf cv --models published/rnn --split folds.csv"))(cv)


def cv(
    config: ConfigFiles = None,
    embeddings: Embeddings = None,
    labels: Labels = None,
    folds: Annotated[int | None, typer.Option(help="Number of folds (default 5).", metavar="N")] = None,
    split: Annotated[
        str | None,
        typer.Option(help="field, reference, random, or a CSV with oid,fold.", metavar="NAME|FILE"),
    ] = None,
    models: Annotated[
        Path | None, typer.Option(help="Score the bundles NAME/K here instead of training.", metavar="DIR")
    ] = None,
    out: Out = None,
    set_: Set = None,
    device: Device = None,
    seed: Seed = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Cross-validate: metrics on objects that a model has not seen, with intervals."""
    with screen(as_json, quiet) as show:
        if folds is not None and split is not None and split not in ("field", "random"):
            raise UsageError(
                f"--folds {folds} beside --split {split}: that split sets its folds itself.",
                "Leave out --folds.",
            )
        configs = [
            resolve(source, set_, device, seed, cv__folds=folds, cv__split=split)
            for source in config or [None]
        ]
        result = _run(configs, models, embeddings, labels, out, show)
        if as_json:
            show.document(result.to_json())
        elif models is not None:
            _show_existing(show, result)
        else:
            _show_trained(show, result)
        show.finish(warnings=result.warnings)


def _run(
    configs: Sequence[Config],
    models: Path | None,
    embeddings: Path | None,
    labels: Path | None,
    out: Path | None,
    show: Screen,
) -> CvResult:
    from rbztf.verbs.cv import evaluate_models

    if models is None:
        raise UsageError("No models given.", "Give --models DIR.")
    return evaluate_models(
        models, embeddings=embeddings, labels=labels, config=configs[0], out=out, progress=show.progress
    )


def _show_existing(show: Screen, result: CvResult) -> None:
    """The article's table: one row a family, padded as published and masked side by side."""
    from rbztf.evaluation.article import ARTICLE

    families: dict[str, dict[str, Any]] = {}
    for entry in result.evaluations:
        families.setdefault(entry.name, {})[entry.extra["padding"]] = entry
    order = [
        *(name for name in ARTICLE if name in families),
        *(name for name in families if name not in ARTICLE),
    ]
    rows = []
    for name in order:
        padded, alone = families[name].get("reference"), families[name]["masked"]
        article = ARTICLE.get(name)
        protocol = (padded or alone).extra["article_protocol"]
        rows.append(
            [
                article.title if article else name,
                article.roc_auc if article else "",
                _spread(padded.metrics["roc_auc"]) if padded else "",
                _spread(alone.metrics["roc_auc"]),
                f"{article.accuracy[:4] if article else '':4} {protocol['accuracy']['mean']:.3f}",
                f"{article.f1[:4] if article else '':4} {protocol['f1']['mean']:.3f}",
            ]
        )
    columns = ["model", "AUC, article", "padded", "masked", "accuracy*", "F1*"]
    n_folds = len(result.evaluations[0].folds)
    show.table(f"Published classifiers, mean ± spread over {n_folds} folds", columns, rows)
    show.say("* article, then ours as published: padded, at the threshold best on the test fold itself")
    show.say(f"Scores, metrics and configuration: {result.out}")


def _spread(estimate: Any) -> str:
    return f"{estimate.mean:.3f}±{estimate.std:.3f}"


def _show_trained(show: Screen, result: CvResult) -> None:
    raise NotImplementedError
