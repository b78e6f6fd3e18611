"""What triage costs in AUC and saves in requests, on the published objects, out of fold.

    rbztf cv --config default --embeddings published/embeddings --labels published/labels.json
        --features published/features.csv --folds 5 --split field --set cv.ablate=true --out runs/triage
    python benchmarks/triage.py --scores runs/triage/scores.csv --embeddings published/embeddings

Each object has two out-of-fold scores by the same members: from its light curve alone, and from frames too. Frames
count where ``--frames-for`` would fetch them; a frame is a request, light curves come 80 objects a request.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from rbztf.evaluation.bootstrap import field_weights
from rbztf.stores.embeddings import open_embeddings

RANGES = ((0.0, 1.0), (0.02, 0.98), (0.05, 0.95), (0.1, 0.9), (0.2, 0.9), (0.2, 0.8), (0.3, 0.7), (1.0, 0.0))
DRAWS = 500
OBJECTS_A_REQUEST = 80


def scores(path: Path, config: str, variant: str) -> dict[int, tuple[int, float]]:
    """Label and score of each object, of the first draw of folds."""
    found: dict[int, tuple[int, float]] = {}
    with path.open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            if (row["config"], row["variant"], row["draw"]) == (config, variant, "0"):
                found[int(row["oid"])] = int(row["label"]), float(row["p_bogus"])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scores", type=Path, required=True, help="scores.csv of rbztf cv with cv.ablate")
    parser.add_argument("--embeddings", type=Path, required=True, help="to count frames")
    parser.add_argument("--config", default="default")
    options = parser.parse_args()
    fused = scores(options.scores, options.config, "")
    alone = scores(options.scores, f"{options.config}: lightcurve only", "")
    oids = [oid for oid in fused if oid in alone]
    store = open_embeddings(options.embeddings)
    frames = np.array([len(store[oid]) for oid in oids])
    labels = np.array([fused[oid][0] for oid in oids])
    with_frames, curve = (np.array([known[oid][1] for oid in oids]) for known in (fused, alone))
    (weights,) = field_weights([np.array(oids) // 10**12], DRAWS)

    def interval(measure: Callable[[np.ndarray], float]) -> str:
        low, high = np.nanquantile([measure(row) for row in weights], [0.025, 0.975])
        return f"{measure(np.ones(len(oids))):.4f} [{low:.4f}, {high:.4f}]"

    print(f"{len(oids)} objects, {labels.sum()} artefacts, {frames.sum()} frames")
    print(
        "| frames for | objects with frames | requests | AUC | AUC less than with all frames |\n|---|---|---|---|---|"
    )
    for low, high in RANGES:
        chosen = (curve > low) & (curve < high)
        p = np.where(chosen, with_frames, curve)
        requests = frames[chosen].sum() + -(-len(oids) // OBJECTS_A_REQUEST)
        auc = interval(lambda w, p=p: float(roc_auc_score(labels, p, sample_weight=w)))
        loss = interval(
            lambda w, p=p: float(
                roc_auc_score(labels, with_frames, sample_weight=w)
                - roc_auc_score(labels, p, sample_weight=w)
            )
        )
        name = "all" if low == 0 else "none" if low > high else f"{low:g}<p<{high:g}"
        share = requests / (frames.sum() + -(-len(oids) // OBJECTS_A_REQUEST))
        print(f"| {name} | {chosen.mean():.1%} | {share:.1%} | {auc} | {loss} |")


if __name__ == "__main__":
    main()
