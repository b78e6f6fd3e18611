"""Get what a model reads of the objects asked for: check first, then fetch only what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rbztf.archive.irsa import ARCHIVE_URL, COLLECTION
from rbztf.errors import Problem, RbztfError, UsageError
from rbztf.features.snad_set import package
from rbztf.models.model import Model
from rbztf.models.objects.object_set import Modality
from rbztf.prediction.inputs import InputPaths
from rbztf.progress import Progress, silent
from rbztf.stores.cutouts import CutoutStore, open_cutouts
from rbztf.stores.embeddings import open_embeddings
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


@dataclass(frozen=True)
class Acquired:
    """Objects that can be read, and where.

    Attributes
    ----------
    oids : tuple of Oid
    paths : InputPaths
    problems : tuple of Problem
    warnings : tuple of str
    fetched : bool
        Whether the cutout store may have changed.
    """

    oids: tuple[Oid, ...]
    paths: InputPaths
    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()
    fetched: bool = False


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
        package()
    except UsageError as error:
        if not model.can_score([Modality.IMAGE]):
            raise
        return [f"Scores rest on frames alone, without light-curve features. {error}"]
    return []


def acquire(
    oids: Sequence[Oid],
    model: Model,
    paths: InputPaths,
    options: FetchOptions | None,
    progress: Progress = silent,
) -> Acquired:
    """Fetch what the model reads of ``oids`` and none of ``paths`` has, into the cutout store.

    For a model that reads no frames only light curves are fetched, several objects a request.

    Parameters
    ----------
    options : FetchOptions or None
        None fetches nothing.
    """
    lacking = _lacking(oids, model, paths) if options is not None else []
    if not lacking or options is None:
        return Acquired(tuple(oids), paths)
    folder = paths.cutouts or DEFAULT_OUT
    result = fetch_objects(
        lacking,
        out=folder,
        archive_url=options.archive_url,
        collection=options.collection,
        wait_s=options.wait_s,
        max_frames=None if _reads_cutouts(model) else 0,
        progress=progress,
    )
    if folder.is_dir():
        paths = replace(paths, cutouts=folder)
    return Acquired(tuple(oids), paths, result.problems, result.notes, fetched=True)


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


def _reads_cutouts(model: Model) -> bool:
    """Whether the model can make vectors from frames."""
    return Modality.IMAGE in model.modalities and model.encoder is not None


def _lacking(oids: Sequence[Oid], model: Model, paths: InputPaths) -> list[Oid]:
    """Objects of which something that the model reads is nowhere."""
    frames_known: set[Oid] = set()
    if Modality.IMAGE in model.modalities and paths.embeddings is not None:
        frames_known = set(open_embeddings(paths.embeddings, model.selection.latent))
    folder = paths.cutouts or DEFAULT_OUT
    store = open_cutouts(folder) if folder.is_dir() else None
    if _reads_cutouts(model):
        return [oid for oid in oids if oid not in frames_known and not _has_frames(store, oid)]
    if not model.feature_names:
        return []
    table = _in_table(paths.features)
    return [
        oid
        for oid in oids
        if oid not in table and oid not in frames_known and (store is None or oid not in store)
    ]


def _in_table(features: Path | None) -> set[int]:
    from rbztf.features.files import read_features

    return set(read_features(features).oids.tolist()) if features is not None else set()


def _has_frames(store: CutoutStore | None, oid: Oid) -> bool:
    """Whether the store has a frame of the object, or a file that cannot be read, which the reader will name."""
    if store is None or oid not in store:
        return False
    try:
        return len(store[oid].frames) > 0
    except RbztfError:
        return True
