"""Figures for papers: what each shows, their width, and what is refused in a sentence."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from helpers import largest_file, make_oid, random_frames, refused, run_well, write_cutouts, write_embeddings
from PIL import Image

import rbztf
from rbztf.errors import InputError, UsageError, WriteError
from rbztf.figures.kinds import PlotKind
from rbztf.figures.saving import DPI
from rbztf.plots.fields import share_by_ccd
from rbztf.plots.latents import principal_components
from rbztf.ztf import Oid

OIDS = [make_oid(i, field=600 + i % 3) for i in range(40)]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """What ``cv`` leaves of one model."""
    folder = tmp_path / "run"
    folder.mkdir()
    rng = np.random.default_rng(0)
    rows = ["config,variant,draw,oid,fold,label,p_bogus,threshold"]
    for i, oid in enumerate(OIDS):
        label = i % 2
        p = float(np.clip(0.25 + 0.5 * label + 0.2 * rng.normal(), 0.01, 0.99))
        rows.append(f"gru,,0,{int(oid)},{i % 5},{label},{p},0.5")
    (folder / "scores.csv").write_text("\n".join(rows) + "\n")
    return folder


def text_of(path: Path) -> str:
    """What a reader of an SVG finds as text."""
    return " ".join(re.findall(r">([^<>]+)</text>", path.read_text()))


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("roc", ["gru: AUC 0.", "40 objects", "False alarms"]),
        ("calibration", ["gru: ECE", "Share of artefacts"]),
        ("risk", ["gru: area 0.", "40 objects", "Coverage", "Error rate"]),
        ("histogram", ["real (20)", "artefact (20)", "threshold"]),
        ("field", ["40 objects", "CCD", "600", "601", "602"]),
    ],
)
def test_figures_of_a_cross_validation(run: Path, kind: str, says: list[str]) -> None:
    made = rbztf.plot(kind, run, out="figure.svg")
    assert made.shows.endswith("40 objects")
    words = text_of(Path("figure.svg"))
    for expected in says:
        assert expected in words, (expected, words)


def test_two_runs_on_one_figure_are_told_apart(run: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "scores.csv").write_bytes((run / "scores.csv").read_bytes())
    assert rbztf.plot("roc", [run, other], out="figure.svg").shows == "2 models, 40 objects"
    words = text_of(Path("figure.svg"))
    assert "gru, run: AUC" in words
    assert "gru, other: AUC" in words


@pytest.mark.parametrize(("width", "inches"), [("column", 3.5), ("page", 7.1)])
@pytest.mark.parametrize("kind", ["roc", "histogram", "field"])
def test_the_width_is_that_of_a_column_or_a_page(run: Path, kind: str, width: str, inches: float) -> None:
    rbztf.plot(kind, run, out="figure.png", width=width)
    with Image.open("figure.png") as picture:
        assert abs(picture.width - inches * DPI) <= 1


def test_frames_and_light_curves_of_objects(tmp_path: Path) -> None:
    store = write_cutouts(tmp_path / "cutouts", {OIDS[0]: random_frames(30), OIDS[1]: random_frames(2)})
    for kind in ("frames", "lightcurve"):
        for width in ("column", "page"):
            made = rbztf.plot(kind, OIDS[:2], data=store, out=f"{kind}.svg", width=width)
            assert made.shows == "2 objects"
            words = text_of(Path(f"{kind}.svg"))
            assert all(str(int(oid)) in words for oid in OIDS[:2])
    assert "58300.00" in text_of(Path("frames.svg"))
    assert "no photometry" in text_of(Path("lightcurve.svg"))


@pytest.mark.parametrize("ending", ["pdf", "svg", "png"])
def test_a_full_disk_is_told_in_a_sentence(run: Path, ending: str) -> None:
    with largest_file(50), pytest.raises(WriteError, match=f"figure.{ending} cannot be written"):
        rbztf.plot("roc", run, out=f"figure.{ending}")
    assert not Path(f"figure.{ending}").exists()


def test_latents_are_coloured_by_label(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    vectors = {oid: rng.normal(size=(3, 4)).astype(np.float32) + (i % 2) for i, oid in enumerate(OIDS)}
    store = write_embeddings(tmp_path / "embeddings", vectors, 4)
    labels = tmp_path / "labels.csv"
    labels.write_text("oid,label\n" + "".join(f"{int(oid)},{i % 2}\n" for i, oid in enumerate(OIDS[:30])))
    rbztf.plot("latents", embeddings=store, labels=labels, out="latents.svg")
    words = text_of(Path("latents.svg"))
    for expected in ("real (15)", "artefact (15)", "not labelled (10)", "First principal component"):
        assert expected in words
    with labels.open("a") as file:
        file.write(f"{make_oid(1, field=777)},1\n")
    drawn = rbztf.plot("latents", embeddings=store, labels=labels, out="latents.svg")
    assert drawn.shows == "40 objects (not drawn: 1 labelled, without vectors)"


def test_principal_components_are_the_directions_of_most_variance() -> None:
    rng = np.random.default_rng(2)
    common = rng.normal(size=(500, 1))
    vectors = np.concatenate([common, -3 * common, rng.normal(size=(500, 1)), np.ones((500, 1))], axis=1)
    points, shares = principal_components(vectors)
    assert abs(np.corrcoef(points[:, 0], common[:, 0])[0, 1]) > 0.999
    assert shares == pytest.approx([2 / 3, 1 / 3], abs=0.02)
    assert np.isfinite(principal_components(np.ones((3, 2)))[0]).all()


def test_shares_are_counted_by_field_and_ccd() -> None:
    oids = [Oid(make_oid(i, field=600 + i % 2)) for i in range(4)]
    fields, n, n_bogus = share_by_ccd(oids, np.array([True, False, True, True]))
    ccd = oids[0].ccd - 1
    assert fields == [600, 601]
    assert n[:, ccd].tolist() == [2, 2]
    assert n_bogus[:, ccd].tolist() == [2, 1]
    assert n.sum() == 4


def test_the_map_is_also_made_of_predictions(tmp_path: Path) -> None:
    entries = [{"oid": int(oid), "p_bogus": i / 40, "decision": None} for i, oid in enumerate(OIDS)]
    path = tmp_path / "scores.json"
    path.write_text(json.dumps(entries))
    result = run_well("plot", "field", path, "--json")
    assert json.loads(result.stdout) == {"kind": "field", "path": "field.pdf", "shows": "40 objects"}
    assert Path("field.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize("kind", list(PlotKind))
def test_nothing_to_draw_is_said(kind: PlotKind) -> None:
    assert refused("plot", kind).count(".") >= 1
    assert not Path(f"{kind}.pdf").exists()


def test_wrong_use_is_one_sentence(run: Path, tmp_path: Path) -> None:
    scores = tmp_path / "scores.json"
    scores.write_text(json.dumps([{"oid": int(OIDS[0]), "p_bogus": 0.5}]))
    with pytest.raises(InputError, match="is no cross-validation"):
        rbztf.plot("roc", scores)
    with pytest.raises(InputError, match="There is no missing"):
        rbztf.plot("roc", "missing")
    with pytest.raises(UsageError, match=r"does not end with .png, .pdf or .svg"):
        rbztf.plot("roc", run, out="roc.gif")
    with pytest.raises(UsageError, match="at most 20 objects; 40 are asked for"):
        rbztf.plot("frames", OIDS)
    with pytest.raises(UsageError, match="no kind of figure"):
        rbztf.plot("pie", run)
