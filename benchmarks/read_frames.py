"""Frames from disk to normalised arrays: one file a frame, as the reference does, against the cutout store.

The reference keeps a FITS file per frame, ``OID/HMJD.fits``, and opens them one at a time
with astropy: NaN becomes 0, a frame clipped by the chip edge is placed by its WCS, then
min-max. Ours reads one file per object and normalises its frames together. Both give the
same numbers, which is checked first; both find their files in the file cache.

    python benchmarks/read_frames.py
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray

from rbztf.frames.normalise import RawFrames, normalise
from rbztf.simulate.sky import SimulatedSky
from rbztf.stores.cutouts import CutoutStore, open_cutouts
from rbztf.stores.epochs import epoch_table
from rbztf.stores.object_file import write_object

SIZE = 28
CARDS_OF_A_REAL_FRAME = 270
TARGET = 50.0


def make_header() -> fits.Header:
    """A header with the keywords of a ZTF frame, as long as a real one."""
    sky = SimulatedSky(1, 1, seed=0)
    header = fits.Header()
    for keyword, value in sky.frame_header(sky.oids[0], 0).items():
        header[keyword] = value
    for number in range(CARDS_OF_A_REAL_FRAME - len(header)):
        header[f"AUX{number:05d}"] = (0.1 * number, "as many cards as a real frame has")
    header["OIDRA"], header["OIDDEC"] = header["CRVAL1"], header["CRVAL2"]
    return header


def write_both(folder: Path, oid: int, n_frames: int) -> tuple[Path, Path]:
    """The same object in both layouts: the store's folder and the reference's."""
    rng = np.random.default_rng(n_frames)
    frames = rng.normal(300, 20, (n_frames, SIZE, SIZE)).astype(np.float32)
    times = 58000.5 + np.arange(n_frames)
    epochs = epoch_table({"hjd": times + 2400000.5, "frame": np.arange(n_frames)}, n_frames)
    write_object(folder / "store", oid, frames, epochs, ra_deg=10.0, dec_deg=20.0)
    reference = folder / "reference" / str(oid)
    reference.mkdir(parents=True)
    header = make_header()
    for frame, hmjd in zip(frames, times):
        fits.writeto(reference / f"{hmjd}.fits", frame, header)
    return folder / "store", reference


def read_reference(folder: Path) -> NDArray[np.float32]:
    """Open and normalise frame by frame."""
    return np.stack([read_one(path) for path in sorted(folder.iterdir())])


def read_one(path: Path) -> NDArray[np.float32]:
    with fits.open(path) as hdus:
        pixels = np.nan_to_num(np.array(hdus[0].data, np.float32))
        if pixels.shape != (SIZE, SIZE):
            pixels = place(pixels, hdus[0].header)
    low, high = pixels.min(), pixels.max()
    return (pixels - low) / (high - low)


def place(pixels: NDArray[np.float32], header: Any) -> NDArray[np.float32]:
    """Put a clipped frame where its object's position says, in zeros."""
    column, row = WCS(header).all_world2pix([[header["OIDRA"], header["OIDDEC"]]], 0)[0]
    top = 0 if row >= SIZE / 2 - 1 else SIZE - pixels.shape[0]
    left = 0 if column >= SIZE / 2 - 1 else SIZE - pixels.shape[1]
    canvas = np.zeros((SIZE, SIZE), np.float32)
    canvas[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
    return canvas


def read_store(store: CutoutStore, oid: int) -> NDArray[np.float32]:
    """Open the object's file and normalise all its frames."""
    return normalise(RawFrames(store[oid].frames))


def seconds(call: Any, *arguments: Any) -> float:
    started = time.perf_counter()
    call(*arguments)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, nargs="+", default=[5, 50, 500], help="frames per object")
    parser.add_argument("--repeat", type=int, default=15)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"{'frames':>7} {'reference, ms/frame':>20} {'store, ms/frame':>16} {'ratio':>7} {'spread':>13}")
    for number, n_frames in enumerate(arguments.frames):
        folder = Path(tempfile.mkdtemp())
        try:
            oid = 600203100000001 + number
            opened, reference = write_both(folder, oid, n_frames)
            store = open_cutouts(opened)
            assert np.array_equal(read_store(store, oid), read_reference(reference))
            slow, fast = [], []
            for _ in range(arguments.repeat):
                slow.append(seconds(read_reference, reference) / n_frames)
                fast.append(statistics.median(seconds(read_store, store, oid) for _ in range(5)) / n_frames)
            ratios = sorted(a / b for a, b in zip(slow, fast))
            verdict = "" if statistics.median(ratios) >= TARGET else f"  under {TARGET:.0f}"
            print(
                f"{n_frames:7d} {1e3 * statistics.median(slow):20.3f} {1e3 * statistics.median(fast):16.4f} "
                f"{statistics.median(ratios):7.0f} {ratios[0]:6.0f}-{ratios[-1]:<6.0f}{verdict}"
            )
        finally:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
