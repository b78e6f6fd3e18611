"""One object as ``predict`` has read it: frames, their times, light-curve features."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbztf.stores.object_file import ObjectCutouts
from rbztf.ztf import Oid

Vectors = NDArray[np.float32]
Times = NDArray[np.float64]


@dataclass(frozen=True)
class InputPaths:
    """What the caller named, or the configuration."""

    cutouts: Path | None
    embeddings: Path | None
    features: Path | None


@dataclass(frozen=True)
class ObjectFeatures:
    """Light-curve features of an object.

    Attributes
    ----------
    values : ndarray (k,), float64
        Those that the model reads.
    verified : bool
        Whether they were made as those it was trained on.
    goes_on : bool
        Whether they rest on later epochs than those of the training.
    fault : str
        Why they cannot be such features, whatever their values; empty if they may be.
    """

    values: NDArray[np.float64]
    verified: bool
    goes_on: bool
    fault: str = ""


@dataclass(frozen=True)
class FrameTimes:
    """Which exposure each frame is of.

    Attributes
    ----------
    frame : ndarray (n_frames,), int64
        Its number in the cutout store or the embeddings, from 0.
    mjd, hjd : ndarray (n_frames,), float64
        Start of exposure, and heliocentric Julian date of its middle, days; NaN where unknown.
    filefracday : ndarray (n_frames,), int64
        IRSA's number of the exposure; -1 where unknown.
    """

    frame: NDArray[np.int64]
    mjd: Times
    hjd: Times
    filefracday: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.frame)

    def __getitem__(self, chosen: NDArray[Any]) -> FrameTimes:
        return FrameTimes(*(getattr(self, name)[chosen] for name in ("frame", "mjd", "hjd", "filefracday")))

    @classmethod
    def of_embeddings(cls, hjd: Times) -> FrameTimes:
        """Frames of which an embedding store knows the time at most."""
        n = len(hjd)
        return cls(np.arange(n), np.full(n, np.nan), hjd, np.full(n, -1, np.int64))

    @classmethod
    def of_cutouts(cls, cutouts: ObjectCutouts) -> FrameTimes:
        """All frames of an object of the cutout store."""
        columns = cutouts.frame_columns("mjd", "hjd", "filefracday")
        return cls(np.arange(len(cutouts.frames)), *columns)


@dataclass(frozen=True)
class ObjectInputs:
    """One object as it was found.

    Attributes
    ----------
    oid : Oid
    sequence : ndarray (n_frames, columns), float32
        What the model reads of its usable frames, in time order.
    times : FrameTimes
        Of these frames.
    n_missing : int
        Frames that are missing or unusable.
    features : ObjectFeatures or None
    frames_fault : str
        Why its frames, where they were read, are no images of the sky; empty if they may be.
    """

    oid: Oid
    sequence: Vectors
    times: FrameTimes
    n_missing: int
    features: ObjectFeatures | None
    frames_fault: str = ""
