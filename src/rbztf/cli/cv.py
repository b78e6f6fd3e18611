"""``rbztf cv`` on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rbztf.cli.options import (
    ConfigFiles,
    Data,
    Device,
    Embeddings,
    Features,
    Json,
    LabelRuleOption,
    Labels,
    Ordinary,
    Out,
    Quiet,
    Seed,
    Set,
    refuse_idle,
    resolve_one,
)
from rbztf.cli.screen import Screen, screen
from rbztf.config import DEFAULT_CLASSIFIER, CvSection, check_usage
from rbztf.errors import UsageError
from rbztf.wording import counted
from rbztf.ztf import LabelRule

if TYPE_CHECKING:
    from rbztf.config import Config, Resolved
    from rbztf.evaluation.summary import Evaluation
    from rbztf.verbs.cv_result import CvResult


MODELS_READ = ("config", "embeddings", "labels", "folds", "split", "out", "set_", "device", "seed")
"""Options that have an effect with ``--models``."""
DRAWN = ("field", "random")
"""Splits that have as many folds as they are told."""


def cv(
    context: typer.Context,
    config: ConfigFiles = None,
    embeddings: Embeddings = None,
    labels: Labels = None,
    features: Features = None,
    ordinary: Ordinary = None,
    folds: Annotated[int | None, typer.Option(help="Number of folds (default 5).", metavar="N")] = None,
    split: Annotated[
        str | None,
        typer.Option(help="field, reference, random, or a CSV with oid,fold.", metavar="NAME|FILE"),
    ] = None,
    models: Annotated[
        Path | None, typer.Option(help="Score the bundles NAME/K here instead of training.", metavar="DIR")
    ] = None,
    scores: Annotated[
        list[Path] | None,
        typer.Option(
            help="Compare the models of these scores.csv instead of training; may repeat.", metavar="CSV"
        ),
    ] = None,
    repeats: Annotated[
        int | None,
        typer.Option(help="Draws of the folds, seeds SEED, SEED+1 … (default 1).", metavar="N", min=1),
    ] = None,
    data: Data = None,
    label_rule: LabelRuleOption = None,
    ablate: Annotated[
        bool,
        typer.Option("--ablate", help="Also show what parts of an ensemble can do, from the same trainings."),
    ] = False,
    workers: Annotated[int, typer.Option(help="Processes; 0 takes one a core.", metavar="N", min=0)] = 0,
    out: Out = None,
    set_: Set = None,
    device: Device = None,
    seed: Seed = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Cross-validate: metrics on objects that a model has not seen, with intervals."""
    with screen(as_json, quiet) as show:
        if scores:
            refuse_idle(context, "--scores", "labels", "out", "set_")
        elif models is not None:
            _check_models(config, repeats)
            refuse_idle(context, "--models", *MODELS_READ)
        sources: list[str | None] = list[str | None](config) if config else [None]
        resolved = [
            resolve_one(
                *(show, source, set_, DEFAULT_CLASSIFIER if not (scores or models) else None),
                cv__folds=folds,
                cv__split=split,
                cv__repeats=repeats,
                cv__ablate=ablate or None,
                data__embeddings=embeddings,
                data__labels=labels,
                data__features=features,
                data__ordinary=ordinary,
                data__cutouts=data,
                data__label_rule=label_rule,
                device=device,
                seed=seed,
            )
            for source in sources
        ]
        configs = check_usage("cv --scores" if scores else "cv --models" if models else "cv", resolved)
        _check_folds(resolved[0])
        result = (
            _compare(scores, labels, configs[0], out)
            if scores
            else _run(configs, models, embeddings, labels, features, ordinary, data, workers, out, show)
        )
        if as_json:
            show.document(result.to_json())
        elif models is not None:
            _show_existing(show, result)
        else:
            _show_trained(show, result)
        show.finish(result.problems, result.warnings)


def _check_folds(resolved: Resolved) -> None:
    """Refuse a number of folds that contradicts a split which sets its own."""
    section = resolved.config.cv
    holders = [layer for layer in resolved.layers if layer.depth(["cv", "folds"]) == 2]
    if section.split in DRAWN or not holders or holders[-1].kind == "shared":
        return
    if holders[-1].kind == "named" and section.folds == CvSection().folds:
        return  # as in the config.yaml of a run
    from rbztf.evaluation.folds import REFERENCE_FOLDS, read_split

    reference = section.split == "reference"
    found = REFERENCE_FOLDS if reference else len(read_split(Path(section.split)).folds)
    if section.folds != found:
        raise UsageError(
            f"The split {section.split} has {found} folds, {holders[-1].origin} asks for {section.folds}.",
            "Leave out the number of folds.",
        )


