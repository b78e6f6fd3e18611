"""Draw what each normaliser keeps of real frames, and print how much of flux and noise is left.

    python benchmarks/normaliser_figure.py --out docs/figures/normalisers.png

The frames are the middle of public ZTF alert stamps (ZTF / IRSA): a bright star, the same pixels a hundred times
fainter over the noise of the sky, a faint star, one clipped by the chip's edge, and a sharp artefact.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from rbztf.config import FramesSection
from rbztf.frames.background import sky_level
from rbztf.models.vae.encoder_inputs import NO_DATA, make_inputs

STAMPS = Path(__file__).resolve().parents[2] / "shared/data/frames/alert_science_stamps.npz"
NORMALISERS = {
    "minmax": "zero",
    "l2": "zero",
    "max": "zero",
    "standard": "zero",
    "three_sigma": "zero",
    "asinh_flux": "mask",
    "asinh_noise": "mask",
}
Frames = NDArray[np.float32]


def examples(stamps: dict[str, NDArray[np.float32]]) -> dict[str, Frames]:
    """Frames to show, by what they are."""
    frames = stamps["science"][:, 17:45, 17:45].astype(np.float32)
    level = sky_level(frames)
    excess = (np.nan_to_num(frames) - level.sky_dn[:, None, None]) / level.noise_dn[:, None, None]
    peak, whole = excess[:, 12:16, 12:16].max(axis=(1, 2)), np.isfinite(frames).all(axis=(1, 2))
    usual = whole & (level.sky_dn > 80) & (stamps["drb"] > 0.9)
    bright = int(np.flatnonzero(usual & (peak > 600) & (peak < 900))[0])
    faint = int(np.flatnonzero(usual & (peak > 9) & (peak < 12))[0])
    share = np.isfinite(frames).mean(axis=(1, 2))
    clipped = int(np.flatnonzero((share > 0.5) & (share < 0.8) & (peak > 20))[0])
    ordered = np.sort(excess[:, 10:18, 10:18].reshape(len(excess), -1), axis=1)
    sharp = whole & (stamps["drb"] < 0.1) & (ordered[:, -1] > 30) & (ordered[:, -4] < 0.35 * ordered[:, -1])
    noise = np.random.default_rng(0).normal(0, level.noise_dn[bright], (28, 28))
    dimmed = level.sky_dn[bright] + (frames[bright] - level.sky_dn[bright]) / 100 + noise
    return {
        "bright star": frames[bright],
        "the same, 5 mag fainter": dimmed.astype(np.float32),
        "faint star": frames[faint],
        "clipped at the edge": frames[clipped],
        "sharp artefact": frames[int(np.flatnonzero(sharp)[0])],
    }


def draw(frames: dict[str, Frames], path: Path) -> None:
    """One row a frame, one column a normaliser, each column with one grey scale for all rows."""
    stack = np.stack(list(frames.values()))
    figure = Figure(figsize=(1.25 * (len(NORMALISERS) + 1.2), 1.32 * len(stack) + 0.5), layout="constrained")
    grid = figure.subplots(len(stack), len(NORMALISERS), squeeze=False)
    for column, (name, invalid) in zip(grid.T, NORMALISERS.items()):
        section = FramesSection.model_validate({"normaliser": name, "invalid": invalid})
        inputs = make_inputs(stack, section)
        valid = (inputs.states != NO_DATA) | (invalid == "zero")
        low, high = np.percentile(inputs.values[valid], [1, 99.5])
        for axes, values, shown in zip(column, inputs.values, valid):
            axes.set_facecolor("#7a1f1f")
            axes.imshow(np.ma.masked_array(values, ~shown), origin="lower", cmap="gray", vmin=low, vmax=high)
            axes.set_xticks([])
            axes.set_yticks([])
            at, sky = values[12:16, 12:16].max(), values[shown]
            noise = 1.4826 * np.median(np.abs(sky - np.median(sky)))
            axes.set_xlabel(f"peak {at:.2f}, sky ±{noise:.3f}", fontsize=5.5, labelpad=1)
        column[0].set_title(name, fontsize=8)
    for axes, name in zip(grid[:, 0], frames):
        axes.set_ylabel(name, fontsize=7)
    figure.supxlabel(
        "One grey scale a column. Red: known to hold no data. Pixels: ZTF / IRSA, public alerts.", fontsize=7
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stamps", type=Path, default=STAMPS)
    parser.add_argument("--out", type=Path, default=Path("docs/figures/normalisers.png"))
    options = parser.parse_args()
    if not options.stamps.is_file():
        print(f"There are no real stamps at {options.stamps}; name the file with --stamps.")
        return
    with np.load(options.stamps, allow_pickle=False) as archive:
        draw(examples(dict(archive)), options.out)
    print(f"figure: {options.out}")


if __name__ == "__main__":
    main()
