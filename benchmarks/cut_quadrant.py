"""Cutting objects out of a whole image: this package beside astropy's Cutout2D, one call per object.

python benchmarks/cut_quadrant.py ../shared/data/frames/ztf_*_sciimg.fits.fz
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.nddata import Cutout2D
from astropy.nddata.utils import NoOverlapError
from astropy.wcs import WCS

from rbztf.archive.images.quadrants import cut, read_quadrant, sky_to_pixel
from rbztf.ztf import SIZE_PIX

EDGE_SHARE = 0.1


def positions(wcs: WCS, shape: tuple[int, int], n: int, seed: int) -> SkyCoord:
    """Places all over the image, a tenth of them on or over its edges."""
    rng = np.random.default_rng(seed)
    x_pix, y_pix = rng.uniform(0, shape[1], n), rng.uniform(0, shape[0], n)
    edge = np.arange(n) < EDGE_SHARE * n
    side, offset = rng.integers(4, size=n), rng.uniform(-20, 20, n)
    x_pix = np.where(edge & (side == 0), offset, np.where(edge & (side == 1), shape[1] + offset, x_pix))
    y_pix = np.where(edge & (side == 2), offset, np.where(edge & (side == 3), shape[0] + offset, y_pix))
    return wcs.pixel_to_world(x_pix, y_pix)


def cut_one_by_one(pixels: np.ndarray, wcs: WCS, places: list[SkyCoord]) -> np.ndarray:
    """Cutout2D for each object; NaN where there is no overlap at all."""
    frames = np.full((len(places), SIZE_PIX, SIZE_PIX), np.nan, np.float32)
    for frame, place in zip(frames, places):
        try:
            frame[:] = Cutout2D(
                pixels, place, (SIZE_PIX, SIZE_PIX), wcs, mode="partial", fill_value=np.nan
            ).data
        except NoOverlapError:
            continue
    return frames


FRAMES = Path(__file__).resolve().parents[2] / "shared" / "data" / "frames"


def main() -> None:
    """Print both times, their ratio, and whether the pixels agree."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "image",
        type=Path,
        nargs="?",
        help="a science image: .fits, .fits.gz or .fits.fz; default the shared one",
    )
    parser.add_argument("--positions", type=int, default=2000)
    parser.add_argument("--repeat", type=int, default=5, help="of the fast way; the median counts")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    path = options.image or next(iter(FRAMES.glob("*_sciimg.fits.fz")), None)
    if path is None:
        print("There is no image at hand; name one.")
        return
    started = time.perf_counter()
    image = read_quadrant(path)
    opened_s = time.perf_counter() - started
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wcs = WCS(image.header)
    places = positions(wcs, image.pixels.shape, options.positions, options.seed)
    each = [places[i] for i in range(len(places))]
    started = time.perf_counter()
    expected = cut_one_by_one(image.pixels, wcs, each)
    one_by_one_s = time.perf_counter() - started
    times = []
    for _ in range(options.repeat):
        started = time.perf_counter()
        frames, on_chip = cut(image.pixels, *sky_to_pixel(image.header, places.ra.deg, places.dec.deg))
        times.append(time.perf_counter() - started)
    together_s = float(np.median(times))
    print(f"positions            {len(places)} ({int((~on_chip).sum())} off the image)")
    print(f"opening the image    {opened_s:.2f} s")
    print(f"Cutout2D, one by one {one_by_one_s:.3f} s")
    print(f"all at once          {together_s:.4f} s (header to pixels)")
    print(f"ratio                {one_by_one_s / together_s:.0f}")
    print(
        f"pixel for pixel      {'equal' if np.array_equal(frames, expected, equal_nan=True) else 'DIFFERENT'}"
    )


if __name__ == "__main__":
    main()
