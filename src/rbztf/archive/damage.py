"""Damaged files: whatever a general reader trips over becomes one clear error."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rbztf.errors import DataError, RbztfError


@contextmanager
def readable(
    path: Path, what: str = "is not a readable FITS file", next_step: str = "Fetch it again."
) -> Iterator[None]:
    """Read from ``path`` within the block; ``what`` says what it is not, if that fails.

    Raises
    ------
    DataError
        For any error but our own.
    """
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    except RbztfError:
        raise
    except Exception as error:  # noqa: BLE001 - damaged bytes fail in a dozen ways, none of them documented
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{path} {what} ({reason}).", next_step) from None
