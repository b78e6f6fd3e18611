"""SNAD's part of ``rbztf import``: light-curve features and the later export of the labels."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rbztf.archive.pinned_files import SNAD_FEATURES, SNAD_LABELS, PinnedFile, cached_pinned, forget_pinned
from rbztf.config import Config
from rbztf.errors import DataError, InputError
from rbztf.features.files import read_features, write_features
from rbztf.features.lightcurve import features_from_cutouts
from rbztf.features.table import FeatureTable
from rbztf.files import whole
from rbztf.progress import Progress
from rbztf.stores.cutouts import open_cutouts
from rbztf.stores.labels import read_labels, read_usable
from rbztf.verbs.fetch import fetch
from rbztf.verbs.import_result import ImportResult, LabelChanges
from rbztf.wording import counted

FEATURES, LABELS, LATEST = "features.csv", "labels.json", "labels_latest.json"
"""Names in the folder that ``import`` writes."""
CURVES = "light-curves"
"""Cutout store without frames, from which features are computed."""
FEATURE_FILES = ("lightcurve_features.csv", SNAD_FEATURES.name)
"""How a folder may call SNAD's table of features; the first one found counts."""


def download(file: PinnedFile, name: str, result: ImportResult, progress: Progress) -> Path | None:
    """A file of SNAD's repository, or None where it cannot be had, which becomes a problem called ``name``."""
    path = None
    with result.noting(name):
        path = cached_pinned(file, progress)
    return path


def import_features(path: Path | None, result: ImportResult) -> None:
    """Bring a table of light-curve features in; the file says how they were made."""
    if path is None:
        result.missing.append(FEATURES)
        return
    with result.noting(FEATURES), _forgetting(SNAD_FEATURES):
        keep_features(read_features(path), result)


def keep_features(table: FeatureTable, result: ImportResult) -> None:
    """Write ``features.csv`` of what was imported."""
    write_features(result.out / FEATURES, table)
    result.found[FEATURES] = f"{counted(len(table), 'object')}, {counted(len(table.names), 'feature')}"


def import_latest(path: Path | None, result: ImportResult) -> None:
    """Keep SNAD's later export of the labels beside those of the training, and count how many differ."""
    if path is None:
        result.missing.append(LATEST)
        return
    with result.noting(LATEST), _forgetting(SNAD_LABELS):
        latest = read_usable(path)
        with whole(result.out / LATEST) as part:
            shutil.copyfile(path, part)
        result.found[LATEST] = f"{counted(len(latest), 'object')}"
        if LABELS in result.found:
            labels = read_labels(result.out / LABELS)
            shared = [oid for oid in labels if oid in latest]
            n_differ = sum(labels[oid].label != latest[oid].label for oid in shared)
            result.label_changes = LabelChanges(len(latest), len(shared), n_differ)
            result.found[LATEST] = str(result.label_changes)


def compute_features(
    result: ImportResult, archive_url: str, collection: str, config: Config, progress: Progress
) -> None:
    """Fetch the light curves of the labelled objects, without frames, and compute their features.

    The same call again goes on where this one stopped: light curves stay in ``OUT/light-curves``.
    """
    with result.noting(FEATURES):
        if not (result.out / LABELS).is_file():
            raise DataError("There are no labels, so nothing says which light curves to fetch.")
        oids = list(read_labels(result.out / LABELS).in_bands(config.data.bands))
        folder = result.out / CURVES
        fetched = fetch(
            oids,
            out=folder,
            archive_url=archive_url,
            collection=collection,
            max_frames=0,
            progress=progress,
        )
        result.problems += fetched.problems
        store = open_cutouts(folder)
        here = [oid for oid in oids if oid in store]
        if not here:
            raise DataError("No light curve of a labelled object could be had.", "Try again later.")
        keep_features(features_from_cutouts(store, here, progress=progress, problems=result.problems), result)
        result.found[FEATURES] += f" of {len(oids)} labelled objects, computed here"


@contextmanager
def _forgetting(file: PinnedFile) -> Iterator[None]:
    """Download a file anew the next time if the block finds it damaged."""
    try:
        yield
    except InputError:
        forget_pinned(file)
        raise
