"""Which labels out-of-fold scores contradict: confident learning.

Northcutt, Jiang & Chuang (2021, JAIR 70, 1373), section 3.1. The threshold of a class is the mean
probability that objects labelled so have of it. An object counts for the class whose threshold
its probability reaches, for the likelier one if it reaches both; counts by label and by that class
are the *confident joint*. Scaled to the number of objects of each label, it tells how many labels
are wrong: of each class so many are doubted, those that are the least probable.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rbztf.models.inner_folds import check_classes

Array = NDArray[np.float64]
ROUNDING = 1e-9
"""A mean of equal probabilities may exceed them by less."""


@dataclass(frozen=True)
class LabelErrors:
    """Labels that are probably wrong.

    Attributes
    ----------
    thresholds : ndarray (2,), float64
        Of *real* and *artefact*: mean probability of its label that an object labelled so has.
    joint : ndarray (2, 2), float64
        Estimated number of objects by label (rows) and by what they are (columns); real, then artefact.
    doubted : ndarray (n,), bool
        Never an object whose own label is at least as probable as the other.
    """

    thresholds: Array
    joint: Array
    doubted: NDArray[np.bool_]


def of_label(labels: NDArray[np.int64], p_bogus: Array) -> Array:
    """Probability of the label that each object has, (n,) float64; the literature's *self-confidence*."""
    return np.where(labels == 1, p_bogus, 1 - p_bogus)


def find_label_errors(labels: NDArray[np.int64], p_bogus: Array) -> LabelErrors:
    """Find them by confident learning, pruned by noise rate.

    Parameters
    ----------
    labels : ndarray (n,), int64
        0 real, 1 artefact.
    p_bogus : ndarray (n,), float64
        By models that have not been trained on the object.

    Raises
    ------
    DataError
        If there is one class only.
    """
    check_classes(labels)
    own = of_label(labels, p_bogus)
    thresholds = np.array([own[labels == label].mean() for label in (0, 1)])
    p = np.stack([1 - p_bogus, p_bogus], axis=1)
    reached = np.where(p >= thresholds - ROUNDING, p, -1.0)
    counts = np.zeros((2, 2))
    known = reached.max(axis=1) >= 0
    np.add.at(counts, (labels[known], reached[known].argmax(axis=1)), 1)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    joint = share * np.bincount(labels, minlength=2)[:, None]
    doubted = np.zeros(len(labels), bool)
    for label in (0, 1):
        against = np.flatnonzero((labels == label) & (own < 0.5))
        n_wrong = round(float(joint[label, 1 - label]))
        doubted[against[np.argsort(own[against], kind="stable")[:n_wrong]]] = True
    return LabelErrors(thresholds, joint, doubted)
