"""Load whatever model a folder holds."""

from __future__ import annotations

from pathlib import Path

from rbztf.models.bundle import read_metadata
from rbztf.models.ensemble.bundle import KIND as ENSEMBLE
from rbztf.models.ensemble.bundle import load_ensemble
from rbztf.models.ensemble.ensemble import Ensemble
from rbztf.models.rnn.bundle import KIND as CLASSIFIER
from rbztf.models.rnn.bundle import ClassifierBundle, load_classifier

Model = ClassifierBundle | Ensemble


def load_model(folder: Path | str) -> Model:
    """Load a classifier: one network, or an ensemble.

    Raises
    ------
    InputError
        If the folder holds neither, or is damaged.
    """
    kind = read_metadata(Path(folder), CLASSIFIER, ENSEMBLE)["kind"]
    return load_ensemble(folder) if kind == ENSEMBLE else load_classifier(folder)
