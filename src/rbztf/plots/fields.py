"""Where bogus objects lie: their share by field and CCD, so that a bad CCD shows at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from rbztf.figures.style import COLOURS, GREY
from rbztf.ztf import N_CCD, Oid

MOST_LABELS = 40
"""Fields that are named at the axis; of more, some."""


def share_by_ccd(
    oids: Sequence[Oid], bogus: NDArray[np.bool_]
) -> tuple[list[int], NDArray[np.int64], NDArray[np.int64]]:
    """How many objects each field and CCD has, and how many of them are bogus.

    Returns
    -------
    fields : list of int
        In rising order.
    n, n_bogus : ndarray (fields, 16), int64
    """
    fields = sorted({oid.field for oid in oids})
    row = {field: place for place, field in enumerate(fields)}
    n, n_bogus = np.zeros((2, len(fields), N_CCD), np.int64)
    for oid, called in zip(oids, bogus.tolist()):
        n[row[oid.field], oid.ccd - 1] += 1
        n_bogus[row[oid.field], oid.ccd - 1] += called
    return fields, n, n_bogus


def draw_fields(oids: Sequence[Oid], bogus: NDArray[np.bool_], width_in: float) -> Figure:
    """The share of bogus objects by CCD with its 95 % interval (Wilson's), above that by field and CCD.

    Parameters
    ----------
    oids : sequence of Oid, (n,)
    bogus : ndarray (n,), bool
        Whether each is called bogus.
    """
    from astropy.stats import binom_conf_interval

    fields, n, n_bogus = share_by_ccd(oids, bogus)
    height = float(np.clip(0.13 * len(fields), 1.0, 6.0))
    figure = Figure(figsize=(width_in, height + 1.9), layout="constrained")
    above, map_axes = figure.subplots(2, 1, sharex=True, height_ratios=(1.4, height))
    ccds = np.arange(1, N_CCD + 1)
    there = n.sum(axis=0) > 0
    total, called = n.sum(axis=0)[there], n_bogus.sum(axis=0)[there]
    share = called / total
    low, high = binom_conf_interval(called, total, confidence_level=0.95, interval="wilson")
    bars = np.clip(np.stack([share - low, high - share]), 0, None)
    above.errorbar(ccds[there], share, bars, fmt="o", color=COLOURS[0], markersize=4, elinewidth=1)
    above.axhline(bogus.mean(), color=GREY, linestyle=":", linewidth=1)
    above.set(ylabel="Share of bogus", ylim=(0, 1.02))
    above.set_title(
        f"{len(oids)} objects, {bogus.mean():.0%} of them bogus (dotted); 95 % intervals", loc="left"
    )
    above.spines[["top", "right"]].set_visible(False)
    with np.errstate(invalid="ignore"):
        cells = n_bogus / np.where(n > 0, n, np.nan)
    edges = np.arange(0.5, N_CCD + 1), np.arange(len(fields) + 1) - 0.5
    mesh = map_axes.pcolormesh(*edges, cells, cmap="cividis", vmin=0, vmax=1, rasterized=True)
    map_axes.set_facecolor("white")
    step = -(-len(fields) // MOST_LABELS)
    map_axes.set_yticks(range(0, len(fields), step), [str(field) for field in fields[::step]], fontsize=5.5)
    map_axes.set_xticks(ccds)
    map_axes.set(xlabel="CCD", ylabel="Field (white: no object)")
    figure.colorbar(mesh, ax=map_axes, label="Share of bogus", pad=0.02)
    return figure
