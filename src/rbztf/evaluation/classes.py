"""Astrophysical classes that the tags of the SNAD knowledge base amount to."""

from __future__ import annotations

from collections.abc import Iterable

CLASS_TAGS: dict[str, tuple[str, ...]] = {
    "supernova": ("SN", "SNIa", "CCSN", "SLSN"),
    "active nucleus": ("AGN", "QSO"),
    "M-dwarf flare": ("M_dwarf_flare",),
    "pulsating": ("Pulsating", "RR", "RRAB", "DSCT", "DCEP", "SR", "M", "L", "LPV", "RSG"),
    "eclipsing": ("Eclipsing", "EA", "EB", "EW"),
    "cataclysmic": ("Cataclysmic", "UG", "UGZ", "UGSS", "AM", "N"),
    "rotating or eruptive": ("Rotating", "RSCVn", "BY", "Eruptive", "YSO"),
    "galaxy": ("Galaxy",),
    "star": ("STAR",),
    "variable of unknown type": ("VAR",),
}
"""Tags of each class.

The types within pulsating, eclipsing, cataclysmic and rotating stars are those of the General
Catalogue of Variable Stars (Samus et al. 2017, Astronomy Reports 61, 80), whose abbreviations
the tags are: M is Mira, SR semiregular, L slow irregular, N nova, AM a polar, UG a dwarf nova.
"""
GENERAL = ("star", "variable of unknown type")
"""Classes that count only where no other does: most stars of a known type bear these tags too."""
UNCLASSIFIED = "unclassified"
ARTEFACT = "artefact"
_CLASS_OF = {tag: name for name, tags in CLASS_TAGS.items() for tag in tags}


def classes_of(tags: Iterable[str], is_artefact: bool) -> frozenset[str]:
    """Classes of one object, at least one.

    An artefact is of the class ``artefact`` alone, whatever lies beneath it. A real object is of
    every class that its tags name, of ``unclassified`` if they name none.
    """
    if is_artefact:
        return frozenset({ARTEFACT})
    found = {_CLASS_OF[tag] for tag in tags if tag in _CLASS_OF}
    special = found - {*GENERAL}
    return frozenset(special or found or {UNCLASSIFIED})
