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
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from held_out_frames import HELD_OUT_COLUMNS, Probe, frames_to_train_on, probes, quadrant, quadrant_crops
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rbztf.archive.images.quadrants import read_quadrant
from rbztf.config import Config, FramesSection, load_config
from rbztf.frames.background import sky_level
from rbztf.frames.normalise import SOFTENING, RawFrames, normalise
from rbztf.models.rnn.published import encoder_from
from rbztf.models.vae.bundle import EncoderBundle, load_encoder
from rbztf.models.vae.encoder_inputs import joined, make_inputs
from rbztf.models.vae.fit import fit_vae
from rbztf.models.vae.known_frames import known_frames
from rbztf.models.vae.training_frames import UNKNOWN_KIND, FrameSet

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
CPU = torch.device("cpu")
PARTS = {"validation": (0,), "report": (1,), "all": (0, 1)}
Frames = NDArray[np.float32]


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
        unit, sky = level.noise_dn[:, None, None], level.sky_dn[:, None, None]
        return np.asarray(np.sinh(values) * SOFTENING * unit + sky, np.float32)
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
    flat = normalise(RawFrames(frames)).reshape(len(frames), -1)
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
    crops = quadrant_crops(read_quadrant(quadrant(folder)).pixels, *HELD_OUT_COLUMNS, 1000, 2)
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
