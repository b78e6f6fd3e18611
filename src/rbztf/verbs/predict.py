"""``rbztf predict``: the probability that objects are bogus."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rbztf.archive.irsa import ARCHIVE_URL, COLLECTION
from rbztf.config import Config, load_config
from rbztf.errors import Problem, RbztfError, UsageError
from rbztf.models.decision.decisions import Goal
from rbztf.models.load import load_model
from rbztf.models.model import Model
from rbztf.models.objects.object_set import Modality
from rbztf.models.training import choose_device
from rbztf.prediction.inputs import InputPaths, ObjectInputs
from rbztf.prediction.parts import Parts
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
FETCHED_AT_ONCE = 512
"""Objects that are fetched before the first of them are scored."""
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
    parts: Path | None = None,
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
    parts : path, optional
        Folder in which predictions are kept as they are made; the same call again goes on from there.
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
    _check_read(bundle, path, {Modality.IMAGE: embeddings, Modality.LIGHTCURVE: features})
    places = with_default_store(_given(data, embeddings, features, config))
    notes = check_package(bundle, places)
    options = FetchOptions(archive_url, collection, wait_s) if fetch and oids is not None else None
    device = choose_device(config.device)
    request = _request(path, places, goal, explain, until_mjd)
    kept = Parts(parts, request) if parts is not None else None
    known = dict(kept.known) if kept else {}
    if oids is None:
        asked = ObjectReader.open(bundle, places, device, until_mjd).oids()
    else:
        asked = list(dict.fromkeys(map(Oid, [oids] if isinstance(oids, int | str) else oids)))
    wanted, problems = in_bands(asked, bundle)
    run = _Run(bundle, str(path), device, until_mjd, goal, explain)
    progress("predict", 0, len(wanted))
    for start in range(0, len(wanted), FETCHED_AT_ONCE):
        part = wanted[start : start + FETCHED_AT_ONCE]
        acquired = acquire([oid for oid in part if oid not in known], bundle, places, options, progress)
        places = acquired.paths
        problems += acquired.problems
        done = start + len(part) - len(acquired.oids)
        for made in run(acquired, problems):
            known |= {entry.oid: entry for entry in made}
            if kept is not None:
                kept.add(made)
            done += CHUNK
            progress("predict", min(done, start + len(part)), len(wanted))
    predictions = tuple(known[oid] for oid in wanted if oid in known)
    warnings = (*notes, *run.warnings, *_remarks(bundle, predictions, run.n_go_on))
    return PredictResult(str(path), predictions, tuple(problems), warnings)


def _check_read(model: Model, path: Path, given: Mapping[Modality, Path | str | None]) -> None:
    """Refuse embeddings or features that the model does not read."""
    options = {Modality.IMAGE: "--embeddings", Modality.LIGHTCURVE: "--features"}
    for modality, place in given.items():
        if place is not None and modality not in model.modalities:
            raise UsageError(
                f"{options[modality]} has no effect on {path}, which reads {' and '.join(model.modalities)} only.",
                "Leave it out, or give another --model.",
            )


class _Run:
    """Reads and scores objects, part by part, and gathers what is worth knowing of them."""

    def __init__(
        self,
        model: Model,
        name: str,
        device: torch.device,
        until_mjd: float | None,
        goal: Goal | None,
        explain: bool,
    ) -> None:
        self._model, self._name, self._device, self._until_mjd = model, name, device, until_mjd
        self._goal, self._explain = goal, explain
        self._reader: ObjectReader | None = None
        self._warnings: dict[str, None] = {}
        self.n_go_on = 0

    @property
    def warnings(self) -> tuple[str, ...]:
        """Each once, in the order in which they came."""
        return tuple(self._warnings)

    def __call__(self, acquired: Acquired, problems: list[Problem]) -> Iterator[list[Prediction]]:
        """Predictions of the objects, chunk by chunk; what is wrong with an object goes to ``problems``."""
        if self._reader is None or acquired.fetched:
            self._reader = ObjectReader.open(self._model, acquired.paths, self._device, self._until_mjd)
        reader = self._reader
        self._warnings |= dict.fromkeys((*acquired.warnings, *reader.warnings))
        failed = {problem.where for problem in acquired.problems}  # could not be fetched, which says it all
        oids = acquired.oids
        chunks = (oids[start : start + CHUNK] for start in range(0, len(oids), CHUNK))
        read = (list(_read_chunk(reader, chunk, problems, failed)) for chunk in chunks)

        def score(found: Sequence[ObjectInputs]) -> Scores:
            made = (
                predict_objects(reader, found, self._name, self._goal, explain=self._explain) if found else []
            )
            return made, sum(entry.features.goes_on for entry in found if entry.features)

        n_threads = torch.get_num_threads() if reader.device.type == "cpu" and not self._explain else 1
        for made, n_go_on in _side_by_side(score, read, n_threads):
            self.n_go_on += n_go_on
            yield made


def _request(
    model: Path, places: InputPaths, goal: Goal | None, explain: bool, until_mjd: float | None
) -> dict[str, Any]:
    """All that decides a prediction, to tell parts of one request from those of another."""
    files = sorted(path for path in model.rglob("*") if path.is_file())
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.read_bytes())
    return {
        "model": digest.hexdigest()[:16],
        "embeddings": str(places.embeddings),
        "features": str(places.features),
        "goal": asdict(goal or Goal()),
        "explain": explain,
        "until_mjd": until_mjd,
    }


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
    n_trained = sum(bool(entry.in_training) for entry in predictions)
    if n_trained:
        yield (
            f"{n_trained} of {len(predictions)} objects are training objects of the model, so p_bogus flatters; "
            "their decision rests on p_out_of_fold, by members that were not trained on them."
        )
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
