"""Put simulated frames beside real ones: sky, noise, PSF width, pixel values, and a picture.

    python benchmarks/compare_simulation.py --shared ../shared --out docs/figures/simulated_and_real.png

The real frames are the central 28 x 28 pixels of r-band science stamps of public ZTF alerts.
The simulated ones are drawn from all objects and epochs of a simulated sky, artefacts
included. A quantity is "within the spread" if the simulated median lies between the real
16th and 84th percentiles and the simulated 16th and 84th between the real 1st and 99th.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rbztf.simulate.sky import SimulatedSky

SIZE_PIX = 28
R_BAND = 2
SKY_SUBTRACTED_DN = 30.0
"""Some brokers' stamps come with the sky taken off; ones below this level are left out."""
PERCENTILES = (1, 16, 50, 84, 99)
BRIGHT_SNR = 10.0
STAMPS = Path("data/frames/alert_science_stamps.npz")

Frames = NDArray[np.float32]


@dataclass(frozen=True)
class Row:
    """One quantity, a value per frame, NaN where it cannot be measured."""

    name: str
    real: NDArray[np.float64]
    simulated: NDArray[np.float64]

    def percentiles(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return np.nanpercentile(self.real, PERCENTILES), np.nanpercentile(self.simulated, PERCENTILES)

    def within(self) -> bool:
        real, simulated = self.percentiles()
        median_fits = real[1] <= simulated[2] <= real[3]
        return bool(median_fits and real[0] <= simulated[1] and simulated[3] <= real[4])


def real_frames(shared: Path) -> tuple[Frames, NDArray[np.float64]]:
    """Central 28 x 28 pixels of whole r-band stamps, and the FWHM that the alerts give, in pixels."""
    with np.load(shared / STAMPS, allow_pickle=False) as archive:
        stamps, fwhm_pix, band = archive["science"], archive["fwhm"], archive["fid"]
    low = (stamps.shape[1] - SIZE_PIX) // 2
    frames = stamps[:, low : low + SIZE_PIX, low : low + SIZE_PIX].astype(np.float32)
    good = (band == R_BAND) & np.isfinite(frames).all((1, 2))
    good &= np.median(frames, (1, 2)) > SKY_SUBTRACTED_DN
    return frames[good], fwhm_pix[good].astype(float)


def simulated_frames(count: int, seed: int) -> tuple[Frames, NDArray[np.float64]]:
    """``count`` frames at random out of a simulated sky, and the seeing in their headers, in pixels."""
    sky = SimulatedSky(n_objects=400, n_epochs=40, seed=seed)
    rng = np.random.default_rng(seed)
    frames, fwhm_pix = [], []
    while len(frames) < count:
        oid = sky.oids[int(rng.integers(len(sky.oids)))]
        epoch = int(rng.integers(len(sky.truth(oid))))
        frame = sky.frames(oid, [epoch])[0]
        if np.isfinite(frame).all():
            frames.append(frame)
            fwhm_pix.append(float(sky.frame_header(oid, epoch)["SEEING"]))
    return np.stack(frames), np.array(fwhm_pix)


def robust_sigma(frames: Frames) -> NDArray[np.float64]:
    """Noise of each frame from its median absolute deviation, (n,) DN."""
    flat = frames.reshape(len(frames), -1).astype(float)
    deviation = np.abs(flat - np.median(flat, 1, keepdims=True))
    sigma: NDArray[np.float64] = 1.4826 * np.median(deviation, 1)
    return sigma


def measured_width_pix(frames: Frames) -> NDArray[np.float64]:
    """Width of the central source: the diameter of the area above half its peak, (n,); NaN if faint."""
    flat_median, sigma = np.median(frames, (1, 2)), robust_sigma(frames)
    widths = np.full(len(frames), np.nan)
    for k, frame in enumerate(frames):
        core = frame[8:20, 8:20] - flat_median[k]
        peak = core[3:9, 3:9].max()
        if peak > BRIGHT_SNR * sigma[k]:
            widths[k] = 2 * np.sqrt((core > peak / 2).sum() / np.pi)
    return widths


def table(
    real: Frames, real_fwhm: NDArray[np.float64], sim: Frames, sim_fwhm: NDArray[np.float64]
) -> list[Row]:
    """All quantities compared."""
    rows = [
        Row("sky median [DN]", np.median(real, (1, 2)).astype(float), np.median(sim, (1, 2)).astype(float)),
        Row("robust sigma [DN]", robust_sigma(real), robust_sigma(sim)),
        Row(
            "sigma / sqrt(sky) [DN^1/2]",
            *(robust_sigma(f) / np.sqrt(np.median(f, (1, 2))) for f in (real, sim)),
        ),
        Row("FWHM, alert | header [pix]", real_fwhm, sim_fwhm),
        Row("width at half peak [pix]", measured_width_pix(real), measured_width_pix(sim)),
        Row("neighbour correlation", _correlation(real), _correlation(sim)),
    ]
    scaled = [(f - np.median(f, (1, 2), keepdims=True)) / robust_sigma(f)[:, None, None] for f in (real, sim)]
    for percent in (1, 5, 25, 75, 95, 99):
        values = [np.percentile(f, percent, axis=(1, 2)) for f in scaled]
        rows.append(Row(f"pixel {percent} % [sigma]", *values))
    rows.append(Row("brightest pixel [sigma]", *(f.max((1, 2)) for f in scaled)))
    rows.append(Row("pixels above 5 sigma [share]", *((f > 5).mean((1, 2)) for f in scaled)))
    return rows


def _correlation(frames: Frames) -> NDArray[np.float64]:
    """Correlation of horizontally adjacent faint pixels, (n,)."""
    clipped = np.clip(frames - np.median(frames, (1, 2), keepdims=True), -1e9, None)
    clipped = np.minimum(clipped, 3 * robust_sigma(frames)[:, None, None]).astype(float)
    left, right = clipped[:, :, :-1], clipped[:, :, 1:]
    left, right = left - left.mean((1, 2), keepdims=True), right - right.mean((1, 2), keepdims=True)
    result: NDArray[np.float64] = (left * right).mean((1, 2)) / (left.std((1, 2)) * right.std((1, 2)))
    return result


def describe(rows: list[Row], n_real: int, n_simulated: int) -> str:
    """The table as text, one line per quantity."""
    heads = "".join(f"{f'{p} %':>9}" for p in PERCENTILES)
    lines = [f"{n_real} real and {n_simulated} simulated frames", f"{'':30}{'':10}{heads}  within the spread"]
    for row in rows:
        real, simulated = row.percentiles()
        verdict = "yes" if row.within() else "NO"
        lines.append(f"{row.name:30}{'real':10}" + "".join(f"{value:9.3g}" for value in real))
        lines.append(
            f"{'':30}{'simulated':10}" + "".join(f"{value:9.3g}" for value in simulated) + f"  {verdict}"
        )
    count = sum(row.within() for row in rows)
    lines.append(f"{count} of {len(rows)} quantities within the spread of the real frames")
    return "\n".join(lines)


def draw(real: Frames, simulated: Frames, path: Path, seed: int, each: int = 32) -> None:
    """Draw ``each`` real frames on the left and as many simulated ones on the right."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rng = np.random.default_rng(seed)
    columns, rows = 8, each // 8
    figure = plt.figure(figsize=(14, 4.1))
    panels = figure.subfigures(1, 2, wspace=0.03)
    for panel, title, frames in zip(
        panels, ("real (ZTF alert stamps, r band)", "simulated"), (real, simulated), strict=True
    ):
        panel.suptitle(title, fontsize=11, y=0.99)
        axes = panel.subplots(rows, columns)
        panel.subplots_adjust(left=0.01, right=0.99, top=0.92, bottom=0.07, wspace=0.05, hspace=0.05)
        for axis, pick in zip(axes.flat, rng.choice(len(frames), each, replace=False), strict=True):
            low, high = np.percentile(frames[pick], [2, 99.5])
            stretched = np.arcsinh(4 * np.clip((frames[pick] - low) / (high - low), 0, 1))
            axis.imshow(stretched, cmap="gray", origin="lower", interpolation="nearest")
            axis.set_axis_off()
    figure.text(
        0.5, 0.012, "Real pixels: ZTF / IRSA. 28 x 28 pixels of 1.01 arcsec each.", ha="center", fontsize=8
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(arguments: list[str] | None = None) -> int:
    """Print the comparison and draw the figure; 0 if all is within the spread, 1 if not, 2 without stamps."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    shared = Path(__file__).resolve().parents[2] / "shared"
    parser.add_argument("--shared", type=Path, default=shared, help="folder with the real stamps")
    parser.add_argument("--out", type=Path, default=Path("docs/figures/simulated_and_real.png"))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    if not (options.shared / STAMPS).is_file():
        print(
            f"There are no real stamps at {options.shared / STAMPS}; name the folder with --shared.",
            file=sys.stderr,
        )
        return 2
    real, real_fwhm = real_frames(options.shared)
    simulated, simulated_fwhm = simulated_frames(len(real), options.seed)
    rows = table(real, real_fwhm, simulated, simulated_fwhm)
    print(describe(rows, len(real), len(simulated)))
    draw(real, simulated, options.out, options.seed)
    print(f"figure: {options.out}")
    return 0 if all(row.within() for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
