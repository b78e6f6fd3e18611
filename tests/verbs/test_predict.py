"""``rbztf predict``: scores from cutouts and vectors, and what cannot be scored."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from helpers import (
    COLUMNS,
    Vectors,
    flat,
    make_oid,
    random_frames,
    random_sequences,
    refused,
    run_well,
    strict_json,
    tiny_classifier,
    tiny_encoder,
    write_cutouts,
    write_embeddings,
    write_frame,
)
from pyarrow import parquet

import rbztf
from rbztf.prediction.remarks import NO_RANGES

OIDS = [make_oid(i) for i in range(8)]
OBJECT_KEYS = {
    *("oid", "p_bogus", "p_low", "p_high", "decision", "threshold", "kinds"),
    *("n_frames", "n_missing", "blamed", "model", "inputs", "features_verified", "p_without", "n_dropped"),
    *("limit_real", "limit_bogus", "prior", "in_training", "p_out_of_fold", "input_check", "input_reason"),
}


@pytest.fixture
def vectors() -> dict[int, Vectors]:
    return dict(zip(OIDS, random_sequences([5, 30, 3, 12, 7, 7, 40, 9], 4, seed=3)))


@pytest.fixture
def store(tmp_path: Path, vectors: dict[int, Vectors]) -> Path:
    return write_embeddings(tmp_path / "e", vectors, 4, encoder=tiny_encoder(4).hash)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    tiny_classifier(4, seed=7, bidirectional=True, encoder=tiny_encoder(4)).save(tmp_path / "m")
    return tmp_path / "m"


def test_the_contract_of_the_answer(model: Path, store: Path, vectors: dict[int, Vectors]) -> None:
    answer = strict_json(run_well("predict", "--model", model, "--embeddings", store, "--json").stdout)
    assert set(answer) == {"model", "objects", "problems", "warnings"}
    assert answer["model"] == str(model)
    assert [entry["oid"] for entry in answer["objects"]] == OIDS
    bundle = rbztf.load_classifier(model)
    expected = bundle.probabilities(list(vectors.values()))
    for entry, p in zip(answer["objects"], expected):
        assert set(entry) == OBJECT_KEYS
        assert entry["p_bogus"] == p
        assert entry["decision"] == ("bogus" if p >= 0.5 else "real")
        assert (entry["threshold"], entry["n_missing"], entry["model"]) == (0.5, 0, str(model))
        assert entry["n_frames"] == len(vectors[entry["oid"]])
        assert (entry["inputs"], entry["features_verified"], entry["blamed"]) == ("image", None, [])
    assert {entry["decision"] for entry in answer["objects"]} == {"real", "bogus"}
    assert (answer["problems"], answer["warnings"]) == ([], [NO_RANGES])


def test_objects_come_in_the_order_asked_for_each_once(model: Path, store: Path) -> None:
    whole = {p.oid: p for p in rbztf.predict(model=model, embeddings=store).objects}
    asked = [OIDS[5], OIDS[0], OIDS[6]]
    answer = strict_json(
        run_well("predict", *asked, asked[0], "--model", model, "--embeddings", store, "--json").stdout
    )
    assert [entry["oid"] for entry in answer["objects"]] == asked
    for entry in answer["objects"]:
        assert entry["p_bogus"] == pytest.approx(whole[entry["oid"]].p_bogus, abs=1e-5)


def test_a_score_is_the_same_alone_and_among_others(
    model: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = {p.oid: p.p_bogus for p in rbztf.predict(model=model, embeddings=store).objects}
    for oid in OIDS:
        (alone,) = rbztf.predict([oid], model=model, embeddings=store).objects
        assert alone.p_bogus == pytest.approx(together[oid], abs=1e-5)
    monkeypatch.setattr("rbztf.prediction.run.CHUNK", 3)
    for entry in rbztf.predict(model=model, embeddings=store).objects:
        assert entry.p_bogus == pytest.approx(together[entry.oid], abs=1e-5)


def test_two_runs_give_the_same_scores(model: Path, store: Path) -> None:
    first, again = (rbztf.predict(model=model, embeddings=store) for _ in range(2))
    assert first == again


@pytest.mark.parametrize("ending", [".csv", ".json", ".parquet"])
def test_files_hold_what_is_printed(model: Path, store: Path, tmp_path: Path, ending: str) -> None:
    path = tmp_path / "new" / f"p{ending}"
    result = run_well("predict", "--model", model, "--embeddings", store, "--out", path, "--json")
    printed = strict_json(result.stdout)["objects"]
    assert f"8 objects → {path}" in result.stderr
    if ending == ".json":
        assert strict_json(path.read_text())["objects"] == printed
    elif ending == ".parquet":
        rows = parquet.read_table(path).to_pylist()
        assert rows == [flat(entry) for entry in printed]
    else:
        rows = list(csv.DictReader(path.read_text().splitlines()))
        assert [int(row["oid"]) for row in rows] == OIDS
        assert [float(row["p_bogus"]) for row in rows] == [entry["p_bogus"] for entry in printed]


def test_a_pipe_gets_csv(model: Path, store: Path) -> None:
    result = run_well("predict", *OIDS[:2], "--model", model, "--embeddings", store)
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [int(row["oid"]) for row in rows] == OIDS[:2]
    assert tuple(rows[0]) == COLUMNS
    assert result.stderr == f"Warning: {NO_RANGES}\n"


def test_lists_of_objects(model: Path, store: Path, tmp_path: Path) -> None:
    common = ["--model", model, "--embeddings", store, "--json"]

    def asked(*arguments: object, stdin: str | None = None) -> list[int]:
        answer = strict_json(run_well("predict", *arguments, *common, stdin=stdin).stdout)
        return [entry["oid"] for entry in answer["objects"]]

    assert asked("--from", "-", stdin=f"{OIDS[3]}\n{OIDS[1]} # two\n") == [OIDS[3], OIDS[1]]
    (tmp_path / "l.csv").write_text(f"oid\n{OIDS[2]}\n{OIDS[1]}\n")
    assert asked(OIDS[1], "--from", tmp_path / "l.csv") == [OIDS[1], OIDS[2]]


def test_cutouts_and_vectors_give_the_same(model: Path, tmp_path: Path) -> None:
    """A bundle is complete: frames in, the score of the vectors its own encoder makes."""
    objects = {oid: random_frames(4 + i, seed=i) for i, oid in enumerate(OIDS[:4])}
    objects[OIDS[1]][2] = np.nan
    objects[OIDS[2]][0, 5:] = np.nan
    write_cutouts(tmp_path / "c", objects)
    for hmjd, frame in enumerate(objects[OIDS[3]]):
        write_frame(tmp_path / "r" / str(OIDS[3]) / f"{58000 + hmjd}.5.fits", frame)
    run_well("embed", "--model", model, "--data", tmp_path / "c", "--out", tmp_path / "f", code=3)
    frames = rbztf.predict(model=model, data=tmp_path / "c")
    apart = rbztf.predict(model=model, embeddings=tmp_path / "f")
    (reference,) = rbztf.predict(model=model, data=tmp_path / "r").objects
    assert apart.warnings == (NO_RANGES,)
    assert len(frames.objects) == 4
    for one, other in zip(frames.objects, apart.objects):
        assert (one.oid, one.n_frames) == (other.oid, other.n_frames)
        assert one.p_bogus == pytest.approx(other.p_bogus, abs=1e-5)
    assert [entry.n_missing for entry in frames.objects] == [0, 1, 0, 0]
    assert [problem.where for problem in frames.problems] == [str(OIDS[1])]
    assert reference.p_bogus == pytest.approx(frames.objects[3].p_bogus, abs=1e-5)


def test_the_loss_of_frames_can_be_an_input(tmp_path: Path) -> None:
    encoder = tiny_encoder(4, decoder=True)
    tiny_classifier(4, inputs="vectors+loss", encoder=encoder).save(tmp_path / "m")
    write_cutouts(tmp_path / "c", {oid: random_frames(6, seed=oid % 10) for oid in OIDS[:3]})
    rbztf.embed(tmp_path / "m", tmp_path / "c", tmp_path / "e")
    frames = rbztf.predict(model=tmp_path / "m", data=tmp_path / "c")
    apart = rbztf.predict(model=tmp_path / "m", embeddings=tmp_path / "e")
    assert frames.problems == apart.problems == ()
    assert [p.p_bogus for p in frames.objects] == pytest.approx([p.p_bogus for p in apart.objects], abs=1e-5)
    assert np.ptp([p.p_bogus for p in frames.objects]) > 0


def test_objects_that_cannot_be_scored_are_named_and_the_rest_scored(model: Path, tmp_path: Path) -> None:
    vectors = dict(zip(OIDS, random_sequences([5, 5, 2, 3, 5, 5], 4)))
    vectors[OIDS[0]][1:3] = np.nan  # 3 of 5 are left, just enough
    vectors[OIDS[1]][:] = np.nan
    vectors[OIDS[4]][:3, 2] = np.inf
    store = write_embeddings(tmp_path / "e", vectors, 4, encoder=tiny_encoder(4).hash)
    asked = [*OIDS[:6], OIDS[7]]
    result = run_well(
        *("predict", *asked, "--model", model, "--embeddings", store, "--no-fetch", "--json"), code=3
    )
    answer = strict_json(result.stdout)
    assert [entry["oid"] for entry in answer["objects"]] == [OIDS[0], OIDS[3], OIDS[5]]
    assert [(entry["n_frames"], entry["n_missing"]) for entry in answer["objects"]] == [
        (3, 2),
        (3, 0),
        (5, 0),
    ]
    said = {int(problem["where"]): problem["what"] for problem in answer["problems"]}
    assert set(said) == {OIDS[1], OIDS[2], OIDS[4], OIDS[7]}
    assert said[OIDS[1]].startswith("0 usable frames; a score needs 3")
    assert said[OIDS[2]].startswith("2 usable frames; a score needs 3")
    assert said[OIDS[4]].startswith("2 usable frames")
    assert "not found in the cutouts, embeddings or feature table" in said[OIDS[7]]
    assert result.stderr.count("Not done: ") == 4
    bundle = rbztf.load_classifier(model)
    expected = bundle.probabilities([vectors[OIDS[0]][[0, 3, 4]], vectors[OIDS[3]], vectors[OIDS[5]]])
    assert [entry["p_bogus"] for entry in answer["objects"]] == pytest.approx(expected, abs=1e-6)


def test_bad_cutouts_among_good_ones(model: Path, tmp_path: Path) -> None:
    folder = write_cutouts(
        tmp_path / "c",
        {
            OIDS[0]: random_frames(5),
            OIDS[1]: random_frames(2),
            OIDS[2]: np.full((5, 28, 28), np.nan, np.float32),
            OIDS[3]: random_frames(0),
        },
    )
    (folder / f"{OIDS[4]}.fits").write_bytes((folder / f"{OIDS[0]}.fits").read_bytes()[:9000])
    (folder / f"{OIDS[5]}.fits").write_bytes(bytes(range(256)) * 40)
    result = run_well("predict", "--model", model, "--data", folder, "--json", code=3)
    answer = strict_json(result.stdout)
    assert [entry["oid"] for entry in answer["objects"]] == [OIDS[0]]
    assert {int(problem["where"]) for problem in answer["problems"]} == set(OIDS[1:6])
    assert all(problem["what"].endswith(".") for problem in answer["problems"])


def test_many_problems_are_counted(model: Path, tmp_path: Path) -> None:
    store = write_embeddings(tmp_path / "e", {make_oid(i): np.ones((2, 4), np.float32) for i in range(25)}, 4)
    result = run_well("predict", "--model", model, "--embeddings", store, code=3)
    assert result.stderr.count("Not done: ") == 11
    assert "15 more" in result.stderr


def test_vectors_of_an_unknown_encoder_are_scored_with_a_warning(model: Path, tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    vectors = random_sequences([6, 8], 8)
    for oid, array in zip(OIDS, vectors):
        np.save(tmp_path / "f" / f"{oid}.npy", array)
    result = run_well("predict", "--model", model, "--embeddings", tmp_path / "f", "--json")
    answer = strict_json(result.stdout)
    assert answer["warnings"][1:] == [NO_RANGES]
    assert result.stderr == "".join(f"Warning: {text}\n" for text in answer["warnings"])
    assert "does not say which encoder made its vectors" in result.stderr
    expected = rbztf.load_classifier(model).probabilities([array[:, :4] for array in vectors])
    assert [entry["p_bogus"] for entry in answer["objects"]] == pytest.approx(expected, abs=1e-6)


def test_one_bad_array_in_a_foreign_folder_is_named(model: Path, tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    for oid, array in zip(OIDS, random_sequences([6, 8, 4], 8)):
        np.save(tmp_path / "f" / f"{oid}.npy", array)
    np.save(tmp_path / "f" / f"{OIDS[0]}.npy", np.ones((6, 7), np.float32))
    (tmp_path / "f" / f"{OIDS[2]}.npy").write_bytes(b"\x93NUMPY")
    result = run_well("predict", "--model", model, "--embeddings", tmp_path / "f", "--json", code=3)
    answer = strict_json(result.stdout)
    assert [entry["oid"] for entry in answer["objects"]] == [OIDS[1]]
    assert {int(problem["where"]) for problem in answer["problems"]} == {OIDS[0], OIDS[2]}


def test_a_score_that_is_not_finite_is_a_problem_and_no_decision(store: Path, tmp_path: Path) -> None:
    """Finite weights can be so large that a logit is not."""
    made = tiny_classifier(4, seed=7, encoder=tiny_encoder(4))
    made.network.clf[-1].weight.data.mul_(1e38)
    made.save(tmp_path / "huge")
    logits = rbztf.load_classifier(tmp_path / "huge").logits(
        [rbztf.open_embeddings(store)[oid] for oid in OIDS]
    )
    sound = np.isfinite(logits).all(axis=1)
    assert 0 < sound.sum() < len(OIDS)
    result = run_well("predict", "--model", tmp_path / "huge", "--embeddings", store, "--json", code=3)
    answer = strict_json(result.stdout)
    assert [entry["oid"] for entry in answer["objects"]] == [oid for oid, fine in zip(OIDS, sound) if fine]
    assert {int(problem["where"]) for problem in answer["problems"]} == {
        oid for oid, fine in zip(OIDS, sound) if not fine
    }
    assert all("not a finite number" in problem["what"] for problem in answer["problems"])


def test_vectors_are_preferred_and_cutouts_fill_in(model: Path, store: Path, tmp_path: Path) -> None:
    extra = make_oid(50)
    write_cutouts(tmp_path / "c", {extra: random_frames(6), OIDS[0]: random_frames(9)})
    made = rbztf.predict(model=model, embeddings=store, data=tmp_path / "c")
    assert [entry.oid for entry in made.objects] == [*OIDS, extra]
    assert made.objects[0].n_frames == 5
    assert made.objects[-1].n_frames == 6


def test_paths_come_from_the_configuration(
    model: Path, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rbztf.yaml").write_text("data: {model: m, embeddings: e}\n")
    monkeypatch.chdir(tmp_path)
    answer = strict_json(run_well("predict", OIDS[0], "--json").stdout)
    assert [entry["oid"] for entry in answer["objects"]] == OIDS[:1]
    write_embeddings(tmp_path / "other", {make_oid(77): np.ones((4, 4), np.float32)}, 4)
    answer = strict_json(run_well("predict", "--embeddings", "other", "--json").stdout)
    assert [entry["oid"] for entry in answer["objects"]] == [make_oid(77)]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--model", "m"], "No data to score"),
        (["--model", "none", "--embeddings", "e"], "There is no model none"),
        (["--model", "e", "--embeddings", "e"], "e is not a model folder"),
        (["--model", "m/encoder", "--embeddings", "e"], "kind 'encoder', not 'classifier'"),
        (["--model", "m", "--embeddings", "none"], "no embeddings at none"),
        (["--model", "m", "--data", "none"], "no cutout folder none"),
        (["--model", "m", "--embeddings", "e", "--out", "p.txt"], "p.txt does not end in a known format"),
        (
            ["--model", "m", "--embeddings", "e", "--from", "none.txt"],
            "The list of OIDs none.txt cannot be read",
        ),
        (["--model", "m", "--embeddings", "e", "123"], "'123' is not a ZTF OID"),
        (["--model", "m", "--embeddings", "e", "--device", "cuda:99"], "cuda:99"),
        (["--model", "m", "--embeddings", "e", "--device", "abacus"], "abacus"),
        (["--model", "m", "--embeddings", "e", "--device", "meta"], "meta"),
        (["--model", "m", "--embeddings", "e", "--seed", "-1"], "--seed -1 is negative"),
        (["--model", "m", "--embeddings", "e", "--features", "f.csv"], "--features has no effect on m"),
        (["--model", "bare", "--data", "c"], "has no encoder"),
        (["--model", "m", "--embeddings", "wide"], "wide holds 9 columns per frame; the model takes 4"),
        (["--model", "m", "--embeddings", "other"], "was made by the encoder beef"),
    ],
)
def test_wrong_use_is_refused_and_leaves_nothing(
    model: Path, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], says: str
) -> None:
    tiny_classifier(4).save(tmp_path / "bare")
    write_cutouts(tmp_path / "c", {OIDS[0]: random_frames(4)})
    (tmp_path / "wide").mkdir()
    np.save(tmp_path / f"wide/{OIDS[0]}.npy", np.ones((6, 9), np.float32))
    write_embeddings(tmp_path / "other", {OIDS[0]: np.ones((4, 4), np.float32)}, 4, encoder="beef")
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.iterdir())
    refused("predict", *arguments, says=[says])
    assert set(tmp_path.iterdir()) == before
