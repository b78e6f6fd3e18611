"""Separate artefacts from real variables in ZTF data releases, by their frames and light curves.

Each verb of the command line is a function here, which ``help(rbztf.predict)`` and the like describe:

    import      import_published, train_imported (``--train``)
    fetch       fetch
    features    make_features
    train-vae   train_vae
    embed       embed, embed_images (``--images``)
    train-rnn   train_rnn
    cv          cv, evaluate_models (``--models``), compare_scores (``--scores``)
    predict     predict, predict_triaged (``--frames-for``), predict_table, predict_hats (``--hats``); rbztf.lsdb.score
    report      report
    label       label_queue, merge_labels (``--merge``)
    doubt       doubt
    show        show
    plot        plot
    clean       clean
    check       check
    export      export
    models      list_models
    configs     list_configs, diff_configs
    doctor      doctor
    demo        demo

What lies on disk: open_cutouts, open_embeddings, read_labels, load_config, load_encoder, load_classifier.
Types: Oid, Band, Label, Config, and RbztfError, the base of all errors that a user can meet.

    result = rbztf.predict(257201400048862, explain=True)
    result.to_table()
    result.plot().savefig("257201400048862.png")
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
    from rbztf.verbs.check import check as check
    from rbztf.verbs.clean import clean as clean
    from rbztf.verbs.configs import diff_configs as diff_configs
    from rbztf.verbs.configs import list_configs as list_configs
    from rbztf.verbs.cv import cv as cv
    from rbztf.verbs.cv import evaluate_models as evaluate_models
    from rbztf.verbs.cv_scores import compare_scores as compare_scores
    from rbztf.verbs.demo import demo as demo
    from rbztf.verbs.doctor import doctor as doctor
    from rbztf.verbs.doubt import doubt as doubt
    from rbztf.verbs.embed import embed as embed
    from rbztf.verbs.embed_images import embed_images as embed_images
    from rbztf.verbs.export import export as export
    from rbztf.verbs.features import make_features as make_features
    from rbztf.verbs.fetch import fetch as fetch
    from rbztf.verbs.import_published import import_published as import_published
    from rbztf.verbs.import_published import train_imported as train_imported
    from rbztf.verbs.label import label_queue as label_queue
    from rbztf.verbs.label import merge_labels as merge_labels
    from rbztf.verbs.plot import plot as plot
    from rbztf.verbs.predict import predict as predict
    from rbztf.verbs.predict_hats import predict_hats as predict_hats
    from rbztf.verbs.predict_table import predict_table as predict_table
    from rbztf.verbs.report import report as report
    from rbztf.verbs.show import show as show
    from rbztf.verbs.train_rnn import train_rnn as train_rnn
    from rbztf.verbs.train_vae import train_vae as train_vae
    from rbztf.verbs.triage import predict_triaged as predict_triaged
    from rbztf.ztf import Band as Band
    from rbztf.ztf import Label as Label
    from rbztf.ztf import Oid as Oid

_HOME = {
    "Band": "rbztf.ztf",
    "Config": "rbztf.config",
    "Label": "rbztf.ztf",
    "Oid": "rbztf.ztf",
    "RbztfError": "rbztf.errors",
    "check": "rbztf.verbs.check",
    "clean": "rbztf.verbs.clean",
    "compare_scores": "rbztf.verbs.cv_scores",
    "cv": "rbztf.verbs.cv",
    "demo": "rbztf.verbs.demo",
    "diff_configs": "rbztf.verbs.configs",
    "doctor": "rbztf.verbs.doctor",
    "doubt": "rbztf.verbs.doubt",
    "embed": "rbztf.verbs.embed",
    "embed_images": "rbztf.verbs.embed_images",
    "evaluate_models": "rbztf.verbs.cv",
    "export": "rbztf.verbs.export",
    "fetch": "rbztf.verbs.fetch",
    "import_published": "rbztf.verbs.import_published",
    "label_queue": "rbztf.verbs.label",
    "list_configs": "rbztf.verbs.configs",
    "list_models": "rbztf.models.catalogue",
    "load_classifier": "rbztf.models.rnn.bundle",
    "load_config": "rbztf.config",
    "load_encoder": "rbztf.models.vae.bundle",
    "make_features": "rbztf.verbs.features",
    "merge_labels": "rbztf.verbs.label",
    "open_cutouts": "rbztf.stores.cutouts",
    "open_embeddings": "rbztf.stores.embeddings",
    "plot": "rbztf.verbs.plot",
    "predict": "rbztf.verbs.predict",
    "predict_hats": "rbztf.verbs.predict_hats",
    "predict_table": "rbztf.verbs.predict_table",
    "predict_triaged": "rbztf.verbs.triage",
    "read_labels": "rbztf.stores.labels",
    "report": "rbztf.verbs.report",
    "show": "rbztf.verbs.show",
    "train_imported": "rbztf.verbs.import_published",
    "train_rnn": "rbztf.verbs.train_rnn",
    "train_vae": "rbztf.verbs.train_vae",
}

__all__ = ["__version__"]
"""What ``help(rbztf)`` would print in full; all other names are in :func:`__dir__`."""


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'rbztf' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(["__version__", *_HOME])
