"""The ways in which an archive fails to give what was asked for."""

from __future__ import annotations

from rbztf.errors import ArchiveError, RbztfError


class NotThere(ArchiveError):
    """HTTP 404: the archive has no such file today."""


class BadRequest(ArchiveError):
    """HTTP 400: for a cutout, the position is not on the image."""


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
