"""Coverage of the conformal decisions, and the share of objects left ``unsure``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbztf.evaluation.scores import Array, Scored
from rbztf.evaluation.subgroups import share_json

CLASSES = {"all": None, "real": 0, "artefact": 1}


def covered(scored: Scored) -> NDArray[np.bool_]:
    """Whether each object's set holds its class, (n,) bool.

    With ``Scored.sets`` this is exact. With decisions alone an ``unsure`` object counts as
    covered, though its set may be empty: an upper limit.

    Raises
    ------
    ValueError
        If there are neither sets nor decisions.
    """
    if scored.sets is not None:
        return np.asarray(scored.sets[np.arange(len(scored)), scored.labels])
    if scored.decisions is None:
        raise ValueError("Scored has neither sets nor decisions.")
    own = np.where(scored.labels == 1, "bogus", "real")
    return np.asarray((scored.decisions == "unsure") | (scored.decisions == own))


def doubt(scored: Scored, weights: Array) -> dict[str, Any] | None:
    """Coverage, doubt and accuracy of the decisions; None where there are none.

    Parameters
    ----------
    scored : Scored
        Pooled, n objects.
    weights : ndarray (draws, n), float64

    Returns
    -------
    dict
        ``coverage`` (share of objects whose set holds their class), ``unsure`` (share without a
        decision) and ``accuracy_when_sure``, each for all objects, real ones and artefacts, with
        interval; ``exact``: whether coverage is of sets rather than of decisions.
    """
    if scored.sets is None and scored.decisions is None:
        return None
    groups = {
        name: np.ones(len(scored), bool) if label is None else scored.labels == label
        for name, label in CLASSES.items()
    }
    made: dict[str, Any] = {
        "exact": scored.sets is not None,
        "coverage": {name: share_json(covered(scored), mask, weights) for name, mask in groups.items()},
    }
    if scored.decisions is not None:
        unsure = scored.decisions == "unsure"
        right = scored.decisions == np.where(scored.labels == 1, "bogus", "real")
        made["unsure"] = {name: share_json(unsure, mask, weights) for name, mask in groups.items()}
        made["accuracy_when_sure"] = {
            name: share_json(right, mask & ~unsure, weights) for name, mask in groups.items()
        }
    return made
