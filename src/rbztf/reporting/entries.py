"""What a report says of an object in its table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rbztf.prediction.result import EpochContribution
from rbztf.ztf import Oid

LEAST_KIND = 0.2
"""Probability below which a kind of artefact is not named in the table."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One object of a report.

    Attributes
    ----------
    oid : Oid
    p_bogus, p_low, p_high : float or None
        Probability and its interval.
    decision : str
        real, bogus, unsure, or empty where there is none.
    threshold : float or None
    kinds : dict of str to float
        Probability of each kind of artefact.
    n_frames, n_missing : int or None
    mag : float or None
        Mean magnitude.
    in_training : bool or None
    label : str
        What experts said: real, bogus or nothing.
    tags : tuple of str
        Their words for it.
    facts : dict
        Further values by name, such as ``inputs`` or ``input_check``.
    models : dict of str to float
        p_bogus of each model of a cross-validation.
    blamed : sequence of EpochContribution
        Empty where it is not known.
    """

    oid: Oid
    p_bogus: float | None = None
    p_low: float | None = None
    p_high: float | None = None
    decision: str = ""
    threshold: float | None = None
    kinds: dict[str, float] = field(default_factory=dict)
    n_frames: int | None = None
    n_missing: int | None = None
    mag: float | None = None
    in_training: bool | None = None
    label: str = ""
    tags: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    models: dict[str, float] = field(default_factory=dict)
    blamed: Sequence[EpochContribution] = ()

    @property
    def kind(self) -> tuple[str, float]:
        """The likeliest kind of artefact and its probability; empty where none is likely."""
        name, share = max(self.kinds.items(), key=lambda pair: pair[1], default=("", 0.0))
        return (name, share) if share >= LEAST_KIND else ("", 0.0)

    @property
    def wrong_by(self) -> float | None:
        """How far p_bogus is from the label, 0 to 1; None where either is unknown."""
        if self.p_bogus is None or not self.label:
            return None
        return abs(self.p_bogus - (self.label == "bogus"))

    def row(self) -> dict[str, Any]:
        """As the page's table has it."""
        name, share = self.kind
        kinds = sorted(self.kinds.items(), key=lambda pair: -pair[1])
        return {
            "oid": str(int(self.oid)),
            "p": self.p_bogus,
            "low": self.p_low,
            "high": self.p_high,
            "decision": self.decision,
            "threshold": self.threshold,
            "kind": name,
            "kind_p": share or None,
            "kinds": [[kind, value] for kind, value in kinds if value >= 0.01][:4],
            "frames": self.n_frames,
            "missing": self.n_missing,
            "mag": self.mag,
            "training": self.in_training,
            "label": self.label,
            "tags": list(self.tags),
            "wrong": self.wrong_by,
            "field": self.oid.field,
            "band": str(self.oid.band),
            "facts": self.facts,
            "models": self.models,
            "viewer": self.oid.viewer_url,
        }
