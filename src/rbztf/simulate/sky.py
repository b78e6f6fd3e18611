"""The simulated sky: light curves, frames, headers, and the artefact in each frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbztf.errors import InputError
from rbztf.simulate import render
from rbztf.simulate.catalogue import SimulatedObject, draw_catalogue, pool_size
from rbztf.simulate.exposures import EXPTIME_S, Exposures, field_exposures
from rbztf.simulate.geometry import Quadrant, Window, quadrant_of
from rbztf.simulate.headers import cutout_cards, exposure_cards, image_name, image_path
from rbztf.simulate.object_plan import Plan, make_plan
from rbztf.simulate.photometry import Photometry, measure
from rbztf.wording import counted
from rbztf.ztf import SIZE_PIX, Oid


class SimulatedSky:
    """Objects, exposures and frames that depend on the seed alone.

    Each frame can be made by itself, in any order, with the same pixels.
    Safe to use from several threads.

    Parameters
    ----------
    n_objects : int
    n_epochs : int
        Typical number of detections per object; uniform within 40 % of it, for real objects
        and artefacts alike.
    seed : int
        Not negative.
    artefact_share : float
        Share of objects that are artefacts.
    """

    def __init__(
        self, n_objects: int = 120, n_epochs: int = 40, seed: int = 0, artefact_share: float = 0.5
    ) -> None:
        self.seed = int(seed)
        self.n_epochs = n_epochs
        self._objects = {
            entry.oid: entry for entry in draw_catalogue(self.seed, n_objects, n_epochs, artefact_share)
        }
        self._by_quadrant: dict[tuple[int, int, int], list[Oid]] = {}
        for oid in self._objects:
            self._by_quadrant.setdefault((oid.field, oid.ccd, oid.quadrant), []).append(oid)
        # caches of what the seed decides: two threads may fill an entry twice, with the same
        self._exposures: dict[int, Exposures] = {}
        self._plans: dict[Oid, Plan] = {}
        self._photometry: dict[Oid, Photometry] = {}

    def __repr__(self) -> str:
        return f"SimulatedSky({counted(len(self._objects), 'object')}, seed {self.seed})"

    @property
    def oids(self) -> list[Oid]:
        """All objects, in order."""
        return list(self._objects)

    def object(self, oid: int) -> SimulatedObject:
        """What an object is.

        Raises
        ------
        InputError
            If this sky has no such object.
        """
        try:
            return self._objects[Oid(oid)]
        except KeyError:
            raise InputError(
                f"The simulated sky has no object {int(oid)}.", "Take one of SimulatedSky.oids."
            ) from None

    def exposures(self, field: int) -> Exposures:
        """All visits of a field; an object is detected in some of them."""
        if field not in self._exposures:
            self._exposures[field] = field_exposures(self.seed, field, pool_size(self.n_epochs))
        return self._exposures[field]

    def plan(self, oid: int) -> Plan:
        """Properties of an object that are drawn before its frames."""
        entry = self.object(oid)
        if entry.oid not in self._plans:
            self._plans[entry.oid] = make_plan(self.seed, entry, self.exposures(entry.oid.field))
        return self._plans[entry.oid]

    def truth(self, oid: int) -> tuple[str, ...]:
        """The artefact in the frame of each epoch, "" where it is clean."""
        return tuple("" if mark is None else mark.kind for mark in self.plan(oid).marks)

    def frames(self, oid: int, epochs: Sequence[int] | None = None) -> NDArray[np.float32]:
        """Frames of an object, (n, 28, 28) float32 DN, NaN where the chip has no pixel.

        Parameters
        ----------
        epochs : sequence of int, optional
            Rows of the light curve; all by default.
        """
        plan = self.plan(oid)
        wanted = range(len(plan)) if epochs is None else epochs
        frames = np.empty((len(wanted), SIZE_PIX, SIZE_PIX), np.float32)
        for row, epoch in enumerate(wanted):
            frames[row] = render.frame(plan, int(epoch))
        return frames

    def window(self, oid: int, epoch: int) -> Window:
        """Which pixels of its quadrant the frame of an epoch takes."""
        return self.plan(oid).window(epoch)

    def frame_header(self, oid: int, epoch: int) -> dict[str, Any]:
        """FITS cards of a frame as the archive serves it, that is clipped at the chip's edges."""
        plan = self.plan(oid)
        cards = exposure_cards(plan.quadrant, plan.exposures, int(plan.visits[epoch]))
        return cutout_cards(cards, plan.window(epoch))

    def image_paths(self, oid: int) -> list[str]:
        """Path in the archive of the science image of each epoch."""
        plan = self.plan(oid)
        return [
            image_path(
                int(plan.exposures.filefracday[visit]), image_name(plan.exposures, visit, plan.quadrant)
            )
            for visit in plan.visits
        ]

    def light_curve(self, oid: int) -> dict[str, NDArray[Any]]:
        """The detections of an object in time order: IRSA's light-curve columns, (n,) each."""
        plan = self.plan(oid)
        entry, exposures, visits, n = plan.entry, plan.exposures, plan.visits, len(plan)
        if entry.oid not in self._photometry:
            self._photometry[entry.oid] = measure(plan)
        photometry = self._photometry[entry.oid]
        return {
            "oid": np.full(n, int(entry.oid), np.int64),
            "expid": exposures.expid[visits],
            "hjd": exposures.hjd_d(entry.ra_deg, entry.dec_deg)[visits],
            "mjd": exposures.mjd_d[visits],
            "mag": photometry.mag,
            "magerr": photometry.magerr,
            "catflags": photometry.catflags,
            "filtercode": np.full(n, entry.oid.band.filter_code),
            "ra": np.full(n, entry.ra_deg),
            "dec": np.full(n, entry.dec_deg),
            "chi": photometry.chi,
            "sharp": photometry.sharp,
            "filefracday": exposures.filefracday[visits],
            "field": np.full(n, entry.oid.field),
            "ccdid": np.full(n, entry.oid.ccd),
            "qid": np.full(n, entry.oid.quadrant),
            "limitmag": photometry.limitmag,
            "magzp": exposures.magzp[visits],
            "magzprms": exposures.magzprms[visits],
            "clrcoeff": exposures.clrcoeff[visits],
            "clrcounc": exposures.clrcounc[visits],
            "exptime": np.full(n, EXPTIME_S),
            "airmass": exposures.airmass[visits],
            "programid": exposures.programid[visits],
        }

    def quadrants(self) -> list[Quadrant]:
        """The quadrants that hold objects, in order of field, CCD and quadrant."""
        return [quadrant_of(self.seed, *key) for key in sorted(self._by_quadrant)]

    def objects_in(self, quadrant: Quadrant) -> list[Oid]:
        """The objects of a quadrant, in order."""
        return self._by_quadrant.get((quadrant.field, quadrant.ccd, quadrant.qid), [])
