"""Real and simulated frames, labelled, for :mod:`vae_probes`; those to train on are of other objects."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbztf.archive.images.quadrants import cut, read_quadrant
from rbztf.simulate.sky import SimulatedSky

TRAINED_COLUMNS = 2300
"""Columns of the quadrant that frames to train on come from; the others are held out."""
HELD_OUT_COLUMNS = (TRAINED_COLUMNS, 3072)
TEST_SKY = 2001
Frames = NDArray[np.float32]
Answers = NDArray[np.int64]


@dataclass(frozen=True)
class Probe:
    """Held-out frames in DN with a label; ``half`` says which half an object is in, ``group`` which object."""

    frames: Frames
    labels: Answers
    half: Answers
    group: Answers


def halves(names: NDArray[Any]) -> tuple[Answers, Answers]:
    """Half (0 or 1) and group of each object by its name."""
    half = np.array([zlib.crc32(str(name).encode()) % 2 for name in names])
    return half, np.unique(names, return_inverse=True)[1]


def middle(stamps: NDArray[Any]) -> Frames:
    """Central 28 x 28 pixels of 63 x 63."""
    return stamps[:, 17:45, 17:45].astype(np.float32)


def alert_labels(stamps: dict[str, NDArray[Any]]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which stamps are probed, and which of all are bogus."""
    whole, with_drb = (stamps["shape"] == 63).all(axis=1), np.isfinite(stamps["drb"])
    bogus = np.where(with_drb, stamps["drb"] < 0.1, stamps["rb"] < 0.35) & whole
    real = np.where(with_drb, stamps["drb"] >= 0.9, stamps["rb"] >= 0.65) & whole
    return bogus | real, bogus


def probes(folder: Path) -> dict[str, Probe]:
    """The probes; the simulated one is all "report", as nothing was chosen on it."""
    with np.load(folder / "alert_science_stamps.npz") as archive:
        stamps = dict(archive)
    with np.load(folder / "labelled_cutouts_20pix.npz") as archive:
        cutouts = dict(archive)
    probed, bogus = alert_labels(stamps)
    sky = SimulatedSky(n_objects=250, n_epochs=30, seed=TEST_SKY)
    rng = np.random.default_rng(TEST_SKY)
    frames, clean, owner = [], [], []
    for number, oid in enumerate(sky.oids):
        truth = np.array(sky.truth(oid)) != ""
        order = rng.permutation(len(truth))
        epochs = np.concatenate([order[truth[order]][:5], order[~truth[order]]])[:10]
        frames.append(sky.frames(oid, epochs.tolist()))
        clean.append(truth[epochs])
        owner += [number] * len(epochs)
    labels, group = np.concatenate(clean).astype(int), np.array(owner)
    return {
        "star/galaxy": Probe(
            cutouts["science"], (cutouts["label"] == "star").astype(int), *halves(cutouts["object_id"])
        ),
        "alert bogus": Probe(
            middle(stamps["science"][probed]), bogus[probed].astype(int), *halves(stamps["object_id"][probed])
        ),
        "simulated artefact": Probe(np.concatenate(frames), labels, np.ones(len(labels), int), group),
    }


def quadrant_crops(pixels: Frames, low: int, high: int, count: int, seed: int) -> Frames:
    """Frames of the columns ``low`` to ``high``: three quarters around sources of 5 sigma, the rest anywhere."""
    from scipy.ndimage import maximum_filter

    rng = np.random.default_rng(seed)
    sky = np.nanmedian(pixels)
    sigma = 1.4826 * np.nanmedian(np.abs(pixels - sky))
    filled = np.nan_to_num(pixels)
    y, x = np.nonzero((maximum_filter(filled, 9) == filled) & (filled > sky + 5 * sigma))
    inside = (x >= low + 16) & (x < high - 16)
    chosen = rng.permutation(np.flatnonzero(inside))[: count * 3 // 4]
    n_random = count - len(chosen)
    jitter = rng.uniform(-0.5, 0.5, (2, len(chosen)))
    x_pix = np.concatenate([x[chosen] + jitter[0], rng.uniform(low + 16, high - 16, n_random)])
    y_pix = np.concatenate([y[chosen] + jitter[1], rng.uniform(0, len(pixels) - 1, n_random)])
    return cut(pixels, x_pix, y_pix)[0]


def frames_to_train_on(folder: Path, crops: int) -> Frames:
    """Crops of the trained part of the quadrant, and six of each stamp whose object is not probed."""
    with np.load(folder / "alert_science_stamps.npz") as archive:
        stamps = dict(archive)
    probed, _ = alert_labels(stamps)
    others = ~np.isin(stamps["object_id"], stamps["object_id"][probed])
    rng = np.random.default_rng(0)
    parts = [quadrant_crops(read_quadrant(quadrant(folder)).pixels, 0, TRAINED_COLUMNS, crops, 1)]
    for reach in (1, 1, 17, 17, 17, 17):
        offsets = rng.integers(-reach, reach + 1, (int(others.sum()), 2))
        stack = stamps["science"][others].astype(np.float32)
        parts.append(
            np.stack([stamp[17 + y : 45 + y, 17 + x : 45 + x] for stamp, (y, x) in zip(stack, offsets)])
        )
    frames = np.concatenate(parts)
    return frames[np.isfinite(frames).mean(axis=(1, 2)) > 0.3]


def quadrant(folder: Path) -> Path:
    return next(folder.glob("*_sciimg.fits.fz"))
