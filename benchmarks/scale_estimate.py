"""Bytes, requests and processor hours for many objects, each way, from constants measured here.

    python benchmarks/scale_estimate.py --objects 1000000 1000000000

The constants are CPU seconds on one thread, measured in this run: features of a light curve of 450 epochs, scoring a
row, reading a whole science image (3080 x 3072 float32) and cutting 2,000 objects out of it, embedding a frame. The sizes
are those of the formats: 20 bytes an epoch in HATS, 38 MB an image; a cutout is what the archive's answer has. GPU seconds
are of benchmarks/device_rates.py on an NVIDIA H100. Images a quadrant and objects a quadrant are options, since they are properties of
a selection: as many exposures of 50 quadrants each, say, for a million objects.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from astropy.io import fits

from rbztf.archive.fetch import LIGHT_CURVES_PER_REQUEST
from rbztf.archive.fetching.estimate import FRAME_BYTES
from rbztf.archive.images.quadrants import cut, read_quadrant
from rbztf.config import load_config
from rbztf.features.snad_set import compute_many
from rbztf.features.table import FeatureTable
from rbztf.models.catalogue import shipped_model
from rbztf.models.load import load_model
from rbztf.models.vae.bundle import EncoderBundle
from rbztf.models.vae.network import make_encoder
from rbztf.prediction.score_table import score_rows
from rbztf.simulate.ordinary.table import ordinary_features

WCS = {
    **{
        "CTYPE1": "RA---TPV",
        "CTYPE2": "DEC--TPV",
        "CRPIX1": 1536.5,
        "CRPIX2": 1540.5,
        "CRVAL1": 250.0,
        "CRVAL2": 37.0,
    },
    **{"CD1_1": -2.8e-4, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": -2.8e-4},
}
NAMES = {"FIELDID": 655, "CCDID": 13, "QID": 3, "EXPTIME": 30.0, "SEEING": 2.1, "OBSMJD": 59116.431759}
EPOCHS = 450
EPOCH_BYTES = 20
IMAGE_BYTES = 38e6
GPU_FRAMES_PER_S = 556_000


def cpu_seconds(run: Callable[[], object], rounds: int = 3) -> float:
    """The least of some rounds, after one that does not count."""
    run()
    found = []
    for _ in range(rounds):
        started = time.process_time()
        run()
        found.append(time.process_time() - started)
    return min(found)


def measure() -> dict[str, float]:
    """CPU seconds on one thread."""
    rng = np.random.default_rng(0)
    torch.set_num_threads(1)
    curves = []
    for _ in range(40):
        time_d = np.sort(rng.uniform(58200, 60000, EPOCHS))
        curves.append((time_d, 18 + 0.1 * rng.standard_normal(EPOCHS), np.full(EPOCHS, 0.05)))
    model = load_model(shipped_model())
    values = ordinary_features(2000, 0).columns(model.feature_names).values
    rows = values[rng.integers(0, len(values), 32768)] * (
        1 + 1e-3 * rng.standard_normal((32768, values.shape[1]))
    )
    table = FeatureTable(633207400000001 + np.arange(len(rows)), model.feature_names, rows)
    frames = rng.normal(200, 10, (2048, 28, 28)).astype(np.float32)
    found = {
        "features of a light curve": cpu_seconds(lambda: compute_many(curves)) / len(curves),
        "scoring a row of features": cpu_seconds(
            lambda: score_rows(
                model, "", table, None, verified=True, goes_on=False, fault="", force=False, problems=[]
            )
        )
        / len(rows),
    }
    for name, settings in (("embedding a frame, published", []), ("embedding a frame, vae", None)):
        config = load_config("vae" if settings is None else None, settings or [], project_file=None)
        bundle = EncoderBundle(make_encoder(config.frames, config.vae).eval(), None, config)
        found[name] = cpu_seconds(lambda bundle=bundle: bundle.embed(frames, torch.device("cpu"))) / len(
            frames
        )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ztf_20200924431759_000655_zr_c13_o_q3_sciimg.fits"
        pixels = rng.normal(200, 10, (3080, 3072)).astype(np.float32)
        fits.PrimaryHDU(pixels, fits.Header(WCS | NAMES)).writeto(path)
        found["reading an image"] = cpu_seconds(lambda: read_quadrant(path))
        image = read_quadrant(path).pixels
        x, y = rng.uniform(20, 3050, (2, 2000))
        found["cutting an object"] = cpu_seconds(lambda: cut(image, x, y)) / 2000
    return found


def hours(seconds: float) -> str:
    return f"{seconds / 3600:,.1f} h"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--objects", type=float, nargs="+", default=[1e6, 1e9])
    parser.add_argument("--objects-a-quadrant", type=float, default=2000)
    parser.add_argument("--images-a-quadrant", type=float, default=EPOCHS)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    found = measure()
    print("| work, CPU on one thread | time |\n|---|---|")
    for name, seconds in found.items():
        print(f"| {name} | {seconds * 1e6:,.0f} µs |" if seconds < 0.1 else f"| {name} | {seconds:.2f} s |")
    rows = []
    for n in options.objects:
        n_images = n / options.objects_a_quadrant * options.images_a_quadrant
        n_frames = n * options.images_a_quadrant
        curves = n * (found["features of a light curve"] + found["scoring a row of features"])
        embed = n_frames * found["embedding a frame, published"]
        reading = n_images * found["reading an image"] + n_frames * found["cutting an object"]
        rows += [
            (n, "light curves in HATS, features and scores", n * EPOCHS * EPOCH_BYTES, 0.0, curves, 0.0),
            (n, "a table of features, scores", n * 54 * 4, 0.0, n * found["scoring a row of features"], 0.0),
            (n, "a request a frame, embedded", n_frames * FRAME_BYTES, n_frames + n / LIGHT_CURVES_PER_REQUEST, embed, n_frames / GPU_FRAMES_PER_S),
            (n, "image by image, embedded", n_images * IMAGE_BYTES, n_images, reading + embed, n_frames / GPU_FRAMES_PER_S),
        ]  # fmt: skip
    print(
        "\n| objects | way | bytes read | requests or images | CPU, all of it | GPU, of the encoder |\n|---|---|---|---|---|---|"
    )
    for n, way, n_bytes, requests, seconds, gpu in rows:
        print(
            f"| {n:,.0f} | {way} | {n_bytes / 1e12:,.3f} TB | {requests:,.0f} | {hours(seconds)} | "
            f"{hours(gpu) if gpu else '–'} |"
        )
    if options.json:
        options.json.write_text(json.dumps({"constants": found, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
