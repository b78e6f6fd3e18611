"""Progress reports through a callback; the library never prints."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called as work goes on; the command line draws it, a notebook may ignore it."""

    def __call__(self, stage: str, done: int, total: int | None, note: str = "") -> None:
        """Report that ``done`` of ``total`` items (None: unknown) of ``stage`` are finished."""


def silent(stage: str, done: int, total: int | None, note: str = "") -> None:
    """The default: report nothing."""
