"""Where to cut a probability into a decision."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def best_f1_threshold(labels: NDArray[np.int64], scores: NDArray[np.float64]) -> float:
    """Score from which calling objects bogus gives the best F1 on the objects given.

    Parameters
    ----------
    labels : ndarray (n,), int64
        1 = artefact.
    scores : ndarray (n,), float64
    """
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    hits = np.cumsum(labels[order])
    f1 = 2 * hits / (np.arange(1, len(labels) + 1) + labels.sum())
    f1[np.append(ranked[:-1] == ranked[1:], False)] = -1  # a threshold cannot divide a tie
    return float(ranked[int(np.argmax(f1))])
