"""Which epochs of a light curve are worth a frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from rbztf.errors import UsageError
from rbztf.times import MJD_TO_JD
from rbztf.ztf import Band

Keep = Literal["newest", "oldest", "even"]


@dataclass(frozen=True)
class Filters:
    """What to leave out; an epoch left out keeps its row, with the status "skipped".

    Attributes
    ----------
    bands : tuple of Band
        Objects of other bands are not asked for; empty: all bands.
    bad_catflags : int
        Epochs with any of these bits in ``catflags`` are skipped (32768 marks bad epochs).
    mjd_min, mjd_max : float
        Time range of the start of exposure, MJD in days, both ends included.
    max_frames : int, optional
        At most so many frames per object, counted before the quality of any is known;
        0 takes light curves alone.
    keep : "newest", "oldest" or "even"
        Which ones to take when there are more; "even" spreads them over the epochs.
    max_seeing_pix : float, optional
        Frames with a wider point spread (FWHM in pixels) are dropped after download.
    bad_infobits : int
        Frames with any of these bits in ``INFOBITS`` are dropped after download.
    """

    bands: tuple[Band, ...] = ()
    bad_catflags: int = 0
    mjd_min: float = -np.inf
    mjd_max: float = np.inf
    max_frames: int | None = None
    keep: Keep = "newest"
    max_seeing_pix: float | None = None
    bad_infobits: int = 0

    def __post_init__(self) -> None:
        if self.keep not in get_args(Keep):
            raise UsageError(
                f"Unknown choice {self.keep!r} of frames to keep.", "Take newest, oldest or even."
            )
        if self.max_frames is not None and self.max_frames < 0:
            raise UsageError(f"At most {self.max_frames} frames: must be 0 or more.", "Leave it out for all.")
        for time in (self.mjd_min, self.mjd_max):
            if MJD_TO_JD <= time < np.inf:
                raise UsageError(
                    f"{time} is a Julian date, not a modified one.", f"Give MJD {time - MJD_TO_JD:.5f}."
                )
        if not self.mjd_min <= self.mjd_max:
            raise UsageError(
                f"The time range ends (MJD {self.mjd_max}) before it starts (MJD {self.mjd_min}).",
                "Swap the two.",
            )

    def wanted(self, columns: Mapping[str, NDArray[Any]]) -> NDArray[np.bool_]:
        """Epochs whose frames are wanted, (n,) bool, from columns (n,) in time order."""
        mjd = columns["mjd"]
        mask = (mjd >= self.mjd_min) & (mjd <= self.mjd_max)
        mask &= (columns["catflags"] & self.bad_catflags) == 0
        if self.max_frames is not None and mask.sum() > self.max_frames:
            mask = self._at_most(np.flatnonzero(mask), self.max_frames, len(mask))
        seeing, infobits = columns["seeing"], columns["infobits"]
        good = [self.good_quality({"seeing": s, "infobits": b}) for s, b in zip(seeing, infobits)]
        wanted: NDArray[np.bool_] = mask & np.array(good, bool)
        return wanted

    def good_quality(self, facts: Mapping[str, float | int]) -> bool:
        """Whether a frame of these facts passes; one whose quality is not known does."""
        if self.max_seeing_pix is not None and facts.get("seeing", np.nan) > self.max_seeing_pix:
            return False
        infobits = int(facts.get("infobits", -1))
        return infobits < 0 or not infobits & self.bad_infobits

    def _at_most(self, candidates: NDArray[np.intp], n: int, n_epochs: int) -> NDArray[np.bool_]:
        if self.keep == "newest":
            chosen = candidates[len(candidates) - n :]
        elif self.keep == "oldest":
            chosen = candidates[:n]
        else:
            chosen = candidates[np.linspace(0, len(candidates) - 1, n).round().astype(int)]
        mask = np.zeros(n_epochs, bool)
        mask[chosen] = True
        return mask
