"""An object at a glance: its light curve, the blamed epochs in red, over a strip of its frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rbztf.errors import UsageError
from rbztf.figures.style import COLOURS, GREY, NO_DATA_COLOUR, RED, grey_limits
from rbztf.times import MJD_TO_JD

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STRIP = 10
"""Frames shown."""
EPOCH_COLUMNS = ("frame", "hjd", "mag", "magerr", "catflags")
"""Of a table of epochs: what is drawn."""
WIDTH_IN, HEIGHT_IN = 10.0, 5.0
PADDING_IN = 0.12
"""Beside axes: room for labels also where a figure is saved at another resolution."""


@dataclass(frozen=True)
class Blame:
    """What a frame adds to the log odds of bogus, and whether its epoch is to be dropped."""

    frame: int
    share: float
    dropped: bool


@dataclass(frozen=True)
class ObjectView:
    """What is drawn of an object.

    Attributes
    ----------
    title : str
    time_mjd, mag, magerr : ndarray (n,), float64
        Heliocentric times (days), magnitudes and their errors of the epochs; NaN where unknown.
    flagged : ndarray (n,), bool
        Epochs that the survey itself flags.
    frame : ndarray (n,), int64
        Number of each epoch's frame, -1 for none.
    frames : ndarray (k, 28, 28), float32
        Pixels in DN, NaN where the chip has none.
    blamed : sequence of Blame
        In falling order of their share; empty if nothing is known.
    """

    title: str
    time_mjd: NDArray[np.float64]
    mag: NDArray[np.float64]
    magerr: NDArray[np.float64]
    flagged: NDArray[np.bool_]
    frame: NDArray[np.int64]
    frames: NDArray[np.float32]
    blamed: Sequence[Blame] = field(default=())

    @classmethod
    def of_epochs(
        cls,
        title: str,
        epochs: Mapping[str, NDArray[Any]],
        frames: NDArray[np.float32],
        blamed: Sequence[Blame] = (),
    ) -> ObjectView:
        """Of the columns :data:`EPOCH_COLUMNS` of a table of epochs; of those, ``frame`` has to be there."""
        frame = np.asarray(epochs["frame"], np.int64)
        nothing = np.full(len(frame), np.nan)
        time, mag, magerr, flags = (
            np.asarray(epochs.get(name, nothing), float) for name in EPOCH_COLUMNS[1:]
        )
        flagged = np.nan_to_num(flags) != 0
        return cls(title, time - MJD_TO_JD, mag, magerr, flagged, frame, frames, blamed)

    def shown(self, most: int = STRIP) -> list[int]:
        """Frames of the strip: those with the largest shares above 0, else some of all times; in time order."""
        worst = [each.frame for each in self.blamed if each.share > 0 or each.dropped][:most]
        if worst or not len(self.frames):
            return sorted(worst)
        return sorted(set(np.linspace(0, len(self.frames) - 1, most).round().astype(int).tolist()))


def draw_object(view: ObjectView) -> Figure:
    """The figure of an object.

    Raises
    ------
    UsageError
        If matplotlib is not installed.
    """
    try:
        from matplotlib.layout_engine import ConstrainedLayoutEngine

        from rbztf.figures.shown import ShownFigure
    except ImportError:
        raise UsageError("Plots need matplotlib.", "Install it: pip install matplotlib.") from None
    shown = view.shown()
    layout = ConstrainedLayoutEngine(w_pad=PADDING_IN)
    figure = ShownFigure(figsize=(WIDTH_IN, HEIGHT_IN if shown else 0.65 * HEIGHT_IN), layout=layout)
    figure.suptitle(view.title, x=0.01, ha="left", fontsize=11)
    if view.blamed:
        figure.supxlabel("under each frame: what it adds to the log odds of bogus", fontsize=8, color=GREY)
    grid = figure.add_gridspec(2 if shown else 1, STRIP, height_ratios=(2.4, 1.0) if shown else (1.0,))
    draw_curve(figure.add_subplot(grid[0, :]), view, shown)
    blames = {each.frame: each for each in view.blamed}
    times = dict(zip(view.frame.tolist(), view.time_mjd.tolist()))
    for place, number in enumerate(shown):
        axes = figure.add_subplot(grid[1, place])
        _draw_frame(axes, view.frames[number], blames.get(number))
        time = times.get(number, np.nan)
        axes.set_title(f"{place + 1}" + (f"   {time:.2f}" if np.isfinite(time) else ""), fontsize=8, pad=3)
    return figure


def draw_curve(axes: Axes, view: ObjectView, shown: Sequence[int] = (), *, narrow: bool = False) -> None:
    """Draw the light curve; epochs of the frames ``shown`` get their numbers in the strip."""
    dropped = {each.frame for each in view.blamed if each.dropped}
    there = np.isfinite(view.time_mjd) & np.isfinite(view.mag)
    bad = there & np.isin(view.frame, list(dropped)) & (view.frame >= 0)
    flagged = there & ~bad & view.flagged
    bare = there & ~bad & ~flagged & (view.frame < 0)
    parts = (
        (there & ~bad & ~flagged & ~bare, "epochs", COLOURS[0], COLOURS[0]),
        (bare, "without a frame", COLOURS[0], "white"),
        (flagged, "flagged by ZTF", GREY, "white"),
        (bad, "blamed, to be dropped", RED, RED),
    )
    for mask, label, colour, face in parts:
        if mask.any():
            axes.errorbar(
                view.time_mjd[mask],
                view.mag[mask],
                view.magerr[mask],
                fmt="o",
                markersize=4.5,
                markerfacecolor=face,
                color=colour,
                elinewidth=0.8,
                label=f"{label} ({mask.sum()})",
            )
    axes.set(xlabel="heliocentric MJD (days)", ylabel="magnitude")
    axes.spines[["top", "right"]].set_visible(False)
    if not there.any():
        axes.text(0.5, 0.5, "no photometry", transform=axes.transAxes, ha="center", color=GREY)
        return
    axes.invert_yaxis()
    axes.margins(y=0.14)
    axes.legend(
        fontsize=6 if narrow else 8,
        frameon=False,
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=2 if narrow else 4,
    )
    _number(axes, view, shown, there)


def _number(axes: Axes, view: ObjectView, shown: Sequence[int], there: NDArray[np.bool_]) -> None:
    """Write the number of each frame of the strip beside its epoch."""
    for place, number in enumerate(shown):
        for row in np.flatnonzero(there & (view.frame == number)):
            point = (float(view.time_mjd[row]), float(view.mag[row]))
            axes.annotate(
                str(place + 1),
                point,
                xytext=(5, 3),
                textcoords="offset points",
                fontsize=9,
                fontweight="bold",
            )


def _draw_frame(axes: Axes, frame: NDArray[np.float32], blame: Blame | None) -> None:
    from matplotlib import colormaps

    known = frame[np.isfinite(frame)]
    low, high = grey_limits(known)
    colours = colormaps["gray"].with_extremes(bad=NO_DATA_COLOUR)
    axes.imshow(frame, origin="lower", cmap=colours, vmin=low, vmax=high)
    axes.set(xticks=[], yticks=[])
    colour, width = (RED, 2.5) if blame is not None and blame.dropped else (GREY, 0.8)
    for spine in axes.spines.values():
        spine.set(color=colour, linewidth=width)
    if blame is not None:
        axes.set_xlabel(
            f"{blame.share:+.2f}", fontsize=8, color=colour if blame.dropped else "black", labelpad=2
        )
