"""``rbztf predict``: probability of bogus for objects."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rbztf.archive.cutouts import open_cutouts
from rbztf.archive.embeddings import open_embeddings
from rbztf.archive.irsa import ARCHIVE_URL
from rbztf.config import Config
from rbztf.errors import Problem, RbztfError, UsageError
from rbztf.models.classifier_bundle import ClassifierBundle
from rbztf.models.decisions import Goal
from rbztf.models.device import choose_device
from rbztf.models.ensemble import Ensemble
from rbztf.models.load import Model, load_model
from rbztf.models.objects import Modality
from rbztf.progress import Progress, silent
from rbztf.sky import Oid
from rbztf.verbs.inputs import locate, locate_optional
from rbztf.verbs.judge import judge
from rbztf.verbs.sources import Found, Places, Source

CHUNK = 128
"""Objects that a thread scores at once."""


@dataclass(frozen=True)
class Blamed:
    """An epoch that speaks for bogus.

    Attributes
    ----------
    hjd : float
        Heliocentric Julian date, days; NaN where unknown.
    share : float
        What it adds to the log odds of bogus.
    dropped : bool
        Whether ``p_without`` is without it.
    """

    hjd: float
    share: float
    dropped: bool


@dataclass(frozen=True)
class Prediction:
    """What the model says of one object.

    Attributes
    ----------
    p_bogus, p_low, p_high : float
        Calibrated probability and its 95 % interval (None unless the model can tell).
    decision : str
        ``real``, ``bogus`` or ``unsure``.
    threshold : float
        Probability from which it is called bogus.
    n_frames, n_missing : int
    model : str
    inputs : str
        What the score rests on: ``image``, ``lightcurve``, ``image+lightcurve``.
    features_verified : bool or None
        Whether the light-curve features were made as those of the training; None if none is used.
    kinds : dict of str to float
        Probability that the object is an artefact of each kind.
    blamed : tuple of Blamed
        With ``explain``: frames in falling order of their share.
    p_without, n_dropped
        With ``explain``: score without the dropped frames, and how many they are.
    """

    oid: int
    p_bogus: float
    decision: str
    threshold: float
    n_frames: int
    n_missing: int
    model: str
    p_low: float | None = None
    p_high: float | None = None
    inputs: str = "image"
    features_verified: bool | None = None
    kinds: dict[str, float] = field(default_factory=dict)
    blamed: tuple[Blamed, ...] = ()
    p_without: float | None = None
    n_dropped: int | None = None


Scores = tuple[list[Prediction], int]
"""Predictions, and how many of the objects have frames without magnitudes."""


@dataclass(frozen=True)
class PredictResult:
    """Predictions in the order asked for, and what could not be predicted."""

    model: str
    objects: tuple[Prediction, ...]
    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As printed by ``predict --json``."""
        return {
            "model": self.model,
            "objects": [asdict(prediction) for prediction in self.objects],
            "problems": [asdict(problem) for problem in self.problems],
            "warnings": list(self.warnings),
        }


def predict(
    oids: Iterable[int] | None = None,
    *,
    model: Path | str | None = None,
    data: Path | str | None = None,
    embeddings: Path | str | None = None,
    features: Path | str | None = None,
    until_mjd: float | None = None,
    goal: Goal | None = None,
    explain: bool = False,
    fetch: bool = True,
    archive_url: str | None = None,
    config: Config | None = None,
    progress: Progress = silent,
) -> PredictResult:
    """Score objects.

    Parameters
    ----------
    oids : iterable of int, optional
        Objects to score; without it, all that the embeddings or the cutouts hold.
    model : path
        A bundle made by ``train-rnn``.
    data : path
        Cutouts, which the model's own encoder embeds and from whose epochs light-curve features
        are computed; ``data/cutouts`` if nothing is named.
    embeddings : path
        Vectors made before; objects they lack are taken from ``data``, if given.
    features : path
        CSV of light-curve features, for ensembles that read them.
    until_mjd : float, optional
        Later epochs count for nothing, days; the training's own end makes scores comparable.
    goal : Goal, optional
        What the decision is for; best F1 on the inner folds, or the conformal decision of an
        ensemble, if left out.
    explain : bool
        Tell which frames are to blame, and the score without them; ensembles only.
    fetch : bool
        Fetch objects asked for that the data lack, into the cutout store.
    archive_url : str, optional
        Where to fetch from; IRSA if left out.

    Raises
    ------
    UsageError, InputError
        For missing paths, or vectors that are not the model's. What is wrong with single
        objects becomes ``problems`` of the result.
    """
    config = config or Config()
    path = locate("model", model, config)
    bundle = load_model(path)
    if explain and not isinstance(bundle, Ensemble):
        raise UsageError(
            f"{path} is one network; only an ensemble can explain.", "Train one: --config default."
        )
    wanted = [Oid(oid) for oid in oids] if oids is not None else None
    places = _given(data, embeddings, features, config)
    problems: list[Problem] = []
    if fetch and wanted and bundle.encoder:
        places, problems = _fetch_lacking(wanted, places, bundle.latent, archive_url, progress)
    source = Source.open(bundle, places, choose_device(config.device), until_mjd)
    wanted = source.oids() if wanted is None else wanted
    failed = {problem.where for problem in problems}  # could not be fetched, which says it all
    chunks = [wanted[start : start + CHUNK] for start in range(0, len(wanted), CHUNK)]
    read = (list(_read_chunk(source, chunk, problems, failed)) for chunk in chunks)

    def score(found: Sequence[Found]) -> Scores:
        made = list(judge(source, found, str(path), goal, explain=explain)) if found else []
        return made, sum(len(entry.sequence) > 0 and not _has_magnitudes(entry) for entry in found)

    n_threads = torch.get_num_threads() if source.device.type == "cpu" and not explain else 1
    predictions: list[Prediction] = []
    n_without, done = 0, 0
    progress("predict", 0, len(wanted))
    for chunk, (made, without) in zip(chunks, _side_by_side(score, read, n_threads)):
        predictions += made
        n_without += without
        done += len(chunk)
        progress("predict", done, len(wanted))
    warnings = (*source.warnings, *_remarks(bundle, predictions, n_without))
    return PredictResult(str(path), tuple(predictions), tuple(problems), warnings)


