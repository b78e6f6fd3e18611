"""The errors that users meet: each says what went wrong, where, and what to do next."""

from __future__ import annotations

import re
from dataclasses import dataclass

_CONTROL = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)
"""Characters that steer a terminal, turn the order of the text, or cannot be seen; halves of characters."""


LONGEST_REASON = 200
"""Characters."""


def printable(text: str, *, lines: bool = False) -> str:
    """Text from anywhere as it can be shown on a terminal: what steers one becomes visible, such as ``\\x1b``.

    Parameters
    ----------
    lines : bool
        Leave ends of lines and tabs as they are; otherwise they become blanks.
    """
    if not lines:
        text = re.sub(r"[\n\t]+", " ", text)
    return _CONTROL.sub(lambda found: found[0] if found[0] in "\n\t" else ascii(found[0])[1:-1], text)


def reason(error: BaseException) -> str:
    """What an error of another library says, short enough for a part of a sentence."""
    text = " ".join(str(error).split())
    if len(text) > LONGEST_REASON:
        return text[:LONGEST_REASON] + "…"
    return text or type(error).__name__


class RbztfError(Exception):
    """Base of every error a user can meet; its text is :func:`printable`.

    Parameters
    ----------
    message : str
        What went wrong and where (a path, a key or an OID), as one sentence.
    next_step : str
        What to do about it.
    """

    exit_code = 1

    def __init__(self, message: str, next_step: str = "") -> None:
        self.message, self.next_step = printable(message), printable(next_step)
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message} {self.next_step}".strip()


class UsageError(RbztfError):
    """Wrong use: options that contradict each other, a path that is not there."""

    exit_code = 2


class ConfigError(UsageError):
    """A configuration with an unknown key or a value of the wrong type."""


class InputError(UsageError):
    """An input file, OID or model that cannot be what it claims to be."""


class DataError(RbztfError):
    """Good files, but no way to do what was asked with what they hold."""


class ArchiveError(RbztfError):
    """The archive could not be reached or answered something unusable."""


class WriteError(RbztfError):
    """The system did not let a file be written: a full disk, a missing permission."""


@dataclass(frozen=True)
class Problem:
    """One thing left undone while the rest went on (leads to exit code 3).

    Attributes
    ----------
    where : str
        The OID or path concerned.
    what : str
        What was wrong with it, as one sentence.
    """

    where: str
    what: str

    def __str__(self) -> str:
        return printable(f"{self.where}: {self.what}")


class NotThere(ArchiveError):
    """HTTP 404: the archive has no such file today."""


class BadRequest(ArchiveError):
    """HTTP 400: for a cutout, the position is not on the image, if ``body`` (the answer's text) says so."""

    def __init__(self, message: str, next_step: str = "", body: str = "") -> None:
        super().__init__(message, next_step)
        self.body = body


class UnsoundAnswer(ArchiveError):
    """The archive answered, but not with what was asked for."""


class NoAnswer(ArchiveError):
    """No usable answer within the time and tries allowed."""


class Refused(NoAnswer):
    """HTTP 401, 403 and the like: asking again at once would not help."""


class ArchiveDown(ArchiveError):
    """So many failures in a row that nothing more is asked."""


class Stopped(RbztfError):
    """The session was closed while a request was under way."""
