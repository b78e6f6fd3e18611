"""What every member of an ensemble can do, and where its kind is found.

A new kind of member is two things: its section in :mod:`rbztf.config.sections`, with a ``kind`` of its
own among :data:`rbztf.config.sections.Member`, and a module ``KIND_member.py`` beside this one, whose
``MEMBER`` is a subclass of :class:`Member`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from rbztf.config import MemberSection
from rbztf.models.checkpoint import History
from rbztf.models.objects.frame_reader import FrameReader
from rbztf.models.objects.object_set import LabelledSet, Modalities, Modality, ObjectSet

Array = NDArray[np.float64]
Section = TypeVar("Section", bound=MemberSection)
Scorer = Callable[[ObjectSet, torch.device | None], Array]


class Member(ABC, Generic[Section]):
    """A trained member of an ensemble."""

    ending: ClassVar[str]
    """Of its file."""
    section: Section

    @property
    def modalities(self) -> Modalities:
        """What an object must have to be scored."""
        return needed(self.section)

    @property
    def tag_names(self) -> tuple[str, ...]:
        """Names of the auxiliary outputs, which follow the logit of bogus."""
        return ()

    @property
    def attributes_frames(self) -> bool:
        """Whether :meth:`contributions` says what each frame adds by itself."""
        return False

    @classmethod
    @abstractmethod
    def fit(
        cls, data: LabelledSet, section: Section, seed: int, device: torch.device, held_out: LabelledSet
    ) -> Self:
        """Train on objects that have all modalities of ``section``.

        Parameters
        ----------
        held_out : LabelledSet
            Others, maybe none, on which the training may be watched; nothing of it depends on them.
        """

    def learning_curve(self, data: LabelledSet, held_out: LabelledSet) -> History:
        """Log loss of the objects it was fitted to and of the others, for each stage of its training.

        Returns
        -------
        list of dict
            ``epoch`` or ``trees``, ``loss``, and ``held_out_loss`` where there were others; empty where it is
            not known.
        """
        return []

    @abstractmethod
    def outputs(self, objects: ObjectSet, device: torch.device | None = None) -> Array:
        """Logit of bogus, then of each of :attr:`tag_names`, (n, 1 + tags) float64.

        Parameters
        ----------
        objects : ObjectSet
            At least one; all have all modalities.
        """

    @classmethod
    def together(cls, trained: Sequence[Self]) -> Scorer:
        """What scores objects by all trainings of a member, (trainings, n, 1 + tags) float64."""
        return lambda objects, device: np.stack([member.outputs(objects, device) for member in trained])

    def contributions(self, objects: ObjectSet) -> list[Array]:
        """What each frame adds to the logit of bogus, one (n_frames,) float64 per object.

        Their sum, and one constant for all objects, is the logit.
        """
        raise NotImplementedError

    @abstractmethod
    def save(self, path: Path) -> None:
        """Write the one file of the member, whole or not at all; without pickle."""

    @classmethod
    @abstractmethod
    def load(cls, path: Path, section: Section, reader: FrameReader) -> Self:
        """Read what :meth:`save` wrote; ``reader`` is that of the ensemble.

        Raises
        ------
        InputError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError
            If the file is damaged, or not of such a member.
        """


def log_loss(logits: Array, labels: NDArray[np.int64]) -> float:
    """Mean of −ln of the probability given to the label, of logits (n,) of bogus."""
    return float(np.mean(np.logaddexp(0, logits) - labels * logits))


def needed(section: MemberSection) -> Modalities:
    """What an object must have for a member with this section."""
    return tuple(Modality(name) for name in section.inputs)


def member_class(kind: str) -> type[Member[Any]]:
    """The class of members of a ``kind``, as configurations name it."""
    found: type[Member[Any]] = import_module(f"rbztf.models.ensemble.{kind}_member").MEMBER
    return found
