"""``rbztf plot``: figures for papers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from rbztf.config import Config, load_config
from rbztf.errors import DataError, InputError, UsageError
from rbztf.evaluation.score_files import ScoredModel
from rbztf.evaluation.summary import Evaluation, summarise
from rbztf.figures.kinds import PlotKind
from rbztf.figures.saving import Width, check_ending, paper_style, write_figure
from rbztf.reporting.entries import Entry
from rbztf.reporting.sources import read_cross_validation, read_entries
from rbztf.stores.embeddings import open_embeddings
from rbztf.stores.labels import LabelTable, read_labels
from rbztf.verbs.cv_scores import with_own_names
from rbztf.verbs.paths import locate, locate_optional
from rbztf.verbs.show import about, blames, cutout_store, of_store, scored
from rbztf.wording import counted
from rbztf.ztf import Label, Oid

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from rbztf.plots.objects import Pictured

Choice = TypeVar("Choice", bound=StrEnum)
MOST_OBJECTS = 20
"""Objects in one figure of frames or light curves."""


@dataclass(frozen=True)
class Plotted:
    """A figure that was written, and what it shows."""

    kind: str
    path: Path
    shows: str

    def to_json(self) -> dict[str, Any]:
        """As printed by ``plot --json``."""
        return {**vars(self), "path": str(self.path)}


@dataclass(frozen=True)
class _Request:
    what: tuple[str, ...]
    data: Path | str | None
    scores: Path | str | None
    embeddings: Path | str | None
    labels: Path | str | None
    width_in: float
    config: Config


def plot(
    kind: PlotKind | str,
    what: Sequence[str | int | Path] | str | int | Path = (),
    *,
    out: Path | str | None = None,
    data: Path | str | None = None,
    scores: Path | str | None = None,
    embeddings: Path | str | None = None,
    labels: Path | str | None = None,
    width: Width | str = Width.PAGE,
    config: Config | None = None,
) -> Plotted:
    """Write a figure, in vectors where the name ends with ``.pdf`` or ``.svg``.

    Parameters
    ----------
    kind : PlotKind
        ``roc``, ``calibration``, ``risk`` and ``histogram`` of cross-validations; ``frames`` and ``lightcurve`` of
        objects; ``latents`` of an embedding store; ``field``: share of bogus by field and CCD.
    what : one or many
        Run folders of ``cv`` or their ``scores.csv``; OIDs for ``frames`` and ``lightcurve``; for ``field`` also
        what ``predict --out`` wrote.
    out : path, optional
        Ending in ``.pdf``, ``.svg`` or ``.png``; default ``KIND.pdf`` in this folder.
    data : path, optional
        Cutouts, for ``frames`` and ``lightcurve``.
    scores : path, optional
        Predictions that name the frames to blame, for ``frames`` and ``lightcurve``.
    embeddings, labels : path, optional
        For ``latents``; labels colour the objects.
    width : Width
        ``column`` (3.5 inches) or ``page`` (7.1 inches).

    Raises
    ------
    RbztfError
        If what is to be drawn cannot be read, or the figure cannot be written.
    """
    kind, width = _known(kind, PlotKind, "kind of figure"), _known(width, Width, "width")
    path = Path(out) if out is not None else Path(f"{kind}.pdf")
    check_ending(path)
    given = (what,) if isinstance(what, str | int | Path) else what
    request = _Request(
        tuple(map(str, given)), data, scores, embeddings, labels, width.inches, config or load_config()
    )
    with paper_style():
        figure, shows = DRAWN[kind](request)
    write_figure(figure, path)
    return Plotted(str(kind), path, shows)


def _known(name: str, choices: type[Choice], what: str) -> Choice:
    try:
        return choices(name)
    except ValueError:
        raise UsageError(f"{name!r} is no {what}.", f"Choose one: {', '.join(choices)}.") from None


def _roc(request: _Request) -> tuple[Figure, str]:
    from rbztf.plots.evaluation import draw_roc

    evaluations = _evaluations(request)
    return draw_roc(evaluations, request.width_in), _named(evaluations)


def _calibration(request: _Request) -> tuple[Figure, str]:
    from rbztf.plots.evaluation import draw_reliability

    evaluations = _evaluations(request)
    return draw_reliability(evaluations, min(request.width_in, 5.0)), _named(evaluations)


def _risk(request: _Request) -> tuple[Figure, str]:
    from rbztf.plots.evaluation import draw_risk_coverage

    evaluations = _evaluations(request)
    return draw_risk_coverage(evaluations, min(request.width_in, 6.0)), _named(evaluations)


def _histogram(request: _Request) -> tuple[Figure, str]:
    from rbztf.plots.evaluation import draw_histogram

    evaluations = _evaluations(request)
    return draw_histogram(evaluations, request.width_in), _named(evaluations)


def _named(evaluations: Sequence[Evaluation]) -> str:
    return f"{counted(len(evaluations), 'model')}, {counted(evaluations[0].n_objects, 'object')}"


def _frames(request: _Request) -> tuple[Figure, str]:
    from rbztf.plots.objects import draw_frames

    objects = _objects(request)
    return draw_frames(objects, request.width_in), counted(len(objects), "object")


def _lightcurve(request: _Request) -> tuple[Figure, str]:
    from rbztf.plots.objects import draw_lightcurves

    objects = _objects(request)
    return draw_lightcurves(objects, request.width_in), counted(len(objects), "object")


def _latents(request: _Request) -> tuple[Figure, str]:
    from rbztf.plots.latents import draw_latents

    if len(request.what) > 1:
        raise UsageError("One embedding store is drawn at a time.", "Give one.")
    path = locate("embeddings", request.what[0] if request.what else request.embeddings, request.config)
    store = open_embeddings(path)
    table = _labels(request)
    vectors = {oid: store.vectors(oid)[:, : store.latent] for oid in store}
    means = {oid: part.mean(axis=0, dtype=np.float64) for oid, part in vectors.items() if len(part)}
    if len(means) < 2:
        raise DataError(
            f"{path} has frames of {counted(len(means), 'object')}; a map needs two.", "Embed more."
        )
    names = [_class_of(table, oid) for oid in means]
    shown = draw_latents(np.array(list(means.values())), names, request.width_in)
    lacking = {
        "without frames": len(store) - len(means),
        "labelled, without vectors": len(set(table) - set(store)),
    }
    return shown, _and_not(counted(len(means), "object"), lacking)


def _field(request: _Request) -> tuple[Figure, str]:
    from rbztf.plots.fields import draw_fields

    entries = [entry for path in _files(request) for entry in read_entries(path)]
    called = {entry.oid: _is_bogus(entry) for entry in entries}
    known = {oid: bogus for oid, bogus in called.items() if bogus is not None}
    if not known:
        raise InputError("No object has a score.", "Give scores of some.")
    bogus = np.array(list(known.values()), bool)
    lacking = {"without a score": len(called) - len(known)}
    shown = draw_fields(list(known), bogus, request.width_in)
    return shown, _and_not(counted(len(known), "object"), lacking)


def _and_not(drawn: str, lacking: Mapping[str, int]) -> str:
    """What is drawn, and how many objects are not, by reason."""
    reasons = ", ".join(f"{n} {reason}" for reason, n in lacking.items() if n)
    return f"{drawn} (not drawn: {reasons})" if reasons else drawn


DRAWN: dict[PlotKind, Callable[[_Request], tuple[Figure, str]]] = {
    PlotKind.ROC: _roc,
    PlotKind.CALIBRATION: _calibration,
    PlotKind.RISK: _risk,
    PlotKind.HISTOGRAM: _histogram,
    PlotKind.FRAMES: _frames,
    PlotKind.LIGHTCURVE: _lightcurve,
    PlotKind.LATENTS: _latents,
    PlotKind.FIELD: _field,
}


def _files(request: _Request) -> list[Path]:
    given = [*request.what, *([str(request.scores)] if request.scores is not None else [])]
    if not given:
        raise UsageError("Nothing to draw.", "Give a run folder of rbztf cv, or its scores.csv.")
    return [Path(name) for name in given]


def _evaluations(request: _Request) -> list[Evaluation]:
    """Cross-validations with their figures; a name that several have gets its run's."""
    read: list[tuple[Path, ScoredModel]] = []
    for path in _files(request):
        if not path.exists():
            raise InputError(f"There is no {path}.", "Give a run folder of rbztf cv, or its scores.csv.")
        _, models = read_cross_validation(path)
        if not models:
            raise InputError(
                f"{path} is no cross-validation.", "Give a run folder of rbztf cv, or its scores.csv."
            )
        read += [(path, model) for model in models]
    draws = request.config.cv.bootstrap
    return [
        summarise(model.name, "", model.folds, LabelTable([]), draws=draws, seconds=0.0)
        for _, model in with_own_names(read)
    ]


