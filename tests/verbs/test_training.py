"""train-vae, embed, train-rnn, cv and predict, one after the other, as a user runs them."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from helpers import make_oid, random_frames, refused, run_well, strict_json, tiny_encoder, write_cutouts

from rbztf.models.rnn.bundle import load_classifier
from rbztf.models.vae.bundle import load_encoder
from rbztf.simulate.dataset import Dataset, write_dataset
from rbztf.simulate.sky import SimulatedSky
from rbztf.stores.cutouts import open_cutouts
from rbztf.stores.embeddings import open_embeddings

FAST_VAE = (
    *("--set", "training.epochs=2", "--set", "vae.latent=6", "--set", "training.batch_size=32"),
    *("--set", "vae.simulated_frames=50", "--set", "vae.side_channels=[]"),
)
RECURRENT = ("--config", "bigru-l2")
FAST_RNN = ("--set", "training.epochs=4", "--set", "vae.latent=6", "--set", "classifier.hidden=8")


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return write_dataset(
        tmp_path_factory.mktemp("simulated"), SimulatedSky(n_objects=40, n_epochs=12, seed=1)
    )


@pytest.fixture(scope="session")
def encoder(dataset: Dataset) -> Path:
    out = dataset.folder / "models" / "encoder"
    run_well("train-vae", "--data", dataset.cutouts, "--out", out, *FAST_VAE)
    return out


@pytest.fixture(scope="session")
def embeddings(dataset: Dataset, encoder: Path) -> Path:
    out = dataset.folder / "embeddings"
    run_well("embed", "--model", encoder, "--data", dataset.cutouts, "--out", out)
    return out


def test_train_vae_leaves_a_bundle_with_curves(encoder: Path) -> None:
    bundle = load_encoder(encoder)
    assert bundle.decoder is not None
    assert bundle.latent == 6
    with (encoder / "history.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    for name in ("losses", "reconstructions", "neighbours"):
        assert (encoder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert "active latents" in (encoder / "README.md").read_text()
    assert not encoder.with_name("encoder.training").exists()


def test_embeddings_carry_their_encoder_and_the_loss_of_each_frame(embeddings: Path, encoder: Path) -> None:
    store = open_embeddings(embeddings)
    assert store.stamp.encoder == load_encoder(encoder).hash == load_encoder(embeddings / "encoder").hash
    oid = next(iter(store))
    assert store[oid].shape == (store.count(oid), 6)
    assert (store.frame_losses(oid) > 0).all()


def test_a_store_is_checked_against_the_training_set(dataset: Dataset, encoder: Path, tmp_path: Path) -> None:
    """Frames like those trained on pass; ones of another camera are told (even by a hardly trained encoder)."""
    command = ("embed", "--model", encoder, "--check", "--out", tmp_path / "e", "--json")
    same = strict_json(run_well(*command, "--data", dataset.cutouts).stdout)["check"]
    assert same["outside"] < 0.02
    assert same["largest_shift"] < 0.15
    strange = np.random.default_rng(0).lognormal(6, 2, (30, 28, 28)).astype(np.float32)
    write_cutouts(tmp_path / "c", {make_oid(k): strange for k in (1, 2)})
    result = run_well(*command, "--data", tmp_path / "c")
    answer = strict_json(result.stdout)
    assert answer["check"]["largest_shift"] > 0.5
    assert "have another distribution than in training" in answer["warnings"][0]
    assert "have another distribution than in training" in result.stderr


def test_an_encoder_that_has_seen_labels_says_so(dataset: Dataset, tmp_path: Path) -> None:
    words = ("train-vae", "--data", dataset.cutouts, "--labels", dataset.labels, *FAST_VAE)
    refused(*words, "--set", "vae.artefact_weight=0", says=["train the artefact head, but its weight is 0"])
    other, plain = tmp_path / "other.csv", tmp_path / "plain.csv"
    other.write_text(f"oid,label\n{make_oid(77)},1\n")
    refused(*words, "--labels", other, code=1, says=["has no label of an object in"])
    oids = list(open_cutouts(dataset.cutouts))
    plain.write_text(f"oid,label\n{oids[0]},0\n{oids[1]},1\n")
    quick = ("--out", tmp_path / "m", "--set", "training.epochs=1")
    assert "only clean frames are learned from it" in run_well(*words, "--labels", plain, *quick).stderr
    run_well(*words, *quick)
    card = (tmp_path / "m" / "README.md").read_text()
    n_labelled = load_encoder(tmp_path / "m").notes["labelled objects"]
    assert 10 < n_labelled <= 40
    assert f"of 40 objects, {n_labelled} of them labelled" in card
    run_well(
        *("embed", "--model", tmp_path / "m", "--data", dataset.cutouts, "--out", tmp_path / "e", "--quiet")
    )
    where = ("--embeddings", tmp_path / "e", "--labels", dataset.labels, "--folds", 2, "--workers", 1)
    words = ("cv", *RECURRENT, *where, *FAST_RNN, "--set", "training.patience=0", "--out", tmp_path / "cv")
    (warning,) = strict_json(run_well(*words, "--json").stdout)["warnings"]
    assert f"trained with the labels of {n_labelled} objects" in warning
    words = ("train-rnn", *RECURRENT, *where[:4], *FAST_RNN, "--set", "training.patience=0")
    assert f"labels of {n_labelled} objects" in run_well(*words, "--out", tmp_path / "c").stderr


def test_an_encoder_without_statistics_cannot_check(tmp_path: Path) -> None:
    tiny_encoder(4).save(tmp_path / "m")
    write_cutouts(tmp_path / "c", {make_oid(1): random_frames(3)})
    result = run_well(
        "embed", "--model", tmp_path / "m", "--data", tmp_path / "c", "--out", tmp_path / "e", "--check"
    )
    assert "no statistics of its training set" in result.stderr


def test_a_classifier_bundle_is_complete(dataset: Dataset, embeddings: Path) -> None:
    out = dataset.folder / "models" / "classifier"
    _train(dataset, out, "--embeddings", embeddings)
    assert load_classifier(out).encoder is not None
    from_frames = strict_json(run_well("predict", "--model", out, "--data", dataset.cutouts, "--json").stdout)
    from_vectors = strict_json(
        run_well("predict", "--model", out, "--embeddings", embeddings, "--json").stdout
    )
    assert len(from_frames["objects"]) == 40
    one = {entry["oid"]: entry["p_bogus"] for entry in from_frames["objects"]}
    other = {entry["oid"]: entry["p_bogus"] for entry in from_vectors["objects"]}
    assert one == pytest.approx(other, abs=1e-5)


def test_frames_in_is_the_same_as_vectors_in(dataset: Dataset, embeddings: Path, encoder: Path) -> None:
    """With the encoder frozen, reading frames is reading their vectors."""
    by_vectors, by_frames = dataset.folder / "by-vectors", dataset.folder / "by-frames"
    _train(dataset, by_vectors, "--embeddings", embeddings)
    inputs = ("--set", "classifier.inputs=frames", "--set", f"data.model={encoder}")
    _train(dataset, by_frames, "--data", dataset.cutouts, *inputs)
    one, other = (strict_json(_predict(model, embeddings)) for model in (by_vectors, by_frames))
    scores = [[entry["p_bogus"] for entry in answer["objects"]] for answer in (one, other)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-6)


def _train(dataset: Dataset, out: Path, *more: object) -> None:
    run_well("train-rnn", *RECURRENT, "--labels", dataset.labels, "--out", out, *FAST_RNN, *more)


def _predict(model: Path, embeddings: Path) -> str:
    return run_well("predict", "--model", model, "--embeddings", embeddings, "--json").stdout


def test_the_loss_of_each_frame_can_be_an_input(dataset: Dataset, embeddings: Path) -> None:
    out = dataset.folder / "with-loss"
    _train(dataset, out, "--embeddings", embeddings, "--set", "classifier.inputs=vectors+loss")
    assert load_classifier(out).network.rnn_layer.input_size == 7
    assert len(strict_json(_predict(out, embeddings))["objects"]) == 40


def test_cv_answers_as_promised_and_leaves_a_run(dataset: Dataset, embeddings: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    answer = strict_json(
        run_well(
            *(
                "cv",
                "--config",
                "reference/bigru-l2",
                "--config",
                "reference/lstm",
                "--embeddings",
                embeddings,
            ),
            *("--labels", dataset.labels, "--folds", 3, "--workers", 1, "--out", out, "--json"),
            *(*FAST_RNN, "--set", "training.patience=0", "--set", "cv.bootstrap=50"),
        ).stdout
    )
    assert [entry["config"] for entry in answer["models"]] == ["reference/bigru-l2", "reference/lstm"]
    for entry in answer["models"]:
        assert entry["n_objects"] == 40
        assert entry["folds"] == 3 == len(entry["per_fold"])
        assert entry["split"] == "field"
        for name in ("roc_auc", "average_precision", "accuracy", "f1", "brier", "ece"):
            low, high = entry[name]["ci95"]
            assert 0 <= low <= high <= 1
        assert set(entry["tpr_at_fpr"]) == {"0.01", "0.05"}
        assert entry["seconds"] > 0
    (pair,) = answer["comparison"]
    assert (pair["of"], pair["minus"]) == ("reference/lstm", "reference/bigru-l2")
    with (out / "scores.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 80
    assert yaml.safe_load((out / "config.yaml").read_text())["name"] == "reference/bigru-l2"
    for plot in ("roc.png", "losses.png", "frames.png"):
        assert (out / plot).read_bytes().startswith(b"\x89PNG")
    assert not (out / "checkpoints").exists()


def test_out_of_fold_scores_recompute_the_auc(dataset: Dataset, embeddings: Path, tmp_path: Path) -> None:
    from sklearn.metrics import roc_auc_score

    out = tmp_path / "run"
    command = (
        "cv",
        *RECURRENT,
        "--embeddings",
        embeddings,
        "--labels",
        dataset.labels,
        "--folds",
        2,
        "--workers",
        1,
    )
    answer = strict_json(
        run_well(*command, "--out", out, "--json", *FAST_RNN, "--set", "training.patience=0").stdout
    )
    with (out / "scores.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    for fold in answer["models"][0]["per_fold"]:
        mine = [row for row in rows if int(row["fold"]) == fold["fold"]]
        area = roc_auc_score([int(row["label"]) for row in mine], [float(row["p_bogus"]) for row in mine])
        assert area == pytest.approx(fold["roc_auc"], abs=1e-6)


def test_a_prepared_folder_needs_no_paths(dataset: Dataset, embeddings: Path, own_folder: Path) -> None:
    data = {"embeddings": str(embeddings), "labels": str(dataset.labels)}
    settings = {"data": data, "vae": {"latent": 6}, "classifier": {"hidden": 8}, "training": {"epochs": 2}}
    (own_folder / "rbztf.yaml").write_text(yaml.safe_dump(settings))
    run_well("cv", *RECURRENT, "--folds", 3, "--workers", 1)
    assert list((own_folder / "runs").glob("*-cv/metrics.json"))


def test_folds_that_contradict_the_split_file_are_wrong_use(
    dataset: Dataset, embeddings: Path, tmp_path: Path
) -> None:
    split = tmp_path / "folds.csv"
    oids = list(open_embeddings(embeddings))
    split.write_text("oid,fold\n" + "".join(f"{oid},{i % 3}\n" for i, oid in enumerate(oids)))
    where = ("--embeddings", embeddings, "--labels", dataset.labels, "--split", split)
    refused("cv", *RECURRENT, *where, "--folds", 5, says=["3 folds", "5"])
    run_well(
        "cv", *RECURRENT, *where, "--folds", 3, "--workers", 1, *FAST_RNN, "--set", "training.patience=0"
    )


def test_a_fold_with_one_class_is_one_sentence(dataset: Dataset, embeddings: Path, tmp_path: Path) -> None:
    import json

    split = tmp_path / "folds.csv"
    entries = json.loads(dataset.labels.read_text())
    rows = [f"{entry['oid']},{int('artefact' in entry['tags'])}\n" for entry in entries]
    split.write_text("oid,fold\n" + "".join(rows))
    where = ("--embeddings", embeddings, "--labels", dataset.labels, "--split", split)
    refused("cv", *RECURRENT, *where, *FAST_RNN, code=1, says=["Fold 0", "no artefact"])


@pytest.mark.parametrize("verb", ["train-vae", "train-rnn"])
def test_kill_9_and_again_gives_the_same_weights(
    verb: str, dataset: Dataset, embeddings: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    common = [verb, "--set", "vae.latent=6", "--quiet"]
    if verb == "train-vae":
        common += ["--data", str(dataset.cutouts), "--set", "vae.simulated_frames=0"]
        common += ["--set", "training.epochs=3", "--set", "training.batch_size=64"]
    else:
        common += [*RECURRENT, "--embeddings", str(embeddings), "--labels", str(dataset.labels)]
        common += ["--set", "training.epochs=20", "--set", "classifier.hidden=8"]
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    process = subprocess.Popen(
        [sys.executable, "-m", "rbztf", *common, "--out", killed], env=environment, start_new_session=True
    )
    checkpoint = tmp_path / "killed.training" / "checkpoint.safetensors"
    while not checkpoint.exists() and process.poll() is None:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not killed.exists()
    for out in (killed, whole):
        run_well(*common, "--out", out)
    weights = [(out / "weights.safetensors").read_bytes() for out in (killed, whole)]
    assert weights[0] == weights[1]
