"""``predict`` says how far each input is from the training set, and decides nothing of what is outside."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from helpers import (
    SHARED,
    make_oid,
    need,
    random_frames,
    random_sequences,
    run_well,
    strict_json,
    tiny_classifier,
    tiny_encoder,
    write_cutouts,
    write_embeddings,
)

import rbztf
from rbztf.features.snad_set import FEATURE_NAMES
from rbztf.models.objects.object_set import Modality
from rbztf.models.objects.training_range import ORDER
from rbztf.models.rnn.bundle import load_classifier
from rbztf.prediction.result import ENDINGS
from rbztf.reporting.sources import read_predictions
from rbztf.simulate.ordinary.table import ordinary_features

BAD = "633207400004730"
GOOD = ("633207400000001", "633207400000002")


@pytest.fixture
def features(tmp_path: Path) -> Path:
    """Two ordinary objects, and one with magnitudes in mmag."""
    values = ordinary_features(3, 7).columns(FEATURE_NAMES).values
    values[2, [name.startswith("mean_magn") for name in FEATURE_NAMES]] *= 1000
    path = tmp_path / "f.csv"
    with path.open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(("oid", *FEATURE_NAMES))
        table.writerows((oid, *row) for oid, row in zip((*GOOD, BAD), values.tolist()))
    return path


def test_what_is_outside_keeps_its_p_and_has_no_decision(features: Path, tmp_path: Path) -> None:
    result = run_well("predict", "--features", features, "--json", "--quiet")
    answer = strict_json(result.stdout)
    good, other, bad = answer["objects"]
    assert {good["input_check"], other["input_check"]} == {"inside"}
    assert (good["input_reason"], bad["input_check"], bad["decision"]) == ("", "outside", None)
    assert bad["input_reason"].startswith("mean_magn")
    assert 0 <= bad["p_bogus"] <= 1
    (warning,) = [text for text in answer["warnings"] if "outside" in text]
    assert warning.startswith("1 of 3 objects are outside")
    assert BAD in warning
    assert bad["input_reason"] in warning
    forced = strict_json(run_well("predict", "--features", features, "--force", "--json", "--quiet").stdout)
    assert forced["objects"][:2] == [good, other]
    assert forced["objects"][2] == bad | {"decision": forced["objects"][2]["decision"]}
    assert forced["objects"][2]["decision"] in ("real", "bogus", "unsure")


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_format_has_it(features: Path, tmp_path: Path, ending: str) -> None:
    if ending == ".parquet":
        pytest.importorskip("pyarrow")
    out = tmp_path / f"p{ending}"
    run_well("predict", "--features", features, "--out", out, "--quiet")
    good, _, bad = read_predictions(out)
    assert (good.facts["input_check"], good.facts.get("input_reason")) == ("inside", None)
    assert (bad.decision, bad.facts["input_check"]) == ("", "outside")
    assert str(bad.facts["input_reason"]).startswith("mean_magn")


def test_python_has_it(features: Path) -> None:
    found = rbztf.predict(features=features).objects
    assert [entry.input_check for entry in found] == ["inside", "inside", "outside"]
    assert [entry.decision is None for entry in found] == [False, False, True]
    assert rbztf.predict(features=features, force=True).objects[2].decision is not None


def test_of_snads_objects_few_are_outside_and_of_wrong_ones_all(tmp_path: Path) -> None:
    """With the shipped model, which was trained on them: the figures for others are those of the benchmark."""
    from rbztf.features.files import read_features
    from rbztf.models.catalogue import shipped_model
    from rbztf.models.ensemble.bundle import load_ensemble
    from rbztf.models.objects.object_set import Modality

    known = load_ensemble(shipped_model()).ranges[Modality.LIGHTCURVE]
    table = read_features(need(SHARED / "data" / "upstream" / "lightcurve_features.csv"))
    values = table.columns(FEATURE_NAMES).values[::10]

    def share(wrong: np.ndarray, word: str) -> float:
        return float(np.mean(np.array(ORDER)[known.check(wrong, FEATURE_NAMES)[0]] == word))

    assert share(values, "outside") <= 0.02
    assert share(values, "unusual") <= 0.1
    for wrong in (values * 1000, values * 0.001, -values, values * 0, np.roll(values, 1, axis=1)):
        assert share(wrong, "outside") >= 0.99


def test_row_numbers_are_no_feature(tmp_path: Path) -> None:
    """Even where each could be a period."""
    values = ordinary_features(12, 8).columns(FEATURE_NAMES).values
    values[:, FEATURE_NAMES.index("period_0_magn_r")] = np.random.default_rng(0).permutation(12) + 1
    path = tmp_path / "f.csv"
    with path.open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(("oid", *FEATURE_NAMES))
        table.writerows((int(GOOD[0]) + i, *row) for i, row in enumerate(values.tolist()))
    found = rbztf.predict(features=path).objects
    assert {(entry.input_check, entry.decision) for entry in found} == {("outside", None)}
    assert {entry.input_reason for entry in found} == {
        "period_0_magn_r of the table of features counts its rows"
    }
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:10]))
    assert "inside" in {entry.input_check for entry in rbztf.predict(features=path).objects}


@pytest.mark.parametrize(
    ("wrong", "reason"), [("noise", "noise"), ("constant", "constant"), ("negated", "sky of 0")]
)
def test_frames_of_no_sky_are_outside(tmp_path: Path, wrong: str, reason: str) -> None:
    """Also of a model that keeps no ranges, as the published ones."""
    tiny_classifier(4, encoder=tiny_encoder(4)).save(tmp_path / "m")
    sound = random_frames(12)
    frames = {
        "noise": np.random.default_rng(1).normal(200, 9, sound.shape).astype(np.float32),
        "constant": np.full_like(sound, 200) + np.arange(12, dtype=np.float32)[:, None, None],
        "negated": -sound,
    }[wrong]
    write_cutouts(tmp_path / "c", {int(GOOD[0]): sound, int(BAD): frames})
    good, bad = rbztf.predict(model=tmp_path / "m", data=tmp_path / "c").objects
    assert (good.input_check, good.input_reason) == (None, "")
    assert good.decision in ("real", "bogus")
    assert (bad.input_check, bad.decision) == ("outside", None)
    assert reason in bad.input_reason
    assert rbztf.predict(model=tmp_path / "m", data=tmp_path / "c", force=True).objects[1].decision


@pytest.mark.parametrize(("factor", "check"), [(1.0, None), (1.03, None), (0.5, "outside"), (2.0, "outside")])
def test_another_pixel_scale_is_outside(tmp_path: Path, factor: float, check: str | None) -> None:
    """By the headers of a real frame, in the layout of the archive."""
    from astropy.io import fits

    source = need(SHARED / "data" / "frames" / "snad_artefacts" / "683201400057857.fits")
    tiny_classifier(4, encoder=tiny_encoder(4)).save(tmp_path / "m")
    (tmp_path / "c" / source.stem).mkdir(parents=True)
    with fits.open(source) as images:
        header = images[0].header
        del header["CRPIX1"]  # the object is in the middle, whatever the scale
        for keyword in ("CD1_1", "CD1_2", "CD2_1", "CD2_2"):
            header[keyword] *= factor
        for day in range(59000, 59005):
            images.writeto(tmp_path / "c" / source.stem / f"{day}.5.fits")
    result = rbztf.predict(model=tmp_path / "m", data=tmp_path / "c")
    (entry,) = result.objects
    assert (entry.input_check, entry.decision is None) == (check, check is not None)
    assert ("arcsec a pixel" in entry.input_reason) == (check is not None)


def test_a_trained_network_keeps_where_its_objects_lie(tmp_path: Path) -> None:
    """From train-rnn through its bundle to predict: vectors ten times as large are outside."""
    oids = [make_oid(i, field=600 + i % 10) for i in range(80)]
    vectors = dict(zip(oids, random_sequences([8 + i % 9 for i in range(80)], 4, seed=1)))
    write_embeddings(tmp_path / "e", vectors, 4)
    rows = "".join(f"{oid},{i // 2 % 2}\n" for i, oid in enumerate(oids))
    (tmp_path / "l.csv").write_text("oid,label\n" + rows)
    words = ("--set", "training.epochs=1", "--set", "classifier.hidden=8", "--config", "gru")
    places = ("--embeddings", tmp_path / "e", "--labels", tmp_path / "l.csv", "--out", tmp_path / "m")
    run_well("train-rnn", *words, *places, "--quiet")
    assert load_classifier(tmp_path / "m").ranges[Modality.IMAGE].mean.shape == (8,)
    sound = rbztf.predict(model=tmp_path / "m", embeddings=tmp_path / "e").objects
    assert sum(entry.input_check == "inside" for entry in sound) >= 70
    wrong = {oid: 10 * sequence for oid, sequence in vectors.items()}
    write_embeddings(tmp_path / "w", wrong, 4)
    found = rbztf.predict(model=tmp_path / "m", embeddings=tmp_path / "w").objects
    assert {(entry.input_check, entry.decision) for entry in found} == {("outside", None)}
    assert all(entry.input_reason for entry in found)
