"""rbztf: separate artefacts from real variables in ZTF data releases by their image frames.

The verbs of the command line are functions of the same names here (``features`` is
``make_features``, for ``rbztf.features`` is a package); they are imported when first used, so
``import rbztf`` is quick and needs no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from rbztf._version import __version__

if TYPE_CHECKING:
    from rbztf.config import Config as Config
    from rbztf.config import load_config as load_config
    from rbztf.errors import RbztfError as RbztfError
    from rbztf.models.catalogue import list_models as list_models
    from rbztf.models.rnn.bundle import load_classifier as load_classifier
    from rbztf.models.vae.bundle import load_encoder as load_encoder
    from rbztf.stores.cutouts import open_cutouts as open_cutouts
    from rbztf.stores.embeddings import open_embeddings as open_embeddings
    from rbztf.stores.labels import read_labels as read_labels
    from rbztf.verbs.clean import clean as clean
    from rbztf.verbs.cv import cv as cv
    from rbztf.verbs.cv import evaluate_models as evaluate_models
    from rbztf.verbs.cv_scores import compare_scores as compare_scores
    from rbztf.verbs.demo import demo as demo
    from rbztf.verbs.doctor import doctor as doctor
    from rbztf.verbs.embed import embed as embed
    from rbztf.verbs.features import make_features as make_features
    from rbztf.verbs.fetch import fetch as fetch
    from rbztf.verbs.import_published import import_published as import_published
    from rbztf.verbs.predict import predict as predict
    from rbztf.verbs.train_rnn import train_rnn as train_rnn
    from rbztf.verbs.train_vae import train_vae as train_vae
    from rbztf.ztf import Band as Band
    from rbztf.ztf import Label as Label
    from rbztf.ztf import Oid as Oid

_HOME = {
    "Band": "rbztf.ztf",
    "Config": "rbztf.config",
    "Label": "rbztf.ztf",
    "Oid": "rbztf.ztf",
    "RbztfError": "rbztf.errors",
    "clean": "rbztf.verbs.clean",
    "compare_scores": "rbztf.verbs.cv_scores",
    "cv": "rbztf.verbs.cv",
    "demo": "rbztf.verbs.demo",
    "doctor": "rbztf.verbs.doctor",
    "embed": "rbztf.verbs.embed",
    "evaluate_models": "rbztf.verbs.cv",
    "fetch": "rbztf.verbs.fetch",
    "import_published": "rbztf.verbs.import_published",
    "list_models": "rbztf.models.catalogue",
    "load_classifier": "rbztf.models.rnn.bundle",
    "load_config": "rbztf.config",
    "load_encoder": "rbztf.models.vae.bundle",
    "make_features": "rbztf.verbs.features",
    "open_cutouts": "rbztf.stores.cutouts",
    "open_embeddings": "rbztf.stores.embeddings",
    "predict": "rbztf.verbs.predict",
    "read_labels": "rbztf.stores.labels",
    "train_rnn": "rbztf.verbs.train_rnn",
    "train_vae": "rbztf.verbs.train_vae",
}

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'rbztf' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
