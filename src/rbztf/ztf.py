"""ZTF names and numbers: OIDs, bands, labels, kinds of artefact, the size of a cutout."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Self, TypeVar

from rbztf.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Number = TypeVar("Number", int, "NDArray[np.int64]")
MAX_FIELD = 2047  # primary and secondary ZTF grids both number below this
N_CCD = 16
N_QUADRANT = 4
PIXEL_SCALE_ARCSEC = 1.012
SIZE_PIX = 28
"""Side of a cutout."""
MAX_DIGITS = 16
BAD_EPOCH_FLAG = 32768
"""Bit of an epoch's ``catflags`` that marks it as bad."""


class Band(StrEnum):
    """ZTF filters by their usual letter."""

    G = "g"
    R = "r"
    I = "i"  # noqa: E741

    @property
    def filter_id(self) -> int:
        """ZTF's number of the filter (``fid``): 1, 2 or 3."""
        return _FILTER_IDS[self]

    @property
    def filter_code(self) -> str:
        """IRSA's code of the filter: ``zg``, ``zr`` or ``zi``."""
        return f"z{self.value}"


_FILTER_IDS = {Band.G: 1, Band.R: 2, Band.I: 3}
_BAND_OF_ID = {number: band for band, number in _FILTER_IDS.items()}


class Label(IntEnum):
    """What an object is: the positive class is the artefact (bogus)."""

    REAL = 0
    ARTEFACT = 1


class LabelRule(StrEnum):
    """Which labelled objects count.

    ``rb-ztf``: all; artefact if the tag is there (Semenikhin 2024). ``snad2025``: the same without those of
    :func:`is_ambiguous`, as SNAD's classifiers of 2025 are trained and judged.
    """

    RB_ZTF = "rb-ztf"
    SNAD2025 = "snad2025"


ARTEFACT_TAG = "artefact"
UNCERTAIN_TAG = "uncertain"
AMBIGUOUS_WHOLE = (
    {"Galaxy"},
    {"Galaxy", UNCERTAIN_TAG},
    {"interaction"},
    {"1-point"},
    {"LSB", UNCERTAIN_TAG},
    {"M_dwarf_flare", UNCERTAIN_TAG},
    {"VAR", UNCERTAIN_TAG},
)
"""Tags that, where an object has these and no other, do not tell whether it is real."""
AMBIGUOUS_ANY = frozenset({"STAR", "Asteroid", "Comet"})
"""Tags of which each alone leaves that open."""


def is_ambiguous(tags: Collection[str]) -> bool:
    """Whether the label of an object with these tags is open, by SNAD's rule of 2025.

    The rule is that of SNAD's real-bogus classifiers (github.com/snad-space/snad-binary-classifiers).
    """
    found = frozenset(tags)
    return found in AMBIGUOUS_WHOLE or bool(found & AMBIGUOUS_ANY) or {ARTEFACT_TAG, UNCERTAIN_TAG} <= found


ARTEFACT_KINDS = ("ghost", "track", "column", "spike", "defocusing", "bright_star", "frame_edge")
"""Artefact kinds with enough examples in the SNAD knowledge base to be predicted."""
FRAME_KINDS = (*ARTEFACT_KINDS, "cosmic")
"""Artefacts that single frames can show; each has a module in ``rbztf/simulate/kinds``."""
AUXILIARY_TAGS: Mapping[str, frozenset[str]] = {
    **{kind: frozenset({kind}) for kind in ARTEFACT_KINDS},
    "1-point": frozenset({"1-point"}),
    "supernova": frozenset({"SN", "SNIa", "CCSN"}),
    "AGN": frozenset({"AGN", "QSO"}),
    "VAR": frozenset({"VAR"}),
    "Pulsating": frozenset({"Pulsating"}),
    "Eclipsing": frozenset({"Eclipsing"}),
    "M_dwarf_flare": frozenset({"M_dwarf_flare"}),
    "STAR": frozenset({"STAR"}),
    "non-catalogued": frozenset({"non-catalogued"}),
}
"""Targets that networks learn besides the label, by name: an object has one if it has any of its tags.

Every saved model keeps the names of its own targets, so these may be extended or reordered.
"""


