"""``rbztf cv``: cross-validate models."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rbztf.config import DEFAULT_CLASSIFIER, Config, load_config
from rbztf.errors import DataError
from rbztf.evaluation.crossval import FoldResult, check_labels, check_split, cross_validate
from rbztf.evaluation.folds import make_split
from rbztf.evaluation.length_bias import equal_length_audit
from rbztf.evaluation.published_models import PADDINGS, evaluate_family, find_families
from rbztf.evaluation.repeats import make_splits, over_draws
from rbztf.evaluation.score_files import write_scores
from rbztf.evaluation.subgroups import magnitudes_of
from rbztf.evaluation.summary import Evaluation, compare, summarise
from rbztf.evaluation.table_files import write_tables
from rbztf.files import write_text
from rbztf.models.checkpoint import History
from rbztf.models.objects.read import FrameSelection, scores_curves_alone, usable_objects
from rbztf.models.rnn.bundle import load_classifier
from rbztf.models.training import choose_device
from rbztf.models.vae.bundle import EncoderBundle, encoder_in, seen_labels
from rbztf.plots.common import plot_examples
from rbztf.progress import Progress, silent
from rbztf.stores.embeddings import Embeddings, open_embeddings
from rbztf.stores.labels import LabelTable
from rbztf.verbs.cv_result import CvResult
from rbztf.verbs.paths import labels_in_bands, locate
from rbztf.verbs.run_folder import new_run, run_folder, write_history, write_json
from rbztf.verbs.training_inputs import (
    fit_to_vectors,
    left_out,
    left_out_warnings,
    locate_inputs,
    read_checked,
    read_ordinary,
    rule_warnings,
    simulate_frames,
)


def cv(
    configs: Config | Sequence[Config] = (),
    *,
    embeddings: Path | str | None = None,
    labels: Path | str | None = None,
    features: Path | str | None = None,
    ordinary: Path | str | None = None,
    data: Path | str | None = None,
    workers: int = 1,
    out: Path | str | None = None,
    progress: Progress = silent,
) -> CvResult:
    """Cross-validate one or several configurations on the same folds.

    Parameters
    ----------
    configs : Config or sequence of Config
        Models to compare; the first one's ``cv`` and ``data`` sections count.
    embeddings : path
        Vectors of the labelled objects.
    labels : path
    features : path
        CSV of light-curve features, for ensembles that read them.
    ordinary : path
        CSV of the same features of ordinary objects, which every training has beside its own.
    data : path
        Cutouts, for configurations whose ``classifier.inputs`` are frames.
    workers : int
        Processes; 0 takes one a core (a script then needs ``if __name__ == "__main__"``).
    out : path
        Run folder; the same command again goes on where a killed one stopped.

    Raises
    ------
    UsageError, InputError, DataError
        For missing paths, or data that do not allow the folds asked for.
    """
    configs = (
        [configs]
        if isinstance(configs, Config)
        else list(configs) or [load_config(project_file=None, default=DEFAULT_CLASSIFIER)]
    )
    first = configs[0]
    device = choose_device(first.device)
    table = labels_in_bands(labels, first)
    folder = run_folder("cv", out)
    inputs = locate_inputs(configs, embeddings, features, ordinary, data, folder / "embeddings", progress)
    configs = inputs.configs
    vectors = open_embeddings(inputs.embeddings, first.vae.latent) if inputs.embeddings else None
    encoder = encoder_in(inputs.embeddings) if inputs.embeddings else None
    fitting = [fit_to_vectors(config, vectors, encoder) for config in configs]
    configs = tuple(config for config, _ in fitting)
    known, warnings = read_checked(inputs.features, table)
    lists = [rule_warnings(table, config.data.label_rule) for config in configs]
    lists += [warned for _, warned in fitting]
    warnings += dict.fromkeys(warning for warned in lists for warning in warned)
    nobody_picked, told = read_ordinary(inputs.ordinary, known, table)
    alone = known if all(map(scores_curves_alone, configs)) else None
    latent = vectors.latent if vectors is not None else 0
    selection = FrameSelection.strictest([FrameSelection.of(config, latent) for config in configs])
    counts, problems = usable_objects(vectors, table, selection, alone)
    splits = make_splits(first.cv.split, table, first.cv.folds, first.seed, set(counts), first.cv.repeats)
    for split in splits:
        check_split(split)
        check_labels(split, table)
    new_run("cv", first, folder)
    checkpoints = folder / "checkpoints"
    simulated = simulate_frames(configs, encoder, device, progress)
    results = over_draws(
        configs,
        splits,
        lambda seeded, split: cross_validate(
            seeded,
            inputs.embeddings,
            table,
            split,
            features=known,
            ordinary=nobody_picked,
            simulated=simulated,
            checkpoints=checkpoints,
            workers=workers,
            progress=progress,
        ),
    )
    described = {
        "n_frames": counts if vectors is not None else None,
        "magnitudes": magnitudes_of(known) if known is not None else None,
    }
    evaluations = []
    for config, folds in zip(configs, results):
        evaluations += _evaluate(config, splits[0].name, folds, table, first.cv.bootstrap, described)
    comparison = compare(evaluations, first.cv.bootstrap)
    missed = left_out(table, counts, problems, splits[0].oids)
    warnings += [*told, *inputs.warnings, *left_out_warnings(table, missed)]
    warnings += _warnings(vectors, inputs.embeddings, encoder) if vectors is not None else []
    result = CvResult(folder, tuple(evaluations), tuple(comparison), tuple(problems), tuple(warnings), missed)
    write_result(result)
    for config in configs[1:]:
        name = (config.name or "default").replace("/", "-")
        write_text(folder / f"config-{name}.yaml", config.dump(folder))
    _plot(folder, result, configs, results, counts, table)
    shutil.rmtree(checkpoints, ignore_errors=True)
    return result


def evaluate_models(
    models: Path | str,
    *,
    embeddings: Path | str | None = None,
    labels: Path | str | None = None,
    paddings: Sequence[str] = PADDINGS,
    config: Config | None = None,
    out: Path | str | None = None,
    progress: Progress = silent,
) -> CvResult:
    """Score bundles that exist, each on the fold it was not trained on.

    Parameters
    ----------
    models : path
        ``NAME/K`` below it is the model of family NAME trained without fold K.
    paddings : sequence of {"reference", "masked"}
        Each family is scored once for each.
    config : Config
        Its ``cv`` section names the split.

    Raises
    ------
    UsageError, InputError, DataError
        For missing paths, a split without objects, or vectors that are not the models' own.
    """
    config = config or Config()
    families = {
        name: {k: load_classifier(place) for k, place in members.items()}
        for name, members in find_families(Path(models)).items()
    }
    selection = FrameSelection.strictest(
        [model.selection for members in families.values() for model in members.values()]
    )
    path = locate("embeddings", embeddings, config)
    vectors = open_embeddings(path, selection.latent)
    table = labels_in_bands(labels, config)
    counts, problems = usable_objects(vectors, table, selection)
    split = make_split(config.cv.split, table, config.cv.folds, config.seed, set(counts))
    if not split.oids:
        raise DataError(
            f"None of the labelled objects in the split is in {path}.", "Check that they belong together."
        )
    device = choose_device(config.device)
    evaluations: list[Evaluation] = []
    warnings = seen_labels(encoder_in(path))
    for name, members in families.items():
        made, warned = evaluate_family(
            name,
            members,
            split,
            vectors,
            table,
            paddings=paddings,
            draws=config.cv.bootstrap,
            device=device,
            progress=progress,
        )
        evaluations += made
        warnings += [warning for warning in warned if warning not in warnings]
    compared = [entry for entry in evaluations if entry.extra["padding"] == paddings[-1]]
    comparison = compare(compared, config.cv.bootstrap)
    folder = new_run("cv", config, out)
    missed = left_out(table, counts, problems, split.oids)
    warnings = [*left_out_warnings(table, missed), *warnings]
    result = CvResult(folder, tuple(evaluations), tuple(comparison), tuple(problems), tuple(warnings), missed)
    write_result(result, compared)
    return result


def _evaluate(
    config: Config,
    split: str,
    folds: Sequence[FoldResult],
    labels: LabelTable,
    draws: int,
    described: Mapping[str, Any],
) -> list[Evaluation]:
    """The model's evaluation, and those of its parts if ``cv.ablate``."""
    name = config.name or "default"
    made = [
        summarise(
            name,
            split,
            {result.fold: result.scored for result in folds},
            labels,
            draws=draws,
            seconds=sum(result.seconds for result in folds),
            extra={"seed": config.seed, **_audit(config, folds)},
            **described,
        )
    ]
    for part in folds[0].variants:
        scored = {result.fold: result.variants[part] for result in folds}
        entry = summarise(f"{name}: {part}", split, scored, labels, draws=draws, seconds=0.0, **described)
        made.append(replace(entry, part_of=name))
    return made


