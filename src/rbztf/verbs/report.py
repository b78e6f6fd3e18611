"""``rbztf report``: scores, frames and light curves as a page that opens from disk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rbztf.config import Config, load_config
from rbztf.csvfiles import open_csv
from rbztf.errors import RbztfError, UsageError
from rbztf.evaluation.score_files import ScoredModel
from rbztf.evaluation.summary import compare, summarise
from rbztf.models.catalogue import find_model
from rbztf.models.training import choose_device
from rbztf.prediction.result import PredictResult
from rbztf.progress import Progress, silent
from rbztf.reporting import sources as made_from
from rbztf.reporting.build import Report, Sources, write_report
from rbztf.reporting.entries import Entry
from rbztf.reporting.evaluation import evaluation_data
from rbztf.reporting.neighbours import Neighbours
from rbztf.stores.cutouts import open_cutouts
from rbztf.stores.embeddings import open_embeddings
from rbztf.stores.labels import LabelTable, read_labels
from rbztf.verbs.paths import locate_optional
from rbztf.wording import counted

if TYPE_CHECKING:
    from rbztf.reporting.lens import Lens

DEFAULT_OUT = Path("report")
HISTORY = "history.csv"


@dataclass(frozen=True)
class ReportInputs:
    """What a report shows beside the scores, as far as the caller or the configuration names it."""

    data: Path | str | None = None
    labels: Path | str | None = None
    embeddings: Path | str | None = None
    model: Path | str | None = None
    all_frames: bool = False


def report(
    scores: Path | str | PredictResult,
    *,
    out: Path | str = DEFAULT_OUT,
    data: Path | str | None = None,
    labels: Path | str | None = None,
    embeddings: Path | str | None = None,
    model: Path | str | None = None,
    all_frames: bool = False,
    title: str = "",
    config: Config | None = None,
    progress: Progress = silent,
) -> Report:
    """Write a page that shows objects, their frames and what each contributes; a browser opens it from disk.

    Parameters
    ----------
    scores : path or PredictResult
        What ``predict`` gave or wrote, a run folder of ``cv``, or its ``scores.csv``. Frames are blamed where
        ``predict`` was asked to explain: in its result and in JSON.
    out : path
        Folder; an older report in it is replaced.
    data : path, optional
        Cutouts, for light curves and frames.
    labels, embeddings : path, optional
        What experts said, and vectors: for the most similar labelled objects.
    model : path or name, optional
        Whose encoder reconstructs frames; default the one that made the predictions.
    all_frames : bool
        All frames of each object, not only the 40 most blamed and 40 of all times.
    title : str
        Of the page.

    Raises
    ------
    RbztfError
        If the scores or what is named cannot be read, or the folder cannot be written.
    """
    config = config or load_config()
    inputs = ReportInputs(data, labels, embeddings, model, all_frames)
    if isinstance(scores, PredictResult):
        folder, models = None, list[ScoredModel]()
        entries, name = made_from.of_predictions(scores.objects), scores.model
        inputs = replace(inputs, data=inputs.data or scores.cutouts)
    else:
        path = Path(scores)
        folder, models = made_from.read_cross_validation(path)
        entries = made_from.of_scores(models) if models else made_from.read_predictions(path)
        name = str(path)
    if not entries:
        raise UsageError("There are no objects to report.", "Give scores of some.")
    opened, warnings = _open(entries, inputs, config)
    table = _labels(inputs, config)
    evaluation = _evaluation(models, table, config, folder) if models else None
    return write_report(
        Path(out),
        made_from.with_labels(entries, table),
        replace(opened, evaluation=evaluation),
        title=title or ("Cross-validation" if models else "Predictions"),
        made_from=name,
        warnings=[*warnings, *(scores.warnings if isinstance(scores, PredictResult) else ())],
        progress=progress,
    )


def _labels(inputs: ReportInputs, config: Config) -> LabelTable:
    path = locate_optional("labels", inputs.labels, config)
    return read_labels(path) if path is not None else LabelTable([])


def _open(entries: Sequence[Entry], inputs: ReportInputs, config: Config) -> tuple[Sources, list[str]]:
    """What the report shows beside the scores, and what of it could not be used."""
    cutouts = locate_optional("cutouts", inputs.data, config)
    vectors = locate_optional("embeddings", inputs.embeddings, config)
    table = _labels(inputs, config)
    warnings: list[str] = []
    near = Neighbours(open_embeddings(vectors), table) if vectors is not None and table else None
    lens = None
    if cutouts is not None:
        try:
            lens = _lens(_model_of(entries, inputs, config), config)
        except RbztfError as error:
            if inputs.model is not None:
                raise
            warnings.append(f"No reconstructions: {error}")
    store = open_cutouts(cutouts) if cutouts is not None else None
    lacking = sum(entry.oid not in store for entry in entries) if store is not None else 0
    if lacking:
        warnings.append(
            f"{lacking} of {counted(len(entries), 'object')} are not in {cutouts}: no light curve, no frames."
        )
    return Sources(store, near, lens, None, inputs.all_frames), warnings


def _model_of(entries: Sequence[Entry], inputs: ReportInputs, config: Config) -> Path | None:
    """The model whose encoder is to be used: the one named, the one that made the predictions, the configuration's."""
    if inputs.model is not None:
        return find_model(Path(inputs.model))
    for entry in entries[:1]:
        made_by = Path(str(entry.facts.get("model", "")))
        if entry.facts.get("model") and made_by.is_dir():
            return made_by
    return locate_optional("model", None, config)


def _lens(model: Path | None, config: Config) -> Lens | None:
    """The encoder of a model, where it has one."""
    from rbztf.models.vae.bundle import encoder_in
    from rbztf.reporting.lens import Lens

    encoder = encoder_in(model) if model is not None else None
    return Lens(encoder, choose_device(config.device)) if encoder is not None else None


def _evaluation(
    models: Iterable[ScoredModel], labels: LabelTable, config: Config, folder: Path | None
) -> dict[str, Any]:
    """The figures of a cross-validation, made again from its scores."""
    draws = config.cv.bootstrap
    evaluations = [
        summarise(
            f"{model.name} ({model.variant})" if model.variant else model.name,
            "",
            model.folds,
            labels,
            draws=draws,
            seconds=0.0,
        )
        for model in models
    ]
    return evaluation_data(evaluations, compare(evaluations, draws), _history(folder))


def _history(folder: Path | None) -> list[dict[str, float | str]]:
    """Learning curves of a run folder; none where it has none."""
    path = folder / HISTORY if folder is not None else None
    if path is None or not path.is_file():
        return []
    with open_csv(path, "The table of learning curves", (), "Remove it.") as file:
        return [
            {"run": row.get("run")}
            | {
                name: row.number_at(place)
                for place, name in enumerate(file.header)
                if name != "run" and row.get(name)
            }
            for row in file
        ]
