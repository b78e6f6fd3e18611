"""Figures as files: PNG for screens, PDF and SVG for papers, with letters that stay text."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rbztf.errors import UsageError
from rbztf.files import write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ENDINGS = (".png", ".pdf", ".svg")
DPI = 200
PAPER: dict[Any, Any] = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "legend.fontsize": 7,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "lines.linewidth": 1.2,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "rbztf",
}
"""Settings of matplotlib: small letters, kept as letters, and the same bytes each time."""
_NO_DATE: Mapping[str, Mapping[str, Any]] = {".pdf": {"CreationDate": None}, ".svg": {"Date": None}}


class Width(StrEnum):
    """Widths of figures in the journals of astronomy: one column, or the page."""

    COLUMN = "column"
    PAGE = "page"

    @property
    def inches(self) -> float:
        """3.5 and 7.1 inches, as A&A and AAS journals print them."""
        return 3.5 if self is Width.COLUMN else 7.1


def paper_style() -> AbstractContextManager[None]:
    """Settings of matplotlib within which figures for papers are drawn and written.

    Raises
    ------
    UsageError
        If matplotlib is not installed.
    """
    try:
        from matplotlib import rc_context
    except ImportError:
        raise UsageError("Plots need matplotlib.", "Install it: pip install matplotlib.") from None
    style: AbstractContextManager[None] = rc_context(PAPER)
    return style


def check_ending(path: Path, endings: Sequence[str] = ENDINGS) -> None:
    """Refuse a name whose ending is none of ``endings``, before work is spent on it.

    Raises
    ------
    UsageError
        For another ending.
    """
    if path.suffix.lower() not in endings:
        known = ", ".join(endings[:-1]) + f" or {endings[-1]}"
        raise UsageError(f"{path} does not end with {known}.", "Name the picture so.")


def write_figure(figure: Figure, path: Path) -> None:
    """Write a figure by the ending of its name; the file appears whole or not at all.

    Raises
    ------
    WriteError, UsageError
        If it cannot be written, or has another ending.
    """
    check_ending(path)
    ending = path.suffix.lower()
    drawn = io.BytesIO()  # of a file that cannot be written, what matplotlib raises hides the cause
    with paper_style():
        figure.savefig(drawn, format=ending[1:], dpi=DPI, metadata=dict(_NO_DATE.get(ending, {})))
    write_bytes(path, drawn.getvalue())