def _check_models(config: Sequence[str] | None, repeats: int | None) -> None:
    if repeats is not None:
        raise UsageError(
            "--models are not trained, so their folds cannot be redrawn.", "Leave out --repeats."
        )
    if config and len(config) > 1:
        raise UsageError("--models are scored with one configuration.", "Give one --config.")


def _compare(scores: Sequence[Path], labels: Path | None, config: Config, out: Path | None) -> CvResult:
    from rbztf.verbs.cv_scores import compare_scores

    return compare_scores(scores, labels=labels, config=config, out=out)


def _run(
    configs: Sequence[Config],
    models: Path | None,
    embeddings: Path | None,
    labels: Path | None,
    features: Path | None,
    ordinary: Path | None,
    data: Path | None,
    workers: int,
    out: Path | None,
    show: Screen,
) -> CvResult:
    from rbztf.verbs.cv import cv as train_and_score
    from rbztf.verbs.cv import evaluate_models

    if models is not None:
        return evaluate_models(
            models, embeddings=embeddings, labels=labels, config=configs[0], out=out, progress=show.progress
        )
    return train_and_score(
        configs,
        embeddings=embeddings,
        labels=labels,
        features=features,
        ordinary=ordinary,
        data=data,
        workers=workers,
        out=out,
        progress=show.progress,
    )


def _show_existing(show: Screen, result: CvResult) -> None:
    """The article's table: one row a family, padded as published and masked side by side."""
    from rbztf.evaluation.published_models import ARTICLE

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
    show.table(f"Published classifiers, mean ± spread over {counted(n_folds, 'fold')}", columns, rows)
    show.say("* article, then ours as published: padded, at the threshold best on the test fold itself")
    show.say(f"Scores, metrics and configuration: {result.out}")


def _spread(estimate: Any) -> str:
    return f"{estimate.mean:.3f}±{estimate.std:.3f}"


SHOWN_METRICS = {
    "roc_auc": "AUC",
    "average_precision": "AP",
    "accuracy": "accuracy",
    "f1": "F1",
    "brier": "Brier",
    "ece": "ECE",
    "tpr_at_fpr.0.05": "TPR at 5 %",
    "tpr_at_fpr.0.01": "TPR at 1 %",
}


def _show_trained(show: Screen, result: CvResult) -> None:
    """Each metric of each model, over folds and pooled, then the differences between models."""
    whole = [entry for entry in result.evaluations if not entry.part_of]
    first, several = whole[0], len(whole) > 1
    rules = [rule for rule in first.by_rule if rule != LabelRule.RB_ZTF]
    rows = []
    for metric, title in SHOWN_METRICS.items():
        for place, entry in enumerate(whole):
            found = entry.metrics[metric]
            figures = [_with_interval(found), _bounded(found.pooled, found.pooled_ci95)]
            figures += [_pooled(entry, rule, metric) for rule in rules]
            rows.append([title if place == 0 else "", *([entry.variant] if several else []), *figures])
    columns = ["", *(["model"] if several else []), "mean ± spread [95 %]", "pooled [95 %]"]
    columns += [f"{rule}, pooled [95 %]" for rule in rules]
    title = f"{counted(first.n_objects, 'object')}, {counted(len(first.folds), 'fold')} ({first.split})"
    show.table(title, columns, rows, left=2 if several else 1)
    for rule in rules:
        n = first.n_objects - first.by_rule[rule].n_objects
        show.say(
            f"{rule}: the same scores without {counted(n, 'object')} whose label is open by SNAD's rule of 2025"
        )
    if result.comparison:
        rows = [
            [
                f"{pair['of'].removeprefix(pair['minus'] + ': ')} − {pair['minus']}",
                *_difference(pair["difference"]["roc_auc"]),
            ]
            for pair in result.comparison
        ]
        columns = ["models", "mean [95 %]", "pooled [95 %]"]
        show.table("Difference in AUC on the same objects, paired", columns, rows)
    show.say(f"Scores, metrics, tables, plots: {result.out}")


def _pooled(entry: Evaluation, rule: LabelRule, metric: str) -> str:
    if rule not in entry.by_rule:
        return ""
    found = entry.by_rule[rule].metrics[metric]
    return _bounded(found.pooled, found.pooled_ci95)


def _difference(found: dict[str, Any]) -> list[str]:
    pairs = [("mean", "ci95"), ("pooled", "pooled_ci95")]
    return [f"{found[name]:+.4f} [{found[ci][0]:+.4f}, {found[ci][1]:+.4f}]" for name, ci in pairs]


def _with_interval(estimate: Any) -> str:
    low, high = estimate.ci95
    return f"{estimate.mean:.3f}±{estimate.std:.3f} [{low:.3f}, {high:.3f}]"


def _bounded(value: float, ci95: tuple[float, float]) -> str:
    return f"{value:.3f} [{ci95[0]:.3f}, {ci95[1]:.3f}]"
