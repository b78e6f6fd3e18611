"""``rbztf fetch``: get objects, labels and cutouts from an archive, or cut them out of local images."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from rbztf.archive.epoch_filters import Keep
from rbztf.archive.fetch import fetch_objects
from rbztf.archive.fetching.estimate import FetchEstimate, estimate_fetch
from rbztf.archive.http import ArchiveSession
from rbztf.archive.http_settings import MAX_WORKERS, HttpSettings
from rbztf.archive.images.cut_folder import cut_folder
from rbztf.archive.images.targets import read_targets, targets_of_store
from rbztf.archive.irsa import ARCHIVE_URL, COLLECTION
from rbztf.archive.results import FetchResult
from rbztf.archive.snad import LABELS_URL, LabelsResult, fetch_knowledge
from rbztf.archive.verify_store import CheckResult, verify_store
from rbztf.parallel.scheduler import open_scheduler
from rbztf.progress import Progress, notify, silent
from rbztf.verbs.fetch_plan import address, make_plan, make_settings, objects_at
from rbztf.ztf import Band, Oid

DEFAULT_OUT = Path("data/cutouts")
DEFAULT_LABELS = Path("data/akb.ztf.snad.space.json")


def fetch(
    oids: Iterable[int | str],
    *,
    out: Path | str = DEFAULT_OUT,
    archive_url: str = ARCHIVE_URL,
    collection: str = COLLECTION,
    workers: int = 4,
    bands: Sequence[Band | str] = (),
    bad_catflags: int = 0,
    mjd_min: float | None = None,
    mjd_max: float | None = None,
    max_frames: int | None = None,
    keep: Keep = "newest",
    max_seeing_pix: float | None = None,
    bad_infobits: int = 0,
    refresh: bool = False,
    wait_s: float | None = None,
    n_epochs: Mapping[int, int] | None = None,
    settings: HttpSettings | None = None,
    progress: Progress = silent,
) -> FetchResult:
    """Bring light curves and frames of objects into a cutout store.

    The same call again goes on where this one stopped: what is in the store, and what is
    known not to exist there, is not asked for again.

    Parameters
    ----------
    oids : iterable of int or str
    out : path
        Folder of the cutout store.
    archive_url : str
        IRSA, or a server that speaks its dialect.
    collection : str
        Data release of the light curves.
    workers : int
        Requests at the same time; more than 10 are not made.
    bands : sequence of Band
        Objects of other bands are left out; empty: all.
    bad_catflags : int
        Skip epochs with any of these ``catflags`` bits (32768 marks bad ones).
    mjd_min, mjd_max : float, optional
        Time range, MJD in days.
    max_frames : int, optional
        At most so many frames per object; 0 fetches light curves alone.
    keep : "newest", "oldest" or "even"
        Which ones, where there are more.
    max_seeing_pix : float, optional
        Drop frames with a wider FWHM, in pixels.
    bad_infobits : int
        Drop frames with any of these ``INFOBITS`` bits.
    refresh : bool
        Ask for the light curves of objects in the store again, and fetch what is new.
    wait_s : float, optional
        Longest wait for objects that another process is fetching into the same store, once there
        is nothing else to do; left out: without end.
    n_epochs : mapping of int to int, optional
        Epochs that the light curves of some objects are known to have, by OID: a shorter answer is
        not taken for whole.
    settings : HttpSettings, optional
        Patience in detail; ``workers`` counts all the same.

    Returns
    -------
    FetchResult
        ``complete`` is False when a frame or an object is left undone.

    Raises
    ------
    InputError, UsageError
        For a number that is not an OID, filters that contradict each other, or a store where
        no folder can be.
    WriteError
        If the store cannot be written.
    """
    plan = make_plan(
        archive_url=archive_url,
        collection=collection,
        bands=bands,
        bad_catflags=bad_catflags,
        mjd_min=mjd_min,
        mjd_max=mjd_max,
        max_frames=max_frames,
        keep=keep,
        max_seeing_pix=max_seeing_pix,
        bad_infobits=bad_infobits,
        refresh=refresh,
        wait_s=wait_s,
        n_epochs=n_epochs,
    )
    with ArchiveSession(make_settings(settings, workers)) as session:
        result = fetch_objects([Oid(oid) for oid in oids], Path(out), session, plan, progress)
    if workers > MAX_WORKERS:
        note = f"{workers} requests at the same time are too many for the archive: {MAX_WORKERS} were made."
        result = dataclasses.replace(result, notes=(note, *result.notes))
    return result


def estimate(
    oids: Iterable[int | str],
    *,
    out: Path | str = DEFAULT_OUT,
    workers: int = 4,
    settings: HttpSettings | None = None,
    progress: Progress = silent,
    **options: Any,
) -> FetchEstimate:
    """Requests, bytes and hours that :func:`fetch` with the same options would need.

    Nothing is written. The light curves of objects that the store does not have (or of all, with
    ``refresh``) are asked for, since they list the epochs.

    Parameters
    ----------
    options
        Any further ones of :func:`fetch`.

    Raises
    ------
    InputError, UsageError
        As :func:`fetch`.
    ArchiveDown
        If light curves are needed and the archive does not answer.
    """
    plan = make_plan(**options)
    with ArchiveSession(make_settings(settings, workers)) as session:
        return estimate_fetch([Oid(oid) for oid in oids], Path(out), session, plan, progress)


def fetch_position(
    ra_deg: float,
    dec_deg: float,
    *,
    radius_arcsec: float = 2.0,
    out: Path | str = DEFAULT_OUT,
    archive_url: str = ARCHIVE_URL,
    collection: str = COLLECTION,
    bands: Sequence[Band | str] = (),
    **options: Any,
) -> FetchResult:
    """As :func:`fetch`, for the objects of the data release around a position (ICRS, degrees).

    Parameters
    ----------
    options
        Any further ones of :func:`fetch`.

    Raises
    ------
    ArchiveError
        If the TAP service cannot be reached.
    DataError
        If there is no object.
    UsageError
        For a position or radius out of range.
    """
    wanted = objects_at(
        ra_deg, dec_deg, radius_arcsec, archive_url, collection, bands, options.get("progress", silent)
    )
    options["n_epochs"] = {entry.oid: entry.n_obs for entry in wanted}
    oids = [entry.oid for entry in wanted]
    return fetch(oids, out=out, archive_url=archive_url, collection=collection, bands=bands, **options)


def estimate_position(
    ra_deg: float,
    dec_deg: float,
    *,
    radius_arcsec: float = 2.0,
    archive_url: str = ARCHIVE_URL,
    collection: str = COLLECTION,
    bands: Sequence[Band | str] = (),
    **options: Any,
) -> FetchEstimate:
    """As :func:`estimate`, for the objects that :func:`fetch_position` would fetch.

    Raises
    ------
    ArchiveError, DataError, UsageError
        As there.
    """
    progress = options.get("progress", silent)
    wanted = objects_at(ra_deg, dec_deg, radius_arcsec, archive_url, collection, bands, progress)
    oids = [entry.oid for entry in wanted]
    return estimate(oids, archive_url=archive_url, collection=collection, bands=bands, **options)


def fetch_labels(
    out: Path | str = DEFAULT_LABELS,
    *,
    labels_url: str = LABELS_URL,
    settings: HttpSettings | None = None,
    progress: Progress = silent,
) -> LabelsResult:
    """Write the current SNAD knowledge base to ``out``, in its own JSON.

    Raises
    ------
    ArchiveError
        If the service cannot be reached, or answers something else.
    WriteError, UsageError
        If the file cannot be written.
    """
    with ArchiveSession(settings) as session:
        session.circuit.tell = partial(notify, progress)
        return fetch_knowledge(session, Path(out), address(labels_url, "--labels-url"))


def cut_images(
    images_dir: Path | str,
    targets: Path | str | None = None,
    *,
    out: Path | str = DEFAULT_OUT,
    wait_s: float | None = None,
    scheduler: str | None = None,
    progress: Progress = silent,
) -> FetchResult:
    """Cut objects out of whole science images in a local folder, into the store ``out``.

    Parameters
    ----------
    images_dir : path
        Images named as the archive names them: ``.fits``, ``.fits.gz`` or ``.fits.fz``.
    targets : path, optional
        CSV with oid, ra, dec. Left out: the objects of the store ``out``, at the epochs of
        their light curves.
    wait_s : float, optional
        Longest wait for other processes that write to the store; left out: without end.
    scheduler : str, optional
        Address of a Dask scheduler whose workers see the same images and cut them, or ``local``; left out,
        this process cuts.

    Raises
    ------
    InputError, UsageError
        If there are no images or no targets, or no folder can be at ``out``.
    WriteError
        If the store cannot be written.
    """
    out = Path(out)
    wanted = targets_of_store(out) if targets is None else read_targets(Path(targets))
    with nullcontext() if scheduler is None else open_scheduler(scheduler) as pool:
        return cut_folder(
            Path(images_dir).absolute(), wanted, out, wait_s=wait_s, pool=pool, progress=progress
        )


def check_store(
    folder: Path | str = DEFAULT_OUT, *, seal: bool = False, progress: Progress = silent
) -> CheckResult:
    """Read every file of a store and say what is wrong with it: checksums, frames and epochs.

    Parameters
    ----------
    folder : path
    seal : bool
        Give checksums to sound files that have none, as older versions wrote them; otherwise
        nothing is changed.

    Raises
    ------
    InputError
        If the folder does not exist.
    """
    return verify_store(Path(folder), seal=seal, progress=progress)
