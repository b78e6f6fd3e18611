"""Inner folds: what is chosen during training is chosen on training objects set aside."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rbztf.errors import DataError

TRIES = 100


def inner_fold(
    labels: NDArray[np.int64], groups: NDArray[np.int64], share: float, seed: int
) -> NDArray[np.bool_]:
    """Set whole groups (ZTF fields) aside until they hold ``share`` of the objects.

    Parameters
    ----------
    labels : ndarray (n,), int64
    groups : ndarray (n,), int64
    share : float
        Between 0 and 1.

    Returns
    -------
    ndarray (n,), bool
        True for the objects set aside. Both parts hold both classes.

    Raises
    ------
    DataError
        If no such division is found.
    """
    random = np.random.default_rng(seed)
    names = np.unique(groups)
    for _ in range(TRIES):
        order = random.permutation(names)
        sizes = np.array([np.sum(groups == name) for name in order])
        count = int(np.searchsorted(np.cumsum(sizes), share * len(groups))) + 1
        aside = np.isin(groups, order[:count])
        if _has_both(labels[aside]) and _has_both(labels[~aside]):
            return aside
    raise DataError(
        f"No inner fold with both classes can be made of {len(labels)} training objects in {len(names)} fields.",
        "Give more objects, fewer --folds, or train all epochs: --set training.patience=0.",
    )


def _has_both(labels: NDArray[np.int64]) -> bool:
    return bool(len(labels)) and 0 < labels.mean() < 1
