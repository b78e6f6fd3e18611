"""Load whatever model a folder holds."""

from __future__ import annotations

from pathlib import Path

from rbztf.models import bundle, classifier_bundle, ensemble_files
from rbztf.models.classifier_bundle import ClassifierBundle, load_classifier
from rbztf.models.ensemble import Ensemble
from rbztf.models.ensemble_files import load_ensemble

Model = ClassifierBundle | Ensemble


def load_model(folder: Path | str) -> Model:
    """Load a classifier: one network, or an ensemble.

    Raises
    ------
    InputError
        If the folder holds neither, or is damaged.
    """
    kind = bundle.read_metadata(Path(folder), classifier_bundle.KIND, ensemble_files.KIND)["kind"]
    return load_ensemble(folder) if kind == ensemble_files.KIND else load_classifier(folder)
