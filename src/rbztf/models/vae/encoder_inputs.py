"""Input of an encoder and its loss: normalised pixels, their states, side channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from rbztf.config import FramesSection
from rbztf.errors import DataError, Problem
from rbztf.frames.background import (
    SIDE_CHANNELS,
    FrameFacts,
    saturated_pixels,
    side_channels,
    usable_frames,
)
from rbztf.frames.normalise import NORMALISERS, RawFrames, normalise
from rbztf.stores.object_file import ObjectCutouts

NO_DATA, GOOD, SATURATED = 0, 1, 2
"""States of a pixel. The encoder reads a saturated one, but the loss leaves it out: its value is a lower limit."""


@dataclass(frozen=True)
class Inputs:
    """Normalised frames, the states of their pixels and their side channels.

    Attributes
    ----------
    values : ndarray (n, 28, 28), float32
        Dimensionless, finite.
    states : ndarray (n, 28, 28), uint8
        :data:`NO_DATA`, :data:`GOOD` or :data:`SATURATED`.
    side : ndarray (n, 4), float32
        See :func:`rbztf.frames.background.side_channels`.
    """

    values: NDArray[np.float32]
    states: NDArray[np.uint8]
    side: NDArray[np.float32]

    FIELDS: ClassVar = ("values", "states", "side")

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: slice) -> Inputs:
        return Inputs(self.values[rows], self.states[rows], self.side[rows])


def make_inputs(
    frames: NDArray[np.float32],
    section: FramesSection,
    facts: FrameFacts | None = None,
    *,
    with_side: bool = True,
) -> Inputs:
    """Normalise frames as ``section`` says.

    Parameters
    ----------
    frames : ndarray (n, 28, 28), float32
        Pixels in DN, not finite where there is no data.
    facts : FrameFacts, optional
        Header values; without them gain, saturation and zero point count as unknown.
    with_side : bool
        Whether to compute side channels; they are zeros otherwise.
    """
    raw = RawFrames(frames, facts)
    values = normalise(raw, section.normaliser, section.invalid)
    states = np.isfinite(frames).astype(np.uint8)
    states[saturated_pixels(frames, raw.facts)] = SATURATED
    side = np.zeros((len(frames), len(SIDE_CHANNELS)), np.float32)
    if with_side:
        side = side_channels(frames, raw.level, raw.facts)
    return Inputs(values, states, side)


def joined(parts: Sequence[Inputs]) -> Inputs:
    """The frames of all ``parts``, in order."""
    return Inputs(*(np.concatenate([getattr(part, name) for part in parts]) for name in Inputs.FIELDS))


def read_facts(cutouts: ObjectCutouts) -> FrameFacts:
    """Header values of an object's frames, from its table of epochs.

    Raises
    ------
    DataError
        If the table does not fit the frames.
    """
    return FrameFacts(*cutouts.frame_columns(*(field.name for field in fields(FrameFacts))))


def read_usable(
    cutouts: ObjectCutouts, problems: list[Problem]
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Usable frames (n, 28, 28) float32 in DN and their photometry (n, 3) float64.

    Photometry is time (HJD, d), magnitude and its error, NaN where unknown. Frames without a
    single valid pixel are left out and reported in ``problems``.

    Raises
    ------
    DataError
        If no frame is usable.
    """
    problems.extend(cutouts.problems)
    usable = usable_frames(cutouts.frames)
    photometry = cutouts.frame_photometry()
    if not usable.any():
        reason = "all its frames are empty (NaN)" if len(usable) else "it has no frame"
        raise DataError(f"{cutouts.path}: {reason}.", "Fetch the object again.")
    if not usable.all():
        what = f"{np.sum(~usable)} of {len(usable)} frames are empty (NaN)."
        problems.append(Problem(str(cutouts.oid), what))
    if usable.all():
        return cutouts.frames, photometry
    return cutouts.frames[usable], photometry[usable]


def usable_facts(cutouts: ObjectCutouts, frames: FramesSection) -> FrameFacts | None:
    """Header values of an object's usable frames; None if the normaliser of ``frames`` needs none.

    Raises
    ------
    DataError
        If its table of epochs is damaged.
    """
    if not NORMALISERS[frames.normaliser].needs_headers:
        return None
    return read_facts(cutouts)[usable_frames(cutouts.frames)]
