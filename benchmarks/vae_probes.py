"""What the latents of an encoder know about real frames that it never saw.

Trains the default recipe (``configs/vae.yaml``) and the reference's (``configs/reference/vae.yaml``) on the same
frames and epochs: crops of one part of a real quadrant, crops of alert stamps whose objects are not
probed, and simulated frames. Then simple classifiers read labels of held-out frames from the latents: star or
galaxy (labelled cutouts), real or bogus (alert stamps, drb < 0.1 or rb < 0.35 against drb >= 0.9 or rb >= 0.65),
5 stratified folds; artefact or clean (a simulated sky of another seed, folds of whole objects). The published
encoders and principal components stand beside them. The recipe was chosen on one half of the probed objects
(``--part validation``); figures are of the other half (``report``) and of all (``all``, as the published table).

    python benchmarks/vae_probes.py --keep build/probes --seeds 0 1 2
"""

from __future__ import annotations

import argparse
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rbztf.archive.quadrants import cut, read_quadrant
from rbztf.config import Config, FramesSection, load_config
from rbztf.frames.dataset import UNKNOWN_KIND, FrameSet
from rbztf.frames.inputs import joined, make_inputs
from rbztf.frames.normalise import normalise
from rbztf.frames.sky_units import sky_level, unstretch
from rbztf.models.encoder_bundle import EncoderBundle, load_encoder
from rbztf.models.fit_vae import fit_vae
from rbztf.models.published import encoder_from
from rbztf.simulate.sky import SimulatedSky
from rbztf.verbs.known_frames import known_frames

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
CPU = torch.device("cpu")
TRAINED_COLUMNS = 2300
"""Columns of the quadrant that frames to train on come from; the others are held out."""
TEST_SKY = 2001
PARTS = {"validation": (0,), "report": (1,), "all": (0, 1)}
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


def trained(frames: Frames, config: Config, folder: Path | None) -> EncoderBundle:
    """An encoder trained on real and simulated ``frames``; kept in ``folder``, and taken from there."""
    if folder is not None and (folder / "model.yaml").is_file():
        return load_encoder(folder)
    count = load_config("vae", project_file=None).vae.simulated_frames
    known = known_frames(count, config.frames, 0)
    inputs = joined([make_inputs(frames, config.frames), known.inputs])
    kinds = np.concatenate([np.full(len(frames), UNKNOWN_KIND), known.kinds])
    data = FrameSet(inputs.values, np.arange(len(inputs)), inputs.states, inputs.side, kinds)

    def show(stage: str, done: int, total: int | None, note: str = "") -> None:
        if stage == "train-vae":
            print(f"  {config.name} seed {config.seed}, epoch {done} of {total}: {note}", flush=True)

    fitted = fit_vae(
        data,
        config,
        device=CPU,
        checkpoint_path=folder.with_suffix(".part") if folder else None,
        progress=show,
    )
    if folder is not None:
        fitted.bundle.save(folder)
    return fitted.bundle


def logistic() -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression(C=0.3, max_iter=2000))


def trees() -> Any:
    import lightgbm

    return lightgbm.LGBMClassifier(n_estimators=200, learning_rate=0.05, verbose=-1, n_jobs=1, random_state=0)


def area(
    vectors: Frames, probe: Probe, make: Callable[[], Any], part: str, grouped: bool
) -> tuple[float, NDArray[np.float64]]:
    """Mean over folds of the AUC on one part of the objects, and the held-out scores of all."""
    if grouped:
        folds = list(GroupKFold(5).split(vectors, probe.labels, probe.group))
    else:
        folds = list(StratifiedKFold(5, shuffle=True, random_state=0).split(vectors, probe.labels))
    scores, areas = np.empty(len(vectors)), []
    for train, test in folds:
        model = make().fit(vectors[train], probe.labels[train])
        scores[test] = model.predict_proba(vectors[test])[:, 1]
        counted = test[np.isin(probe.half[test], PARTS[part])]
        areas.append(roc_auc_score(probe.labels[counted], scores[counted]))
    return float(np.mean(areas)), scores


