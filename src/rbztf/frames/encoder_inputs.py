"""All that an encoder and its loss see of frames: values, which pixels count, side channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from rbztf.config import FramesSection
from rbztf.errors import DataError, Problem
from rbztf.files import reading
from rbztf.frames.asinh import (
    SIDE_CHANNELS,
    SKY_NORMALISERS,
    FrameFacts,
    saturated_pixels,
    side_channels,
    sky_level,
    stretch,
    unit_dn,
)
from rbztf.frames.normalise import normalise, usable_frames
from rbztf.stores.object_file import ObjectCutouts

NO_DATA, GOOD, SATURATED = 0, 1, 2
"""States of a pixel. A saturated one is seen but not reconstructed: its value is a lower limit."""


@dataclass(frozen=True)
class Inputs:
    """Normalised frames and what belongs to them.

    Attributes
    ----------
    values : ndarray (n, 28, 28), float32
        Dimensionless, finite.
    states : ndarray (n, 28, 28), uint8
        :data:`NO_DATA`, :data:`GOOD` or :data:`SATURATED`.
    side : ndarray (n, 4), float32
        See :func:`rbztf.frames.asinh.side_channels`.
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
        What their headers say; without it saturation and zero point count as unknown.
    with_side : bool
        Whether side channels are wanted; they are zeros otherwise.
    """
    facts = facts if facts is not None else FrameFacts.unknown(len(frames))
    stretched = section.normaliser in SKY_NORMALISERS
    level = sky_level(frames) if stretched or with_side else None
    if level is not None and stretched:
        filled = np.where(np.isfinite(frames), frames, 0) if section.invalid == "zero" else frames
        values = stretch(filled, level.sky_dn, unit_dn(section.normaliser, level, facts))
    else:
        values = normalise(frames, section.normaliser, "zero" if section.invalid == "zero" else "ignore")
    states = np.isfinite(frames).astype(np.uint8)
    states[saturated_pixels(frames, facts)] = SATURATED
    if level is None or not with_side:
        return Inputs(values, states, np.zeros((len(frames), len(SIDE_CHANNELS)), np.float32))
    return Inputs(values, states, side_channels(frames, level, facts))


def joined(parts: Sequence[Inputs]) -> Inputs:
    """The frames of all ``parts``, in order."""
    return Inputs(*(np.concatenate([getattr(part, name) for part in parts]) for name in Inputs.FIELDS))


def read_facts(cutouts: ObjectCutouts) -> FrameFacts:
    """What the epoch table of an object says of its frames."""
    found = FrameFacts.unknown(len(cutouts.frames))
    with reading(cutouts.path, "has an EPOCHS table that does not fit its frames"):
        epochs = cutouts.epochs
        index = np.asarray(epochs["frame"])
        with_frame = index >= 0
        for name in ("gain", "readnoise", "saturate", "magzp"):
            if name in epochs.colnames:
                getattr(found, name)[index[with_frame]] = np.asarray(epochs[name], np.float32)[with_frame]
    return found


def read_usable(
    cutouts: ObjectCutouts, problems: list[Problem]
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Usable frames (n, 28, 28) float32 in DN and their photometry (n, 3) float64.

    The latter is time (HJD, d), magnitude and its error, NaN where unknown.

    Frames without a single valid pixel are left out and reported in ``problems``.

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
    return cutouts.frames[usable], photometry[usable]


def usable_facts(cutouts: ObjectCutouts, frames: FramesSection) -> FrameFacts | None:
    """What the headers of an object's usable frames said, for encoders whose normaliser asks for it.

    Raises
    ------
    DataError
        If its table of epochs is damaged.
    """
    if frames.normaliser not in SKY_NORMALISERS:
        return None
    return read_facts(cutouts)[usable_frames(cutouts.frames)]
