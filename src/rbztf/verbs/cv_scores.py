"""``rbztf cv --scores``: metrics and comparison of models from their out-of-fold scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

from rbztf.config import Config
from rbztf.errors import UsageError
from rbztf.evaluation.score_files import ScoredModel, read_scores
from rbztf.evaluation.summary import Evaluation, compare, summarise
from rbztf.stores.labels import LabelTable
from rbztf.verbs.cv import write_result
from rbztf.verbs.cv_result import CvResult
from rbztf.verbs.paths import labels_in_bands, locate_optional
from rbztf.verbs.run_folder import new_run


def compare_scores(
    scores: Path | str | Sequence[Path | str],
    *,
    labels: Path | str | None = None,
    config: Config | None = None,
    out: Path | str | None = None,
) -> CvResult:
    """Recompute the figures of models from ``scores.csv`` files, and compare them in pairs.

    Parameters
    ----------
    scores : path or sequence of path
        Files that ``cv`` has written; each may hold several models.
    labels : path, optional
        For the tables by tag and class. What is real and what is not is what the scores say.
    config : Config
        Its ``cv.bootstrap`` counts.
    out : path
        Run folder.

    Raises
    ------
    UsageError, InputError
        Without a file, or for a file that holds no scores.
    """
    config = config or Config()
    paths = [Path(scores)] if isinstance(scores, str | Path) else [Path(path) for path in scores]
    if not paths:
        raise UsageError("No scores given.", "Give --scores CSV.")
    table = labels_in_bands(labels, config) if locate_optional("labels", labels, config) else LabelTable([])
    read = with_own_names([(path, model) for path in paths for model in read_scores(path)])
    evaluations = [
        summarise(model.name, str(path), model.folds, table, draws=config.cv.bootstrap, seconds=0.0)
        for path, model in read
    ]
    comparison = compare(evaluations, config.cv.bootstrap)
    folder = new_run("cv", config, out)
    result = CvResult(
        folder, tuple(evaluations), tuple(comparison), warnings=tuple(_warnings(evaluations, table))
    )
    write_result(result)
    return result


def with_own_names(read: Sequence[tuple[Path, ScoredModel]]) -> list[tuple[Path, ScoredModel]]:
    """Each model under a name that no other has: with its variant, its run, or its whole path."""
    names = [f"{model.name} ({model.variant})" if model.variant else model.name for _, model in read]
    for suffix in (_run_name, str):
        times = Counter(names)
        names = [
            f"{name}, {suffix(path)}" if times[name] > 1 else name for name, (path, _) in zip(names, read)
        ]
    return [(path, replace(model, name=name)) for name, (path, model) in zip(names, read)]


def _run_name(path: Path) -> str:
    return path.resolve().parent.name if path.name == "scores.csv" else path.name


def _warnings(evaluations: Sequence[Evaluation], labels: LabelTable) -> list[str]:
    objects = [
        {
            (oid, label)
            for fold in entry.folds.values()
            for oid, label in zip(fold.oids.tolist(), fold.labels.tolist())
        }
        for entry in evaluations
    ]
    warnings = [
        f"{first.name} and {second.name} were not scored on the same objects with the same labels, "
        "so they are not compared."
        for (first, one), (second, other) in combinations(zip(evaluations, objects), 2)
        if one != other
    ]
    known = {(int(oid), int(entry.label)) for oid, entry in labels.items()}
    other_labels = len({(oid, 1 - label) for oid, label in set().union(*objects)} & known)
    if other_labels:
        warnings.append(
            f"The label file has other labels for {other_labels} of the objects; those of the scores count."
        )
    return warnings
