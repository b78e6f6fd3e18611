"""What networks learn beside the label, and how much each object weighs in training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rbztf.archive.labels import LabelTable
from rbztf.models.objects import LabelledSet, ObjectSet
from rbztf.sky import AUXILIARY_TAGS, UNCERTAIN_TAG


def tag_targets(labels: LabelTable, oids: Sequence[int]) -> NDArray[np.float32]:
    """Whether each object has one of each set of :data:`~rbztf.sky.AUXILIARY_TAGS`, (n, k) float32."""
    rows = [[bool(labels[oid].tags & wanted) for wanted in AUXILIARY_TAGS] for oid in oids]
    return np.array(rows, np.float32).reshape(len(rows), len(AUXILIARY_TAGS))


def label_objects(objects: ObjectSet, labels: LabelTable, uncertain_weight: float) -> LabelledSet:
    """``objects`` with what experts said of them.

    Parameters
    ----------
    uncertain_weight : float
        Weight in training of objects tagged ``uncertain``; others weigh 1.
    """
    oids = objects.oids.tolist()
    uncertain = np.array([UNCERTAIN_TAG in labels[oid].tags for oid in oids], bool)
    return LabelledSet(
        objects,
        labels.labels(oids),
        objects.oids // 10**12,
        tag_targets(labels, oids),
        np.where(uncertain, uncertain_weight, 1.0),
    )
