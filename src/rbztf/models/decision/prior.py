"""Another share of artefacts among the objects asked about than among the training objects.

Experts of the SNAD knowledge base looked at what anomaly detection had picked, and half of these
objects are artefacts. Among the objects of a data release far fewer are. Two things follow from a
share of artefacts (a *prior*) that the user gives:

- Probabilities shift in log odds by the difference of the log odds of the two priors (Saerens,
  Latinne & Decaestecker 2002, Neural Computation 14, 21).
- Thresholds and limits of decisions are chosen again, on objects that stand for those asked about:
  the artefacts among the training objects with the weight of the prior, as many real ones beside
  them as there were in training, and *ordinary* objects, which nobody picked, for the rest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from rbztf.errors import UsageError
from rbztf.models.objects.scores import ObjectScores

Array = NDArray[np.float64]


def check_prior(prior: float) -> None:
    """Refuse a share that cannot be one of artefacts.

    Raises
    ------
    UsageError
        If it is not above 0 and below 1.
    """
    if not 0 < prior < 1:
        raise UsageError(f"The prior {prior} is not a share between 0 and 1.", "Give 0.02, for example.")


def shift(p: Array, trained: float, prior: float) -> Array:
    """Probabilities of a class at another prior than that of the training.

    Parameters
    ----------
    p : ndarray, float64
        At the prior ``trained``.
    trained, prior : float
        Shares of the class.
    """
    return p if prior == trained else np.asarray(expit(logit(p) + (logit(prior) - logit(trained))))


def at_prior(scores: ObjectScores, trained: float | None, prior: float | None) -> ObjectScores:
    """Scores at another prior: probability, interval and kinds.

    The kinds keep their probability among artefacts: each changes by the same factor as ``p_bogus``.

    Parameters
    ----------
    trained : float or None
        That of the model; None if it keeps none.
    prior : float or None
        That of the objects asked about; None leaves the scores as they are.

    Raises
    ------
    UsageError
        For a prior that is not a share, or a model that keeps none.
    """
    if prior is None:
        return scores
    check_prior(prior)
    if trained is None:
        raise UsageError(
            "The model does not keep the share of artefacts it was trained with, so it cannot be asked for another.",
            "Leave out --prior, or train an ensemble.",
        )
    p = shift(scores.p_bogus, trained, prior)
    factor = p / np.maximum(scores.p_bogus, np.finfo(np.float64).tiny)
    return replace(
        scores,
        p_bogus=p,
        p_low=shift(scores.p_low, trained, prior),
        p_high=shift(scores.p_high, trained, prior),
        kinds={kind: np.minimum(found * factor, 1.0) for kind, found in scores.kinds.items()},
    )


def rarity(trained: float, prior: float) -> float:
    """Odds of artefacts at ``prior`` over those at ``trained``, at most 1.

    It is also the share of picked objects among the real ones: artefacts come with as many of them as in training.
    """
    return min(1.0, prior / (1 - prior) * (1 - trained) / trained)


@dataclass(frozen=True)
class Population:
    """Scored objects that stand for those asked about.

    Attributes
    ----------
    artefacts, picked, ordinary : ndarray, float64
        Scores of artefacts, of real objects that experts picked, and of ordinary ones.
    prior : float
        Share of artefacts.
    rarity : float
        Of artefacts, and share of picked ones among the real objects (:func:`rarity`).
    """

    artefacts: Array
    picked: Array
    ordinary: Array
    prior: float
    rarity: float

    @classmethod
    def of(
        cls, labels: NDArray[np.int64], scores: Array, ordinary: Array, trained: float, prior: float
    ) -> Population:
        """From scores of training objects, at the prior ``trained``; the population's are at ``prior``.

        Parameters
        ----------
        labels : ndarray (n,), int64
            1 = artefact.
        scores : ndarray (n,), float64
            By members that were not trained on the object.
        ordinary : ndarray (m,), float64
            Of ordinary objects; may be empty, and then the picked ones stand for all that are real.
        """
        check_prior(prior)
        scores, ordinary = (shift(part, trained, prior) for part in (scores, ordinary))
        return cls(scores[labels == 1], scores[labels == 0], ordinary, prior, rarity(trained, prior))

    @property
    def labels(self) -> NDArray[np.int64]:
        """1 for artefacts, of :attr:`scores`."""
        return np.repeat([1, 0, 0], [len(self.artefacts), len(self.picked), len(self.ordinary)])

    @property
    def scores(self) -> Array:
        """Of artefacts, picked and ordinary objects, (n,) float64."""
        return np.concatenate([self.artefacts, self.picked, self.ordinary])

    @property
    def weights(self) -> Array:
        """Of each of :attr:`scores`, (n,) float64, which add up to 1."""
        picked = self.rarity if len(self.ordinary) else 1.0
        shares = [self.prior, (1 - self.prior) * picked, (1 - self.prior) * (1 - picked)]
        parts = (self.artefacts, self.picked, self.ordinary)
        return np.concatenate(
            [np.full(len(part), share / max(len(part), 1)) for part, share in zip(parts, shares)]
        )
