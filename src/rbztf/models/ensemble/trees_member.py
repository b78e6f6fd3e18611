"""Gradient-boosted trees on a table of features: LightGBM, kept as its own text, without pickle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rbztf.config import TreesMember
from rbztf.errors import InputError, RbztfError
from rbztf.models.objects.object_set import LabelledSet, Modality, ObjectSet

if TYPE_CHECKING:
    import lightgbm


@dataclass(frozen=True)
class FittedTrees:
    """Trees and the columns they read.

    Attributes
    ----------
    booster : lightgbm.Booster
    modalities : tuple of Modality
    names : tuple of str
        Feature columns, in the order of the trees.
    """

    booster: lightgbm.Booster
    modalities: tuple[Modality, ...]
    names: tuple[str, ...]

    @property
    def tags(self) -> tuple[str, ...]:
        """None: trees give the logit of bogus alone."""
        return ()

    def logits(self, objects: ObjectSet) -> NDArray[np.float64]:
        """Log odds of bogus, (n,) float64; of objects that have all modalities."""
        values = objects.table(self.modalities).columns(self.names).values
        return np.asarray(self.booster.predict(values, raw_score=True, num_threads=1), np.float64)

    def text(self) -> str:
        """LightGBM's text form, which :meth:`parse` reads."""
        return str(self.booster.model_to_string())

    @classmethod
    def parse(
        cls, text: str, modalities: Sequence[Modality], names: Sequence[str], origin: str
    ) -> FittedTrees:
        """Trees from their text.

        Raises
        ------
        InputError
            If it is no LightGBM model, or of another number of columns.
        """
        import_lightgbm()
        import lightgbm

        try:
            booster = lightgbm.Booster(model_str=text)
        except lightgbm.basic.LightGBMError as error:
            raise InputError(f"{origin} is no LightGBM model ({error}).", "Make the model again.") from None
        if booster.num_feature() != len(names):
            raise InputError(
                f"{origin} reads {booster.num_feature()} columns; its model names {len(names)}.",
                "Make the model again.",
            )
        return cls(booster, tuple(modalities), tuple(names))


def fit_trees(data: LabelledSet, section: TreesMember, seed: int) -> FittedTrees:
    """Fit trees on objects that have all modalities of ``section``."""
    import_lightgbm()
    import lightgbm

    modalities = tuple(Modality(name) for name in section.inputs)
    features = data.objects.table(modalities)
    parameters = {
        "objective": "binary",
        "learning_rate": section.learning_rate,
        "num_leaves": section.leaves,
        "min_data_in_leaf": section.min_leaf,
        "bagging_fraction": section.row_share,
        "bagging_freq": 1,
        "feature_fraction": section.column_share,
        "extra_trees": section.random_splits,
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "verbosity": -1,
    }
    table = lightgbm.Dataset(features.values, data.labels, weight=data.weights, params={"verbosity": -1})
    return FittedTrees(lightgbm.train(parameters, table, section.trees), modalities, features.names)


def import_lightgbm() -> None:
    """Import LightGBM, or say what it lacks.

    Raises
    ------
    RbztfError
        If its library cannot be loaded; on a bare Linux the OpenMP runtime may be missing.
    """
    try:
        import lightgbm  # noqa: F401
    except (ImportError, OSError) as error:
        raise RbztfError(
            f"LightGBM cannot be loaded ({error}).",
            "Install it (pip install lightgbm) and OpenMP (Debian: apt-get install libgomp1; macOS: brew install libomp).",
        ) from None
