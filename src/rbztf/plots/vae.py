"""Figures of a trained autoencoder: losses, reconstructions, nearest neighbours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from rbztf.figures.style import COLOURS, GREY
from rbztf.models.checkpoint import History
from rbztf.plots import montage
from rbztf.plots.common import write_png

Frames = NDArray[np.float32]
TERMS = {
    "loss": ("loss, with all its terms", COLOURS[0]),
    "reconstruction": ("reconstruction (mean log cosh)", COLOURS[2]),
    "kl": ("KL, unweighted (nats)", COLOURS[1]),
    "measures": ("measures head", COLOURS[4]),
    "artefacts": ("artefact head", COLOURS[3]),
}
"""Columns of the history: what they are called, and their colour."""


def training(history: History, latent: int, path: Path) -> None:
    """Terms of the loss per epoch, and how many latents are active."""
    figure = Figure(figsize=(9, 4), layout="constrained")
    terms, active = figure.subplots(1, 2, width_ratios=(3, 2))
    epochs = [row["epoch"] for row in history]
    for column, (label, colour) in TERMS.items():
        values = np.array([row[column] for row in history])
        if (values > 0).any():
            terms.plot(epochs, values, marker=".", markersize=4, color=colour, label=label)
    terms.set(xlabel="Epoch", ylabel="Mean per frame", yscale="log", title="Terms of the loss")
    terms.legend(fontsize=8)
    active.plot(epochs, [row["active"] for row in history], marker=".", markersize=4, color=COLOURS[0])
    active.axhline(latent, color=GREY, linestyle=":", linewidth=1)
    active.set(
        xlabel="Epoch", ylabel="Latents", ylim=(0, 1.08 * latent), title=f"Active latents, of {latent}"
    )
    for axes in (terms, active):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    write_png(figure, path)


def reconstructions(
    frames: Frames,
    rebuilt: Frames,
    valid: NDArray[np.bool_],
    error: NDArray[np.float32],
    objects: NDArray[np.int64],
    path: Path,
) -> None:
    """Frames with the smallest, median and largest reconstruction error: frame, reconstruction, residual.

    One frame per object, so that one unusual object does not fill the figure.

    Parameters
    ----------
    frames, rebuilt : ndarray (n, 28, 28), float32
        Normalised.
    valid : ndarray (n, 28, 28), bool
        Pixels that count.
    error : ndarray (n,), float32
        Reconstruction error by which the frames are ranked.
    objects : ndarray (n,), int64
        OID of each frame.
    """
    _, firsts = np.unique(objects, return_index=True)
    order = firsts[np.argsort(error[firsts])]
    each = min(5, len(order))
    start = (len(order) - each) // 2
    groups = {"Best": order[:each], "Median": order[start : start + each], "Worst": order[-each:]}
    figure = Figure(figsize=(1.05 * each * 3 + 0.5, 3.8), layout="constrained")
    for number, (axes, (name, rows)) in enumerate(zip(figure.subplots(1, 3), groups.items())):
        limits = [montage.stretch(frames[k], valid[k]) for k in rows]
        tiles = [
            [montage.tile(frames[k], valid[k], ends) for k, ends in zip(rows, limits)],
            [montage.tile(rebuilt[k], valid[k], ends) for k, ends in zip(rows, limits)],
            [_residual(frames[k] - rebuilt[k], valid[k]) for k in rows],
        ]
        montage.draw(axes, tiles, labels=() if number else ("frame", "rebuilt", "residual"))
        axes.set_title(f"{name} (error {error[rows].mean():.4f})", fontsize=10)
    write_png(figure, path)


def _residual(difference: Frames, valid: NDArray[np.bool_]) -> montage.Tile:
    """Blue where the reconstruction is too bright, red where it is too faint."""
    reach = max(float(np.abs(difference[valid]).max(initial=0)), 1e-6)
    return montage.tile(difference, valid, (-reach, reach), "RdBu_r")


def neighbours(
    frames: Frames, valid: NDArray[np.bool_], vectors: NDArray[np.float32], path: Path, *, seed: int = 0
) -> None:
    """Some frames, each with the frames whose latent means are nearest.

    Half of the frames shown are drawn from those furthest from the mean, the unusual ones.
    Latents are divided by their standard deviations before distances are taken.

    Parameters
    ----------
    frames : ndarray (n, 28, 28), float32
    valid : ndarray (n, 28, 28), bool
    vectors : ndarray (n, latent), float32
        Latent means.
    """
    scaled = (vectors - vectors.mean(axis=0)) / np.maximum(vectors.std(axis=0), 1e-6)
    columns = min(9, len(frames))
    chosen = _chosen(scaled, min(8, len(frames)), seed)
    tiles, captions = [], []
    for k in chosen:
        distance = np.linalg.norm(scaled - scaled[k], axis=1)
        near = np.argsort(distance, kind="stable")[:columns]
        tiles.append([montage.tile(frames[i], valid[i], montage.stretch(frames[i], valid[i])) for i in near])
        captions.append(["frame" if i == k else f"{distance[i]:.1f}" for i in near])
    figure = Figure(figsize=(1.05 * columns, 1.25 * len(chosen) + 0.5), layout="constrained")
    montage.draw(figure.subplots(), tiles, captions)
    figure.suptitle("Frames and their nearest neighbours, by distance in the latent means", fontsize=9)
    write_png(figure, path)


def _chosen(scaled: NDArray[np.float32], count: int, seed: int) -> NDArray[np.int64]:
    """Half of ``count`` frames anywhere, half from the outermost tenth."""
    rng = np.random.default_rng(seed)
    by_distance = np.argsort(np.linalg.norm(scaled, axis=1))
    far = by_distance[-max(len(by_distance) // 10, count) :]
    first = rng.choice(len(scaled), count - count // 2, replace=False)
    rest = far[~np.isin(far, first)]
    return np.concatenate([first, rng.choice(rest, min(count // 2, len(rest)), replace=False)])
