"""``rbztf demo``: the full pipeline, offline, on a simulated sky whose truth is known."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from sklearn.metrics import roc_auc_score

from rbztf.config import Config, load_config
from rbztf.errors import UsageError
from rbztf.files import write_text
from rbztf.prediction.result import PredictResult
from rbztf.progress import Progress, silent
from rbztf.reporting.build import Report
from rbztf.simulate.archive.server import SimulatedArchive
from rbztf.simulate.sky import SimulatedSky
from rbztf.verbs.cv import cv
from rbztf.verbs.cv_result import CvResult
from rbztf.verbs.embed import embed
from rbztf.verbs.features import make_features
from rbztf.verbs.fetch import fetch, fetch_labels
from rbztf.verbs.predict import predict
from rbztf.verbs.report import report
from rbztf.verbs.train_rnn import train_rnn
from rbztf.verbs.train_vae import train_vae
from rbztf.ztf import Label, Oid

DEFAULT_OUT = Path("demo")
NEW_SHARE = 5
"""One object in so many is kept from training and met only by ``predict``, as a bare OID."""
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class DemoResult:
    """What the demo did and how well.

    Attributes
    ----------
    out : Path
    seconds : dict of str to float
        Wall-clock time of each verb.
    n_objects, n_frames : int
        Fetched to train on.
    validation : CvResult
        Cross-validation on the training objects.
    predictions : PredictResult
        Of the new objects.
    truth : dict of int to str
        What each new object really is.
    new_auc : float
        ROC-AUC on the new objects, of the true labels.
    new_right : float
        Share of them called rightly at the threshold.
    page, validation_page : Report
        The new objects, and the cross-validation, to look at in a browser.
    warnings : tuple of str
    """

    out: Path
    seconds: dict[str, float]
    n_objects: int
    n_frames: int
    validation: CvResult
    predictions: PredictResult
    truth: dict[int, str]
    new_auc: float
    new_right: float
    page: Report
    validation_page: Report
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As printed by ``demo --json``."""
        return {
            "out": str(self.out),
            "seconds": {verb: round(value, 2) for verb, value in self.seconds.items()},
            "n_objects": self.n_objects,
            "n_frames": self.n_frames,
            "cv": self.validation.to_json(),
            "predict": self.predictions.to_json(),
            "truth": {str(oid): kind for oid, kind in self.truth.items()},
            "new_auc": self.new_auc,
            "new_right": self.new_right,
            "report": self.page.url,
            "report_cv": self.validation_page.url,
            "warnings": list(self.warnings),
        }


def demo(
    out: Path | str = DEFAULT_OUT,
    *,
    n_objects: int = 120,
    n_epochs: int = 40,
    seed: int = 0,
    device: str = "auto",
    workers: int = 1,
    progress: Progress = silent,
) -> DemoResult:
    """Fetch from a simulated archive, then train-vae, embed, features, train-rnn, cv, predict and report.

    Parameters
    ----------
    out : path
        Everything is written below it.
    n_objects, n_epochs : int
        Size of the simulated sky; the number of epochs varies about ``n_epochs``.
    workers : int
        Processes of the cross-validation; 0 takes one a core.

    Raises
    ------
    RbztfError
        As the verbs do.
    """
    out = Path(out)
    timer = _Timer()
    choices = [f"seed={seed}", f"device={device}"]
    choices.append(f"data.cutouts={out / 'cutouts'}")
    warnings: list[str] = []
    encoder, classifier = (load_config(name, choices, project_file=None) for name in ("demo-vae", "demo"))
    sky = SimulatedSky(n_objects=n_objects, n_epochs=n_epochs, seed=seed)
    new = list(sky.oids[::NEW_SHARE])
    known = [oid for oid in sky.oids if oid not in set(new)]
    store, vectors, labels = out / "cutouts", out / "embeddings", out / "labels.json"
    with SimulatedArchive(sky) as archive:
        fetched = timer("fetch", lambda: fetch(known, out=store, archive_url=archive.url, progress=progress))
        fetch_labels(labels, labels_url=archive.url)
        timer("train-vae", lambda: train_vae(encoder, data=store, out=out / "encoder", progress=progress))
        timer("embed", lambda: embed(out / "encoder", store, vectors, config=encoder, progress=progress))
        features = _features(store, out / "features.csv", timer, warnings, progress)
        timer(
            "train-rnn",
            lambda: train_rnn(
                classifier,
                embeddings=vectors,
                labels=labels,
                features=features,
                out=out / "classifier",
                progress=progress,
            ),
        )
        validation = timer(
            "cv",
            lambda: cv(
                classifier,
                embeddings=vectors,
                labels=labels,
                features=features,
                workers=workers,
                out=out / "cv",
                progress=progress,
            ),
        )
        predictions = timer(
            "predict",
            lambda: predict(
                new,
                model=out / "classifier",
                data=store,
                archive_url=archive.url,
                explain=True,
                config=classifier,
                progress=progress,
            ),
        )
    _write_project_file(out, classifier, features is not None)
    page, validation_page = timer(
        "report",
        lambda: tuple(
            report(
                what,
                out=out / name,
                data=store,
                labels=labels,
                embeddings=vectors,
                model=out / "classifier",
                title=title,
                config=classifier,
                progress=progress,
            )
            for what, name, title in (
                (predictions, "report", "Demo: objects that the model has not met"),
                (validation.out, "report-cv", "Demo: cross-validation"),
            )
        ),
    )
    auc, right = _against_truth(predictions, sky)
    truth = {int(oid): sky.object(oid).kind for oid in new}
    return DemoResult(
        *(out, timer.seconds, len(known), fetched.n_frames, validation, predictions, truth, auc, right),
        page=page,
        validation_page=validation_page,
        warnings=tuple(warnings),
    )


def _features(
    store: Path, target: Path, timer: _Timer, warnings: list[str], progress: Progress
) -> Path | None:
    """Light-curve features of the fetched objects, where the package that computes them is installed."""
    try:
        timer("features", lambda: make_features(store, target, progress=progress))
    except UsageError as error:
        warnings.append(f"The demo goes on with images alone. {error}")
        return None
    return target


class _Timer:
    """Runs a step and notes how long it took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def __call__(self, verb: str, step: Callable[[], Answer]) -> Answer:
        started = time.perf_counter()
        answer = step()
        self.seconds[verb] = time.perf_counter() - started
        return answer


def _against_truth(predictions: PredictResult, sky: SimulatedSky) -> tuple[float, float]:
    """AUC and share of right decisions on the new objects."""
    objects = predictions.objects
    truth = np.array([sky.object(Oid(entry.oid)).label == Label.ARTEFACT for entry in objects])
    scores = np.array([entry.p_bogus for entry in objects])
    right = float(
        np.mean([(entry.p_bogus >= entry.threshold) == is_bogus for entry, is_bogus in zip(objects, truth)])
    )
    return (float(roc_auc_score(truth, scores)) if 0 < truth.mean() < 1 else float("nan")), right


def _write_project_file(out: Path, config: Config, with_features: bool) -> None:
    """``rbztf.yaml``, so that the verbs need no paths in the demo's folder."""
    import yaml

    data = {"embeddings": "embeddings", "labels": "labels.json", "cutouts": "cutouts", "model": "classifier"}
    if with_features:
        data["features"] = "features.csv"
    content = config.model_dump(mode="json", include={"name", "ensemble"}) | {"data": data}
    write_text(out / "rbztf.yaml", yaml.safe_dump(content, sort_keys=False))
