"""``rbztf doubt``: labelled objects by how strongly scores of models that have not seen them contradict the label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbztf.config import Config, load_config
from rbztf.csvfiles import write_csv
from rbztf.errors import InputError, UsageError
from rbztf.evaluation.score_files import ScoredModel, read_scores
from rbztf.models.decision.label_errors import find_label_errors, of_label
from rbztf.stores.label_merge import WORDS, spreadsheet_cell
from rbztf.stores.labels import LabelTable, read_labels
from rbztf.verbs.label import check_csv_out
from rbztf.verbs.later_labels import LaterLabels, compare_labels, label_in, read_later
from rbztf.verbs.paths import locate_model, locate_optional
from rbztf.ztf import Label, Oid

Array = NDArray[np.float64]
DEFAULT_OUT = Path("doubt.csv")
SUREST = 1e-12
"""Distance from 0 and 1 to which a probability counts, so that its log odds are finite."""
COLUMNS = (
    "rank",
    "oid",
    "label",
    "p_bogus",
    "p_of_label",
    "issue",
    "tags",
    "later_label",
    "viewer",
)


@dataclass(frozen=True)
class Doubted:
    """A labelled object.

    Attributes
    ----------
    rank : int
        From 1; the first is contradicted most.
    label : str
        real or bogus.
    p_bogus, p_of_label : float
        By models that have not been trained on it; of the label that it has.
    issue : bool
        Whether confident learning takes the label for an error.
    tags : tuple of str
    later_label : str
        real, bogus, unsure; empty where a later file does not have it.
    """

    rank: int
    oid: int
    label: str
    p_bogus: float
    p_of_label: float
    issue: bool
    tags: tuple[str, ...] = ()
    later_label: str = ""

    @property
    def viewer(self) -> str:
        """Page of the object in the SNAD viewer."""
        return Oid(self.oid).viewer_url

    def to_json(self) -> dict[str, Any]:
        """As printed by ``--json``."""
        return {**asdict(self), "viewer": self.viewer}


@dataclass(frozen=True)
class Doubts:
    """Labelled objects by rank.

    Attributes
    ----------
    path : Path
    objects : tuple of Doubted
        As many as were written.
    n_objects, n_issues : int
        Ranked, and of these those whose label confident learning takes for an error.
    n_wrong : dict of str to float
        Estimated number of wrong labels, by label.
    against : LaterLabels or None
    """

    path: Path
    objects: tuple[Doubted, ...]
    n_objects: int
    n_issues: int
    n_wrong: dict[str, float]
    against: LaterLabels | None = None
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """One document."""
        later = self.against
        return {
            "doubt": str(self.path),
            "n_objects": self.n_objects,
            "n_issues": self.n_issues,
            "n_wrong": self.n_wrong,
            "objects": [each.to_json() for each in self.objects],
            "against": None if later is None else {**asdict(later), "path": str(later.path)},
            "warnings": list(self.warnings),
        }


def doubt(
    scores: Path | str | Sequence[Path | str] | None = None,
    *,
    model: Path | str | None = None,
    labels: Path | str | None = None,
    against: Path | str | None = None,
    of: str | None = None,
    number: int | None = None,
    out: Path | str = DEFAULT_OUT,
    config: Config | None = None,
) -> Doubts:
    """Rank labelled objects by how strongly out-of-fold scores contradict their label, and write them as a CSV.

    The lower the probability of the label that an object has, the lower its rank. Which of the labels are
    errors is estimated by confident learning (:mod:`rbztf.models.decision.label_errors`).

    Parameters
    ----------
    scores : path or sequence of path, optional
        ``scores.csv`` of ``cv``; an object's scores of all draws and files are averaged in log odds.
    model : path or str, optional
        Without scores: an ensemble, which keeps what its members say of objects that they were not trained on. By
        default the model that ``predict`` would take.
    labels : path, optional
        For the tags; default ``data.labels`` of the configuration. What is real is what the scores say.
    against : path, optional
        A later label file, whose differences are told.
    of : str, optional
        Which model of the scores; the first of each file if left out.
    number : int, optional
        Objects to write; all if left out.
    out : path
        A ``.csv``: rank, oid, label, p_bogus, p_of_label, issue, tags, later_label, viewer.

    Raises
    ------
    UsageError, InputError
        For both scores and a model, one that keeps no such scores, files that cannot be read or that label an
        object differently, or a name that does not end in .csv.
    DataError
        If there is one class only.
    """
    config, out = config or load_config(), Path(out)
    paths = [Path(path) for path in ([scores] if isinstance(scores, str | Path) else scores or ())]
    check_csv_out(out, [out], [*paths, *(Path(path) for path in (labels, against) if path is not None)])
    if paths and model is not None:
        raise UsageError("Scores and a model are two sources of the same.", "Leave out one of them.")
    if of is not None and not paths:
        raise UsageError("A model keeps scores of its own alone.", "Leave out --of, or give --scores.")
    if number is not None and number < 1:
        raise UsageError(f"A list of {number} objects is none.", "Give 1 or more.")
    oids, known, p_bogus = _of_scores(paths, of) if paths else _of_model(model, config)
    place = locate_optional("labels", labels, config)
    earlier = read_labels(place) if place is not None else None
    later = read_later(Path(against)) if against is not None else None
    errors, own = find_label_errors(known, p_bogus), of_label(known, p_bogus)
    objects = [
        Doubted(
            rank=rank,
            oid=int(oids[i]),
            label=WORDS[Label(known[i])],
            p_bogus=float(p_bogus[i]),
            p_of_label=float(own[i]),
            issue=bool(errors.doubted[i]),
            tags=_tags(earlier, int(oids[i])),
            later_label=label_in(later, int(oids[i])),
        )
        for rank, i in enumerate(np.lexsort((oids, own)).tolist(), 1)
    ]
    kept = tuple(objects[:number])
    write_csv(out, [_cells(each) for each in kept], COLUMNS)
    return Doubts(
        out,
        kept,
        len(objects),
        int(errors.doubted.sum()),
        {WORDS[label]: float(errors.joint[label, 1 - label]) for label in Label},
        compare_labels(Path(against), later, earlier, {each.oid: each.label for each in objects})
        if against is not None and later is not None
        else None,
        tuple(_warnings(earlier, objects)),
    )


def _of_scores(paths: Sequence[Path], of: str | None) -> tuple[NDArray[np.int64], NDArray[np.int64], Array]:
    """OIDs, labels and mean probabilities of all objects of some files."""
    from scipy.special import expit, logit

    found: dict[int, list[float]] = {}
    labels: dict[int, int] = {}
    for path in paths:
        for fold in _chosen(path, read_scores(path), of).folds.values():
            odds = logit(np.clip(fold.scores, SUREST, 1 - SUREST))
            for oid, label, value in zip(fold.oids.tolist(), fold.labels.tolist(), odds.tolist()):
                if labels.setdefault(oid, label) != label:
                    raise InputError(
                        f"{path} has another label for {oid} than the scores before it.",
                        "Give scores that were made with the same labels.",
                    )
                found.setdefault(oid, []).append(value)
    oids = np.array(list(found), np.int64)
    p_bogus = expit(np.array([np.mean(values) for values in found.values()]))
    return oids, np.array(list(labels.values()), np.int64), p_bogus


def _chosen(path: Path, models: Sequence[ScoredModel], of: str | None) -> ScoredModel:
    """The model ``of`` a file, by default its first: parts of an ensemble come after the whole."""
    titles = {f"{each.name} ({each.variant})" if each.variant else each.name: each for each in models}
    if of is None:
        return models[0]
    if of not in titles:
        raise UsageError(f"{path} has no scores of {of[:80]!r}.", f"Choose one of: {', '.join(titles)}.")
    return titles[of]


def _of_model(model: Path | str | None, config: Config) -> tuple[NDArray[np.int64], NDArray[np.int64], Array]:
    """OIDs, labels and inner out-of-fold probabilities of training objects, each by all that is known of it."""
    from rbztf.models.load import load_model

    folder = locate_model(model, config)
    loaded = load_model(folder)
    found: dict[int, tuple[int, float]] = {}
    for have in sorted(loaded.combinations, key=len, reverse=True):
        kept = loaded.combinations[have]
        known = zip(kept.labels.tolist(), kept.scores.tolist())
        for oid, pair in zip(() if kept.oids is None else kept.oids.tolist(), known):
            found.setdefault(oid, pair)
    if not found:
        raise UsageError(
            f"{folder} keeps no out-of-fold scores of its training objects.",
            "Give an ensemble that train-rnn has made, or scores of cv: --scores CSV.",
        )
    labels, p_bogus = zip(*found.values())
    return np.array(list(found), np.int64), np.array(labels, np.int64), np.array(p_bogus, np.float64)


def _tags(table: LabelTable | None, oid: int) -> tuple[str, ...]:
    return tuple(sorted(table[oid].tags)) if table is not None and oid in table else ()


def _warnings(earlier: LabelTable | None, objects: Sequence[Doubted]) -> list[str]:
    n_other = sum(label_in(earlier, each.oid) not in ("", each.label) for each in objects)
    if not n_other:
        return []
    return [f"The label file has other labels for {n_other} of the objects; those of the scores count."]


def _cells(each: Doubted) -> dict[str, Any]:
    return {
        "rank": each.rank,
        "oid": each.oid,
        "label": each.label,
        "p_bogus": repr(each.p_bogus),
        "p_of_label": repr(each.p_of_label),
        "issue": "yes" if each.issue else "no",
        "tags": spreadsheet_cell(", ".join(each.tags)),
        "later_label": each.later_label,
        "viewer": each.viewer,
    }