def interval(scores: NDArray[np.float64], probe: Probe, part: str, draws: int = 500) -> tuple[float, float]:
    """95 % interval of the pooled AUC by a bootstrap over objects."""
    rows = np.flatnonzero(np.isin(probe.half, PARTS[part]))
    rng = np.random.default_rng(0)
    members = [rows[probe.group[rows] == group] for group in np.unique(probe.group[rows])]
    areas = []
    for _ in range(draws):
        drawn = np.concatenate([members[k] for k in rng.integers(0, len(members), len(members))])
        if 0 < probe.labels[drawn].mean() < 1:
            areas.append(roc_auc_score(probe.labels[drawn], scores[drawn]))
    low, high = np.quantile(areas, [0.025, 0.975])
    return float(low), float(high)


def probe_all(
    vectors_of: Callable[[Frames], Frames], held_out: dict[str, Probe], part: str
) -> dict[str, Any]:
    """AUC (and interval) of each probe by each classifier; without LightGBM where it is not installed."""
    classifiers = {"logistic": logistic} | ({"LightGBM": trees} if find_spec("lightgbm") else {})
    found: dict[str, Any] = {}
    for name, probe in held_out.items():
        simulated = name == "simulated artefact"
        own = "all" if simulated else part
        vectors = vectors_of(probe.frames)
        for kind, make in classifiers.items():
            if simulated and kind == "LightGBM":
                continue
            mean, scores = area(vectors, probe, make, own, grouped=simulated)
            found[f"{name}, {kind}"] = (mean, *interval(scores, probe, own))
    return found


def rebuilt_dn(bundle: EncoderBundle, frames: Frames) -> Frames:
    """Reconstructions of ``frames`` in DN, the scale that the normaliser took out given back."""
    inputs = bundle.inputs(frames)
    values = bundle.reconstruct(inputs, CPU)
    if bundle.config.frames.normaliser == "asinh_noise":
        level = sky_level(frames)
        return unstretch(values, level.sky_dn, level.noise_dn)
    filled = np.nan_to_num(frames)
    low = filled.min(axis=(1, 2), keepdims=True)
    return values * (filled.max(axis=(1, 2), keepdims=True) - low) + low


def errors(bundle: EncoderBundle, frames: Frames) -> dict[str, float]:
    """Reconstruction errors over valid pixels, mean over frames, in pixel units common to all encoders."""
    valid = np.isfinite(frames)
    residual = np.where(valid, rebuilt_dn(bundle, frames) - np.nan_to_num(frames), 0).astype(np.float64)
    count = valid.sum(axis=(1, 2))
    noise = sky_level(frames).noise_dn[:, None, None]
    span = (np.nanmax(frames, axis=(1, 2)) - np.nanmin(frames, axis=(1, 2)))[:, None, None]
    excess = np.maximum((np.square(residual / noise)).sum(axis=(1, 2)) / count - 1, 0)
    return {
        "mean |residual| / noise": float((np.abs(residual / noise).sum(axis=(1, 2)) / count).mean()),
        "median chi2 above noise": float(np.median(excess)),
        "mean chi2 above noise": float(excess.mean()),
        "rms in min-max units": float(np.sqrt((np.square(residual / span)).sum(axis=(1, 2)) / count).mean()),
    }


def active(bundle: EncoderBundle, frames: Frames) -> int:
    """Latents whose posterior mean has a variance over 0.01 on ``frames``."""
    means = bundle.embed(frames, CPU)[:, : bundle.encoder.latent]
    return int((means.var(axis=0) > 0.01).sum())


def principal(frames: Frames) -> Frames:
    """36 principal components of min-max frames, as in the published table."""
    flat = normalise(frames).reshape(len(frames), -1)
    return np.asarray(PCA(36, random_state=0).fit_transform(flat), np.float32)