def _is_bogus(entry: Entry) -> bool | None:
    """What is decided; where nothing is, what the probability says; None without one."""
    if entry.decision in ("bogus", "real"):
        return entry.decision == "bogus"
    return None if entry.p_bogus is None else entry.p_bogus >= (entry.threshold or 0.5)


def _objects(request: _Request) -> list[Pictured]:
    from rbztf.plots.objects import Pictured

    if not request.what:
        raise UsageError("No object to draw.", "Give its OID.")
    if len(request.what) > MOST_OBJECTS:
        raise UsageError(
            f"One figure shows at most {MOST_OBJECTS} objects; {len(request.what)} are asked for.",
            "Draw several.",
        )
    oids = [Oid(name) for name in request.what]
    store = cutout_store(request.data, request.config)
    entries = scored(Path(request.scores), oids) if request.scores is not None else {}
    return [Pictured(of_store(store, o), blames(entries.get(o)), about(entries.get(o))) for o in oids]


def _labels(request: _Request) -> LabelTable:
    path = locate_optional("labels", request.labels, request.config)
    return read_labels(path) if path is not None else LabelTable([])


def _class_of(labels: LabelTable, oid: Oid) -> str:
    if oid not in labels:
        return ""
    return "artefact" if labels[oid].label == Label.ARTEFACT else "real"
