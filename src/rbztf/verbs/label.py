"""``rbztf label``: which objects to label next, and the label files of several people as one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbztf.config import Config, load_config
from rbztf.csvfiles import write_csv
from rbztf.errors import DataError, InputError, Problem, RbztfError, UsageError
from rbztf.evaluation.label_queue import closeness, doubt, order, standardise
from rbztf.features.files import read_features
from rbztf.prediction.result import PredictResult
from rbztf.reporting import sources
from rbztf.reporting.entries import Entry
from rbztf.reporting.neighbours import describe
from rbztf.stores.embeddings import open_embeddings
from rbztf.stores.label_merge import OnConflict, merge, write_disagreements, write_merged
from rbztf.stores.labels import LabelTable, read_labels
from rbztf.verbs.paths import locate_optional
from rbztf.ztf import Oid

DEFAULT_QUEUE = Path("queue.csv")
DEFAULT_LABELS = Path("labels.csv")
DEFAULT_NUMBER = 100
DEFAULT_THRESHOLD = 0.5
"""Where the scores name none."""
TELLING = 0.5
"""Closeness or novelty from which it is a reason."""
WIDE = 0.3
"""Width of an interval from which it is a reason."""
COLUMNS = ("oid", "rank", "p_bogus", "doubt", "novelty", "reason")


@dataclass(frozen=True)
class Queued:
    """An object of the queue.

    Attributes
    ----------
    rank : int
        From 1; the first teaches most.
    p_bogus, doubt : float
        From 0 to 1.
    novelty : float or None
        From 0 to 1, when it was put in the queue; None where it has no vector.
    """

    oid: int
    rank: int
    p_bogus: float
    doubt: float
    novelty: float | None
    reason: str


@dataclass(frozen=True)
class LabelQueue:
    """Objects to label, and how many scored ones are not among them because they are labelled already."""

    path: Path
    objects: tuple[Queued, ...]
    n_scored: int
    n_labelled: int
    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """One document."""
        return {
            "queue": str(self.path),
            "n_scored": self.n_scored,
            "n_labelled": self.n_labelled,
            "objects": [asdict(each) for each in self.objects],
            "problems": [asdict(each) for each in self.problems],
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True)
class MergedLabels:
    """A label file made of several.

    Attributes
    ----------
    n_objects : int
        In any of the files.
    n_agree, n_disagree : int
        With labels of two people or more.
    n_left_out : int
        Disagreements that are not settled, so not in the file.
    """

    path: Path
    disagreements: Path
    n_objects: int
    n_agree: int
    n_disagree: int
    n_left_out: int

    def to_json(self) -> dict[str, Any]:
        """One document."""
        return {**asdict(self), "path": str(self.path), "disagreements": str(self.disagreements)}


def label_queue(
    scores: Path | str | PredictResult,
    *,
    out: Path | str = DEFAULT_QUEUE,
    labels: Path | str | None = None,
    embeddings: Path | str | None = None,
    features: Path | str | None = None,
    number: int = DEFAULT_NUMBER,
    config: Config | None = None,
) -> LabelQueue:
    """Order scored objects so that each verdict teaches most, and write them as a CSV.

    By doubt alone, or by the mean of doubt and novelty where vectors are given; ``docs/report.md`` has the rule.

    Parameters
    ----------
    scores : path or PredictResult
        What ``predict`` gave or wrote, a run folder of ``cv``, or its ``scores.csv``.
    out : path
        The queue, a ``.csv``: oid, rank, p_bogus, doubt, novelty, reason.
    labels : path, optional
        Objects that are left out, those called unsure too; default ``data.labels`` of the configuration.
    embeddings, features : path, optional
        One of them: vectors of scored and labelled objects, for novelty.
    number : int
        Length of the queue at most.

    Raises
    ------
    UsageError
        For scores, labels or vectors that cannot be read, both kinds of vectors, or a name that does
        not end in .csv.
    DataError
        If no object is left to label.
    """
    out = Path(out)
    inputs = [path for path in (scores, labels, embeddings, features) if isinstance(path, Path | str)]
    check_csv_out(out, [out], [Path(path) for path in inputs])
    if number < 1:
        raise UsageError(f"A queue of {number} objects is none.", "Give 1 or more.")
    if embeddings is not None and features is not None:
        raise UsageError("Novelty is by embeddings or by features.", "Give one of the two.")
    path = locate_optional("labels", labels, config or load_config())
    known = read_labels(path) if path is not None else LabelTable([])
    entries = sorted(_entries(scores), key=lambda entry: int(entry.oid))
    left, warnings = _unlabelled(entries, known)
    n_labelled = sum(entry.oid in known or entry.oid in known.undecided for entry in entries)
    points, labelled, problems = _vectors([entry.oid for entry in left], known, embeddings, features)
    objects = _queue(left, number, points, labelled)
    write_csv(out, [_cells(each) for each in objects], COLUMNS)
    return LabelQueue(out, objects, len(entries), n_labelled, tuple(problems), tuple(warnings))


def merge_labels(
    files: Sequence[Path | str],
    *,
    out: Path | str = DEFAULT_LABELS,
    on_conflict: OnConflict | str = OnConflict.LEAVE_OUT,
) -> MergedLabels:
    """Join label files of several people, and write the disagreements beside the result.

    Parameters
    ----------
    files : sequence of path
        Any that ``read_labels`` takes; two or more.
    out : path
        The label file, a ``.csv``; ``NAME-disagreements.csv`` beside it has each person's verdict.
    on_conflict : str
        leave-out; first, the label of the file given first; majority, which leaves out ties.

    Raises
    ------
    UsageError
        For a file that is none, fewer than two, or an unknown rule.
    """
    if on_conflict not in tuple(OnConflict):
        raise UsageError(
            f"{str(on_conflict)[:40]!r} is no rule for conflicts.", f"Choose one of {', '.join(OnConflict)}."
        )
    out, paths = Path(out), [Path(path) for path in files]
    beside = out.with_name(f"{out.stem}-disagreements.csv")
    check_csv_out(out, [out, beside], paths)
    merged = merge(paths, OnConflict(on_conflict))
    write_disagreements(beside, merged)
    write_merged(out, merged)
    return MergedLabels(
        out,
        beside,
        n_objects=len(merged),
        n_agree=sum(each.agree for each in merged),
        n_disagree=sum(each.differ for each in merged),
        n_left_out=sum(each.differ and not each.kept for each in merged),
    )


def check_csv_out(out: Path, written: Sequence[Path], inputs: Sequence[Path]) -> None:
    if out.suffix.lower() != ".csv":
        raise UsageError(f"{out} is no name of a CSV.", "Let it end in .csv.")
    for path in written:
        if path.resolve() in {other.resolve() for other in inputs}:
            raise UsageError(f"{path} would be replaced, which is read here.", "Choose another --out.")


def _entries(scores: Path | str | PredictResult) -> list[Entry]:
    if isinstance(scores, PredictResult):
        return sources.of_predictions(scores.objects)
    _, models = sources.read_cross_validation(Path(scores))
    return sources.of_scores(models) if models else sources.read_predictions(Path(scores))


def _unlabelled(entries: Sequence[Entry], known: LabelTable) -> tuple[list[Entry], list[str]]:
    """Objects to label, and what is to be said of the others."""
    left = [entry for entry in entries if entry.oid not in known and entry.oid not in known.undecided]
    scored = [entry for entry in left if entry.p_bogus is not None]
    if not scored:
        raise DataError("No scored object is left to label.", "Score others, or give other labels.")
    for entry in scored:
        for name in ("p_bogus", "threshold", "p_low", "p_high"):
            value = getattr(entry, name)
            if value is not None and not 0 <= value <= 1:
                raise InputError(
                    f"The {name} of {int(entry.oid)} is {value:g}, not from 0 to 1.", sources.NEXT
                )
    n_without = len(left) - len(scored)
    return scored, [f"{n_without} objects have no p_bogus and are left out."] if n_without else []


def _vectors(
    oids: Sequence[Oid], known: LabelTable, embeddings: Path | str | None, features: Path | str | None
) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None, list[Problem]]:
    """Standardised points of the objects to label and of the labelled ones, and vectors that cannot be read."""
    if embeddings is None and features is None:
        return None, None, []
    everyone, problems = [*oids, *known], list[Problem]()
    if features is not None:
        raw = read_features(features).rows(everyone).values
    else:
        assert embeddings is not None
        raw, problems = _means(everyone, embeddings)
    if not np.isfinite(raw[: len(oids)]).any():
        raise DataError(f"{embeddings or features} has none of the objects to label.", "Give another one.")
    points = standardise(raw, np.arange(len(everyone)) < len(oids))
    return points[: len(oids)], points[len(oids) :], problems


def _means(oids: Sequence[Oid], path: Path | str) -> tuple[NDArray[np.float64], list[Problem]]:
    """Means of the vectors of each object, (n, latent); NaN where there are none."""
    store = open_embeddings(path)
    means, problems = np.full((len(oids), store.latent), np.nan), []
    for place, oid in enumerate(oids):
        if oid not in store:
            continue
        try:
            mean = describe(store[oid])
        except RbztfError as error:
            problems.append(Problem(str(int(oid)), f"taken without its vectors: {error.message}"))
            continue
        if mean is not None:
            means[place] = mean
    return means, problems


def _queue(
    entries: Sequence[Entry],
    number: int,
    points: NDArray[np.float64] | None,
    labelled: NDArray[np.float64] | None,
) -> tuple[Queued, ...]:
    p = np.array([entry.p_bogus for entry in entries], float)
    limit = np.array([DEFAULT_THRESHOLD if entry.threshold is None else entry.threshold for entry in entries])
    width = np.array([_width(entry) for entry in entries])
    near, doubts = closeness(p, limit), doubt(p, limit, width)
    places, novelties = order(doubts, number, points, labelled)
    return tuple(
        Queued(
            oid=int(entries[place].oid),
            rank=rank,
            p_bogus=float(p[place]),
            doubt=float(doubts[place]),
            novelty=None if math.isnan(new) else float(new),
            reason=_reason(entries[place], float(limit[place]), float(near[place]), float(new)),
        )
        for rank, (place, new) in enumerate(zip(places.tolist(), novelties.tolist()), 1)
    )


def _width(entry: Entry) -> float:
    """Of the interval of p; NaN where there is none."""
    if entry.p_low is None or entry.p_high is None:
        return math.nan
    return max(0.0, entry.p_high - entry.p_low)


def _reason(entry: Entry, limit: float, near: float, new: float) -> str:
    reasons = []
    if near >= TELLING:
        reasons.append(f"p {entry.p_bogus:.2f} is near the threshold {limit:.2f}")
    if _width(entry) >= WIDE:
        reasons.append(f"p may be {entry.p_low:.2f} to {entry.p_high:.2f}")
    if new >= TELLING:
        reasons.append("unlike what is labelled or above")
    return "; ".join(reasons) or "the most telling of what is left"


def _cells(each: Queued) -> dict[str, Any]:
    numbers = {name: repr(getattr(each, name)) for name in ("p_bogus", "doubt")}
    return asdict(each) | numbers | {"novelty": "" if each.novelty is None else repr(each.novelty)}
