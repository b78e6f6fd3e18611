"""An ensemble with all it needs, from frames, vectors and features to a calibrated probability."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rbztf.config import Config
from rbztf.errors import UsageError
from rbztf.features.table import Definition
from rbztf.models.decision.decisions import InnerScores
from rbztf.models.ensemble.member import Member, Scorer
from rbztf.models.ensemble.stacking import Combination, sigmoid
from rbztf.models.objects.frame_reader import FrameReader
from rbztf.models.objects.object_set import Modalities, Modality, ObjectSet
from rbztf.models.objects.ranges import Ranges
from rbztf.models.objects.read import FrameSelection
from rbztf.models.objects.scores import ObjectScores
from rbztf.models.vae.bundle import EncoderBundle

Array = NDArray[np.float64]
Fitted = tuple[Member[Any], ...]
"""Trainings of one member, each without one inner fold."""
Outputs = dict[str, Array]


@dataclass(frozen=True)
class KindScale:
    """Calibration of the artefact kinds: which networks' tags are averaged, slope and offset.

    Attributes
    ----------
    members : tuple of str
    kinds : tuple of str
        Names of the kinds, which every one of ``members`` has among its ``tag_names``.
    slope, offset : ndarray (kinds,), float64
        NaN for a kind with too few examples.
    """

    members: tuple[str, ...]
    kinds: tuple[str, ...]
    slope: Array
    offset: Array


@dataclass(frozen=True)
class Ensemble:
    """Members, how they are combined, and the encoder of the frames.

    Attributes
    ----------
    members : dict of str to tuple of Member
        One training without each inner fold.
    combinations : dict of tuple of Modality to Combination
        For objects with those modalities.
    kinds : dict of tuple of Modality to KindScale
    config : Config
    latent : int
        Latent means per frame; 0 for a model without images.
    reader : FrameReader
        How networks read them.
    prior : float
        Share of artefacts among the training objects, for which scores are calibrated: the score
        of an object of which nothing is known.
    feature_names : tuple of str
        Light-curve features it was trained on.
    definition : Definition
        Of the light-curve features it was trained on.
    encoder : EncoderBundle or None
    notes : dict
        For the model card.
    ranges : dict of Modality to TrainingRange
        Where its training objects lie; empty if not kept.
    """

    members: dict[str, Fitted]
    combinations: dict[Modalities, Combination]
    kinds: dict[Modalities, KindScale]
    config: Config
    latent: int
    reader: FrameReader
    prior: float
    feature_names: tuple[str, ...]
    definition: Definition
    encoder: EncoderBundle | None = None
    notes: dict[str, Any] = field(default_factory=dict)
    ranges: Ranges = field(default_factory=dict)

    @cached_property
    def modalities(self) -> Modalities:
        """What the members read, together."""
        used = {modality for trained in self.members.values() for modality in trained[0].modalities}
        return tuple(modality for modality in Modality if modality in used)

    @property
    def selection(self) -> FrameSelection:
        """What it reads of frames."""
        return FrameSelection.of(self.config, self.latent)

    @property
    def inner_auc(self) -> dict[Modalities, float]:
        """ROC-AUC on the training's inner folds, by what a score rests on."""
        return {inputs: combination.auc for inputs, combination in self.combinations.items()}

    @cached_property
    def out_of_fold(self) -> dict[int, dict[Modalities, float]]:
        """Of each training object the probabilities by members that were not trained on its field.

        By OID, then by what a score rests on. Empty for a model that does not keep its training objects.
        """
        known: dict[int, dict[Modalities, float]] = {}
        for inputs, combination in self.combinations.items():
            if combination.oids is not None:
                for oid, p in zip(combination.oids.tolist(), combination.scores.tolist()):
                    known.setdefault(oid, {})[inputs] = p
        return known

    def reading_only(self, modality: Modality) -> Ensemble | None:
        """The part of it that reads nothing else; None if there is none.

        Its scores are those that the whole gives to objects that have nothing else.
        """
        if (modality,) not in self.combinations:
            return None
        names = self.combinations[(modality,)].members
        return replace(
            self,
            members={name: self.members[name] for name in names},
            combinations={(modality,): self.combinations[(modality,)]},
            kinds={have: kinds for have, kinds in self.kinds.items() if have == (modality,)},
            encoder=self.encoder if modality is Modality.IMAGE else None,
            feature_names=self.feature_names if modality is Modality.LIGHTCURVE else (),
            ranges={kind: known for kind, known in self.ranges.items() if kind is modality},
        )

    def can_score(self, have: Collection[Modality]) -> bool:
        """Whether an object that has these modalities gets a score that rests on any of them."""
        return bool(self._usable(have))

    def available(self, objects: ObjectSet) -> list[Modalities]:
        """The modalities that the score of each object can rest on; empty if nothing is known."""
        modalities = self.modalities
        flags = [objects.has(modality).tolist() for modality in modalities]
        known = {
            have: self._usable([modality for modality, has in zip(modalities, have) if has])
            for have in product((False, True), repeat=len(modalities))
        }
        return [known[have] for have in zip(*flags)]

    def _usable(self, have: Collection[Modality]) -> Modalities:
        """The largest part of ``have`` for which there is a combination."""
        parts = [key for key in self.combinations if set(key) <= set(have)]
        return max(parts, key=len, default=())

    def decision_rule(self, inputs: Modalities) -> InnerScores:
        """What decides of objects whose score rests on ``inputs``; of those without any, as if on all."""
        known = self.combinations[self._usable(inputs or self.modalities)]
        assert self.config.ensemble is not None
        rate = self.config.ensemble.error_rate
        return InnerScores(known.labels, known.scores, rate, self.prior, known.ordinary, known.clear)

    def score(self, objects: ObjectSet, device: torch.device | None = None) -> ObjectScores:
        """Score objects; each alone has the score it has in any company (to 1e-6)."""
        return self.score_outputs(self.outputs(objects, device), self.available(objects))

    def outputs(self, objects: ObjectSet, device: torch.device | None = None) -> Outputs:
        """Logits of each member, (trainings, n, 1 + tags) float64; NaN where an object lacks what it reads."""
        out = {}
        if Modality.IMAGE in self.modalities:
            objects.prepare()  # once for all members
        for name, trained in self.members.items():
            index = np.flatnonzero(objects.has_all(trained[0].modalities))
            out[name] = np.full((len(trained), len(objects), 1 + len(trained[0].tag_names)), np.nan)
            if len(index):
                part = objects.take(index)
                out[name][:, index] = self._scorers[name](part, device)
        return out

    @cached_property
    def _scorers(self) -> dict[str, Scorer]:
        return {name: type(trained[0]).together(trained) for name, trained in self.members.items()}

    def score_outputs(self, outputs: Outputs, inputs: list[Modalities]) -> ObjectScores:
        """Scores from the logits of the members.

        Parameters
        ----------
        outputs : dict of str to ndarray (trainings, n, 1 + tags), float64
            See :meth:`outputs`.
        inputs : list of tuple of Modality
            What each score is to rest on; see :meth:`available`.
        """
        n = len(inputs)
        p, low, high = np.full((3, n), self.prior)
        low[:], high[:] = 0.0, 1.0
        names = dict.fromkeys(kind for scale in self.kinds.values() for kind in scale.kinds)
        kinds = {kind: np.full(n, np.nan) for kind in names}
        for have in set(inputs) - {()}:
            index = np.array([i for i, found in enumerate(inputs) if found == have])
            combination = self.combinations[have]
            logits = np.stack([outputs[name][:, index, 0] for name in combination.members], axis=2)
            p[index], low[index], high[index] = combination.with_interval(logits)
            p[index[~np.isfinite(logits).all(axis=(0, 2))]] = np.nan  # clipping would hide an infinite one
            if have in self.kinds:
                for kind, found in self._kinds(self.kinds[have], outputs, index).items():
                    kinds[kind][index] = found
        return ObjectScores(p, low, high, inputs, kinds)

    def _kinds(self, scale: KindScale, outputs: Outputs, index: NDArray[np.int64]) -> dict[str, Array]:
        """Calibrated probability of each kind, (len(index),) each."""
        parts = []
        for name in scale.members:
            tag_names = self.members[name][0].tag_names
            columns = [1 + tag_names.index(kind) for kind in scale.kinds]
            parts.append(outputs[name][:, index][..., columns])
        p = sigmoid(scale.slope * np.concatenate(parts).mean(axis=0) + scale.offset)
        return dict(zip(scale.kinds, p.T))

    @property
    def attributes_frames(self) -> bool:
        """Whether it can tell what each frame adds to the score."""
        return self._attributing is not None

    @property
    def _attributing(self) -> str | None:
        """The first member whose frames vote by themselves."""
        return next((name for name, trained in self.members.items() if trained[0].attributes_frames), None)

    def frame_contributions(self, objects: ObjectSet) -> list[Array]:
        """What each frame adds to the log odds of bogus of the member whose frames vote by themselves.

        With the same constant for every object (its bias) the contributions of an object's frames are
        the log odds of that member, exactly (see :mod:`rbztf.models.ensemble.pooled_network`). What
        other members make of the frames has no contribution;
        :func:`rbztf.models.ensemble.attribution.find_cleaned` measures it by scoring again.

        Returns
        -------
        list of ndarray (n_frames,), float64

        Raises
        ------
        UsageError
            If the model has no such member.
        """
        if self._attributing is None:
            raise UsageError(
                "No member of this model votes frame by frame, so it cannot name epochs.",
                "Train one that does (pooling: votes), such as --config default.",
            )
        out = [np.zeros(len(sequence)) for sequence in objects.sequences]
        index = np.flatnonzero(objects.has(Modality.IMAGE))
        trained = self.members[self._attributing]
        for member in trained:
            for i, parts in zip(index, member.contributions(objects.take(index))):
                out[i] += parts / len(trained)
        return out
