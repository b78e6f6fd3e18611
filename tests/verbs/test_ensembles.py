"""train-rnn, predict and cv of ensembles on the command line."""

from __future__ import annotations

import csv
import io
import json
import os
import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from astropy.timeseries import TimeSeries
from helpers import (
    files_below,
    make_oid,
    random_frames,
    refused,
    run_well,
    strict_json,
    tiny_classifier,
    tiny_encoder,
    tiny_ensemble,
    write_embeddings,
)

import rbztf
from rbztf.features.files import read_features
from rbztf.features.lightcurve import light_curve_features
from rbztf.features.snad_set import FEATURE_NAMES
from rbztf.features.table import FeatureTable
from rbztf.models.decision import conformal
from rbztf.models.decision.thresholds import best_f1_threshold, threshold_at
from rbztf.models.ensemble.bundle import load_ensemble
from rbztf.models.objects.object_set import Modality, ObjectSet
from rbztf.models.training import threads
from rbztf.models.vae import known_frames
from rbztf.models.vae.bundle import encoder_in
from rbztf.prediction.remarks import NO_RANGES
from rbztf.progress import silent
from rbztf.stores.epochs import epoch_table
from rbztf.stores.object_file import write_object
from rbztf.verbs.training_inputs import simulate_frames

N_OBJECTS, N_EPOCHS = 32, 10
OIDS = [make_oid(i, field=600 + i // 4) for i in range(N_OBJECTS)]
LABELS = [i % 2 for i in range(N_OBJECTS)]
MISLEADING = (6, 15, 20, 29)
"""Objects that look like the other class, so that nothing divides the classes."""
FIRST_HJD = 2458300.5
BOTH = (Modality.IMAGE, Modality.LIGHTCURVE)
Folders = dict[str, Path]


def times_of(i: int) -> Any:
    return FIRST_HJD + 10.0 * np.arange(N_EPOCHS) + i / 64


def write_simulated(folder: Path) -> None:
    """Objects of which the artefacts are brighter in half of their frames, and vary more."""
    for i, (oid, label) in enumerate(zip(OIDS, LABELS)):
        bad = label != (i in MISLEADING)
        rng = np.random.default_rng(i)
        frames = random_frames(N_EPOCHS, seed=i)
        if bad:
            frames[::2, :, 10:13] += 3000
        mag = 18 + rng.normal(0, 0.1 + 0.3 * bad, N_EPOCHS)
        columns = {
            "hjd": times_of(i),
            "mag": mag,
            "magerr": np.full(N_EPOCHS, 0.05),
            "frame": np.arange(N_EPOCHS),
        }
        write_object(folder, oid, frames, epoch_table(columns, N_EPOCHS), ra_deg=10.0, dec_deg=20.0)


def write_plain(path: Path, source: Path) -> None:
    """The same table without its definition and with a column more: a CSV from anywhere."""
    header, *rows = [line.rstrip() for line in source.open() if not line.startswith("#")]
    path.write_text("\n".join([f"{header},more", *(f"{row},1" for row in rows)]) + "\n")


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """Cutouts, labels, embeddings with their encoder, features, configurations and a trained model."""
    folder = tmp_path_factory.mktemp("ensembles")
    names = ("cutouts", "encoder", "embeddings", "model", "labels.json", "features.csv", "plain.csv")
    made = {name.split(".")[0]: folder / name for name in names}
    write_simulated(made["cutouts"])
    tiny_encoder(4).save(made["encoder"])
    run_well(
        "embed", "--model", made["encoder"], "--data", made["cutouts"], "--out", made["embeddings"], "-q"
    )
    run_well("features", "--data", made["cutouts"], "--out", made["features"], "-q")
    write_plain(made["plain"], made["features"])
    tags = [["artefact", "ghost"] if label else ["VAR"] for label in LABELS]
    made["labels"].write_text(json.dumps([{"oid": oid, "tags": tag} for oid, tag in zip(OIDS, tags)]))
    for name, members in {
        "tiny": (),
        "curves": ("curves",),
        "image": ("frames", "votes", "statistics"),
        "together": ("both",),
    }.items():
        made[name] = folder / f"{name}.yaml"
        made[name].write_text(yaml.safe_dump({**tiny_ensemble(*members), "name": name}))
    run_well(*train(made, "tiny"), "--out", made["model"])
    return made


def train(
    at: Folders, config: str, *, embeddings: bool = True, features: str | None = "features"
) -> list[Any]:
    words: list[Any] = ["train-rnn", "--quiet", "--config", at[config], "--labels", at["labels"]]
    words += ["--embeddings", at["embeddings"]] if embeddings else []
    return words + (["--features", at[features]] if features else [])


def predict(at: Folders, *arguments: object, code: int = 0, model: Path | None = None) -> dict[str, Any]:
    words = ["predict", "--model", model or at["model"], "--no-fetch", "--quiet", "--json"]
    answer: dict[str, Any] = strict_json(run_well(*words, *arguments, code=code).stdout)
    about_training = [text for text in answer["warnings"] if "are training objects" in text]
    trained = sum(bool(entry["in_training"]) for entry in answer["objects"])
    assert [text.split()[0] for text in about_training] == ([str(trained)] if trained else [])
    answer["warnings"] = [text for text in answer["warnings"] if text not in (*about_training, NO_RANGES)]
    return answer


def decisive(entry: dict[str, Any]) -> float:
    """The probability that decides: of a training object that by members not trained on it."""
    return float(entry["p_out_of_fold"] if entry["in_training"] else entry["p_bogus"])


@pytest.fixture(scope="module")
def plain(at: Folders) -> dict[str, Any]:
    """Scores from cutouts alone."""
    return predict(at, "--data", at["cutouts"])


def write_ordinary(at: Folders, path: Path, *, first: int = 200, mark: str = "") -> None:
    """The rows of the real objects under other OIDs, beginning with ``first``, and one labelled object."""
    lines = [line for line in at["features"].read_text().splitlines() if not line.startswith("#")]
    rows = [line.partition(",")[2] for line in lines[1::2]]
    made = [f"{make_oid(first + i)},{row}" for i, row in enumerate(rows)]
    path.write_text("\n".join([*([mark] if mark else []), lines[0], *made, lines[1]]) + "\n")


def test_ordinary_objects_join_the_training(at: Folders) -> None:
    mark = at["features"].read_text().splitlines()[0]
    write_ordinary(at, Path("ordinary.csv"), mark=mark)
    words = (*train(at, "curves", embeddings=False), "--ordinary", "ordinary.csv")
    answer = strict_json(run_well(*words, "--out", "with", "--json").stdout)
    assert not any("alike" in warning for warning in answer["warnings"])
    model = load_ensemble(Path("with"))
    assert "16 ordinary objects" in model.notes["trained on"]
    assert len(model.combinations[(Modality.LIGHTCURVE,)].ordinary) == 16  # the labelled one is left out
    run_well(*train(at, "curves", embeddings=False), "--out", "without")
    assert model.inner_auc != load_ensemble(Path("without")).inner_auc
    cv = ("cv", "-q", "--json", "--config", at["curves"], "--labels", at["labels"], "--folds", 2)
    cv = (*cv, "--features", at["features"], "--workers", 1, "--out")
    with_them = strict_json(run_well(*cv, "run", "--ordinary", "ordinary.csv").stdout)["models"][0]
    assert with_them["brier"] != strict_json(run_well(*cv, "other").stdout)["models"][0]["brier"]


def test_ordinary_objects_that_may_be_made_otherwise_are_told(at: Folders) -> None:
    write_ordinary(at, Path("ordinary.csv"))
    Path("ordinary.csv").write_text(
        Path("ordinary.csv").read_text().replace("skew_magn_r", "skewness_magn_r")
    )
    words = (*train(at, "curves", embeddings=False), "--ordinary", "ordinary.csv", "--out", "m", "--json")
    warnings = strict_json(run_well(*words).stdout)["warnings"]
    assert any("ordinary.csv" in warning and "made alike" in warning for warning in warnings)


def test_ordinary_objects_without_use_are_refused(at: Folders) -> None:
    write_ordinary(at, Path("ordinary.csv"))
    refused(
        *train(at, "image", features=None), "--ordinary", "ordinary.csv", says=["--ordinary", "no effect"]
    )
    Path("none.csv").write_text(f"oid,other\n{make_oid(200)},1\n")
    words = (*train(at, "curves", embeddings=False), "--out", "m", "--ordinary", "none.csv")
    refused(*words, says=["none.csv has no object without a label"])


def test_scores_from_cutouts(at: Folders, plain: dict[str, Any]) -> None:
    assert (plain["problems"], plain["warnings"]) == ([], [])
    assert [entry["oid"] for entry in plain["objects"]] == OIDS
    inner = load_ensemble(at["model"]).combinations[BOTH]
    for entry in plain["objects"]:
        assert entry["p_low"] <= entry["p_bogus"] <= entry["p_high"]
        assert (entry["inputs"], entry["features_verified"]) == ("image+lightcurve", True)
        assert entry["threshold"] == best_f1_threshold(inner.labels, inner.scores)
        assert set(entry["kinds"]) == {"ghost"}
        assert (entry["n_frames"], entry["blamed"], entry["p_without"]) == (N_EPOCHS, [], None)
    stored = predict(at, "--embeddings", at["embeddings"], "--features", at["features"])
    assert [entry["p_bogus"] for entry in stored["objects"]] == pytest.approx(
        [entry["p_bogus"] for entry in plain["objects"]], abs=1e-5
    )
    assert all(entry["features_verified"] for entry in stored["objects"])
    scores = np.array([entry["p_bogus"] for entry in plain["objects"]])
    assert scores[np.array(LABELS) == 1].mean() > scores[np.array(LABELS) == 0].mean()


def test_what_train_rnn_says(at: Folders, tmp_path: Path) -> None:
    result = run_well(*train(at, "image", features=None), "--out", tmp_path / "m", "--json")
    answer = strict_json(result.stdout)
    assert (answer["n_objects"], answer["n_frames"], answer["warnings"]) == (32, 32 * N_EPOCHS, [])
    assert set(answer["inner_auc"]) == {"image"}
    assert files_below(tmp_path) >= {
        "m/encoder",
        "m/members/votes-1.safetensors",
        "m/members/statistics-0.txt",
    }
    assert not (tmp_path / "m.training").exists()
    model = load_ensemble(tmp_path / "m")
    assert model.encoder is not None
    assert model.encoder.hash == tiny_encoder(4).hash
    assert "32 objects, 16 of them artefacts" in (tmp_path / "m/README.md").read_text()


def test_features_of_a_plain_csv_are_not_verified(at: Folders) -> None:
    answer = predict(at, "--embeddings", at["embeddings"], "--features", at["plain"])
    assert all(entry["features_verified"] is False for entry in answer["objects"])
    (warning,) = answer["warnings"]
    assert "32 of 32 objects have light-curve features whose definitions could not be compared" in warning


def test_features_in_a_table_like_snads_are_verified_and_its_span_is_told(
    at: Folders, tmp_path: Path
) -> None:
    lines = at["features"].read_text().splitlines(keepends=True)
    (tmp_path / "f.csv").write_text("".join(line for line in lines if not line.startswith("#")))
    answer = predict(at, "--embeddings", at["embeddings"], "--features", tmp_path / "f.csv")
    assert all(entry["features_verified"] is True for entry in answer["objects"])
    (warning,) = answer["warnings"]
    end = load_ensemble(at["model"]).definition.span_mjd[1]
    assert f"32 of 32 objects have light curves that go on after MJD {end:.0f}" in warning


def test_without_features_scores_fall_back_and_say_so(at: Folders) -> None:
    answer = predict(at, "--embeddings", at["embeddings"])
    assert {entry["inputs"] for entry in answer["objects"]} == {"image"}
    assert {entry["features_verified"] for entry in answer["objects"]} == {None}
    auc = {have: c.auc for have, c in load_ensemble(at["model"]).combinations.items()}
    (warning,) = answer["warnings"]
    assert warning.startswith("32 of 32 objects scored from image alone")
    assert f"AUC {auc[(Modality.IMAGE,)]:.3f}" in warning
    assert f"{auc[BOTH]:.3f} with image+lightcurve" in warning
    table = predict(at, "--features", at["features"])
    assert {entry["inputs"] for entry in table["objects"]} == {"lightcurve"}
    assert f"AUC {auc[(Modality.LIGHTCURVE,)]:.3f}" in table["warnings"][0]


def test_objects_whose_frames_are_empty_have_their_light_curve(at: Folders, tmp_path: Path) -> None:
    write_simulated(tmp_path / "c")
    epochs = rbztf.open_cutouts(tmp_path / "c").epochs(OIDS[0])
    nothing = np.full((N_EPOCHS, 28, 28), np.nan, np.float32)
    write_object(tmp_path / "c", OIDS[0], nothing, epochs, ra_deg=10.0, dec_deg=20.0)
    answer = predict(at, OIDS[0], OIDS[1], "--data", tmp_path / "c")
    assert [entry["inputs"] for entry in answer["objects"]] == ["lightcurve", "image+lightcurve"]
    assert [entry["n_frames"] for entry in answer["objects"]] == [0, N_EPOCHS]


@pytest.mark.parametrize(
    ("goal", "limits"),
    [
        (("--max-false-alarm", 0.2), {"max_false_alarm": 0.2}),
        (("--max-missed", 0.1), {"max_missed": 0.1}),
    ],
)
def test_thresholds_by_goal(
    at: Folders, plain: dict[str, Any], goal: tuple[object, ...], limits: dict[str, float]
) -> None:
    inner = load_ensemble(at["model"]).combinations[BOTH]
    threshold = threshold_at(inner.labels, inner.scores, **limits)
    answer = predict(at, "--embeddings", at["embeddings"], "--features", at["features"], *goal)
    for entry, before in zip(answer["objects"], plain["objects"]):
        assert entry["p_bogus"] == pytest.approx(before["p_bogus"], abs=1e-5)
        assert entry["threshold"] == threshold
        assert entry["decision"] == ("bogus" if decisive(entry) >= threshold else "real")


@pytest.mark.parametrize("rate", [0.1, 0.4])
def test_decisions_at_an_error_rate(at: Folders, rate: float) -> None:
    inner = load_ensemble(at["model"]).combinations[BOTH]
    limits = conformal.fit(inner.labels, inner.scores, rate)
    answer = predict(at, "--embeddings", at["embeddings"], "--features", at["features"], "--error-rate", rate)
    scores = np.array([decisive(entry) for entry in answer["objects"]])
    assert [entry["decision"] for entry in answer["objects"]] == limits.decide(scores).tolist()


def test_training_objects_are_known_and_decided_out_of_fold(at: Folders) -> None:
    answer = predict(at, "--embeddings", at["embeddings"], "--features", at["features"])
    inner = load_ensemble(at["model"]).combinations[BOTH]
    assert inner.oids is not None
    known = dict(zip(inner.oids.tolist(), inner.scores.tolist()))
    for entry in answer["objects"]:
        assert entry["in_training"] is True
        assert entry["p_out_of_fold"] == known[entry["oid"]]
        p = entry["p_out_of_fold"]
        low = -1.0 if entry["limit_real"] is None else entry["limit_real"]
        high = 2.0 if entry["limit_bogus"] is None else entry["limit_bogus"]
        words = {"real": p <= low, "bogus": p >= high}
        assert words.get(entry["decision"], low < p < high)


def test_a_prior_shifts_log_odds_and_is_in_the_answer(at: Folders, plain: dict[str, Any]) -> None:
    trained = plain["objects"][0]["prior"]
    assert trained == pytest.approx(0.5)
    answer = predict(at, "--data", at["cutouts"], "--prior", 0.02)
    move = np.log(0.02 / 0.98) - np.log(trained / (1 - trained))
    for entry, before in zip(answer["objects"], plain["objects"]):
        assert entry["prior"] == 0.02
        for name in ("p_bogus", "p_low", "p_high", "p_out_of_fold"):
            odds = [np.log(each[name] / (1 - each[name])) for each in (entry, before)]
            assert odds[0] - odds[1] == pytest.approx(move, abs=1e-6)
    refused("predict", "--model", at["model"], "--data", at["cutouts"], "--prior", 1.5, says=["prior 1.5"])


def test_goals_that_make_no_sense_are_refused(at: Folders, tmp_path: Path) -> None:
    words = ("predict", "--model", at["model"], "--embeddings", at["embeddings"])
    refused(*words, "--max-false-alarm", 2, says=["max_false_alarm is 2"])
    refused(*words, "--error-rate", 0, says=["error rate 0"])
    refused(*words, "--max-missed", 0.1, "--error-rate", 0.1, says=["Leave one of them out"])
    refused(*(*words, "--max-missed", 0, "--max-false-alarm", 0), code=1, says=["No threshold", "Loosen"])
    tiny_classifier(4, encoder=tiny_encoder(4)).save(tmp_path / "m")
    words = ("predict", "--model", tmp_path / "m", "--embeddings", at["embeddings"])
    refused(*words, "--max-false-alarm", 0.1, says=["one network", "train an ensemble"])
    refused(*words, "--explain", says=["cannot tell what single epochs contribute"])
    refused(*words, "--mask", tmp_path / "mask.csv", says=["cannot tell what single epochs contribute"])
    assert not (tmp_path / "mask.csv").exists()


def test_blamed_epochs_and_the_mask(at: Folders, tmp_path: Path) -> None:
    """``p_without`` is the score of the object without the frames to drop and their photometry."""
    path = tmp_path / "new" / "mask.csv"
    answer = predict(at, "--data", at["cutouts"], "--mask", path)
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    model, encoder = load_ensemble(at["model"]), tiny_encoder(4)
    store, checked = rbztf.open_cutouts(at["cutouts"]), 0
    for i, entry in enumerate(answer["objects"]):
        shares = [epoch["share"] for epoch in entry["blamed"]]
        assert shares == sorted(shares, reverse=True)
        mine = [row for row in rows if int(row["oid"]) == entry["oid"]]
        assert [float(row["hjd"]) for row in mine] == pytest.approx(times_of(i).tolist(), abs=1e-7)
        drop = np.array([row["drop"] == "1" for row in mine])
        by_time = {epoch["hjd"]: epoch for epoch in entry["blamed"]}
        assert drop.tolist() == [by_time[hjd]["dropped"] for hjd in times_of(i)]
        if entry["p_bogus"] < entry["threshold"]:
            assert entry["p_without"] is None
            assert not drop.any()
            continue
        assert drop.sum() == entry["n_dropped"] <= N_EPOCHS / 2
        assert {by_time[hjd]["share"] for hjd in times_of(i)[drop]} == set(shares[: drop.sum()])
        vectors = encoder.embed(store[entry["oid"]].frames, rbztf_cpu())[~drop, :4]
        values = light_curve_features(store.epochs(entry["oid"])[~drop])
        table = FeatureTable(np.array([entry["oid"]]), FEATURE_NAMES, values[None])
        features = table.columns(model.feature_names)
        rest = ObjectSet.of([entry["oid"]], [vectors], model.reader, features)
        assert model.score(rest).p_bogus[0] == pytest.approx(entry["p_without"], abs=1e-5)
        checked += 1
    assert checked > 3
    assert len(rows) == N_OBJECTS * N_EPOCHS


def rbztf_cpu() -> Any:
    import torch

    return torch.device("cpu")


def test_until_cuts_frames_and_photometry(at: Folders, tmp_path: Path) -> None:
    end = FIRST_HJD - 2400000.5 + 75
    answer = predict(at, "--data", at["cutouts"], "--until", end)
    assert {entry["n_frames"] for entry in answer["objects"]} == {8}
    for oid in OIDS[:3]:
        store = rbztf.open_cutouts(at["cutouts"])
        columns = {
            name: np.asarray(store.epochs(oid)[name])[:8] for name in ("hjd", "mag", "magerr", "frame")
        }
        assert (columns["hjd"] - 2400000.5 <= end).all()
        frames = store[oid].frames[:8]
        write_object(tmp_path / "c", oid, frames, epoch_table(columns, 8), ra_deg=10.0, dec_deg=20.0)
    cut = predict(at, "--data", tmp_path / "c")
    assert [entry["p_bogus"] for entry in answer["objects"][:3]] == pytest.approx(
        [entry["p_bogus"] for entry in cut["objects"]], abs=1e-6
    )
    late = predict(at, "--embeddings", at["embeddings"], "--features", at["features"], "--until", end)
    assert {entry["n_frames"] for entry in late["objects"]} == {8}
    assert {entry["features_verified"] for entry in late["objects"]} == {False}  # its epochs go on
    refused(
        "predict", "--model", at["model"], "--data", at["cutouts"], "--until", FIRST_HJD, says=["MJD 58300"]
    )


def test_frames_without_times_cannot_be_cut(at: Folders, tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    np.save(
        tmp_path / "f" / f"{OIDS[0]}.npy", np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
    )
    answer = predict(at, "--embeddings", tmp_path / "f", "--until", 58400, code=3)
    assert answer["objects"] == []
    assert "no times" in answer["problems"][0]["what"]


def test_light_curves_alone_need_no_embeddings(at: Folders, tmp_path: Path) -> None:
    model = tmp_path / "m"
    run_well(*train(at, "curves", embeddings=False), "--out", model)
    answer = predict(at, "--features", at["features"], model=model)
    assert [entry["oid"] for entry in answer["objects"]] == OIDS
    assert {entry["inputs"] for entry in answer["objects"]} == {"lightcurve"}
    from_epochs = predict(at, "--data", at["cutouts"], model=model)
    assert [entry["p_bogus"] for entry in from_epochs["objects"]] == pytest.approx(
        [entry["p_bogus"] for entry in answer["objects"]], abs=1e-9
    )
    words = ("predict", "--model", model, "--embeddings", at["embeddings"])
    refused(*words, says=["--embeddings has no effect", "reads lightcurve only"])
    refused(*words[:3], "--no-fetch", says=["No data to score", "--features CSV"])
    refused(*words, "--features", at["features"], "--explain", says=["votes frame by frame"])


def test_objects_without_what_a_model_needs_are_named(at: Folders, tmp_path: Path) -> None:
    run_well(*train(at, "together"), "--out", tmp_path / "m")
    answer = predict(at, "--embeddings", at["embeddings"], model=tmp_path / "m", code=3)
    assert answer["objects"] == []
    assert len(answer["problems"]) == N_OBJECTS
    assert "no light-curve features" in answer["problems"][0]["what"]
    answer = predict(at, "--features", at["features"], model=tmp_path / "m", code=3)
    assert "0 usable frames; a score needs 3" in answer["problems"][0]["what"]


def test_the_default_trains_without_features_and_warns(at: Folders, tmp_path: Path) -> None:
    small = [
        word
        for name in ("frame-votes", "frames", "frame-statistics")
        for word in ("--set", f"ensemble.members.{name}.{'trees' if 'stat' in name else 'epochs'}=1")
    ]
    small += ["--set", "ensemble.simulated_frames=200"]
    words = ["train-rnn", "--labels", at["labels"], "--embeddings", at["embeddings"], "--out", tmp_path / "m"]
    result = run_well(
        *words, *small, "--set", "ensemble.folds=2", "--set", "vae.latent=4", "--quiet", "--json"
    )
    (warning,) = strict_json(result.stdout)["warnings"]
    assert "No light-curve features given: trained without" in warning
    assert "lightcurve-trees, both" in warning
    assert load_ensemble(tmp_path / "m").modalities == (Modality.IMAGE,)


def test_objects_with_light_curves_alone_are_trained_on(at: Folders, tmp_path: Path) -> None:
    kept = rbztf.open_embeddings(at["embeddings"])
    few = write_embeddings(tmp_path / "few", {oid: kept[oid] for oid in OIDS[4:]}, 4)
    words = train({**at, "embeddings": few}, "tiny")
    assert strict_json(run_well(*words, "--out", tmp_path / "m", "--json").stdout)["n_objects"] == N_OBJECTS
    words = train({**at, "embeddings": few}, "together")  # its one member needs frames as well
    found = strict_json(run_well(*words, "--out", tmp_path / "n", "--json").stdout)
    assert found["n_objects"] == N_OBJECTS - 4


@pytest.mark.parametrize("where", ["cutouts", "embeddings"])
def test_chunks_and_threads_do_not_matter(at: Folders, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    unknown = make_oid(999)
    places = ["--data", at["cutouts"]]
    if where == "embeddings":
        places = ["--embeddings", at["embeddings"], "--features", at["features"]]
    words = (*places, *OIDS[::-1], unknown)
    whole = predict(at, *words, code=3)
    monkeypatch.setattr("rbztf.prediction.run.CHUNK", 3)
    before = list(warnings.filters)
    with threads(2):
        parts = predict(at, *words, code=3)
        assert torch.get_num_threads() == 2
    assert warnings.filters == before
    assert [entry["oid"] for entry in parts["objects"]] == OIDS[::-1]
    assert [problem["where"] for problem in parts["problems"]] == [str(unknown)]
    scores = [[entry["p_bogus"] for entry in answer["objects"]] for answer in (whole, parts)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-6)


def test_a_model_that_lacks_all_it_reads_is_refused(at: Folders, tmp_path: Path) -> None:
    labels = ("--labels", at["labels"])
    for verb in ("train-rnn", "cv"):
        refused(verb, *labels, "--out", tmp_path / "a", says=["embeddings and light-curve", "--features CSV"])
        refused(
            *(verb, *labels, "--config", at["curves"], "--embeddings", at["embeddings"]),
            *("--out", tmp_path / "b"),
            says=["No light-curve features given, which every member of curves reads"],
        )
    assert not any(tmp_path.iterdir())
    refused(*("train-rnn", *labels, "--config", "bigru-l2"), says=["No embeddings given"])


def test_cv_compares_ensembles(at: Folders, tmp_path: Path) -> None:
    words = ["cv", "--config", at["tiny"], "--config", at["image"], "--labels", at["labels"], "--folds", 2]
    words += ["--embeddings", at["embeddings"], "--features", at["features"], "--workers", 1, "--quiet"]
    answer = strict_json(run_well(*words, "--out", tmp_path / "run", "--json").stdout)
    assert [entry["config"] for entry in answer["models"]] == ["tiny", "image"]
    assert answer["warnings"] == []
    with (tmp_path / "run" / "scores.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 2 * N_OBJECTS
    assert {int(row["oid"]) for row in rows if row["config"] == "tiny"} == set(OIDS)
    assert not (tmp_path / "run" / "checkpoints").exists()
    again = strict_json(run_well(*words, "--out", tmp_path / "again", "--json").stdout)
    assert [entry["roc_auc"] for entry in again["models"]] == [entry["roc_auc"] for entry in answer["models"]]


@pytest.mark.parametrize("ending", ["ecsv", "fits"])
def test_cleaned_light_curves_are_time_series(at: Folders, tmp_path: Path, ending: str) -> None:
    words = ("clean", "--model", at["model"], "--data", at["cutouts"], "--no-fetch", "--format", ending)
    answer = strict_json(run_well(*words, "--out", tmp_path / "lc", "--json", "-q").stdout)
    assert set(answer["paths"]) == {str(oid) for oid in OIDS}
    flagged = 0
    for i, entry in enumerate(answer["predictions"]["objects"]):
        path = tmp_path / "lc" / f"{entry['oid']}.{ending}"
        plain = {"time_column": "time", "time_format": "jd"} if ending == "fits" else {}
        curve = TimeSeries.read(path, format="fits" if plain else "ascii.ecsv", **plain)
        assert curve.time.jd.tolist() == pytest.approx(times_of(i).tolist(), abs=1e-8)
        shares = {epoch["frame"]: epoch["share"] for epoch in entry["blamed"]}
        assert np.asarray(curve["bogus_share"]).tolist() == [shares[k] for k in range(N_EPOCHS)]
        assert np.asarray(curve["bogus"]).sum() == (entry["n_dropped"] or 0)
        assert curve.meta["OID"] == entry["oid"]
        flagged += int(np.asarray(curve["bogus"]).sum())
    assert flagged == answer["n_epochs_flagged"] > 0


def test_predict_clean_and_python_do_the_same(at: Folders, tmp_path: Path) -> None:
    predict(at, "--data", at["cutouts"], "--clean", tmp_path / "one", OIDS[3], OIDS[5])
    made = rbztf.clean(
        [OIDS[3], OIDS[5]], out=tmp_path / "two", model=at["model"], data=at["cutouts"], fetch=False
    )
    names = [f"{oid}.ecsv" for oid in (OIDS[3], OIDS[5])]
    assert sorted(path.name for path in made.paths.values()) == sorted(names)
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_an_object_without_a_light_curve_is_named(at: Folders, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    Path("rbztf.yaml").write_text(f"data: {{cutouts: {tmp_path / 'none'}, embeddings: {at['embeddings']}}}\n")
    made = rbztf.clean([OIDS[0]], out=tmp_path / "lc", model=at["model"], fetch=False)
    assert made.paths == {}
    assert "its light curve is not in the cutout store" in str(made.predictions.problems[-1])


def test_results_as_tables_and_text(at: Folders) -> None:
    made = rbztf.predict(OIDS[:12], model=at["model"], data=at["cutouts"], fetch=False)
    table = made.to_table()
    assert table["oid"].tolist() == OIDS[:12]
    assert table["p_bogus"].tolist() == [entry.p_bogus for entry in made.objects]
    assert table["p_bogus"].description
    text = repr(made)
    assert str(OIDS[0]) in text
    assert "… and 2 more" in text
    assert max(map(len, text.splitlines())) <= 100
    frame = pytest.importorskip("pandas") and made.to_pandas()
    assert frame["oid"].tolist() == OIDS[:12]


def with_columns(
    target: Path, source: Path, columns: dict[str, list[object]], keep: slice = slice(None)
) -> Path:
    """A table of features with other columns added, and of its own those in ``keep`` only."""
    lines = [line for line in source.read_text().splitlines() if not line.startswith("#")]
    rows = [line.split(",") for line in lines]
    added = [[name, *map(str, values)] for name, values in columns.items()]
    kept = [[row[0], *row[1:][keep], *(column[n] for column in added)] for n, row in enumerate(rows)]
    target.write_text("\n".join(",".join(row) for row in kept) + "\n")
    return target


def test_bookkeeping_columns_change_nothing_and_the_label_is_refused(at: Folders, tmp_path: Path) -> None:
    order = np.argsort(np.argsort(LABELS, kind="stable")).tolist()
    books = {"Unnamed: 0": order, "Label": LABELS, "Class": LABELS, "fold": LABELS, "Target": LABELS}
    plain, kept = (
        read_features(with_columns(tmp_path / f"{len(columns)}.csv", at["features"], columns))
        for columns in ({}, books)
    )
    assert plain.names == kept.names
    np.testing.assert_array_equal(plain.values, kept.values)
    words = ["--config", at["curves"], "--labels", at["labels"], "--out", tmp_path / "x"]
    sorted_by_class = {"counts the rows": order, "tells the label by itself": [10 * k + k % 3 for k in order]}
    for what, running in sorted_by_class.items():
        table = with_columns(tmp_path / "sorted.csv", at["features"], {"running": running})
        for verb in ("cv", "train-rnn"):
            refused(verb, *words, "--features", table, says=["The column 'running'", what])
    assert not (tmp_path / "x").exists()
    table = with_columns(tmp_path / "more.csv", at["features"], {"more": [7 * k % 11 for k in range(32)]})
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=lambda: (tmp_path / "pipe").write_bytes(table.read_bytes()))
    writer.start()
    done = run_well("train-rnn", *words, "--features", tmp_path / "pipe", "--json")
    writer.join()
    assert (
        "1 columns that are not among the 91 known features ('more')"
        in strict_json(done.stdout)["warnings"][0]
    )


def test_a_table_that_lacks_features_is_told_and_not_verified(at: Folders, tmp_path: Path) -> None:
    most = with_columns(tmp_path / "most.csv", at["features"], {}, slice(10, None))
    answer = predict(at, "--embeddings", at["embeddings"], "--features", most)
    assert "most.csv lacks 10 of the 54 features that the model reads ('amplitude" in answer["warnings"][0]
    assert {entry["inputs"] for entry in answer["objects"]} == {"image+lightcurve"}
    assert {entry["features_verified"] for entry in answer["objects"]} == {False}


def test_a_table_that_lacks_most_features_is_not_used(
    at: Folders, plain: dict[str, Any], tmp_path: Path
) -> None:
    few = with_columns(tmp_path / "few.csv", at["features"], {"renamed": [1] * 32}, slice(1))
    answer = predict(at, "--embeddings", at["embeddings"], "--features", few)
    alone = predict(at, "--embeddings", at["embeddings"])
    assert "few.csv lacks 53 of the 54 features that the model reads" in answer["warnings"][0]
    assert answer["warnings"][1:] == alone["warnings"]
    assert answer["objects"] == alone["objects"]
    assert predict(at, "--data", at["cutouts"], "--features", few)["objects"] == plain["objects"]
    none = predict(at, "--features", few, code=3)
    assert none["objects"] == []
    assert "0 usable frames; a score needs 3" in none["problems"][0]["what"]


def test_labelled_objects_that_are_not_used_are_counted(at: Folders, tmp_path: Path) -> None:
    known = json.loads(at["labels"].read_text())
    others = [{"oid": make_oid(900 + i), "tags": ["artefact"] * (i % 2)} for i in range(8)]
    (tmp_path / "labels.json").write_text(json.dumps([*known, *others]))
    rows = [f"{oid},{i // 2 % 2}" for i, oid in enumerate(OIDS[:20])]
    (tmp_path / "folds.csv").write_text("\n".join(["oid,fold", *rows]))
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(tiny_ensemble("statistics")))
    words = [
        "--config",
        tmp_path / "c.yaml",
        "--labels",
        tmp_path / "labels.json",
        "--embeddings",
        at["embeddings"],
    ]
    done = strict_json(run_well("train-rnn", *words, "--out", tmp_path / "m", "--json").stdout)
    assert done["left_out"] == {"without vectors or features": 8}
    said = "8 of 40 labelled objects are left out: 8 without vectors or features."
    assert done["warnings"] == [said]
    done = run_well("cv", *words, "--split", tmp_path / "folds.csv", "--out", tmp_path / "cv", "--json")
    answer = strict_json(done.stdout)
    assert answer["left_out"] == {"without vectors or features": 8, "not in the split": 12}
    assert (
        "20 of 40 labelled objects are left out: 8 without vectors or features, 12 not in the split."
        in done.stderr
    )


def test_open_labels_are_left_out_of_the_training_by_rule(at: Folders, tmp_path: Path) -> None:
    """Four objects have the tag STAR: training leaves them out, and cv scores them all the same."""
    entries = json.loads(at["labels"].read_text())
    for entry in [entry for entry in entries if "artefact" not in entry["tags"]][:4]:
        entry["tags"] = ["STAR"]
    (tmp_path / "labels.json").write_text(json.dumps(entries))
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(tiny_ensemble("statistics")))
    words = ["--config", tmp_path / "c.yaml", "--labels", tmp_path / "labels.json"]
    words += ["--embeddings", at["embeddings"], "--json", "-q"]
    done = strict_json(
        run_well("train-rnn", *words, "--label-rule", "snad2025", "--out", tmp_path / "m").stdout
    )
    assert done["left_out"] == {"ambiguous by data.label_rule": 4}
    assert done["n_objects"] == N_OBJECTS - 4
    answers = {}
    for rule in ("rb-ztf", "snad2025"):
        run = ("cv", *words, "--folds", 2, "--workers", 1, "--label-rule", rule, "--out", tmp_path / rule)
        answers[rule] = strict_json(run_well(*run).stdout)["models"][0]
        assert answers[rule]["n_objects"] == N_OBJECTS
        assert answers[rule]["label_rules"]["snad2025"]["n_objects"] == N_OBJECTS - 4
    assert answers["rb-ztf"]["brier"] != answers["snad2025"]["brier"]
    done = run_well("cv", *words[:-2], "--folds", 2, "--workers", 1, "--out", tmp_path / "shown")
    shown = " ".join((done.stdout + done.stderr).split())
    assert "snad2025, pooled" in shown
    assert "without 4 objects whose label is open" in shown


def test_frames_are_read_with_log_variances_and_with_what_simulated_ones_teach(
    at: Folders, tmp_path: Path
) -> None:
    section = tiny_ensemble("votes", "statistics", log_variances=True, simulated_frames=300)
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(section))
    words = ["train-rnn", "--config", tmp_path / "c.yaml", "--labels", at["labels"], "--json", "-q"]
    done = strict_json(run_well(*words, "--embeddings", at["embeddings"], "--out", tmp_path / "m").stdout)
    assert done["warnings"] == []
    by_vectors = predict(at, "--embeddings", at["embeddings"], model=tmp_path / "m")
    by_frames = predict(at, "--data", at["cutouts"], model=tmp_path / "m")
    for one, other in zip(by_vectors["objects"], by_frames["objects"], strict=True):
        assert one["p_bogus"] == pytest.approx(other["p_bogus"], abs=1e-5)
    means = tmp_path / "means"
    means.mkdir()
    for oid, vectors in rbztf.open_embeddings(at["embeddings"]).items():
        np.save(means / f"{int(oid)}.npy", vectors)
    done = strict_json(run_well(*words, "--embeddings", means, "--out", tmp_path / "n").stdout)
    assert (
        "The vectors have no log variances: trained without them, which costs accuracy." in done["warnings"]
    )
    assert any("trained without simulated frames" in text for text in done["warnings"])
    answer = predict(at, "--embeddings", means, model=tmp_path / "m", code=3)
    assert "have no log variances, which the model reads" in json.dumps(answer["problems"])


def test_a_rule_that_goes_by_tags_is_told_where_there_are_none(at: Folders, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text(
        "".join(["oid,label\n", *(f"{o},{n}\n" for o, n in zip(OIDS, LABELS))])
    )
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(tiny_ensemble("statistics")))
    words = [
        "--config",
        tmp_path / "c.yaml",
        "--labels",
        tmp_path / "labels.csv",
        "--embeddings",
        at["embeddings"],
    ]
    words += ["--label-rule", "snad2025", "--json", "-q"]
    said = "The labels have no tags, so the rule snad2025 leaves nothing out."
    for verb, more in (("train-rnn", ()), ("cv", ("--folds", 2, "--workers", 1))):
        done = strict_json(run_well(verb, *words, *more, "--out", tmp_path / verb).stdout)
        assert done["warnings"] == [said]


def test_simulated_frames_are_made_once_for_all_configurations_that_ask_alike(
    at: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []

    def counting(count: int, *rest: Any, **options: Any) -> Any:
        made.append(count)
        return whole(count, *rest, **options)

    whole = known_frames.known_frames
    monkeypatch.setattr(known_frames, "known_frames", counting)
    sections = [
        tiny_ensemble("statistics", simulated_frames=20),
        tiny_ensemble("statistics", simulated_frames=20, log_variances=True),
        tiny_ensemble("statistics", simulated_frames=30),
        tiny_ensemble("statistics"),
        tiny_ensemble("curves", simulated_frames=20),
    ]
    configs = [rbztf.Config.model_validate(section) for section in sections]
    found = simulate_frames(configs, encoder_in(at["embeddings"]), torch.device("cpu"), silent)
    assert made == [20, 30]
    assert [None if one is None else one.vectors.shape for one in found] == [
        (20, 4),
        (20, 8),
        (30, 4),
        None,
        None,
    ]
    assert simulate_frames(configs[:1], None, torch.device("cpu"), silent) == [None]