def _audit(config: Config, folds: Sequence[FoldResult]) -> dict[str, Any]:
    """AUC at equal length beside that in full; nothing where too few objects are long enough."""
    pairs = [result.cut for result in folds if result.cut is not None]
    try:
        audit = equal_length_audit(pairs, config.cv.equal_length, config.cv.bootstrap) if pairs else None
    except DataError:
        return {}
    return {"equal_length": audit} if audit else {}


def _warnings(vectors: Embeddings, path: Path | None, encoder: EncoderBundle | None) -> list[str]:
    if not vectors.stamp.encoder:
        return [f"{path} does not say which encoder made its vectors."]
    return seen_labels(encoder)


def write_result(result: CvResult, shown: Sequence[Evaluation] | None = None) -> None:
    """Write metrics, out-of-fold scores, tables and plots (of ``shown``, or all) into the run folder."""
    from rbztf.plots.evaluation import evaluation_plots

    write_json(result.out / "metrics.json", result.to_json())
    write_scores(result.out / "scores.csv", result.evaluations)
    write_tables(result.out, result.evaluations)
    whole = [entry for entry in result.evaluations if not entry.part_of]
    evaluation_plots(whole if shown is None else shown, result.out)


def _plot(
    folder: Path,
    result: CvResult,
    configs: Sequence[Config],
    results: Sequence[Sequence[FoldResult]],
    counts: dict[Any, int],
    labels: LabelTable,
) -> None:
    from rbztf.plots import common

    histories: dict[str, History] = {}
    for config, folds in zip(configs, results):
        for fold in folds:
            for member, history in fold.histories.items():
                model = ": ".join(filter(None, (config.name or "default", member)))
                histories[f"{model}, fold {fold.fold}"] = history
    histories = {name: history for name, history in histories.items() if history}
    if histories:
        write_history(folder / "history.csv", histories)
    by_epoch = {name: history for name, history in histories.items() if "epoch" in history[0]}
    if by_epoch:  # the curves of trees are by their number
        common.losses(by_epoch, folder / "losses.png")
    by_label = {
        "real": [n for oid, n in counts.items() if not labels[oid].label],
        "artefact": [n for oid, n in counts.items() if labels[oid].label],
    }
    common.frames_per_object(by_label, folder / "frames.png")
    plot_examples(folder / "artefacts.png", result.evaluations[0], configs[0])