def principal_asinh(frames: Frames) -> Frames:
    """36 principal components of frames as our encoder sees them."""
    values = make_inputs(frames, FramesSection(normaliser="asinh_noise", invalid="mask")).values
    return np.asarray(PCA(36, random_state=0).fit_transform(values.reshape(len(frames), -1)), np.float32)


def latents(bundle: EncoderBundle, side: bool) -> Callable[[Frames], Frames]:
    """Latent means, with side channels or without."""
    columns = bundle.latent if side else bundle.encoder.latent
    return lambda frames: bundle.embed(frames, CPU)[:, :columns]


def measure(
    bundle: EncoderBundle, held_out: dict[str, Probe], crops: Frames, part: str
) -> dict[str, dict[str, Any]]:
    """All figures of a trained encoder."""
    alerts = held_out["alert bogus"]
    rows = alerts.frames[np.isin(alerts.half, PARTS[part])]
    found = {
        "latents": probe_all(latents(bundle, side=False), held_out, part),
        "active": {"active": active(bundle, rows)},
        "stamps": errors(bundle, rows),
        "quadrant": errors(bundle, crops),
    }
    if bundle.config.vae.side_channels:
        found["with side channels"] = probe_all(latents(bundle, side=True), held_out, part)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=SHARED, help="the shared data")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--crops", type=int, default=9000, help="of the quadrant")
    parser.add_argument("--part", choices=PARTS, default="report")
    parser.add_argument("--recipes", nargs="*", default=["vae", "reference/vae"])
    parser.add_argument("--set", nargs="*", default=[], help="KEY=VALUE, of the first recipe")
    parser.add_argument("--no-baselines", action="store_true", help="leave out published encoders and PCA")
    parser.add_argument("--keep", type=Path, help="where encoders are kept, and taken from")
    parser.add_argument("--json", type=Path, help="write all figures here")
    options = parser.parse_args()
    torch.set_num_threads(1)
    folder = options.data / "frames"
    if not folder.is_dir():
        print(f"There are no real frames at {folder}; name their folder with --data.")
        return
    held_out = probes(folder)
    crops = quadrant_crops(read_quadrant(quadrant(folder)).pixels, TRAINED_COLUMNS, 3072, 1000, 2)
    found: dict[str, Any] = {}
    if not options.no_baselines:
        for name in ("encoder", "encoder_aug", "encoder_ld78"):
            path = options.data / "upstream" / "trained_models" / "vae" / f"{name}.zip"
            bundle = encoder_from(path, load_config("reference/vae", project_file=None))
            found[f"published {name}"] = {
                "latents": probe_all(latents(bundle, side=False), held_out, options.part)
            }
        for title, components in (
            ("PCA-36, min-max", principal),
            ("PCA-36, asinh in noise units", principal_asinh),
        ):
            found[title] = {"latents": probe_all(components, held_out, options.part)}
    show(found)
    frames = frames_to_train_on(folder, options.crops)
    print(f"{len(frames)} real frames to train on, {options.epochs} epochs", flush=True)
    for recipe in options.recipes:
        for seed in options.seeds:
            changes = [f"training.epochs={options.epochs}", f"seed={seed}"]
            changes += options.set if recipe == options.recipes[0] else []
            config = load_config(recipe, changes, project_file=None)
            keep = options.keep / f"{recipe.replace('/', '-')}-{seed}" if options.keep else None
            bundle = trained(frames, config, keep)
            found[f"{recipe} seed {seed}"] = measure(bundle, held_out, crops, options.part)
            show({f"{recipe} seed {seed}": found[f"{recipe} seed {seed}"]})
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))


def show(found: dict[str, Any]) -> None:
    """Print every figure, one line each group."""
    for title, groups in found.items():
        for group, figures in groups.items():
            text = "  ".join(
                f"{name} {value[0]:.3f} [{value[1]:.3f}, {value[2]:.3f}]"
                if isinstance(value, tuple)
                else f"{name} {value:.4g}"
                for name, value in figures.items()
            )
            print(f"{title} | {group}: {text}", flush=True)


if __name__ == "__main__":
    main()
