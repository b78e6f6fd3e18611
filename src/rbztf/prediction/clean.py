"""Cleaned light curves: every epoch of an object, those that a score blames flagged, as an astropy time series."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rbztf.errors import DataError, UsageError
from rbztf.files import whole
from rbztf.prediction.result import Prediction
from rbztf.stores.cutouts import CutoutStore

if TYPE_CHECKING:
    from astropy.table import Table
    from astropy.timeseries import TimeSeries

ENDINGS = (".ecsv", ".fits")
EPOCH_COLUMNS = ("mjd", "mag", "magerr", "catflags", "chi", "sharp", "filefracday", "frame")
"""Columns of the table of epochs that go along."""


def clean_light_curve(prediction: Prediction, epochs: Table) -> TimeSeries:
    """The light curve of an object with what each epoch contributes to its score.

    Parameters
    ----------
    prediction : Prediction
        Made with ``explain``.
    epochs : Table
        Of the object, from the cutout store.

    Returns
    -------
    astropy.timeseries.TimeSeries
        ``time`` (heliocentric Julian date of mid-exposure, UTC), :data:`EPOCH_COLUMNS`,
        ``bogus_share`` (added to the log odds of bogus; NaN for an epoch without a frame) and
        ``bogus`` (whether the epoch is to be dropped), in time order. Epochs without a time are left out.
    """
    from astropy.time import Time
    from astropy.timeseries import TimeSeries

    epochs = epochs[np.isfinite(np.asarray(epochs["hjd"], float))]
    contributions = {epoch.frame: epoch for epoch in prediction.blamed}
    frames = np.asarray(epochs["frame"]).tolist()
    shares = [contributions[k].share if k in contributions else np.nan for k in frames]
    dropped = [k in contributions and contributions[k].dropped for k in frames]
    table = TimeSeries(time=Time(np.asarray(epochs["hjd"], float), format="jd", scale="utc"))
    for name in EPOCH_COLUMNS:
        table[name] = epochs[name]
    table["bogus_share"] = np.array(shares, float)
    table["bogus"] = np.array(dropped, bool)
    table.sort("time")
    table.meta.update(
        OID=prediction.oid,
        P_BOGUS=prediction.p_bogus,
        DECISION=prediction.decision or "",
        MODEL=prediction.model,
    )
    return table


def write_clean(folder: Path, prediction: Prediction, store: CutoutStore, ending: str = ".ecsv") -> Path:
    """Write ``folder/OID.ecsv`` or ``.fits``; the file appears whole or not at all.

    ECSV is read by ``TimeSeries.read(path, format="ascii.ecsv")``, FITS by
    ``TimeSeries.read(path, format="fits", time_column="time", time_format="jd")``.

    Raises
    ------
    UsageError
        For another ending.
    DataError
        If the store lacks the object: its light curve is not known.
    WriteError
        If the file cannot be written.
    """
    if ending not in ENDINGS:
        raise UsageError(f"{ending} is not a format for light curves.", f"Use one of {', '.join(ENDINGS)}.")
    if prediction.oid not in store:
        raise DataError("its light curve is not in the cutout store.", "Fetch it: rbztf fetch.")
    table = clean_light_curve(prediction, store.epochs(prediction.oid))
    path = folder / f"{prediction.oid}{ending}"
    with whole(path) as part:
        if ending == ".ecsv":
            table.write(part, format="ascii.ecsv", overwrite=True)
        else:
            _with_plain_time(table).write(part, format="fits", overwrite=True)
    return path


def _with_plain_time(table: TimeSeries) -> Table:
    """The same with ``time`` as a number, which every reader of FITS understands."""
    from astropy.table import Column
    from astropy.table import Table as Plain

    plain = Plain(table, copy=False)
    plain.replace_column("time", Column(table.time.jd, name="time", unit="d", description="HJD (UTC)"))
    return plain
