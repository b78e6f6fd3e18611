"""One small ensemble for the tests of what is made of it."""

from __future__ import annotations

import pytest
import torch
from helpers import tiny_ensemble, tiny_objects

from rbztf.config import Config
from rbztf.models.ensemble.ensemble import Ensemble
from rbztf.models.ensemble.fit import fit_ensemble
from rbztf.models.objects.object_set import LabelledSet


@pytest.fixture(scope="session")
def data() -> LabelledSet:
    """Objects of which some lack frames, features or both."""
    return tiny_objects()


@pytest.fixture(scope="session")
def model(data: LabelledSet) -> Ensemble:
    """The ensemble of ``tiny_ensemble()``, trained on :func:`data`."""
    return fit_ensemble(data, Config.model_validate(tiny_ensemble()), device=torch.device("cpu"))
