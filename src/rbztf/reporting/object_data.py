"""What a page loads of one object: light curve, contributions of its frames, mask, sprite sheets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbztf.figures.object_figure import Blame
from rbztf.prediction.result import MASK_COLUMNS, epoch_rows
from rbztf.prediction.words import blames_of
from rbztf.reporting.entries import Entry
from rbztf.reporting.sprites import COLUMNS, FINE, MOST_FRAMES, SMALL, sheet, webp
from rbztf.reporting.stretches import STRETCHES, stretched
from rbztf.stores.object_file import ObjectCutouts
from rbztf.tables import csv_text
from rbztf.times import MJD_TO_JD

MOST_BLAMED = 40
EVENLY = 40
"""Frames of an object that are shown by default: those that contribute most, and some of all times."""
FACTS = ("seeing", "airmass", "maglimit", "chi", "sharp", "catflags", "infobits", "field", "ccdid", "qid")
"""Columns of the table of epochs that the page names for a frame."""
WHOLE = ("catflags", "infobits", "field", "ccdid", "qid")
DECIMALS = {"mjd": 5, "mag": 3, "magerr": 3}


@dataclass(frozen=True)
class ObjectData:
    """An object as the page loads it.

    Attributes
    ----------
    content : dict
        For its script.
    sheets : dict of str to bytes
        WebP pictures of its frames, by stretch.
    n_frames : int
        Frames that are in the sheets.
    """

    content: dict[str, Any]
    sheets: dict[str, bytes]
    n_frames: int


def chosen_frames(n_frames: int, blamed: Sequence[Blame], all_frames: bool = False) -> list[int]:
    """Numbers of the frames that are shown, in time order.

    The 40 that speak most for bogus, whatever is to be dropped, and 40 of all times.
    """
    if all_frames or n_frames <= MOST_BLAMED:
        return list(range(min(n_frames, MOST_FRAMES)))
    worst = {each.frame for each in blamed[:MOST_BLAMED]} | {each.frame for each in blamed if each.dropped}
    even = np.linspace(0, n_frames - 1, EVENLY).round().astype(int).tolist()
    return sorted(number for number in worst | set(even) if 0 <= number < n_frames)


def object_data(entry: Entry, cutouts: ObjectCutouts | None, *, all_frames: bool = False) -> ObjectData:
    """Everything of an object that its page shows.

    Parameters
    ----------
    cutouts : ObjectCutouts or None
        None where they are not at hand: then there is no light curve either.

    Raises
    ------
    DataError
        If its table of epochs is damaged.
    """
    content: dict[str, Any] = {"oid": str(int(entry.oid)), "frames": [], "blamed": _blamed(entry)}
    if entry.blamed:
        content["mask"] = csv_text(MASK_COLUMNS, epoch_rows(entry.oid, entry.blamed))
    if cutouts is None:
        return ObjectData(content, {}, 0)
    blamed = blames_of(entry.blamed)
    shown = chosen_frames(len(cutouts.frames), blamed, all_frames)
    content |= {
        "ra": cutouts.ra_deg,
        "dec": cutouts.dec_deg,
        "collection": cutouts.collection,
        "n_frames": len(cutouts.frames),
        "frames": shown,
        "columns": max(1, min(COLUMNS, len(shown))),
        "epochs": _epochs(cutouts),
    }
    frames = cutouts.frames[shown]
    return ObjectData(content, frame_sheets(frames, SMALL if all_frames else FINE), len(shown))


def frame_sheets(frames: NDArray[np.float32], quality: int = FINE) -> dict[str, bytes]:
    """A sprite sheet of the frames (n, 28, 28) in DN for each stretch; none without frames."""
    if not len(frames):
        return {}
    no_data = ~np.isfinite(frames)
    return {name: webp(sheet(stretched(frames, name), no_data), quality) for name in STRETCHES}


def _blamed(entry: Entry) -> dict[str, Any]:
    """Frames in falling order of what they contribute, each as ``--explain`` says it."""
    return {
        "frame": [each.frame for each in entry.blamed],
        "share": [each.share for each in entry.blamed],
        "said": [f"{each.share:+.2f}" for each in entry.blamed],
        "dropped": [int(each.dropped) for each in entry.blamed],
    }


def _epochs(cutouts: ObjectCutouts) -> dict[str, Any]:
    """The light curve in time order, one list a column; values as short as they may be."""
    table = cutouts.epoch_columns("hjd", "mjd", "mag", "magerr", "frame", *FACTS)
    n = len(table["frame"])
    columns = {name: np.asarray(table.get(name, np.full(n, np.nan)), float) for name in ("hjd", *DECIMALS)}
    columns["time"] = columns.pop("hjd") - MJD_TO_JD
    columns |= {name: np.asarray(table[name], float) for name in FACTS if name in table}
    order = np.argsort(columns["time"], kind="stable")
    found: dict[str, Any] = {}
    for name, values in columns.items():
        ordered = values[order].tolist()
        found[name] = (
            [int(value) for value in ordered]
            if name in WHOLE
            else [round(value, DECIMALS.get(name, 5 if name == "time" else 3)) for value in ordered]
        )
    return found | {"frame": np.asarray(table["frame"], int)[order].tolist()}
