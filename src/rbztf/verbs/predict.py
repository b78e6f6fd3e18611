"""``rbztf predict``: the probability that objects are bogus."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from rbztf.archive.irsa import ARCHIVE_URL, COLLECTION
from rbztf.config import Config, load_config
from rbztf.errors import Problem, RbztfError, UsageError
from rbztf.models.decision.decisions import Goal
from rbztf.models.load import load_model
from rbztf.models.model import Model
from rbztf.models.training import choose_device
from rbztf.prediction.inputs import InputPaths, ObjectInputs
from rbztf.prediction.reader import ObjectReader
from rbztf.prediction.result import Prediction, PredictResult
from rbztf.prediction.score import predict_objects
from rbztf.progress import Progress, silent
from rbztf.verbs.acquire import (
    Acquired,
    FetchOptions,
    acquire,
    check_package,
    in_bands,
    with_default_store,
)
from rbztf.verbs.paths import locate_model, locate_optional
from rbztf.ztf import Oid

CHUNK = 128
"""Objects that a thread scores at once."""
Scores = tuple[list[Prediction], int]
"""Predictions, and how many of the objects have light curves that go on after those of the training."""


def predict(
    oids: int | str | Iterable[int | str] | None = None,
    *,
    model: Path | str | None = None,
    data: Path | str | None = None,
    embeddings: Path | str | None = None,
    features: Path | str | None = None,
    until_mjd: float | None = None,
    goal: Goal | None = None,
    explain: bool = False,
    fetch: bool = True,
    archive_url: str = ARCHIVE_URL,
    collection: str = COLLECTION,
    wait_s: float | None = None,
    config: Config | None = None,
    progress: Progress = silent,
) -> PredictResult:
    """Score objects.

    Parameters
    ----------
    oids : int or iterable of int, optional
        Objects to score, one or many; without it, all that the embeddings or the cutouts hold.
    model : path or name, optional
        A bundle made by ``train-rnn``, or a name from ``rbztf models``; without it the one that the
        configuration names, else the one that comes with rbztf.
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
        Tell what each frame contributes, and the score without the worst; ensembles only.
    fetch : bool
        Fetch objects asked for that the data lack, into the cutout store.
    archive_url : str
        Where to fetch from.
    collection : str
        Data release of light curves that are fetched.
    wait_s : float, optional
        Longest wait for objects that another process is fetching; left out: without end.
    config : Config, optional
        Left out: that of this folder (``./rbztf.yaml``) or of what was imported.

    Raises
    ------
    UsageError, InputError
        For missing paths, or vectors that are not the model's. What is wrong with single
        objects becomes ``problems`` of the result.
    """
    config = config or load_config()
    path = locate_model(model, config)
    bundle = load_model(path)
    if explain and not bundle.attributes_frames:
        raise UsageError(
            f"{path} cannot tell what single epochs contribute: no member of it votes frame by frame.",
            "Train an ensemble with a member that has pooling: votes, such as --config default.",
        )
    places = with_default_store(_given(data, embeddings, features, config))
    notes = check_package(bundle, places)
    if oids is not None:
        several = [oids] if isinstance(oids, int | str) else oids
        options = FetchOptions(archive_url, collection, wait_s) if fetch else None
        acquired = acquire(list(dict.fromkeys(map(Oid, several))), bundle, places, options, progress)
    else:
        acquired = Acquired((), places)
    reader = ObjectReader.open(bundle, acquired.paths, choose_device(config.device), until_mjd)
    wanted = list(acquired.oids)
    problems = list(acquired.problems)
    if oids is None:
        wanted, problems = in_bands(reader.oids(), bundle)
    failed = {problem.where for problem in problems}  # could not be fetched, which says it all
    chunks = [wanted[start : start + CHUNK] for start in range(0, len(wanted), CHUNK)]
    read = (list(_read_chunk(reader, chunk, problems, failed)) for chunk in chunks)

    def score(found: Sequence[ObjectInputs]) -> Scores:
        made = predict_objects(reader, found, str(path), goal, explain=explain) if found else []
        return made, sum(entry.features.goes_on for entry in found if entry.features)

    n_threads = torch.get_num_threads() if reader.device.type == "cpu" and not explain else 1
    predictions: list[Prediction] = []
    n_go_on = done = 0
    progress("predict", 0, len(wanted))
    for chunk, (made, go_on) in zip(chunks, _side_by_side(score, read, n_threads)):
        predictions += made
        n_go_on += go_on
        done += len(chunk)
        progress("predict", done, len(wanted))
    warnings = (*notes, *acquired.warnings, *reader.warnings, *_remarks(bundle, predictions, n_go_on))
    return PredictResult(str(path), tuple(predictions), tuple(problems), warnings)


def _given(
    data: Path | str | None, embeddings: Path | str | None, features: Path | str | None, config: Config
) -> InputPaths:
    """What to use: naming cutouts or embeddings leaves those of the configuration out."""
    table = locate_optional("features", features, config)
    if data is not None or embeddings is not None:
        cutouts, vectors = (Path(place) if place is not None else None for place in (data, embeddings))
        return InputPaths(cutouts, vectors, table)
    return InputPaths(
        locate_optional("cutouts", None, config), locate_optional("embeddings", None, config), table
    )


def _side_by_side(
    score: Callable[[Sequence[ObjectInputs]], Scores],
    chunks: Iterator[Sequence[ObjectInputs]],
    n_threads: int,
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
    reader: ObjectReader, oids: Sequence[Oid], problems: list[Problem], failed: Collection[str]
) -> Iterator[ObjectInputs]:
    """The objects that can be scored; what is wrong with the others goes to ``problems``."""
    for oid in oids:
        try:
            yield reader.read(oid, problems)
        except RbztfError as error:
            if str(oid) not in failed:
                problems.append(Problem(str(oid), str(error)))


def _remarks(model: Model, predictions: Sequence[Prediction], n_go_on: int) -> Iterator[str]:
    """What all who use the scores should know."""
    full = "+".join(model.modalities)
    for inputs in sorted({entry.inputs for entry in predictions} - {full}):
        count = sum(entry.inputs == inputs for entry in predictions)
        auc = {"+".join(have): area for have, area in model.inner_auc.items()}
        yield (
            f"{count} of {len(predictions)} objects scored from {inputs} alone: AUC {auc[inputs]:.3f} on the "
            f"training's inner folds, {auc.get(full, float('nan')):.3f} with {full}."
        )
    timeless = sum(
        bool(entry.blamed) and np.isnan([e.hjd for e in entry.blamed]).all() for entry in predictions
    )
    if timeless:
        yield (
            f"The frames of {timeless} of {len(predictions)} objects have no times (their embeddings do not hold them); "
            "epochs are named by the number of the frame."
        )
    unverified = sum(entry.features_verified is False for entry in predictions)
    if unverified:
        yield (
            f"{unverified} of {len(predictions)} objects have light-curve features whose definitions could not be "
            "compared with the training's; their scores are sound only if both were made alike."
        )
    if model.definition.span_mjd and n_go_on:
        end = model.definition.span_mjd[1]
        yield (
            f"{n_go_on} of {len(predictions)} objects have light curves that go on after MJD {end:.0f}, where "
            f"those of the training end (another data release). --until {end:.0f} scores what both cover."
        )
