"""Figures of single objects for papers: light curves and strips of frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from rbztf.figures.object_figure import EPOCH_COLUMNS, Blame, ObjectView, draw_curve
from rbztf.plots import montage
from rbztf.stores.object_file import ObjectCutouts

WIDE_IN = 5.0
"""Width of a figure that has room for words side by side, inches."""
TILE_IN = 0.62
"""Width of a frame, inches: small, yet its 28 pixels can be told apart in print."""


@dataclass(frozen=True)
class Pictured:
    """An object to be drawn: its cutouts, what its frames contribute (in falling order), a line about it."""

    cutouts: ObjectCutouts
    blamed: Sequence[Blame] = ()
    about: str = ""

    def name(self, width_in: float = WIDE_IN) -> str:
        """OID, band, and what is said of it, on a second line where a figure is narrow."""
        oid = self.cutouts.oid
        between = ": " if width_in >= WIDE_IN else "\n"
        return f"{oid}, {oid.band} band" + (between + self.about if self.about else "")


def draw_lightcurves(objects: Sequence[Pictured], width_in: float) -> Figure:
    """Light curves, one above the other; epochs to be dropped are red."""
    height = (2.2 if width_in >= WIDE_IN else 2.5) * len(objects)
    figure = Figure(figsize=(width_in, height), layout="constrained")
    for axes, each in zip(figure.subplots(len(objects), 1, squeeze=False)[:, 0], objects):
        draw_curve(axes, view_of(each), narrow=width_in < WIDE_IN)
        axes.set_title(each.name(width_in), loc="left", fontsize=8, pad=20 if width_in >= WIDE_IN else 30)
    return figure


def draw_frames(objects: Sequence[Pictured], width_in: float) -> Figure:
    """A row of frames for each object: the most blamed ones, else some of all times, in order of time."""
    columns = max(1, int(width_in / TILE_IN))
    tiles: list[list[montage.Tile]] = []
    captions: list[list[str]] = []
    for each in objects:
        view = view_of(each)
        shown = view.shown(columns)
        times = dict(zip(view.frame.tolist(), view.time_mjd.tolist()))
        tiles.append([_tile(view.frames[k]) for k in shown])
        captions.append([_day(times.get(k, np.nan)) for k in shown])
    figure = Figure(
        figsize=(
            width_in,
            0.25 + len(objects) * (width_in / columns + (0.28 if width_in >= WIDE_IN else 0.4)),
        ),
        layout="constrained",
    )
    panels = figure.subplots(len(objects), 1, squeeze=False)[:, 0]
    for axes, each, row, words in zip(panels, objects, tiles, captions):
        axes.set_title(each.name(width_in), loc="left", fontsize=7, pad=3)
        if not row:
            axes.set_axis_off()
            continue
        blank = np.ones_like(row[0])
        padding = columns - len(row)
        montage.draw(axes, [row + [blank] * padding], [words + [""] * padding], caption_size=5.5)
    return figure


def view_of(each: Pictured) -> ObjectView:
    """What is drawn of an object."""
    epochs = each.cutouts.epoch_columns(*EPOCH_COLUMNS)
    return ObjectView.of_epochs(each.name(), epochs, each.cutouts.frames, each.blamed)


def _tile(frame: NDArray[np.float32]) -> montage.Tile:
    valid = np.isfinite(frame)
    return montage.tile(frame, valid, montage.stretch(frame, valid, 99.5))


def _day(time_mjd: float) -> str:
    return f"{time_mjd:.2f}" if np.isfinite(time_mjd) else ""
