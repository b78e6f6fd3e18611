"""Training the autoencoder: the reference's loop against ours, and our loss beside the published one.

The reference's loop, rebuilt from its description: a torch Dataset opens one FITS file a
frame with astropy, sets NaN to 0, scales by minimum and maximum, and places frames clipped
by the chip edge by their WCS; a DataLoader shuffles and hands batches of 256 from two
worker processes to the loop. Ours normalises the same files once, keeps them in one
memory-mapped array, and trains the same network with the same loss from there. "Default
recipe" is ``configs/vae.yaml``: another decoder, two input channels, augmentations and heads.

    python benchmarks/vae_training.py
    python benchmarks/vae_training.py --figure docs/figures/vae_loss.png
"""

from __future__ import annotations

import argparse
import csv
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from astropy.wcs.utils import skycoord_to_pixel
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from rbztf.archive.images.quadrants import cut, read_quadrant
from rbztf.config import Config, load_config
from rbztf.frames.background import usable_frames
from rbztf.models.vae.fit import fit_vae
from rbztf.models.vae.losses import vae_loss
from rbztf.models.vae.network import make_vae
from rbztf.models.vae.training_frames import FrameSet, prepare_frames
from rbztf.plots.common import COLOURS, GREY
from rbztf.simulate.sky import SimulatedSky
from rbztf.stores.cutouts import open_cutouts
from rbztf.stores.epochs import epoch_table
from rbztf.stores.object_file import write_object
from rbztf.ztf import SIZE_PIX, Oid

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
PUBLISHED_FRAMES = 1_015_177
BATCH = 256
FRAMES_PER_OBJECT = 400
FIRST_OID = 655_213_300_000_001  # the files and stores made here pretend to be of this quadrant
CLIPPED = 0.01
Frames = NDArray[np.float32]


class ReferenceFrames(Dataset):  # type: ignore[type-arg]
    """Frames as the reference reads them: one FITS file each, opened anew at each access."""

    def __init__(self, folder: Path) -> None:
        self.paths = [str(path) for path in sorted(folder.glob("*/*.fits"))]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> torch.Tensor:
        with fits.open(self.paths[index]) as hdus:
            pixels = np.nan_to_num(hdus[0].data.copy())
            scaled = (pixels - pixels.min()) / (pixels.max() - pixels.min())
            if scaled.shape != (SIZE_PIX, SIZE_PIX):
                scaled = placed(scaled, hdus[0].header)
        return torch.tensor(scaled).float()[None]


def placed(pixels: Frames, header: fits.Header) -> Frames:
    """A clipped frame on a canvas of zeros, flush with the side that its WCS says."""
    position = SkyCoord(header["OIDRA"], header["OIDDEC"], unit="deg")
    x_pix, y_pix = skycoord_to_pixel(position, WCS(header))
    rows, columns = pixels.shape
    top = 0 if y_pix >= (SIZE_PIX - 1) // 2 else SIZE_PIX - rows
    left = 0 if x_pix >= (SIZE_PIX - 1) // 2 else SIZE_PIX - columns
    canvas = np.zeros((SIZE_PIX, SIZE_PIX), np.float32)
    canvas[top : top + rows, left : left + columns] = pixels
    return canvas


class ReferenceLoop:
    """The published training: a fresh DataLoader pass every epoch."""

    def __init__(self, folder: Path, config: Config, workers: int) -> None:
        self.config = config
        self.loader = DataLoader(ReferenceFrames(folder), BATCH, shuffle=True, num_workers=workers)
        torch.manual_seed(config.seed)
        self.vae = make_vae(config.frames, config.vae)
        self.optimiser = torch.optim.Adam(self.vae.parameters(), lr=config.training.learning_rate)

    def epoch(self) -> float:
        """Train one epoch; returns frames per second."""
        started = time.perf_counter()
        self.vae.train()
        total = 0.0
        for batch in self.loader:
            loss = vae_loss(batch, *self.vae(batch), self.config.vae.kl_weight)[0].mean()
            self.optimiser.zero_grad()
            loss.backward()
            self.optimiser.step()
            total += loss.item()
        return len(self.loader.dataset) / (time.perf_counter() - started)

    def load(self) -> float:
        """Only read the frames of one epoch; returns frames per second."""
        started = time.perf_counter()
        for _ in self.loader:
            pass
        return len(self.loader.dataset) / (time.perf_counter() - started)


