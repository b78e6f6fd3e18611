"""``rbztf predict``: the probability that objects are bogus."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rbztf.archive.irsa import ARCHIVE_URL, COLLECTION
from rbztf.config import Config, load_config
from rbztf.errors import UsageError
from rbztf.models.catalogue import shipped_model
from rbztf.models.decision.decisions import Goal
from rbztf.models.load import load_model
from rbztf.models.model import Model
from rbztf.models.objects.object_set import Modality
from rbztf.models.training import choose_device
from rbztf.prediction.inputs import InputPaths
from rbztf.prediction.parts import Parts
from rbztf.prediction.remarks import Tally, remarks
from rbztf.prediction.result import PredictResult
from rbztf.prediction.run import PredictionRun
from rbztf.progress import Progress, silent
from rbztf.verbs.acquire import (
    FetchOptions,
    check_package,
    cutouts_folder,
    fetch_lacking,
    in_bands,
    lacking,
    with_default_store,
)
from rbztf.verbs.paths import locate_model, locate_optional
from rbztf.ztf import Oid

FETCHED_AT_ONCE = 512
"""Objects that are fetched before the first of them are scored."""


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
    force: bool = False,
    frames: bool = True,
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
    force : bool
        Decide also of objects whose input is outside what the model was trained on.
    frames : bool
        False scores light curves alone, whatever else the model reads; no frame is fetched or read.
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
    bundle = load_model(path) if frames else _of_light_curves(path)
    if explain and not bundle.attributes_frames:
        raise UsageError(
            f"{path} cannot tell what single epochs contribute: no member of it votes frame by frame.",
            "Take one that does: rbztf import --train, or rbztf train-rnn --config default.",
        )
    _check_read(bundle, path, {Modality.IMAGE: embeddings, Modality.LIGHTCURVE: features})
    places = given_places(data, embeddings, features, config)
    notes = [*check_package(bundle, places), *of_shipped(bundle, path)]
    options = FetchOptions(archive_url, collection, wait_s) if fetch and oids is not None else None
    device = choose_device(config.device)
    kept = None
    if parts is not None:
        request = _request(path, places, collection, goal, explain, until_mjd, force)
        kept = Parts(parts, request if frames else {**request, "frames": False})
    known = dict(kept.known) if kept else {}
    run = PredictionRun(bundle, str(path), device, until_mjd, goal, explain, force)
    if oids is None:
        run.open(places)
        asked = run.reader.oids()
    else:
        asked = list(dict.fromkeys(map(Oid, [oids] if isinstance(oids, int | str) else oids)))
    wanted, problems = in_bands(asked, bundle)
    new = [oid for oid in wanted if oid not in known]
    lacks = lacking(new, bundle, places) if options is not None else set()
    if oids is not None:
        run.open(places, cutouts_follow=bool(lacks) or not new)
    folder = cutouts_folder(places)
    n_known = len(wanted) - len(new)
    progress("predict", n_known, len(wanted))
    for start in range(0, len(new), FETCHED_AT_ONCE):
        part = new[start : start + FETCHED_AT_ONCE]
        to_fetch = [oid for oid in part if oid in lacks]
        if to_fetch and options is not None:
            fetched = fetch_lacking(to_fetch, bundle, folder, options, progress)
            run.read_fetched(folder, fetched.problems, fetched.notes)
        for made in run(part):
            known |= {entry.oid: entry for entry in made}
            if kept is not None:
                kept.add(made)
            progress("predict", n_known + run.n_done, len(wanted))
    predictions = tuple(known[oid] for oid in wanted if oid in known)
    warnings = (*notes, *run.warnings, *remarks(bundle, Tally.of(predictions, run.n_go_on)))
    return PredictResult(str(path), predictions, (*problems, *run.problems), warnings, places.cutouts)


def _of_light_curves(path: Path) -> Model:
    """The part of a model that reads light curves alone."""
    part = load_model(path).reading_only(Modality.LIGHTCURVE)
    if part is None:
        raise UsageError(f"{path} does not score light curves alone.", "Give another --model.")
    return part


def _check_read(model: Model, path: Path, given: Mapping[Modality, Path | str | None]) -> None:
    """Refuse embeddings or features that the model does not read."""
    options = {Modality.IMAGE: "--embeddings", Modality.LIGHTCURVE: "--features"}
    for modality, place in given.items():
        if place is not None and modality not in model.modalities:
            raise UsageError(
                f"{options[modality]} has no effect on {path}, which reads {' and '.join(model.modalities)} only.",
                "Leave it out, or give another --model.",
            )


def of_shipped(model: Model, path: Path) -> Iterator[str]:
    """What the model that comes with rbztf does not do, and how to get one that does."""
    if path.resolve() == shipped_model().resolve() and Modality.IMAGE not in model.modalities:
        yield (
            "Scored by the model that comes with rbztf: light curves alone, no frames read. "
            "For the full answer, from frames too: rbztf import --train."
        )


def model_hash(model: Path) -> str:
    """Hash of all files of a model."""
    digest = hashlib.sha256()
    for path in sorted(path for path in model.rglob("*") if path.is_file()):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _request(
    model: Path,
    places: InputPaths,
    collection: str,
    goal: Goal | None,
    explain: bool,
    until_mjd: float | None,
    force: bool,
) -> dict[str, Any]:
    """All that decides a prediction, to tell parts of one request from those of another."""
    return {
        "model": model_hash(model),
        "cutouts": str(cutouts_folder(places)),
        "collection": collection,
        "embeddings": str(places.embeddings),
        "features": str(places.features),
        "goal": asdict(goal or Goal()),
        "explain": explain,
        "force": force,
        "until_mjd": until_mjd,
    }


def given_places(
    data: Path | str | None, embeddings: Path | str | None, features: Path | str | None, config: Config
) -> InputPaths:
    """What to use: naming cutouts or embeddings leaves those of the configuration out."""
    table = locate_optional("features", features, config)
    if data is not None or embeddings is not None:
        cutouts, vectors = (Path(place) if place is not None else None for place in (data, embeddings))
    else:
        cutouts, vectors = (locate_optional(kind, None, config) for kind in ("cutouts", "embeddings"))
    return with_default_store(InputPaths(cutouts, vectors, table))
