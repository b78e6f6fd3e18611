"""``rbztf predict``: probability of bogus for objects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rbztf.archive.cutouts import CutoutStore, open_cutouts
from rbztf.archive.embeddings import Embeddings, open_embeddings
from rbztf.archive.irsa import ARCHIVE_URL
from rbztf.config import Config
from rbztf.errors import DataError, Problem, RbztfError, UsageError
from rbztf.models.classifier_bundle import ClassifierBundle, check_vectors, load_classifier
from rbztf.models.device import choose_device
from rbztf.progress import Progress, silent
from rbztf.sky import Oid
from rbztf.verbs.embed import read_usable, usable_facts
from rbztf.verbs.inputs import locate, locate_optional

CHUNK = 500
"""Objects held in memory at once."""
Vectors = NDArray[np.float32]
Places = tuple[Path | None, Path | None]
"""Cutouts and embeddings."""


@dataclass(frozen=True)
class Prediction:
    """What the model says of one object.

    ``p_low``, ``p_high`` (interval), ``kinds`` (artefact kinds) and ``blamed`` (epochs) are
    empty unless the model can tell.
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
    kinds: dict[str, float] = field(default_factory=dict)
    blamed: tuple[dict[str, float], ...] = ()


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
        A classifier bundle.
    data : path
        Cutouts, which the model's own encoder embeds; ``data/cutouts`` if nothing is named.
    embeddings : path
        Vectors made before; objects they lack are taken from ``data``, if given.
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
    bundle = load_classifier(path)
    wanted = [Oid(oid) for oid in oids] if oids is not None else None
    places = _given(data, embeddings, config)
    problems: list[Problem] = []
    if fetch and wanted and bundle.encoder:
        places, problems = _fetch_lacking(wanted, places, bundle.latent, archive_url, progress)
    source = _Source.open(bundle, places, choose_device(config.device))
    wanted = source.oids() if wanted is None else wanted
    predictions: list[Prediction] = []
    for start in range(0, len(wanted), CHUNK):
        progress("predict", start, len(wanted))
        predictions += _predict_chunk(bundle, source, wanted[start : start + CHUNK], str(path), problems)
    progress("predict", len(wanted), len(wanted))
    return PredictResult(str(path), tuple(predictions), tuple(problems), source.warnings)


def _given(data: Path | str | None, embeddings: Path | str | None, config: Config) -> Places:
    """Cutouts and embeddings to use: what the caller names leaves the configuration out."""
    if data is not None or embeddings is not None:
        return Path(data) if data is not None else None, Path(embeddings) if embeddings is not None else None
    return locate_optional("cutouts", None, config), locate_optional("embeddings", None, config)


def _fetch_lacking(
    wanted: Sequence[Oid], places: Places, latent: int, archive_url: str | None, progress: Progress
) -> tuple[Places, list[Problem]]:
    """Fetch what is in neither place into the cutout store, which is then one of the places."""
    from rbztf.verbs import fetch as verb

    cutouts, embeddings = places
    known = set(open_embeddings(embeddings, latent)) if embeddings else set()
    folder = cutouts or verb.DEFAULT_OUT
    known |= set(open_cutouts(folder)) if folder.is_dir() else set()
    lacking = [oid for oid in wanted if oid not in known]
    if not lacking:
        return places, []
    result = verb.fetch(lacking, out=folder, archive_url=archive_url or ARCHIVE_URL, progress=progress)
    return (folder if folder.is_dir() else cutouts, embeddings), list(result.problems)


@dataclass(frozen=True)
class _Source:
    """Where the vectors of an object come from."""

    bundle: ClassifierBundle
    device: torch.device
    cutouts: CutoutStore | None
    embeddings: Embeddings | None
    warnings: tuple[str, ...]

    @classmethod
    def open(cls, bundle: ClassifierBundle, given: Places, device: torch.device) -> _Source:
        data, embeddings = given
        if data is None and embeddings is None:
            raise UsageError("No data to score.", "Give --data DIR (cutouts) or --embeddings PATH.")
        if embeddings is None and bundle.encoder is None:
            raise UsageError(
                "This model has no encoder, so it cannot read cutouts.", "Give --embeddings PATH."
            )
        vectors = open_embeddings(embeddings, bundle.latent) if embeddings else None
        warnings = check_vectors(bundle, vectors, str(embeddings)) if vectors is not None else []
        cutouts = open_cutouts(data) if data and bundle.encoder else None
        return cls(bundle, device, cutouts, vectors, tuple(warnings))

    def oids(self) -> list[Oid]:
        return list(dict.fromkeys([*(self.embeddings or ()), *(self.cutouts or ())]))

    def read(self, oid: Oid, problems: list[Problem]) -> tuple[Vectors, int]:
        """Finite network inputs of an object, and how many of its frames are missing."""
        if self.embeddings is not None and oid in self.embeddings:
            inputs, n_missing = self.bundle.inputs(self.embeddings, oid), 0
        elif self.cutouts is not None and oid in self.cutouts:
            inputs, n_missing = self._from_frames(self.cutouts, oid, problems)
        else:
            raise DataError("it is in none of the data at hand.", "Fetch it first: rbztf fetch.")
        finite = np.isfinite(inputs).all(axis=1)
        return inputs[finite], n_missing + int(np.sum(~finite))

    def _from_frames(self, store: CutoutStore, oid: Oid, problems: list[Problem]) -> tuple[Vectors, int]:
        cutouts, encoder = store[oid], self.bundle.encoder
        assert encoder is not None  # open() sees to it
        frames, _ = read_usable(cutouts, problems)
        vectors = encoder.embed(frames, self.device, usable_facts(cutouts, encoder))
        inputs = vectors[:, : encoder.latent]
        if self.bundle.uses_loss:
            inputs = np.concatenate([inputs, vectors[:, -1:]], axis=1)
        return inputs, len(cutouts.epochs) - len(vectors)


def _predict_chunk(
    bundle: ClassifierBundle, source: _Source, oids: Sequence[Oid], model: str, problems: list[Problem]
) -> Iterator[Prediction]:
    least = bundle.config.classifier.min_frames
    kept: list[tuple[Oid, int]] = []
    sequences: list[Vectors] = []
    for oid in oids:
        try:
            inputs, n_missing = source.read(oid, problems)
        except RbztfError as error:
            if not any(problem.where == str(oid) for problem in problems):  # why it could not be fetched
                problems.append(Problem(str(oid), str(error)))
            continue
        if len(inputs) < least:
            what = f"{len(inputs)} usable frames; a score needs {least} (classifier.min_frames)."
            problems.append(Problem(str(oid), what))
            continue
        kept.append((oid, n_missing))
        sequences.append(inputs)
    if not sequences:
        return
    for (oid, n_missing), sequence, p in zip(kept, sequences, bundle.probabilities(sequences, source.device)):
        decision = "bogus" if p >= bundle.threshold else "real"
        yield Prediction(int(oid), float(p), decision, bundle.threshold, len(sequence), n_missing, model)