def our_epoch(data: FrameSet, config: Config) -> float:
    """Train one epoch with our loop; returns frames per second."""
    return fit_vae(data, config, device=torch.device("cpu")).history[0]["frames_per_s"]


def compare(frames: Frames, header: fits.Header, arguments: argparse.Namespace) -> None:
    """Print the rates of both loops, measured in turns."""
    config = load_config("reference/vae", ["training.epochs=1"], project_file=None)
    with tempfile.TemporaryDirectory() as name:
        write_files(Path(name) / "frames", frames, header)
        started = time.perf_counter()
        mapped, _ = prepare_frames(open_cutouts(Path(name) / "frames"), config.frames, Path(name) / "scratch")
        once_s = time.perf_counter() - started
        in_memory = FrameSet(np.array(mapped.frames), mapped.objects)
        ours = load_config("vae", ["training.epochs=1"], project_file=None)
        own, _ = prepare_frames(open_cutouts(Path(name) / "frames"), ours.frames, Path(name) / "scratch")
        own_in_memory = FrameSet(np.array(own.frames), own.objects, np.array(own.states), own.side, own.kinds)
        reference = ReferenceLoop(Path(name) / "frames", config, arguments.workers)
        ways: dict[str, Callable[[], float]] = {
            "reference, reading alone": reference.load,
            "reference, training": reference.epoch,
            "ours, training": lambda: our_epoch(mapped, config),
            "ours, frames in memory": lambda: our_epoch(in_memory, config),
            "default recipe": lambda: our_epoch(own, ours),
            "default recipe, in memory": lambda: our_epoch(own_in_memory, ours),
        }
        rates: dict[str, list[float]] = {way: [] for way in ways}
        costs: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(arguments.rounds):
            for way, measure in ways.items():
                before = cpu_s()
                rates[way].append(measure())
                costs[way].append(1000 * (cpu_s() - before) / len(frames))
    middle = {way: statistics.median(values) for way, values in rates.items()}
    print(f"{len(frames)} frames, {arguments.threads} threads, {arguments.workers} loader workers")
    print(f"our one-off normalising of these files took {once_s:.1f} s")
    print(
        f"{'median of ' + str(arguments.rounds) + ' rounds':<26} {'frames/s':>9} {'CPU ms/frame':>13}   rounds"
    )
    for way, values in rates.items():
        print(
            f"{way:<26} {middle[way]:>9.0f} {statistics.median(costs[way]):>13.2f}   {' '.join(f'{value:.0f}' for value in values)}"
        )
    for one, other in (
        ("ours, training", "reference, training"),
        ("ours, training", "reference, reading alone"),
        ("ours, training", "ours, frames in memory"),
        ("default recipe", "reference, training"),
        ("default recipe", "default recipe, in memory"),
    ):
        ratios = [a / b for a, b in zip(rates[one], rates[other])]
        print(
            f"{one} / {other}: {middle[one] / middle[other]:.2f} (rounds {min(ratios):.2f} to {max(ratios):.2f})"
        )


