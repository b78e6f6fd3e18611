"""How well frames of simulated skies teach which real objects are artefacts, without a real label.

python benchmarks/simulated_transfer.py --published FOLDER

FOLDER is made by rbztf import. A network learns on simulated frames what a frame shows (as in
the default); the score of a real object is the mean probability over its frames that something is wrong.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from rbztf.config import load_config
from rbztf.evaluation.bootstrap import field_weights, interval
from rbztf.evaluation.metrics import roc_auc
from rbztf.evaluation.scores import Scored
from rbztf.models.objects.frame_kinds import FrameKinds, SimulatedVectors
from rbztf.models.objects.frame_reader import FrameReader
from rbztf.models.objects.read import FrameSelection
from rbztf.models.vae.bundle import encoder_in
from rbztf.models.vae.known_frames import known_frames
from rbztf.stores.embeddings import open_embeddings
from rbztf.stores.labels import read_labels

DRAWS = 1000
KINDS = ("ghost", "track", "column", "spike", "defocusing", "bright_star")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--published", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--frames", type=int, default=60000, metavar="N", help="simulated frames")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    config = load_config("default", project_file=None)
    encoder = encoder_in(arguments.published / "embeddings")
    if encoder is None:
        raise SystemExit(f"{arguments.published} does not hold the encoder of its vectors.")
    vectors = open_embeddings(arguments.published / "embeddings", encoder.latent)
    labels = read_labels(arguments.published / "labels.json").in_bands(config.data.bands)
    oids = [int(oid) for oid in labels if oid in vectors]
    selection = FrameSelection.of(config, encoder.latent)
    known = known_frames(arguments.frames, encoder.config.frames, arguments.seed)
    made = selection.columns(encoder.embed_inputs(known.inputs, torch.device("cpu")))
    sequences = [selection.read(vectors, oid) for oid in oids]
    reader = FrameReader.fit(sequences, 0.05, SimulatedVectors(made, known.kinds), arguments.seed)
    assert isinstance(reader.kinds, FrameKinds)
    scores = np.array([1 - reader.kinds.probabilities(frames)[:, 0].mean() for frames in sequences], float)
    truth = labels.labels(oids)
    print("| objects | number | AUC |\n|---|---|---|")
    print(line("all", Scored(np.array(oids), truth, scores, 0.5)))
    for kind in KINDS:
        among = np.array([not labels[oid].label or kind in labels[oid].tags for oid in oids])
        print(
            line(f"{kind} against real ones", Scored(np.array(oids)[among], truth[among], scores[among], 0.5))
        )


def line(what: str, scored: Scored) -> str:
    (weights,) = field_weights([scored.fields], DRAWS)
    value = roc_auc(scored, np.ones((1, len(scored))))[0]
    low, high = interval(roc_auc(scored, weights))
    return f"| {what} | {len(scored)} | {value:.3f} [{low:.3f}, {high:.3f}] |"


if __name__ == "__main__":
    main()
