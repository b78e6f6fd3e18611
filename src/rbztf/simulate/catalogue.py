"""Draw the catalogue of a simulated sky: objects, their positions and their kinds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rbztf.simulate.geometry import N_COLUMNS, N_ROWS, quadrant_of
from rbztf.simulate.kinds.registry import KINDS
from rbztf.simulate.seeds import Stream, stream
from rbztf.simulate.variability import REAL_KINDS
from rbztf.ztf import ARTEFACT_TAG, N_CCD, N_QUADRANT, SIZE_PIX, UNCERTAIN_TAG, Band, Label, Oid

TAGS_OF_REAL = {kind.name: kind.tags for kind in REAL_KINDS}
UNCERTAIN_SHARE = 0.06
MIN_FIELDS = 12
OBJECTS_PER_FIELD = 10
QUADRANTS_PER_FIELD = 2
EDGE_MARGIN_PIX = 80.0
MIN_SEPARATION_PIX = 1.5 * SIZE_PIX
"""Frames of two objects of a quadrant never overlap."""
LENGTH_SPREAD = 0.4
MIN_EPOCHS = 5


@dataclass(frozen=True)
class SimulatedObject:
    """One object of the simulated sky, with its true kind.

    Attributes
    ----------
    oid : Oid
    kind : str
        For example ``RR Lyrae`` or ``ghost``.
    label : Label
    tags : tuple of str
        As an expert of the SNAD knowledge base would tag it.
    seed : int
        Of its sky.
    x_pix, y_pix : float
        0-based pixel in its quadrant at nominal pointing.
    edge : int
        Nearest edge of the chip: 0 left, 1 right, 2 bottom, 3 top.
    n_epochs : int
        Number of detections.
    """

    oid: Oid
    kind: str
    label: Label
    tags: tuple[str, ...]
    seed: int
    x_pix: float
    y_pix: float
    edge: int
    n_epochs: int

    @property
    def ra_deg(self) -> float:
        """Right ascension, ICRS."""
        return self._position_deg[0]

    @property
    def dec_deg(self) -> float:
        """Declination, ICRS."""
        return self._position_deg[1]

    @cached_property
    def _position_deg(self) -> tuple[float, float]:
        """Made when it is asked for: the WCS of a quadrant takes longer than a frame."""
        quadrant = quadrant_of(self.seed, self.oid.field, self.oid.ccd, self.oid.quadrant)
        ra_deg, dec_deg = quadrant.pixel_to_sky(np.array([self.x_pix]), np.array([self.y_pix]))
        return round(float(ra_deg[0]), 7), round(float(dec_deg[0]), 7)


def draw_catalogue(
    seed: int, n_objects: int, n_epochs: int, artefact_share: float
) -> tuple[SimulatedObject, ...]:
    """Objects in the order of their OIDs.

    Raises
    ------
    ValueError
        If a number is out of range.
    """
    if n_objects < 1 or n_epochs < 1 or not 0 <= artefact_share <= 1:
        raise ValueError(
            "need n_objects >= 1, n_epochs >= 1 and 0 <= artefact_share <= 1: "
            f"{n_objects}, {n_epochs}, {artefact_share}"
        )
    rng = stream(seed, Stream.CATALOGUE)
    kinds = _draw_kinds(rng, n_objects, artefact_share)
    places = _draw_places(rng, n_objects)
    lengths = _draw_lengths(rng, n_objects, n_epochs)
    objects: list[SimulatedObject] = []
    taken: dict[tuple[int, int, int], list[tuple[float, float]]] = {}
    for kind, (place, source), length in zip(kinds, places, lengths):
        others = taken.setdefault(place, [])
        objects.append(_make_object(seed, kind, place, source, int(length), others))
        others.append((objects[-1].x_pix, objects[-1].y_pix))
    return tuple(sorted(objects, key=lambda entry: entry.oid))


def pool_size(n_epochs: int) -> int:
    """Visits of each field; every object is detected in some of them."""
    return 2 * max(n_epochs, MIN_EPOCHS) + 2


def _draw_lengths(rng: np.random.Generator, n_objects: int, n_epochs: int) -> NDArray[np.int64]:
    """Numbers of detections, the same spread for every kind of object."""
    factors = rng.uniform(1 - LENGTH_SPREAD, 1 + LENGTH_SPREAD, n_objects)
    return np.maximum(np.round(n_epochs * factors), MIN_EPOCHS).astype(np.int64)


def _draw_kinds(rng: np.random.Generator, n_objects: int, artefact_share: float) -> list[str]:
    """Kinds in random order, each exactly as often as its share says."""
    n_bogus = round(n_objects * artefact_share)
    real = {kind.name: kind.share for kind in REAL_KINDS}
    bogus = {name: kind.share for name, kind in KINDS.items()}
    kinds = _apportion(bogus, n_bogus) + _apportion(real, n_objects - n_bogus)
    return [kinds[k] for k in rng.permutation(n_objects)]


def _apportion(shares: dict[str, float], count: int) -> list[str]:
    names = list(shares)
    borders = np.cumsum(list(shares.values()))
    picks = np.searchsorted(borders / borders[-1], (np.arange(count) + 0.5) / max(count, 1))
    return [names[k] for k in picks]


def _draw_places(rng: np.random.Generator, n_objects: int) -> list[tuple[tuple[int, int, int], int]]:
    """A quadrant (field, ccd, qid) and a source number for each object."""
    n_fields = max(MIN_FIELDS, -(-n_objects // OBJECTS_PER_FIELD))
    # mostly the primary grid; a few fields of the secondary one have 16-digit OIDs
    fields = rng.choice(np.r_[245:880, 1245:1300], n_fields, replace=False)
    spots = [
        (int(field), int(ccd), int(rng.integers(1, N_QUADRANT + 1)))
        for field in fields
        for ccd in rng.choice(np.arange(1, N_CCD + 1), QUADRANTS_PER_FIELD, replace=False)
    ]
    sources = rng.choice(np.arange(1000, 60000), n_objects, replace=n_objects > 50000)
    turns = rng.permutation(n_objects)
    return [(spots[turn % len(spots)], int(source)) for turn, source in zip(turns, sources)]


def _make_object(
    seed: int,
    kind: str,
    place: tuple[int, int, int],
    source: int,
    n_epochs: int,
    others: list[tuple[float, float]],
) -> SimulatedObject:
    field, ccd, qid = place
    oid = Oid(field * 10**12 + Band.R.filter_id * 10**11 + ccd * 10**9 + qid * 10**8 + source)
    rng = stream(seed, Stream.OBJECT, oid)
    near_edge = kind in KINDS and KINDS[kind].near_edge
    x_pix, y_pix, edge = _draw_pixel(rng, near_edge=near_edge)
    while any(np.hypot(x_pix - x, y_pix - y) < MIN_SEPARATION_PIX for x, y in others):
        x_pix, y_pix, edge = _draw_pixel(rng, near_edge=near_edge)
    bogus = kind in KINDS
    tags = (ARTEFACT_TAG, kind) if bogus else TAGS_OF_REAL[kind]
    if rng.random() < UNCERTAIN_SHARE:
        tags = (*tags, UNCERTAIN_TAG)
    return SimulatedObject(
        oid=oid,
        kind=kind,
        label=Label.ARTEFACT if bogus else Label.REAL,
        tags=tags,
        seed=seed,
        x_pix=x_pix,
        y_pix=y_pix,
        edge=edge,
        n_epochs=n_epochs,
    )


def _draw_pixel(rng: np.random.Generator, *, near_edge: bool) -> tuple[float, float, int]:
    """A pixel and the edge it is nearest to."""
    x_pix = float(rng.uniform(EDGE_MARGIN_PIX, N_COLUMNS - EDGE_MARGIN_PIX))
    y_pix = float(rng.uniform(EDGE_MARGIN_PIX, N_ROWS - EDGE_MARGIN_PIX))
    distances = [x_pix, N_COLUMNS - 1 - x_pix, y_pix, N_ROWS - 1 - y_pix]
    edge = int(np.argmin(distances))
    if not near_edge:
        return x_pix, y_pix, edge
    edge, near = int(rng.integers(4)), float(rng.uniform(4, SIZE_PIX / 2))
    if edge == 0:
        x_pix = near
    elif edge == 1:
        x_pix = N_COLUMNS - 1 - near
    elif edge == 2:
        y_pix = near
    else:
        y_pix = N_ROWS - 1 - near
    return x_pix, y_pix, edge