def cpu_s() -> float:
    """CPU time of this process and its finished children, which neighbours on the machine change little."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def write_files(folder: Path, frames: Frames, header: fits.Header) -> None:
    """Write the reference's layout, OID/HMJD.fits; one frame in a hundred is clipped."""
    random = np.random.default_rng(0)
    for number, frame in enumerate(frames):
        if random.random() < CLIPPED:
            frame = frame[:, : random.integers(15, SIZE_PIX)]
        target = folder / str(FIRST_OID + number // FRAMES_PER_OBJECT) / f"{58_000 + number}.fits"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(fits_bytes(frame, header))


def fits_bytes(frame: Frames, header: fits.Header) -> bytes:
    """A FITS file of ``frame`` with the cards of ``header``."""
    cards = header.copy()
    cards["NAXIS2"], cards["NAXIS1"] = frame.shape
    data = frame.astype(">f4").tobytes()
    return cards.tostring().encode("ascii") + data + bytes(-len(data) % 2880)


def real_frames(folder: Path, n_crops: int) -> tuple[Frames, fits.Header]:
    """Frames (n, 28, 28) float32 in DN of the shared pixels, shuffled, and a TPV header.

    The middle of whole alert stamps, the labelled cutouts, the artefacts, and ``n_crops``
    crops of the quadrant, each around a source as the frame of an object is.
    """
    stamps = np.load(folder / "alert_science_stamps.npz")
    whole = (stamps["shape"] == 63).all(axis=1)
    middle = slice((63 - SIZE_PIX) // 2, (63 + SIZE_PIX) // 2)
    paths = sorted((folder / "snad_artefacts").glob("*.fits"))
    parts = [
        stamps["science"][whole][:, middle, middle].astype(np.float32),
        np.load(folder / "labelled_cutouts_20pix.npz")["science"],
        np.stack([fits.getdata(path) for path in paths]).astype(np.float32),
        crops(read_quadrant(next(folder.glob("*_sciimg.fits.fz"))).pixels, n_crops),
    ]
    kinds = ("alert stamps", "labelled cutouts", "artefacts", "crops of a quadrant")
    print(", ".join(f"{len(part)} {kind}" for part, kind in zip(parts, kinds)))
    frames = np.concatenate(parts)
    frames = frames[usable_frames(frames)]
    return np.random.default_rng(0).permutation(frames), fits.getheader(paths[0])


def crops(pixels: Frames, count: int) -> Frames:
    """Up to ``count`` frames around sources 5 sigma above the sky, a third at random places."""
    from scipy.ndimage import maximum_filter

    random = np.random.default_rng(1)
    sky = np.nanmedian(pixels)
    sigma = 1.4826 * np.nanmedian(np.abs(pixels - sky))
    y_pix, x_pix = np.nonzero((maximum_filter(pixels, 9) == pixels) & (pixels > sky + 5 * sigma))
    chosen = random.permutation(len(x_pix))[: count * 2 // 3]
    n_random = count - len(chosen)
    x = np.concatenate([x_pix[chosen], random.uniform(14, pixels.shape[1] - 14, n_random)])
    y = np.concatenate([y_pix[chosen], random.uniform(14, pixels.shape[0] - 14, n_random)])
    return cut(pixels, x.astype(float), y.astype(float))[0]


def simulated_frames(count: int) -> tuple[Frames, fits.Header]:
    """Frames of the simulated sky, for a checkout without real ones."""
    sky = SimulatedSky(n_objects=-(-count // 40), n_epochs=60, seed=0)
    frames = np.concatenate([sky.frames(oid) for oid in sky.oids])[:count]
    oid = sky.oids[0]
    cards = sky.frame_header(oid, 0)
    header = fits.PrimaryHDU(frames[0]).header
    for keyword, value in cards.items():
        header[keyword] = value
    place = sky.object(oid)
    header["OIDRA"], header["OIDDEC"] = place.ra_deg, place.dec_deg
    return frames, header


def our_history(frames: Frames, folder: Path, epochs: int) -> Path:
    """Train reference/vae through the command line; returns the history as written by it."""
    history = folder / "encoder" / "history.csv"
    if history.is_file():
        return history
    for number, start in enumerate(range(0, len(frames), FRAMES_PER_OBJECT)):
        some = frames[start : start + FRAMES_PER_OBJECT]
        table = epoch_table(
            {"hjd": 2_458_000.5 + np.arange(len(some)), "frame": np.arange(len(some))}, len(some)
        )
        oid = Oid(FIRST_OID + number)
        write_object(folder / "cutouts", oid, some, table, ra_deg=np.nan, dec_deg=np.nan)
    command = ["train-vae", "--config", "reference/vae", "--data", str(folder / "cutouts")]
    command += ["--out", str(folder / "encoder"), "--device", "cpu", "--set", f"training.epochs={epochs}"]
    subprocess.run(
        [sys.executable, "-m", "rbztf", *command],
        check=True,
        env=os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())},
    )
    return history


def draw(history: Path, published: NDArray[np.float64], n_frames: int, path: Path) -> None:
    """Plot our loss and the published one, by epoch and by optimiser step."""
    with history.open(encoding="utf-8") as stream:
        ours = np.array([float(row["loss"]) for row in csv.DictReader(stream)])
    steps, their_steps = -(-n_frames // BATCH), -(-PUBLISHED_FRAMES // BATCH)
    epochs, their_epochs = np.arange(1, len(ours) + 1), np.arange(1, len(published) + 1)
    figure = Figure(figsize=(9.5, 4.2), layout="constrained")
    by_epoch, by_step = figure.subplots(1, 2, sharey=True)
    blue = {"color": COLOURS[0], "marker": ".", "markersize": 5}
    grey = {"color": GREY, "marker": ".", "markersize": 4}
    by_epoch.plot(epochs, ours, **blue, label=f"ours: {n_frames:,} frames, {steps} steps an epoch")
    label = f"published: {PUBLISHED_FRAMES:,} frames, {their_steps:,} steps an epoch"
    by_epoch.plot(their_epochs, published, **grey, label=label)
    # The mean of an epoch stands in the middle of its steps.
    by_step.plot((epochs - 0.5) * steps, ours, **blue, label="ours, mean of each epoch")
    since_start = np.cumsum(ours) / epochs
    by_step.plot(epochs * steps, since_start, "--", color=COLOURS[1], label="ours, mean since the start")
    by_step.plot((their_epochs - 0.5) * their_steps, published, **grey, label="published, mean of each epoch")
    first = ([steps / 2, their_steps], [published[0]] * 2)
    by_step.plot(*first, ":", color=GREY, label=f"published first epoch: mean of {their_steps:,} steps")
    by_epoch.set(xlabel="Epoch", ylabel="Loss per frame")
    by_step.set(xlabel="Optimiser steps of 256 frames")
    ticks = [0.002, 0.003, 0.005, 0.01, 0.02]
    for axes in (by_epoch, by_step):
        axes.set(xscale="log", yscale="log")
        axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.set_yticks([], minor=True)
        axes.grid(alpha=0.3, linewidth=0.5)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(loc="upper right", fontsize=8)
    by_epoch.set_xticks([1, 2, 5, 10, 20, 50, 100], ["1", "2", "5", "10", "20", "50", "100"])
    by_epoch.set_title("By epoch: one of theirs has many more frames", fontsize=10)
    by_step.set_title("By step", fontsize=10)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    print(
        f"ours: {ours[0]:.5f} → {ours[-1]:.5f} in {len(ours) * steps} steps, mean since start {since_start[-1]:.5f}"
    )
    print(f"published: {published[0]:.5f}, mean of the first {their_steps} steps → {published[-1]:.5f}")


@contextmanager
def kept_or_temporary(folder: Path | None) -> Iterator[Path]:
    """``folder``, or a temporary one."""
    if folder is not None:
        yield folder
        return
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames-dir", type=Path, default=SHARED / "frames", help="real pixels, if there")
    parser.add_argument("--frames", type=int, default=3072, help="frames to compare the loops on")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--workers", type=int, default=2, help="of the reference's DataLoader")
    parser.add_argument("--figure", type=Path, help="draw the losses here instead of comparing the loops")
    parser.add_argument("--epochs", type=int, default=20, help="of the figure")
    parser.add_argument("--crops", type=int, default=9000, help="of the real quadrant, for the figure")
    parser.add_argument(
        "--published",
        type=Path,
        default=SHARED / "upstream" / "trained_models" / "vae" / "loss.npy",
        help="the published loss per epoch",
    )
    parser.add_argument(
        "--keep", type=Path, help="where to keep the figure's training; a finished one is redrawn"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    warnings.simplefilter("ignore")
    if arguments.frames_dir.is_dir():
        frames, header = real_frames(arguments.frames_dir, arguments.crops if arguments.figure else 0)
    else:
        print(f"no folder {arguments.frames_dir}: simulated frames")
        frames, header = simulated_frames(arguments.frames)
    if not arguments.figure:
        compare(frames[: arguments.frames], header, arguments)
        return
    with kept_or_temporary(arguments.keep) as folder:
        draw(
            our_history(frames, folder, arguments.epochs),
            np.load(arguments.published),
            len(frames),
            arguments.figure,
        )


if __name__ == "__main__":
    main()