def _given(
    data: Path | str | None, embeddings: Path | str | None, features: Path | str | None, config: Config
) -> Places:
    """What to use: naming cutouts or embeddings leaves those of the configuration out."""
    table = locate_optional("features", features, config)
    if data is not None or embeddings is not None:
        cutouts, vectors = (Path(place) if place is not None else None for place in (data, embeddings))
        return Places(cutouts, vectors, table)
    return Places(
        locate_optional("cutouts", None, config), locate_optional("embeddings", None, config), table
    )


def _fetch_lacking(
    wanted: Sequence[Oid], places: Places, latent: int, archive_url: str | None, progress: Progress
) -> tuple[Places, list[Problem]]:
    """Fetch what is in neither place into the cutout store, which is then one of the places."""
    from rbztf.verbs import fetch as verb

    known = set(open_embeddings(places.embeddings, latent)) if places.embeddings else set()
    folder = places.cutouts or verb.DEFAULT_OUT
    known |= set(open_cutouts(folder)) if folder.is_dir() else set()
    lacking = [oid for oid in wanted if oid not in known]
    if not lacking:
        return places, []
    result = verb.fetch(lacking, out=folder, archive_url=archive_url or ARCHIVE_URL, progress=progress)
    cutouts = folder if folder.is_dir() else places.cutouts
    return Places(cutouts, places.embeddings, places.features), list(result.problems)


def _side_by_side(
    score: Callable[[Sequence[Found]], Scores], chunks: Iterator[Sequence[Found]], n_threads: int
) -> Iterator[Scores]:
    """Scores of each chunk, in order, made on ``n_threads`` threads while this one reads the next chunks.

    This thread alone reads: what reads FITS files is not made for several.
    """
    if n_threads < 2:
        yield from map(score, chunks)
        return
    with ThreadPoolExecutor(n_threads) as pool:
        waiting: deque[Future[Scores]] = deque()
        for chunk in chunks:
            waiting.append(pool.submit(score, chunk))
            if len(waiting) > n_threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _read_chunk(
    source: Source, oids: Sequence[Oid], problems: list[Problem], failed: Collection[str]
) -> Iterator[Found]:
    """The objects that can be scored; what is wrong with the others goes to ``problems``."""
    for oid in oids:
        try:
            found = source.read(oid, problems)
        except RbztfError as error:
            if str(oid) not in failed:
                problems.append(Problem(str(oid), str(error)))
            continue
        if not _can_score(source.model, found):
            problems.append(Problem(str(oid), _what_lacks(source.model, found)))
            continue
        yield found


def _can_score(model: Model, found: Found) -> bool:
    has_frames = len(found.sequence) >= model.config.classifier.min_frames
    if not isinstance(model, Ensemble):
        return has_frames
    have = {Modality.IMAGE: has_frames, Modality.LIGHTCURVE: found.features is not None}
    return any(all(have[modality] for modality in needed) for needed in model.combinations)


def _what_lacks(model: Model, found: Found) -> str:
    least = model.config.classifier.min_frames
    if isinstance(model, Ensemble) and Modality.IMAGE not in model.modalities:
        return "it has no light-curve features, or too few usable epochs for them."
    few = len(found.sequence) < least
    what = f"{len(found.sequence)} usable frames; a score needs {least} (classifier.min_frames)."
    return what if few else "it has no light-curve features, without which the model gives no score."


def _has_magnitudes(found: Found) -> bool:
    return bool(np.isfinite(found.photometry[:, 1]).any())


def _remarks(
    model: ClassifierBundle | Ensemble, predictions: Sequence[Prediction], n_without: int
) -> Iterator[str]:
    """What all who use the scores should know."""
    if not isinstance(model, Ensemble):
        return
    full = "+".join(model.modalities)
    for inputs in sorted({entry.inputs for entry in predictions} - {full}):
        count = sum(entry.inputs == inputs for entry in predictions)
        auc = {"+".join(have): combination.auc for have, combination in model.combinations.items()}
        yield (
            f"{count} of {len(predictions)} objects scored from {inputs} alone: AUC {auc[inputs]:.3f} on the "
            f"training's inner folds, {auc.get(full, float('nan')):.3f} with {full}."
        )
    if model.reader.photometry and n_without:
        yield (
            f"{n_without} of {len(predictions)} objects have frames without magnitudes, which the model "
            "reads; it was trained to do without now and then. Embed their cutouts to give it all."
        )
    unverified = sum(entry.features_verified is False for entry in predictions)
    if unverified:
        yield (
            f"{unverified} of {len(predictions)} objects have light-curve features whose definitions could not be "
            "compared with the training's; their scores are sound only if both were made alike."
        )
