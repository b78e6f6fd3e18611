"""What notebooks show of results: the figures of the object, cut where long, and text that stays text."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from helpers import make_oid, random_frames, write_cutouts, write_embeddings
from hypothesis import given
from hypothesis import strategies as st

from rbztf.errors import Problem
from rbztf.evaluation.bootstrap import Estimate
from rbztf.evaluation.scores import Scored
from rbztf.evaluation.summary import summarise
from rbztf.figures import notebook
from rbztf.prediction.result import Prediction, PredictResult
from rbztf.reporting.build import Report
from rbztf.stores.cutouts import open_cutouts
from rbztf.stores.embeddings import open_embeddings
from rbztf.stores.labels import LabelTable
from rbztf.verbs.cv_result import CvResult

HOSTILE = "<script>alert(1)</script>\"'&\x1b[31m"


def cells(html: str) -> list[str]:
    """Every text of the HTML, which has to be well-formed."""
    return [said for each in ElementTree.fromstring(f"<div>{html}</div>").iter() if (said := each.text)]


@given(st.lists(st.lists(st.text(), min_size=2, max_size=2), max_size=30), st.text())
def test_whatever_a_file_holds_stays_text(rows: list[list[str]], caption: str) -> None:
    html = notebook.table(caption, ("a", "b"), rows, [caption])
    assert set(re.findall(r"</?(\w+)", html)) <= {"table", "caption", "thead", "tbody", "tr", "th", "td", "p"}
    cells(html)


def test_long_tables_and_cells_are_cut() -> None:
    html = notebook.table("", ("a",), [["x" * 10_000]] * 1000)
    assert len(html) < 10_000
    assert "… and 980 more" in cells(html)


def prediction(oid: int, model: str) -> Prediction:
    return Prediction(
        oid=oid,
        p_bogus=0.93,
        p_low=None,
        p_high=0.97,
        decision=None,
        threshold=0.5,
        limit_real=None,
        limit_bogus=None,
        prior=0.4,
        in_training=False,
        n_frames=12,
        n_missing=0,
        inputs="image",
        features_verified=None,
        kinds={},
        model=model,
        input_check="outside",
    )


def test_predictions() -> None:
    made = PredictResult(HOSTILE, (prediction(make_oid(1), HOSTILE),), (Problem("1", HOSTILE),), (HOSTILE,))
    found = cells(made._repr_html_())
    assert found[0] == "1 object scored by <script>alert(1)</script>\"'&\\x1b[31m"
    assert [str(make_oid(1)), "0.930", "0.97", "outside", "image", "12"] == found[9:15]


def test_cutouts_and_embeddings(tmp_path: Path) -> None:
    oids = [make_oid(i) for i in range(30)]
    store = open_cutouts(write_cutouts(tmp_path / "<b>", {oid: random_frames(3) for oid in oids}))
    assert cells(store._repr_html_())[0] == f"Cutouts in {tmp_path}/<b>: 30 objects"
    html = store[oids[0]]._repr_html_()
    assert f'alt="ZTF {oids[0]}: 3 frames, 3 epochs"' in html
    assert base64.b64decode(html.partition("base64,")[2][:-2]).startswith(b"\x89PNG")
    vectors = {oid: np.zeros((4, 2), np.float32) for oid in oids}
    found = cells(open_embeddings(write_embeddings(tmp_path / "e", vectors, 2))._repr_html_())
    assert found[0] == "Embeddings of 30 objects, of an unknown encoder"
    assert found[-1] == "… and 10 more"


def test_cross_validations_and_reports(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 2
    fold = Scored(np.array([make_oid(i, field=300 + i) for i in range(40)]), labels, rng.random(40), 0.5)
    entry = summarise("gru", "", {0: fold}, LabelTable([]), draws=20, seconds=0.0)
    found = cells(CvResult(tmp_path, (entry,))._repr_html_())
    area = entry.metrics["roc_auc"]
    assert isinstance(area, Estimate)
    assert f"{area.pooled:.3f} [{area.pooled_ci95[0]:.3f}, {area.pooled_ci95[1]:.3f}]" in found
    html = Report(tmp_path / '"><b>', 2, 1, {})._repr_html_()
    assert "<b>" not in html
    assert html.endswith("2 objects, 1 frame")
