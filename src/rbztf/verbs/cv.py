"""``rbztf cv``: how good models are on objects they have not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rbztf.archive.embeddings import open_embeddings
from rbztf.config import Config
from rbztf.errors import DataError
from rbztf.evaluation.existing import PADDINGS, evaluate_family, find_families
from rbztf.evaluation.folds import make_split
from rbztf.evaluation.summary import Evaluation, compare, write_scores
from rbztf.models.device import choose_device
from rbztf.progress import Progress, silent
from rbztf.verbs.inputs import labels_in_bands, locate
from rbztf.verbs.run_folder import new_run, write_json


@dataclass(frozen=True)
class CvResult:
    """Evaluations, one a model, and the differences between them."""

    out: Path
    evaluations: tuple[Evaluation, ...]
    comparison: tuple[dict[str, Any], ...] = ()
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As printed by ``cv --json``."""
        return {
            "models": [entry.to_json() for entry in self.evaluations],
            "comparison": list(self.comparison),
            "run": str(self.out),
            "warnings": list(self.warnings),
        }


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
    families = find_families(Path(models))
    path = locate("embeddings", embeddings, config)
    vectors = open_embeddings(path, latent=_latent(families))
    table = labels_in_bands(labels, config)
    split = make_split(config.cv.split, table, config.cv.folds, config.seed, set(vectors))
    if not split.oids:
        raise DataError(
            f"None of the labelled objects in the split is in {path}.", "Check that they belong together."
        )
    device = choose_device(config.device)
    evaluations: list[Evaluation] = []
    warnings: list[str] = []
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
    comparison = compare(
        [entry for entry in evaluations if entry.extra["padding"] == paddings[-1]], config.cv.bootstrap
    )
    return _finish(config, evaluations, comparison, warnings, out)


def _latent(families: dict[str, dict[int, Path]]) -> int:
    from rbztf.models.classifier_bundle import load_classifier

    first = next(iter(families.values()))
    return load_classifier(next(iter(first.values()))).latent


def _finish(
    config: Config,
    evaluations: Sequence[Evaluation],
    comparison: Sequence[dict[str, Any]],
    warnings: Sequence[str],
    out: Path | str | None,
) -> CvResult:
    folder = new_run("cv", config, out)
    result = CvResult(folder, tuple(evaluations), tuple(comparison), tuple(warnings))
    write_json(folder / "metrics.json", result.to_json())
    write_scores(folder / "scores.csv", evaluations)
    return result
