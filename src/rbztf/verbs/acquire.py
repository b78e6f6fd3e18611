"""Get what a model reads of the objects asked for: check first, then fetch only what is missing."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from rbztf.archive.irsa import ARCHIVE_URL, COLLECTION
from rbztf.archive.results import FetchResult
from rbztf.errors import Problem, RbztfError, UsageError
from rbztf.features.files import read_features
from rbztf.features.sets import FeatureSet
from rbztf.models.model import Model
from rbztf.models.objects.object_set import Modality
from rbztf.prediction.inputs import InputPaths
from rbztf.progress import Progress, silent
from rbztf.stores.cutouts import CutoutStore, open_cutouts
from rbztf.stores.embeddings import open_embeddings
from rbztf.stores.epochs import NO_FRAME
from rbztf.verbs.fetch import DEFAULT_OUT
from rbztf.verbs.fetch import fetch as fetch_objects
from rbztf.ztf import Oid


@dataclass(frozen=True)
class FetchOptions:
    """How objects that are not at hand are fetched.

    Attributes
    ----------
    archive_url : str
        IRSA, or a server that speaks its dialect.
    collection : str
        Data release of the light curves.
    wait_s : float or None
        Longest wait for objects that another process is fetching; None: without end.
    """

    archive_url: str = ARCHIVE_URL
    collection: str = COLLECTION
    wait_s: float | None = None


def with_default_store(paths: InputPaths) -> InputPaths:
    """``paths``, or the cutouts in ``data/cutouts`` where nothing is named and that folder is there."""
    if paths.cutouts is None and paths.embeddings is None and DEFAULT_OUT.is_dir():
        return replace(paths, cutouts=DEFAULT_OUT)
    return paths


def check_package(model: Model, paths: InputPaths) -> list[str]:
    """Whether the features that the model reads can be computed or read; asked before anything is fetched.

    Returns
    -------
    list of str
        A warning, if the model can do without them.

    Raises
    ------
    UsageError
        If it cannot.
    """
    if Modality.LIGHTCURVE not in model.modalities or paths.features is not None:
        return []
    try:
        FeatureSet.of(model.feature_names).check_package()
    except UsageError as error:
        if not model.can_score([Modality.IMAGE]):
            raise
        return [f"Scores rest on frames alone, without light-curve features. {error}"]
    return []


def lacking(oids: Sequence[Oid], model: Model, paths: InputPaths) -> set[Oid]:
    """Objects of which something that the model reads is nowhere and can be fetched."""
    reads_frames = reads_cutouts(model)
    if not reads_frames and not (model.feature_names and FeatureSet.of(model.feature_names).can_compute()):
        return set()
    known: set[int] = set()
    if Modality.IMAGE in model.modalities and paths.embeddings is not None:
        known |= set(open_embeddings(paths.embeddings, model.selection.latent))
    if not reads_frames and paths.features is not None:
        known |= set(read_features(paths.features).oids.tolist())
    folder = cutouts_folder(paths)
    store = open_cutouts(folder) if folder.is_dir() else {}
    return {oid for oid in oids if oid not in known and not _is_stored(store, oid, reads_frames)}


def fetch_lacking(
    oids: Sequence[Oid], model: Model, folder: Path, options: FetchOptions, progress: Progress = silent
) -> FetchResult:
    """Fetch what the model reads of ``oids`` into the cutout store ``folder``.

    For a model that reads no frames only light curves are fetched, several objects a request.
    """
    return fetch_objects(
        oids,
        out=folder,
        archive_url=options.archive_url,
        collection=options.collection,
        wait_s=options.wait_s,
        max_frames=None if reads_cutouts(model) else 0,
        progress=progress,
    )


def in_bands(oids: Sequence[Oid], model: Model) -> tuple[list[Oid], list[Problem]]:
    """The objects in the bands that the model was trained on, and a problem for each of the others."""
    bands = model.config.data.bands
    names = " and ".join(bands)
    kept = [oid for oid in oids if oid.band in bands]
    others = [oid for oid in oids if oid.band not in bands]
    what = (
        "it is an object in the band {}; the model was trained on the band {} and gives no score for others."
    )
    return kept, [Problem(str(int(oid)), what.format(oid.band, names)) for oid in others]


def reads_cutouts(model: Model) -> bool:
    """Whether the model can make vectors from frames."""
    return Modality.IMAGE in model.modalities and model.encoder is not None


def cutouts_folder(paths: InputPaths) -> Path:
    """Where cutouts are, or where fetched ones go."""
    return paths.cutouts or DEFAULT_OUT


def _is_stored(store: Collection[object], oid: Oid, with_frames: bool) -> bool:
    """Whether the store has the object, or a file that cannot be read, which the reader will name."""
    if oid not in store:
        return False
    if not (with_frames and isinstance(store, CutoutStore)):
        return True
    try:
        return bool(np.any(store.epochs(oid)["frame"] != NO_FRAME))
    except RbztfError:
        return True
