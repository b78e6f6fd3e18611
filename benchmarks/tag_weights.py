"""What more weight for flares and bad columns in training costs and gains (``ensemble.tag_weights``).

    python benchmarks/tag_weights.py --published FOLDER --reference folds.csv

FOLDER is made by rbztf import. Only objects of folds 1 to 3 of the reference take part, on which choices are made. Members of
the default are trained once a fold of whole fields; figures are of all objects, each scored by the training without its field.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold

from rbztf.config import load_config
from rbztf.evaluation.folds import read_split
from rbztf.features.files import read_features
from rbztf.models.ensemble.member import member_class, needed
from rbztf.models.objects.object_set import LabelledSet
from rbztf.models.objects.read import read_labelled
from rbztf.models.vae.bundle import encoder_in
from rbztf.progress import silent
from rbztf.stores.embeddings import open_embeddings
from rbztf.stores.labels import read_labels
from rbztf.verbs.training_inputs import simulate_frames

MEMBERS = ("frame-statistics", "lightcurve-network", "lightcurve-trees", "both")
CPU = torch.device("cpu")
Array = NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--published", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--reference", type=Path, required=True, metavar="CSV", help="CSV with oid,fold")
    parser.add_argument("--weights", type=float, nargs="+", default=[1, 2, 3, 4])
    parser.add_argument("--draws", type=int, nargs="+", default=[100, 101], help="seeds of the folds")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    data = read(arguments.published, arguments.reference)
    print("| draw | weight | fused AUC | flares called bogus | columns found by frame-statistics |")
    print("|---|---|---|---|---|")
    for draw in arguments.draws:
        for weight in arguments.weights:
            print(f"| {draw} | {weight:g} | {line(data, weight, draw)} |", flush=True)


def read(published: Path, reference: Path) -> LabelledSet:
    """Objects of folds 1 to 3, weighing as in the default but for their tags."""
    config = load_config("default", project_file=None)
    assert config.ensemble is not None
    config = config.model_copy(update={"ensemble": config.ensemble.model_copy(update={"tag_weights": {}})})
    encoder = encoder_in(published / "embeddings")
    (simulated,) = simulate_frames([config], encoder, CPU, silent)
    vectors = open_embeddings(published / "embeddings", config.vae.latent)
    chosen = [
        oid for fold, oids in read_split(reference).folds.items() if fold for oid in oids if oid in vectors
    ]
    labels = read_labels(published / "labels.json").only(chosen)
    data = read_labelled(
        labels, vectors, read_features(published / "features.csv"), config, simulated=simulated
    )
    data.objects.prepare()
    return data


def line(data: LabelledSet, weight: float, draw: int) -> str:
    """Figures with that weight of flares and columns, on one draw of field folds."""
    flares, columns = (data.tags[:, data.tag_names.index(tag)] > 0 for tag in ("M_dwarf_flare", "column"))
    data = replace(data, weights=data.weights * np.where(flares | columns, weight, 1.0))
    scores = {name: out_of_fold(data, name, draw) for name in MEMBERS}
    fused = np.mean(list(scores.values()), axis=0)
    known = np.isfinite(fused)
    image = scores["frame-statistics"]
    limit = np.quantile(image[data.labels == 0], 0.9)
    bogus = fused[known & flares & (data.labels == 0)] > 0
    found = image[columns & (data.labels == 1)] > limit
    return f"{roc_auc_score(data.labels[known], fused[known]):.4f} | {bogus.mean():.2f} | {found.mean():.2f}"


def out_of_fold(data: LabelledSet, name: str, draw: int) -> Array:
    """Log odds of one member, one training a fold."""
    ensemble = load_config("default", project_file=None).ensemble
    assert ensemble is not None
    section = ensemble.members[name]
    usable = data.objects.has_all(needed(section))
    scores = np.full(len(data), np.nan)
    folds = GroupKFold(5, shuffle=True, random_state=draw).split(data.labels, groups=data.groups)
    for number, (rest, left_out) in enumerate(folds):
        rest, left_out = rest[usable[rest]], left_out[usable[left_out]]
        member = member_class(section.kind).fit(
            data.take(rest), section, number + 100 * draw, CPU, data.take(left_out[:20])
        )
        scores[left_out] = member.outputs(data.objects.take(left_out), CPU)[:, 0]
    return scores


if __name__ == "__main__":
    main()
