"""``rbztf show``: one object at a glance, as a picture or as an animation of its frames."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rbztf.config import Config, load_config
from rbztf.errors import DataError, InputError
from rbztf.figures import animation, saving
from rbztf.figures.object_figure import Blame
from rbztf.prediction.words import blames_of, in_words
from rbztf.reporting.entries import Entry
from rbztf.reporting.sources import read_entries
from rbztf.stores.cutouts import CutoutStore, open_cutouts
from rbztf.stores.object_file import ObjectCutouts
from rbztf.times import MJD_TO_JD
from rbztf.verbs.fetch import DEFAULT_OUT
from rbztf.verbs.paths import locate_optional
from rbztf.ztf import Oid

ANIMATED = ".gif"
ENDINGS = (*saving.ENDINGS, ANIMATED)
MOST_STILLS = 1000
"""Frames of an animation; of more, this many of all times are taken."""
UNEXPLAINED = (
    "The scores do not say what single frames contribute: rbztf predict --explain --out scores.json."
)


@dataclass(frozen=True)
class Shown:
    """A picture that was written.

    Attributes
    ----------
    oid : int
    path : Path
    n_frames : int
        Frames of the object.
    n_dropped : int
        Of these, blamed so much that their epochs are to be dropped.
    warnings : tuple of str
    """

    oid: int
    path: Path
    n_frames: int
    n_dropped: int
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As printed by ``show --json``."""
        return {**vars(self), "path": str(self.path), "warnings": list(self.warnings)}


def show(
    oid: int | str,
    *,
    data: Path | str | None = None,
    scores: Path | str | None = None,
    out: Path | str | None = None,
    config: Config | None = None,
) -> Shown:
    """Write a picture of an object: light curve, blamed epochs in red, over a strip of its frames.

    Parameters
    ----------
    oid : int or str
    data : path, optional
        Cutouts; those of the configuration, else ``data/cutouts``.
    scores : path, optional
        What ``predict --out`` wrote, for the score and, in JSON made with ``--explain``, the blamed frames: the ten
        that add most to the log odds of bogus are shown. Without it the frames are of all times.
    out : path, optional
        Ending in ``.png``, ``.pdf``, ``.svg``, or ``.gif`` for all frames one after the other; default
        ``OID.png`` in this folder.

    Raises
    ------
    RbztfError
        If the object or its score is not at hand or damaged, or the picture cannot be written.
    """
    wanted = Oid(oid)
    path = Path(out) if out is not None else Path(f"{wanted}.png")
    saving.check_ending(path, ENDINGS)
    config = config or load_config()
    cutouts = of_store(cutout_store(data, config), wanted)
    entry = scored(Path(scores), [wanted])[wanted] if scores is not None else None
    blamed = blames(entry)
    warnings = [UNEXPLAINED] if entry is not None and not blamed else []
    if path.suffix.lower() == ANIMATED:
        warnings += _animate(cutouts, blamed, path)
    else:
        with saving.paper_style():
            figure = cutouts.plot(blamed, about(entry))
        saving.write_figure(figure, path)
    n_dropped = sum(each.dropped for each in blamed)
    return Shown(int(wanted), path, len(cutouts.frames), n_dropped, tuple(warnings))


def cutout_store(data: Path | str | None, config: Config) -> CutoutStore:
    """The cutouts that are named, those of the configuration, or those of the default place."""
    return open_cutouts(locate_optional("cutouts", data, config) or DEFAULT_OUT)


def of_store(store: CutoutStore, oid: Oid) -> ObjectCutouts:
    """The cutouts of an object.

    Raises
    ------
    DataError
        If the store lacks it, or its file is damaged.
    """
    if oid not in store:
        raise DataError(f"{store.folder} does not hold {oid}.", f"Fetch it: rbztf fetch {oid}.")
    return store[oid]


def scored(scores: Path, oids: Sequence[Oid]) -> dict[Oid, Entry]:
    """The predictions of objects in a file of scores, which is read once.

    Raises
    ------
    InputError
        If the file cannot be read, or lacks an object.
    """
    known = {entry.oid: entry for entry in read_entries(scores)}
    for oid in oids:
        if oid not in known:
            raise InputError(f"{scores} has no score of {oid}.", f"Score it: rbztf predict {oid} --explain.")
    return known


def blames(entry: Entry | None) -> Sequence[Blame]:
    """What each frame of a prediction adds, in falling order; nothing where it is not known."""
    return blames_of(entry.blamed) if entry else []


def about(entry: Entry | None) -> str:
    """Score and decision in words; empty without a prediction."""
    if entry is None:
        return ""
    called = entry.decision or str(entry.facts.get("input_check", ""))
    return in_words(called, entry.p_bogus, entry.p_low, entry.p_high, entry.kinds)


def _animate(cutouts: ObjectCutouts, blamed: Sequence[Blame], path: Path) -> list[str]:
    """Write the frames in order of time, the epochs to be dropped in red; what is worth knowing of it."""
    n = len(cutouts.frames)
    if not n:
        raise DataError(f"{cutouts.oid} has no frames to animate.", "Ask for .png: its light curve alone.")
    shown = np.unique(np.linspace(0, n - 1, min(n, MOST_STILLS)).round().astype(int))
    dropped = {each.frame for each in blamed if each.dropped}
    shares = {each.frame: each.share for each in blamed}
    times = cutouts.frame_columns("hjd")[0] - MJD_TO_JD
    stills = [
        animation.Still(cutouts.frames[k], _caption(k, float(times[k]), shares.get(k)), k in dropped)
        for k in shown.tolist()
    ]
    animation.write_animation(stills, path)
    return [f"{path} shows {MOST_STILLS} of the {n} frames."] if len(stills) < n else []


def _caption(frame: int, time_mjd: float, share: float | None) -> str:
    time = f"HMJD {time_mjd:.3f}" if math.isfinite(time_mjd) else f"frame {frame}"
    return time + (f"   {share:+.2f}" if share is not None else "")
