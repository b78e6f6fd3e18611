"""Names that bundles did not keep in earlier versions, in the order they had then; nothing may be added."""

from __future__ import annotations

LEGACY_KINDS = ("ghost", "track", "column", "spike", "defocusing", "bright_star", "frame_edge")
"""Artefact kinds that an ensemble gives probabilities of."""
LEGACY_TAGS = (
    *LEGACY_KINDS,
    *("1-point", "supernova", "AGN", "VAR", "Pulsating", "Eclipsing", "M_dwarf_flare", "STAR"),
    "non-catalogued",
)
"""Auxiliary outputs of its networks."""
