"""Gradient-boosted trees on a table of features: LightGBM, kept as its own text, without pickle."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from rbztf.config import TreesMember
from rbztf.errors import RbztfError, reason
from rbztf.files import regular, write_text
from rbztf.models.checkpoint import History
from rbztf.models.ensemble.binned_trees import BinnedTrees
from rbztf.models.ensemble.member import Member, Scorer, log_loss, needed
from rbztf.models.ensemble.trees_text import check_trees
from rbztf.models.objects.frame_reader import FrameReader
from rbztf.models.objects.object_set import LabelledSet, ObjectSet

STAGES = 20
"""Of a learning curve."""


@dataclass(frozen=True)
class FittedTrees(Member[TreesMember]):
    """Trees and the columns they read.

    Attributes
    ----------
    section : TreesMember
    names : tuple of str
        Feature columns, in the order of the trees.
    text : str
        Of LightGBM, with the training's settings.
    """

    ending: ClassVar[str] = ".txt"
    section: TreesMember
    names: tuple[str, ...]
    text: str

    @classmethod
    def fit(
        cls, data: LabelledSet, section: TreesMember, seed: int, device: torch.device, held_out: LabelledSet
    ) -> FittedTrees:
        """Train on objects that have all modalities of ``section``; on the CPU whatever the device.

        Ordinary objects that have them join as real ones with the weight ``section.ordinary_weight``.
        """
        import_lightgbm()
        import lightgbm

        features = data.objects.table(needed(section))
        values, labels, weights = features.values, data.labels, data.weights
        ordinary = data.ordinary.take(data.ordinary.has_all(needed(section)))
        if section.ordinary_weight and len(ordinary):
            values = np.concatenate([values, ordinary.table(needed(section)).columns(features.names).values])
            labels = np.concatenate([labels, np.zeros(len(ordinary), np.int64)])
            weights = np.concatenate([weights, np.full(len(ordinary), section.ordinary_weight)])
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
        table = lightgbm.Dataset(values, labels, weight=weights)
        booster = lightgbm.train(parameters, table, section.trees)
        return cls(section, features.names, booster.model_to_string())

    def learning_curve(self, data: LabelledSet, held_out: LabelledSet) -> History:
        """At twenty numbers of trees."""
        import lightgbm

        booster = lightgbm.Booster(model_str=self.text)
        steps = np.linspace(1, booster.num_trees(), STAGES).round().astype(int).tolist()
        rows = [{"trees": float(n)} for n in dict.fromkeys(steps)]
        for column, those in (("loss", data), ("held_out_loss", held_out)):
            if not len(those):
                continue
            values = those.objects.table(self.modalities).columns(self.names).values
            for row in rows:
                logits = booster.predict(
                    values, raw_score=True, num_iteration=int(row["trees"]), num_threads=1
                )
                row[column] = log_loss(np.asarray(logits, np.float64), those.labels)
        return rows

    @cached_property
    def _trees(self) -> BinnedTrees:
        return BinnedTrees([self.text])

    def outputs(self, objects: ObjectSet, device: torch.device | None = None) -> NDArray[np.float64]:
        """Log odds of bogus, (n, 1) float64."""
        return self._trees.sums(objects.table(self.modalities).columns(self.names).values).T

    @classmethod
    def together(cls, trained: Sequence[FittedTrees]) -> Scorer:
        """All trees in one go, where all read the same columns."""
        names, modalities = trained[0].names, trained[0].modalities
        if any(member.names != names for member in trained):
            return super().together(trained)
        trees = BinnedTrees([member.text for member in trained])

        def outputs(objects: ObjectSet, device: torch.device | None) -> NDArray[np.float64]:
            return trees.sums(objects.table(modalities).columns(names).values)[:, :, None]

        return outputs

    def save(self, path: Path) -> None:
        """Write the names as one line of JSON, then LightGBM's own text."""
        write_text(path, "\n".join((json.dumps(self.names), self.text)))

    @classmethod
    def load(cls, path: Path, section: TreesMember, reader: FrameReader) -> FittedTrees:
        """Read what :meth:`save` wrote."""
        first, _, text = regular(path).read_bytes().decode("utf-8").partition("\n")
        names = json.loads(first)
        if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
            raise ValueError("its first line is not the names of its columns")
        check_trees(text, len(names))
        return cls(section, tuple(names), text)


MEMBER = FittedTrees


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
            f"LightGBM cannot be loaded ({reason(error)}).",
            "Install it (pip install lightgbm) and OpenMP (Debian: apt-get install libgomp1; macOS: brew install libomp).",
        ) from None
