"""Properties of one object and its epochs that are drawn before its pixels: brightness, host, artefacts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rbztf.simulate.artefact_epochs import draw_traits, marks_of
from rbztf.simulate.artefacts import ArtefactTraits, EpochConditions, Mark
from rbztf.simulate.catalogue import SimulatedObject
from rbztf.simulate.exposures import Exposures
from rbztf.simulate.geometry import N_COLUMNS, N_ROWS, Quadrant, Window, cutout_window, quadrant_of
from rbztf.simulate.scene import Host, Scene, draw_host, draw_scene, field_density
from rbztf.simulate.seeds import Stream, stream
from rbztf.simulate.variability import REAL_KINDS
from rbztf.ztf import Label

MIN_ON_CHIP_PIX = 1.5
"""A detection lies at least this far inside the chip."""
BRIGHTEST_VICTIM_MAG, VICTIM_SPAN_MAG = 16.0, 4.8
"""Magnitudes of the stars that artefacts affect; mostly faint, since those change most."""
_REAL = {kind.name: kind for kind in REAL_KINDS}
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Plan:
    """One object and its epochs; arrays of shape (n,), one value per detection, in time order.

    Attributes
    ----------
    entry : SimulatedObject
    quadrant : Quadrant
    exposures : Exposures
        All visits of the field.
    visits : int64
        Indices of the epochs in ``exposures``.
    x_pix, y_pix : float64
        0-based pixel of the object on the chip.
    noise_dn : float64
        Noise of an empty pixel.
    mag : float64
        Of the object itself, without the artefact.
    marks : tuple of Mark or None
        The artefact in each frame.
    """

    entry: SimulatedObject
    quadrant: Quadrant
    exposures: Exposures
    visits: NDArray[np.int64]
    x_pix: Floats
    y_pix: Floats
    noise_dn: Floats
    mag: Floats
    marks: tuple[Mark | None, ...]
    scene: Scene
    host: Host

    def __len__(self) -> int:
        return len(self.visits)

    def window(self, epoch: int) -> Window:
        """Which pixels of the quadrant the frame of an epoch takes."""
        return cutout_window(float(self.x_pix[epoch]), float(self.y_pix[epoch]))


def make_plan(seed: int, entry: SimulatedObject, exposures: Exposures) -> Plan:
    """Draw epochs, brightness, neighbours and artefacts of one object."""
    oid = entry.oid
    quadrant = quadrant_of(seed, oid.field, oid.ccd, oid.quadrant)
    rng = stream(seed, Stream.VARIABILITY, oid)
    visits = _detected(rng, entry, exposures)
    x_pix, y_pix = entry.x_pix + exposures.dx_pix[visits], entry.y_pix + exposures.dy_pix[visits]
    noise_dn = sky_noise_dn(exposures.sky_dn[visits], quadrant)
    conditions = EpochConditions(
        noise_dn=noise_dn,
        dx_pix=exposures.dx_pix[visits],
        dy_pix=exposures.dy_pix[visits],
        edge_pix=edge_distance_pix(x_pix, y_pix),
    )
    mag, host, traits = _draw_object(rng, entry, exposures.mjd_d[visits])
    return Plan(
        entry=entry,
        quadrant=quadrant,
        exposures=exposures,
        visits=visits,
        x_pix=x_pix,
        y_pix=y_pix,
        noise_dn=noise_dn,
        mag=mag,
        marks=marks_of(seed, oid, traits, conditions),
        scene=draw_scene(seed, oid, field_density(seed, oid.field)),
        host=host,
    )


def _draw_object(
    rng: np.random.Generator, entry: SimulatedObject, mjd_d: Floats
) -> tuple[Floats, Host, ArtefactTraits | None]:
    """Magnitudes (n,), host galaxy and artefact of an object."""
    if entry.label is Label.ARTEFACT:
        traits = draw_traits(rng, entry.kind, entry.edge)
        mag = BRIGHTEST_VICTIM_MAG + VICTIM_SPAN_MAG * rng.beta(2.2, 1.3)
        return np.full(len(mjd_d), mag), Host(), traits
    kind = _REAL[entry.kind]
    return kind.curve(rng, mjd_d), draw_host(rng) if kind.hosted else Host(), None


def _detected(rng: np.random.Generator, entry: SimulatedObject, exposures: Exposures) -> NDArray[np.int64]:
    """Exposures in which the object is detected, in time order, (n,) int64."""
    edge_pix = edge_distance_pix(entry.x_pix + exposures.dx_pix, entry.y_pix + exposures.dy_pix)
    on_chip = np.flatnonzero(edge_pix > MIN_ON_CHIP_PIX)
    if len(on_chip) == 0:
        on_chip = np.array([int(np.argmax(edge_pix))])
    count = min(entry.n_epochs, len(on_chip))
    return np.sort(rng.choice(on_chip, count, replace=False)).astype(np.int64)


def edge_distance_pix(x_pix: Floats, y_pix: Floats) -> Floats:
    """Distance of pixels from the nearest edge of the chip, negative outside."""
    return np.minimum(
        np.minimum(x_pix + 0.5, N_COLUMNS - 0.5 - x_pix), np.minimum(y_pix + 0.5, N_ROWS - 0.5 - y_pix)
    )


def sky_noise_dn(sky_dn: Floats, quadrant: Quadrant) -> Floats:
    """Standard deviation of an empty pixel, DN."""
    gain, readnoise, _ = quadrant.electronics
    result: Floats = np.sqrt(sky_dn / gain + (readnoise / gain) ** 2)
    return result
