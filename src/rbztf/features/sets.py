"""The sets of light-curve features, and which of them the columns of a table or a model are of."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from rbztf.errors import UsageError
from rbztf.features import snad_set
from rbztf.features.epoch_set import EPOCH_NAMES
from rbztf.features.epoch_set import SET as EPOCH_SET
from rbztf.features.snad_set import FEATURE_NAMES
from rbztf.features.table import JOINED


class FeatureSet(StrEnum):
    """What features to compute."""

    SNAD = "snad"
    """The 54 of SNAD's table, which the package light-curve computes."""
    EPOCHS = "epochs"
    """Flags, PSF fit, gaps, the weight of single epochs, flares: :mod:`rbztf.features.epoch_set`."""
    BOTH = "both"

    @classmethod
    def named(cls, name: str) -> FeatureSet:
        """The set of this name.

        Raises
        ------
        UsageError
            If there is none.
        """
        try:
            return cls(name)
        except ValueError:
            names = ", ".join(cls)
            raise UsageError(f"{name!r} is not a set of features.", f"Give one of: {names}.") from None

    @classmethod
    def of(cls, names: Collection[str]) -> FeatureSet:
        """The set that holds the known ones of these features; SNAD's if none is known."""
        wanted = set(names)
        if not wanted & set(EPOCH_NAMES):
            return cls.SNAD
        return cls.BOTH if wanted & set(FEATURE_NAMES) else cls.EPOCHS

    @property
    def has_snad(self) -> bool:
        """Whether SNAD's 54 are in it."""
        return self is not FeatureSet.EPOCHS

    @property
    def has_epochs(self) -> bool:
        """Whether those of the epochs are in it."""
        return self is not FeatureSet.SNAD

    @property
    def names(self) -> tuple[str, ...]:
        """Its features, in order."""
        return (FEATURE_NAMES if self.has_snad else ()) + (EPOCH_NAMES if self.has_epochs else ())

    def source(self) -> str:
        """Its recipes, for :class:`rbztf.features.table.Definition`.

        Raises
        ------
        UsageError
            If it needs the package light-curve, which is not installed.
        """
        recipes = [snad_set.source()] if self.has_snad else []
        return JOINED.join([*recipes, EPOCH_SET] if self.has_epochs else recipes)

    def check_package(self) -> None:
        """Make sure that it can be computed.

        Raises
        ------
        UsageError
            If it needs the package light-curve, which is not installed.
        """
        if self.has_snad:
            snad_set.package()

    def can_compute(self) -> bool:
        """Whether the package that it needs is installed."""
        return not self.has_snad or snad_set.can_compute()
