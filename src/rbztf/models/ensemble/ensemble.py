"""An ensemble with all it needs, from frames, vectors and features to a calibrated probability."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rbztf.config import Config
from rbztf.features.table import Definition
from rbztf.models.ensemble.network_member import FittedNetwork
from rbztf.models.ensemble.stacking import Combination, sigmoid
from rbztf.models.ensemble.trees_member import FittedTrees
from rbztf.models.objects.frame_reader import FrameReader
from rbztf.models.objects.object_set import Modality, ObjectSet
from rbztf.models.vae.bundle import EncoderBundle

Array = NDArray[np.float64]
Fitted = FittedNetwork | FittedTrees
Have = tuple[Modality, ...]
Outputs = dict[str, Array]
INTERVAL_SIGMAS = 1.96


@dataclass(frozen=True)
class KindScale:
    """Calibration of the artefact kinds: which networks' tags are averaged, slope and offset.

    Attributes
    ----------
    members : tuple of str
    kinds : tuple of str
        Names of the kinds, which every one of ``members`` has among its ``tags``.
    slope, offset : ndarray (kinds,), float64
        NaN for a kind with too few examples.
    """

    members: tuple[str, ...]
    kinds: tuple[str, ...]
    slope: Array
    offset: Array


@dataclass(frozen=True)
class Verdicts:
    """What an ensemble says of objects.

    Attributes
    ----------
    p_bogus : ndarray (n,), float64
        Calibrated probability of bogus.
    p_low, p_high : ndarray (n,), float64
        95 % interval of it from how far the trainings without one inner fold differ.
    inputs : list of tuple of Modality
        What each score rests on.
    kinds : dict of str to ndarray (n,), float64
        Probability that the object is an artefact of each kind the model knows; NaN where it cannot tell.
    """

    p_bogus: Array
    p_low: Array
    p_high: Array
    inputs: list[Have]
    kinds: dict[str, Array]


@dataclass(frozen=True)
class Ensemble:
    """Members, how they are combined, and the encoder of the frames.

    Attributes
    ----------
    members : dict of str to tuple of FittedNetwork or FittedTrees
        One training a bag.
    combinations : dict of tuple of Modality to Combination
        For objects with those modalities.
    kinds : dict of tuple of Modality to KindScale
    config : Config
    latent : int
        Latent means per frame; 0 for a model without images.
    reader : FrameReader
        What is read of them, and of the frames' photometry.
    prior : float
        Share of artefacts among the training objects: the score of an object of which
        nothing is known.
    feature_names : tuple of str
        Light-curve features it was trained on.
    definition : Definition
        Of the light-curve features it was trained on.
    encoder : EncoderBundle or None
    notes : dict
        For the model card.
    """

    members: dict[str, tuple[Fitted, ...]]
    combinations: dict[Have, Combination]
    kinds: dict[Have, KindScale]
    config: Config
    latent: int
    reader: FrameReader
    prior: float
    feature_names: tuple[str, ...]
    definition: Definition
    encoder: EncoderBundle | None = None
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def modalities(self) -> Have:
        """What the members read, together."""
        used = {modality for bags in self.members.values() for modality in bags[0].modalities}
        return tuple(modality for modality in Modality if modality in used)

    def combination(self, have: Have) -> Combination:
        """What scores objects with those modalities."""
        return self.combinations[self._usable(have)]

    def available(self, objects: ObjectSet) -> list[Have]:
        """The modalities that the score of each object can rest on; empty if nothing is known."""
        flags = {modality: objects.has(modality) for modality in self.modalities}
        return [
            self._usable(tuple(modality for modality in self.modalities if flags[modality][i]))
            for i in range(len(objects))
        ]

    def _usable(self, have: Have) -> Have:
        """The largest part of ``have`` for which there is a combination."""
        parts = [key for key in self.combinations if set(key) <= set(have)]
        return max(parts, key=len, default=())

    def score(self, objects: ObjectSet, device: torch.device | None = None) -> Verdicts:
        """Score objects; each alone has the score it has in any company (to 1e-6)."""
        return self.judge(self.outputs(objects, device), self.available(objects))

    def outputs(self, objects: ObjectSet, device: torch.device | None = None) -> Outputs:
        """What each member says of objects, (bags, n, 1 + tags) float64; NaN where it cannot tell."""
        out = {}
        if Modality.IMAGE in self.modalities:
            objects.make_frames()  # once for all members
        for name, bags in self.members.items():
            index = np.flatnonzero(objects.has_all(bags[0].modalities))
            part = objects.take(index)
            said = [_say(member, part, device) for member in bags]
            out[name] = np.full((len(bags), len(objects), said[0].shape[1]), np.nan)
            out[name][:, index] = said
        return out

    def judge(self, outputs: Outputs, inputs: list[Have]) -> Verdicts:
        """Verdicts from what the members say.

        Parameters
        ----------
        outputs : dict of str to ndarray (bags, n, 1 + tags), float64
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
            p[index], low[index], high[index] = self._with_interval(combination, logits)
            if have in self.kinds:
                for kind, found in self._kinds(self.kinds[have], outputs, index).items():
                    kinds[kind][index] = found
        return Verdicts(p, low, high, inputs, kinds)

    def _kinds(self, scale: KindScale, outputs: Outputs, index: NDArray[np.int64]) -> dict[str, Array]:
        """Calibrated probability of each kind, (len(index),) each."""
        parts = []
        for name in scale.members:
            tags = self.members[name][0].tags
            columns = [1 + tags.index(kind) for kind in scale.kinds]
            parts.append(outputs[name][:, index][..., columns])
        p = sigmoid(scale.slope * np.concatenate(parts).mean(axis=0) + scale.offset)
        return dict(zip(scale.kinds, p.T))

    @staticmethod
    def _with_interval(combination: Combination, logits: Array) -> tuple[Array, Array, Array]:
        middle = combination.logits(logits.mean(axis=0))
        spread = combination.logits(logits).std(axis=0, ddof=1)
        half = INTERVAL_SIGMAS * spread
        return sigmoid(middle), sigmoid(middle - half), sigmoid(middle + half)

    def with_encoder(self, encoder: EncoderBundle | None, notes: Mapping[str, Any]) -> Ensemble:
        """The same model with its encoder and notes for its card."""
        return replace(self, encoder=encoder, notes=dict(notes))


def _say(member: Fitted, objects: ObjectSet, device: torch.device | None) -> Array:
    """Logit of bogus, then tags, (n, 1 + tags) float64."""
    if isinstance(member, FittedNetwork):
        return member.outputs(objects, device) if len(objects) else np.empty((0, len(member.network.bias)))
    return member.logits(objects)[:, None] if len(objects) else np.empty((0, 1))
