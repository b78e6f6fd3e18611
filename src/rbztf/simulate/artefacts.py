"""What artefacts add to a frame.

Each painter takes the geometry of one artefact in one frame (:class:`Mark`) and returns
(28, 28) DN to add. The shapes follow real frames of each kind: ghosts with edges and
charge-spill bars with rounded ends, bleeding columns that taper to a tip, and so on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rbztf.simulate.psf import Image, Seeing, grid, moffat
from rbztf.ztf import ARTEFACT_KINDS

KINDS = (*ARTEFACT_KINDS, "cosmic")
SIZE_PIX = 28


@dataclass(frozen=True)
class Mark:
    """One artefact in one frame.

    Attributes
    ----------
    kind : str
        One of :data:`KINDS`.
    level_dn : float
        Brightness per pixel where it is brightest; negative for a dark column.
    x_pix, y_pix : float
        Where its centre lies relative to the object.
    angle_rad : float
        Its direction.
    size_pix : float
        Its extent: radius, width or length by kind.
    variant : int
        Which of the kind's shapes.
    seed : int
        For its fine structure.
    """

    kind: str
    level_dn: float
    x_pix: float = 0.0
    y_pix: float = 0.0
    angle_rad: float = 0.0
    size_pix: float = 1.0
    variant: int = 0
    seed: int = 0


Painter = Callable[[Mark, Image, Image, Seeing], Image]


def paint(mark: Mark, seeing: Seeing, x_pix: float, y_pix: float) -> Image:
    """DN that ``mark`` adds to the frame of an object at 0-based pixel (x, y), (28, 28) float64."""
    dx, dy = grid(SIZE_PIX, x_pix, y_pix)
    painter = _PAINTERS.get(mark.kind)
    if painter is None:
        return np.zeros((SIZE_PIX, SIZE_PIX))
    return painter(mark, dx - mark.x_pix, dy - mark.y_pix, seeing)


def _edge(distance_pix: Image, softness_pix: float) -> Image:
    """1 inside (negative distance), 0 outside."""
    result: Image = 1 / (1 + np.exp(np.clip(distance_pix / softness_pix, -40, 40)))
    return result


def _along(mark: Mark, dx: Image, dy: Image) -> tuple[Image, Image]:
    """Coordinates along and across the mark's direction."""
    cos, sin = np.cos(mark.angle_rad), np.sin(mark.angle_rad)
    return dx * cos + dy * sin, dy * cos - dx * sin


def _ghost(mark: Mark, dx: Image, dy: Image, seeing: Seeing) -> Image:
    radius = np.hypot(dx, dy)
    if mark.variant == 0:  # a reflection: a wide disc, darker towards its middle
        disc = _edge(radius - mark.size_pix, 1.2)
        return mark.level_dn * disc * (0.55 + 0.45 * np.minimum(radius / mark.size_pix, 1) ** 2)
    if mark.variant == 1:  # the pupil: a ring
        hole = _edge(radius - 0.45 * mark.size_pix, 1.0)
        return mark.level_dn * _edge(radius - mark.size_pix, 1.0) * (1 - 0.85 * hole)
    # a charge-spill bar along the rows, with a rounded end and a brighter line
    along = dx if mark.variant == 2 else -dx
    half = max(mark.size_pix / 6, 1.5)
    bar = _edge(np.hypot(np.maximum(along, 0), dy) - half, 0.5)
    line = 0.3 * np.exp(-0.5 * (dy / 0.8) ** 2) * _edge(along, 1.0)
    return mark.level_dn * (bar + line)


def _track(mark: Mark, dx: Image, dy: Image, seeing: Seeing) -> Image:
    along, across = _along(mark, dx, dy)
    width = seeing.fwhm_pix / 2.355 * mark.size_pix
    line = np.exp(-0.5 * (across / width) ** 2)
    if mark.variant == 1:  # a tumbling satellite
        line = line * (0.55 + 0.45 * np.sin(along / 5 + mark.seed % 7))
    if mark.variant == 2:  # an aircraft: two lights
        line = line + 0.7 * np.exp(-0.5 * ((across - 6.5) / width) ** 2)
    return mark.level_dn * line


def _column(mark: Mark, dx: Image, dy: Image, seeing: Seeing) -> Image:
    width = max(round(mark.size_pix), 1)
    first = np.floor(dx + 0.5)
    inside = (first >= 0) & (first < width)
    rows = np.ones((SIZE_PIX, 1))
    if mark.variant == 1:  # a trap: bad on one side of a row only
        rows = np.broadcast_to((dy > mark.seed % 9 - 4).astype(float), (SIZE_PIX, 1))
    return mark.level_dn * inside * rows


def _spike(mark: Mark, dx: Image, dy: Image, seeing: Seeing) -> Image:
    along, across = _along(mark, dx, dy)
    width = 0.5 + 0.35 * seeing.fwhm_pix
    fade = mark.size_pix / (mark.size_pix + np.abs(along))
    ripple = 1 + 0.2 * np.sin(along * 0.9 + mark.seed % 11)
    return mark.level_dn * fade * ripple * np.exp(-0.5 * (across / width) ** 2)


def _bright_star(mark: Mark, dx: Image, dy: Image, seeing: Seeing) -> Image:
    flux = mark.level_dn
    glow = 0.97 * moffat(dx, dy, seeing.fwhm_pix, seeing.axis_ratio, seeing.angle_rad)
    glow = glow + 0.03 * moffat(dx, dy, 5 * seeing.fwhm_pix, beta=1.6)
    image = flux * glow
    if mark.variant == 1:  # charge bleeds along the columns and tapers to a tip
        taper = np.clip(mark.size_pix * (1 - np.abs(dy) / 32), 0, None)
        image = image + 6e4 * _edge(np.abs(dx) - taper, 0.25) * (np.abs(dy) < 32)
    return image


def _frame_edge(mark: Mark, dx: Image, dy: Image, seeing: Seeing) -> Image:
    distance = np.abs(dx + 0 * dy) if mark.variant in (0, 1) else np.abs(dy + 0 * dx)
    return mark.level_dn * np.exp(-distance / mark.size_pix)


def _cosmic(mark: Mark, dx: Image, dy: Image, seeing: Seeing) -> Image:
    """A particle's path: a chain of sharp pixels, no wider than one or two."""
    rng = np.random.default_rng(mark.seed)
    image = np.zeros((SIZE_PIX, SIZE_PIX))
    steps = np.arange(max(round(mark.size_pix), 1) * 2) / 2
    column0, row0 = -float(dx[0, 0]), -float(dy[0, 0])
    columns = np.round(column0 + steps * np.cos(mark.angle_rad)).astype(int)
    rows = np.round(row0 + steps * np.sin(mark.angle_rad)).astype(int)
    on = (columns >= 0) & (columns < SIZE_PIX) & (rows >= 0) & (rows < SIZE_PIX)
    image[rows[on], columns[on]] = mark.level_dn * rng.uniform(0.35, 1.0, int(on.sum()))
    return image


_PAINTERS: dict[str, Painter] = {
    "ghost": _ghost,
    "track": _track,
    "column": _column,
    "spike": _spike,
    "bright_star": _bright_star,
    "frame_edge": _frame_edge,
    "cosmic": _cosmic,
}
"""``defocusing`` has none: it changes the PSF (:attr:`rbztf.simulate.psf.Seeing.donut_pix`)."""
