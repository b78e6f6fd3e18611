"""Progress reports through a callback; the library never prints."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called as work goes on; the command line draws it, a notebook may ignore it."""

    def __call__(self, stage: str, done: int, total: int | None, note: str = "") -> None:
        """Report that ``done`` of ``total`` items (None: unknown) of ``stage`` are finished."""


NOTICE = "notice"
"""Stage of a sentence that should be seen at once, wherever the work stands."""


def notify(progress: Progress, sentence: str) -> None:
    """Tell the user something now, such as what is waited for."""
    progress(NOTICE, 0, None, sentence)


def silent(stage: str, done: int, total: int | None, note: str = "") -> None:
    """The default: report nothing."""
