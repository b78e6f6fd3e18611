"""Columns of a table of epochs as float64, whatever the table lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rbztf.times import MJD_TO_JD

if TYPE_CHECKING:
    from astropy.table import Table


def column(epochs: Table, name: str) -> NDArray[np.float64]:
    """A column, (n,) float64, NaN where it is masked or lacking."""
    if name not in epochs.colnames:
        return np.full(len(epochs), np.nan)
    return np.asarray(np.ma.filled(np.ma.asarray(epochs[name], np.float64), np.nan))


def times(epochs: Table) -> NDArray[np.float64]:
    """Heliocentric MJD, (n,) float64 days: ``hjd`` - 2400000.5, or ``mjd`` where ``hjd`` is unknown."""
    hjd = column(epochs, "hjd")
    return np.where(np.isfinite(hjd), hjd - MJD_TO_JD, column(epochs, "mjd"))
