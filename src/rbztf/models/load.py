"""Load whatever classifier a folder holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rbztf.models.bundle import read_metadata
from rbztf.models.ensemble.bundle import KIND as ENSEMBLE
from rbztf.models.ensemble.bundle import load_ensemble
from rbztf.models.model import Model
from rbztf.models.rnn.bundle import KIND as CLASSIFIER
from rbztf.models.rnn.bundle import load_classifier
from rbztf.models.vae.bundle import KIND as ENCODER
from rbztf.models.vae.bundle import EncoderBundle, load_encoder

LOADERS: dict[str, Callable[[Path], Model]] = {CLASSIFIER: load_classifier, ENSEMBLE: load_ensemble}
"""What reads a folder, by the kind that its ``model.yaml`` names."""


def load_any(folder: Path) -> Model | EncoderBundle:
    """As :func:`load_model`, or an encoder.

    Raises
    ------
    InputError
        As there.
    """
    kind = read_metadata(folder, *LOADERS, ENCODER)["kind"]
    return load_encoder(folder) if kind == ENCODER else load_model(folder)


def load_model(folder: Path | str) -> Model:
    """Load a classifier: one network, or an ensemble.

    Raises
    ------
    InputError
        If the folder holds neither, or is damaged.
    """
    folder = Path(folder)
    return LOADERS[read_metadata(folder, *LOADERS)["kind"]](folder)
