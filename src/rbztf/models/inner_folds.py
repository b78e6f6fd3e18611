"""Inner folds: what is chosen during training is chosen on training objects set aside."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from rbztf.errors import DataError


def check_classes(labels: NDArray[np.int64]) -> None:
    """Refuse training objects of one class only.

    Raises
    ------
    DataError
        Saying how many there are of each.
    """
    counts = np.bincount(labels, minlength=2)
    if not counts.all():
        raise DataError(
            f"The training objects are {counts[0]} real and {counts[1]} artefacts; both kinds are needed.",
            "Give more labelled objects, or other folds.",
        )


def inner_folds(
    labels: NDArray[np.int64], groups: NDArray[np.int64], count: int, seed: int, advice: str
) -> list[NDArray[np.bool_]]:
    """Divide training objects into folds of whole groups (ZTF fields), classes balanced.

    Parameters
    ----------
    labels : ndarray (n,), int64
    groups : ndarray (n,), int64
    count : int
        Number of folds.
    advice : str
        What to do if there are too few objects for that many.

    Returns
    -------
    list of ndarray (n,), bool
        True for the objects of each fold. Every fold, and every rest, holds both classes.

    Raises
    ------
    DataError
        If no such division is found.
    """
    n_groups = len(np.unique(groups))
    if n_groups >= count:
        splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
        folds = [np.isin(np.arange(len(labels)), test) for _, test in splitter.split(labels, labels, groups)]
        if all(_has_both(labels[fold]) and _has_both(labels[~fold]) for fold in folds):
            return folds
    raise DataError(
        f"{len(labels)} training objects in {n_groups} fields cannot be divided into {count} inner folds with both "
        "classes in each.",
        advice,
    )


def _has_both(labels: NDArray[np.int64]) -> bool:
    return bool(len(labels)) and 0 < labels.mean() < 1
