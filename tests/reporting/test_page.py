"""The page in Debian's Chromium: one browser for all tests, which follow each other as a user would work."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import Page, chromium, needs_chromium, no_trouble, wait_for
from report_helpers import HOSTILE, N_FRAMES, OIDS

from rbztf.evaluation.score_files import write_scores
from rbztf.evaluation.scores import Scored
from rbztf.evaluation.summary import summarise
from rbztf.prediction.result import Prediction
from rbztf.reporting.build import Sources, write_report
from rbztf.reporting.sources import of_predictions, with_labels
from rbztf.stores.cutouts import CutoutStore
from rbztf.stores.labels import Labelled, LabelTable, read_labels
from rbztf.verbs.report import report
from rbztf.ztf import Label, Oid

pytestmark = needs_chromium
OPEN = OIDS[20]


@pytest.fixture(scope="module")
def pages(
    tmp_path_factory: pytest.TempPathFactory, store: CutoutStore, predictions: list[Prediction]
) -> Path:
    """A report of predictions with hostile words in it, and one of a cross-validation of two models."""
    folder = tmp_path_factory.mktemp("pages")
    labels = LabelTable([Labelled(Oid(OIDS[1]), Label.ARTEFACT, frozenset({HOSTILE, "y" * 10_000}))])
    entries = with_labels(of_predictions(predictions), labels)
    write_report(
        folder / "page", entries, Sources(store), title=HOSTILE, made_from=HOSTILE, warnings=[HOSTILE]
    )
    rng = np.random.default_rng(0)
    truth = np.arange(len(OIDS)) % 2
    evaluations = []
    for name in ("first", HOSTILE):
        scores = np.clip(0.3 + 0.4 * truth + rng.normal(0, 0.2, len(truth)), 0.001, 0.999)
        folds = {0: Scored(np.array(OIDS), truth, scores, 0.5)}
        evaluations.append(summarise(name, "random", folds, LabelTable([]), draws=20, seconds=1.0))
    (folder / "run").mkdir()
    write_scores(folder / "run/scores.csv", evaluations)
    report(folder / "run", out=folder / "cv", data=store.folder)
    return folder


@pytest.fixture(scope="module")
def browser(pages: Path) -> Iterator[Any]:
    with chromium(pages / "downloads") as driver:
        yield driver


@pytest.fixture(scope="module")
def page(browser: Any, pages: Path) -> Page:
    browser.get((pages / "page/index.html").as_uri())
    opened = Page(browser)
    opened.wait("RBZTF.table.table && document.querySelectorAll('.tabulator-row').length > 0")
    return opened


@pytest.fixture(autouse=True)
def no_errors(browser: Any) -> Iterator[None]:
    """Nothing is wrong in the console, no foreign text was run, nothing left the folder."""
    yield
    no_trouble(browser)


def test_the_table_sorts_and_filters(page: Page) -> None:
    assert page.oids() == OIDS[::-1]  # the likeliest artefacts first
    page.click('.tabulator-col[tabulator-field="p"]')
    page.wait(f"RBZTF.table.table.getData('active')[0].oid === '{OIDS[0]}'")
    page.type("#filter-low", "0.5")
    wait_for(lambda: page.oids() == OIDS[15:], "filter by probability")
    page.type("#search", "unsure")
    wait_for(lambda: page.oids() == OIDS[15:18], "search")
    assert page("document.querySelector('#count').textContent") == "3 of 30 objects"
    page("document.querySelector('#filter-low').value = document.querySelector('#search').value = ''")
    page.type("#search", str(OPEN))
    wait_for(lambda: page.oids() == [OPEN], "search for an OID")
    page("document.querySelector('#search').value = ''")
    page("document.querySelector('#search').dispatchEvent(new Event('input'))")
    wait_for(lambda: len(page.oids()) == 30, "no filter")


def test_frames_are_stepped_through_by_keys(page: Page, predictions: list[Prediction]) -> None:
    page("document.activeElement.blur()")
    page("RBZTF.object.open(arguments[0])", str(OPEN))
    page.wait(f"RBZTF.object.data?.oid === '{OPEN}' && RBZTF.object.frame === 3")  # the most blamed
    shares = {each.frame: each.share for each in predictions[20].blamed}
    frames = page("RBZTF.object.data.frames")
    page.keys("", "\ue014")  # right
    assert page("RBZTF.object.frame") == frames[frames.index(3) + 1]
    page.keys("\ue012", "\ue012")  # left
    assert page("RBZTF.object.frame") == frames[frames.index(3) - 1]
    said = {
        int(frame): share
        for frame, share in page(
            "[...document.querySelectorAll('.strip [data-frame]')].map((each) => [each.dataset.frame, each.querySelector('.share').textContent])"
        )
    }
    assert said == {frame: f"{shares[frame]:+.2f}" for frame in frames}
    assert page("document.querySelectorAll('.strip .dropped').length") == 2
    before = page("document.querySelector('.now .tile').style.backgroundImage")
    page.keys("s")
    assert page("document.querySelector('.now .tile').style.backgroundImage") == before.replace(
        "zscale", "asinh"
    )
    assert "2 of 50 epochs are to be dropped: 58303.1235, 58307.1235 (MJD)." in page(
        "document.querySelector('#mask').textContent"
    )


def test_a_point_of_the_light_curve_leads_to_its_frame(page: Page) -> None:
    frame = page("RBZTF.object.data.frames.find((frame) => frame > 20)")
    x, y = page(
        f"RBZTF.curve.position(RBZTF.object.data.epochs, RBZTF.object.data.epochs.frame.indexOf({frame}))"
    )
    page.click_at(x, y)
    page.wait(f"RBZTF.object.frame === {frame}")
    assert page("document.querySelector('.strip [aria-current]').dataset.frame") == str(frame)


def test_verdicts_become_a_label_file(page: Page, pages: Path) -> None:
    page("document.activeElement.blur()")
    page.keys("b", "2", "c")
    page.type("#comment", '=HYPERLINK("http://x"), "quoted" <b>')
    page.keys("\ue007")  # enter
    page.keys("k")
    page.wait(f"RBZTF.object.data.oid === '{OIDS[19]}'")
    page.keys("r")
    page.keys("k")
    page.wait(f"RBZTF.object.data.oid === '{OIDS[18]}'")
    page.keys("u")
    page.wait("document.querySelector('#tally').textContent === '3 verdicts: 1 real, 1 bogus, 1 unsure'")
    page.click("#save-labels")
    wait_for(lambda: list((pages / "downloads").glob("labels-*.csv")), "a download")
    (path,) = (pages / "downloads").glob("labels-*.csv")
    text = path.read_text()
    assert text.splitlines()[0] == "oid,label,verdict,kind,comment,when"
    assert f"{OIDS[20]},bogus,bogus,track,\"'=HYPERLINK(" in text
    labels = read_labels(path)
    assert {oid: entry.label for oid, entry in labels.items()} == {
        OIDS[19]: Label.REAL,
        OIDS[20]: Label.ARTEFACT,
    }
    assert labels.undecided == {OIDS[18]}


def test_a_label_file_is_read_back(page: Page, browser: Any, pages: Path) -> None:
    (path,) = (pages / "downloads").glob("labels-*.csv")
    kept = page("RBZTF.labels.get(arguments[0])", str(OIDS[20]))
    assert kept["comment"] == '=HYPERLINK("http://x"), "quoted" <b>'
    page("localStorage.clear()")
    browser.refresh()
    page.wait("RBZTF.table?.table && document.querySelectorAll('.tabulator-row').length > 0")
    assert page("RBZTF.labels.get(arguments[0]).verdict", str(OIDS[20])) == ""
    page.type("#load-labels", str(path))
    page.wait(f"RBZTF.labels.get('{OIDS[20]}').verdict === 'bogus'")
    assert page("RBZTF.labels.get(arguments[0])", str(OIDS[20])) == kept
    browser.refresh()  # kept in the browser
    page.wait(f"RBZTF.table?.table && RBZTF.labels.get('{OIDS[20]}').verdict === 'bogus'")
    page.type("#load-labels", str(pages / "run/scores.csv"))
    page.wait("document.querySelector('#notice').textContent.includes('read')")


def test_hostile_words_stay_words(page: Page) -> None:
    assert HOSTILE.replace("\x1b", "\\x1b") in page("document.querySelector('h1').textContent")
    for oid in OIDS[:2]:
        page("RBZTF.object.open(arguments[0])", str(oid))
        page.wait(f"RBZTF.object.data?.oid === '{oid}'")
    assert "onerror" in page("document.querySelector('#object').textContent")
    assert page("document.querySelectorAll('img, main script, header script').length") == 0


def test_a_narrow_window_shows_one_thing_at_a_time(page: Page, browser: Any) -> None:
    size = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        page("RBZTF.object.open(arguments[0])", str(OPEN))
        page.wait("getComputedStyle(document.querySelector('#objects')).display === 'none'")
        assert page("document.documentElement.scrollWidth") <= 390
        page.click(".back")
        page.wait("getComputedStyle(document.querySelector('#object')).display === 'none'")
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_a_cross_validation_and_its_mistakes(page: Page, browser: Any, pages: Path) -> None:
    browser.get((pages / "cv/index.html").as_uri())
    page.wait("RBZTF.table?.table && document.querySelectorAll('.tabulator-row').length > 0")
    page.click("#tab-evaluation")
    page.wait("document.querySelectorAll('#evaluation .chart canvas').length === 4")
    titles = page("[...document.querySelectorAll('#evaluation h3')].map((each) => each.textContent)")
    assert {"ROC curve", "Precision and recall", "Calibration", "Scores", "At the threshold"} <= set(titles)
    assert any(" minus first" in title for title in titles)
    page.click(".mistake")
    page.wait("!document.querySelector('#objects').hidden && RBZTF.object.data?.frames.length > 0")
    assert page("RBZTF.object.data.n_frames") == N_FRAMES