def field_of(oid: Number) -> Number:
    """ZTF field number of an OID, or of each in an array of int64."""
    return oid // 10**12


def are_oids(numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each number has the shape of an :class:`Oid`, (n,) bool."""
    field, fid = numbers // 10**12, numbers // 10**11 % 10
    ccd, quadrant = numbers // 10**9 % 100, numbers // 10**8 % 10
    sound = (field >= 1) & (field <= MAX_FIELD) & (fid >= 1) & (fid <= len(_BAND_OF_ID))
    return sound & (ccd >= 1) & (ccd <= N_CCD) & (quadrant >= 1) & (quadrant <= N_QUADRANT)


class Oid(int):
    """Identifier of one light curve in a ZTF data release, one object in one band.

    The digits are ``FFFF B CC Q SSSSSSSS``: field (3 or 4 digits), band (1 g, 2 r, 3 i),
    CCD 01-16, quadrant 1-4, source. An ``Oid`` is an ``int``, so it indexes arrays and
    dictionaries as the bare number does. Quoted digits, and those of a floating-point number that
    has them all (``686103400034440.0``), are taken too.

    Raises
    ------
    InputError
        If the number does not have that shape.
    """

    def __new__(cls, value: int | str) -> Self:
        text = str(value).strip()
        if not (text.isascii() and text.isdecimal()):
            text = _digits(text, value)
        if len(text) > MAX_DIGITS:
            raise _not_an_oid(value)
        number = int(text)
        self = super().__new__(cls, number)
        field, fid = divmod(number // 10**11, 10)
        ccd, quadrant = number // 10**9 % 100, number // 10**8 % 10
        if not (
            1 <= field <= MAX_FIELD
            and fid in _BAND_OF_ID
            and 1 <= ccd <= N_CCD
            and 1 <= quadrant <= N_QUADRANT
        ):
            raise _not_an_oid(value)
        return self

    @property
    def field(self) -> int:
        """ZTF field number."""
        return field_of(int(self))

    @property
    def band(self) -> Band:
        """Filter."""
        return _BAND_OF_ID[self // 10**11 % 10]

    @property
    def ccd(self) -> int:
        """CCD, 1 to 16."""
        return self // 10**9 % 100

    @property
    def quadrant(self) -> int:
        """Quadrant (readout channel) of the CCD, 1 to 4."""
        return self // 10**8 % 10

    @property
    def source(self) -> int:
        """Running number of the source within the quadrant."""
        return self % 10**7

    @property
    def viewer_url(self) -> str:
        """Page of the object in the SNAD viewer."""
        return f"https://ztf.snad.space/view/{int(self)}"


_QUOTES = "\"'"
_WITH_POINT = re.compile(r"([0-9]+)\.0*")
_WITH_EXPONENT = re.compile(r"([0-9])(?:[.,]([0-9]*))?[eE]\+?([0-9]{1,2})")


def _digits(text: str, value: object) -> str:
    """The digits of an OID that was written as text in quotes, or as a floating-point number."""
    text = text.strip(_QUOTES).strip()
    if text.isascii() and text.isdecimal():
        return text
    if match := _WITH_POINT.fullmatch(text):
        return match[1]
    if match := _WITH_EXPONENT.fullmatch(text):
        digits, n = match[1] + (match[2] or ""), int(match[3]) + 1
        if len(digits) >= n and not digits[n:].strip("0"):
            return digits[:n]
        raise InputError(
            f"{str(value)[:60]!r} has lost the last digits of an OID, as happens in spreadsheets.",
            "Export the column again as text, or as whole numbers with all their digits.",
        )
    raise _not_an_oid(value)


def _not_an_oid(value: object) -> InputError:
    return InputError(
        f"{str(value)[:60]!r} is not a ZTF OID.",
        "An OID has 15 or 16 digits: field, band (1 g, 2 r, 3 i), CCD (01-16), quadrant (1-4), source, "
        "for example 686103400034440.",
    )
