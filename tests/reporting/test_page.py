"""The page in Debian's Chromium: one browser for all tests, which follow each other as a user would work."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import Page, chromium, needs_chromium, no_trouble, wait_for
from report_helpers import CHANCES, HOSTILE, N_FRAMES, OIDS

from rbztf.evaluation.score_files import write_scores
from rbztf.evaluation.scores import Scored
from rbztf.evaluation.summary import summarise
from rbztf.models.checkpoint import History
from rbztf.prediction.result import Prediction
from rbztf.reporting.build import Sources, write_report
from rbztf.reporting.sources import of_predictions, with_labels
from rbztf.stores.cutouts import CutoutStore
from rbztf.stores.labels import Labelled, LabelTable, read_labels
from rbztf.verbs.report import report
from rbztf.verbs.run_folder import write_history
from rbztf.ztf import Label, Oid

pytestmark = needs_chromium
OPEN = OIDS[20]
RUN = "<img src=x onerror='window.broken=1'>\"run"


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
    run = folder / RUN
    run.mkdir()
    write_scores(run / "scores.csv", evaluations)
    histories: dict[str, History] = {f"first, fold {fold}": LOSSES for fold in range(2)}
    write_history(run / "history.csv", histories | {f"votes {HOSTILE}, fold 0": TREES})
    report(run, out=folder / "cv", data=store.folder)
    write_small(folder / "small")
    (folder / "small/history.csv").write_text("run,epoch,loss\n,1,0.5\nx,,0.4\n")
    report(folder / "small", out=folder / "small-cv")
    return folder


LOSSES: History = [{"epoch": n, "loss": 1 / n, "inner_auc": 1 - 0.5 / n} for n in (1, 2, 3)]
TREES: History = [{"trees": n, "loss": 1 / n, "held_out_loss": 2 / n} for n in (1, 50)]


def write_small(run: Path) -> None:
    """Five objects in two folds, the second of one class alone; one object has no interval and no magnitude."""
    run.mkdir()
    scores = np.array([0.9, 0.2, 0.4, 0.1, 0.3])
    one, other = np.arange(3), np.arange(3, 5)
    folds = {
        0: Scored(
            np.array(OIDS[:3]),
            np.array([1, 0, 1]),
            scores[one],
            0.5,
            low=np.array([0.8, np.nan, 0.1]),
            high=np.array([1, np.nan, 0.9]),
        ),
        1: Scored(
            np.array(OIDS[3:5]), np.array([0, 0]), scores[other], 0.5, low=np.zeros(2), high=np.ones(2)
        ),
    }
    write_scores(
        run / "scores.csv", [summarise("tiny", "random", folds, LabelTable([]), draws=20, seconds=1.0)]
    )


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


@pytest.mark.parametrize(
    ("filter_", "choice", "there"),
    [
        ("decision", "none", [OIDS[2]]),
        ("decision", "unsure", OIDS[12:18]),
        ("kind", HOSTILE.replace("\x1b", "\\x1b"), [OIDS[0]]),
        ("kind", "k" * 10_000, [OIDS[1]]),
        ("label", "bogus", [OIDS[1]]),
        ("training", "no", [oid for oid in OIDS if oid % 2 == 0]),
        ("input", "outside", [OIDS[2]]),
        ("input", "unusual", [OIDS[3]]),
    ],
    ids=lambda value: str(value)[:8],
)
def test_filters(filter_: str, choice: str, there: list[int], page: Page) -> None:
    chosen = f"document.querySelector('#filter-{filter_}')"
    page(f"({chosen}.value = arguments[0], {chosen}.dispatchEvent(new Event('change')))", choice)
    wait_for(lambda: sorted(page.oids()) == sorted(there), f"{filter_} {choice[:20]}")
    page(f"({chosen}.value = '', {chosen}.dispatchEvent(new Event('change')))")
    wait_for(lambda: len(page.oids()) == len(OIDS), "no filter")


def test_a_row_has_its_interval_and_leads_to_the_archives(page: Page) -> None:
    page("(RBZTF.table.table.clearFilter(), RBZTF.table.table.scrollToRow(arguments[0]))", str(OIDS[2]))
    row = f"RBZTF.table.table.getRow('{OIDS[2]}').getElement()"
    low, high = (max(0.0, CHANCES[2] - 0.1), CHANCES[2] + 0.1)
    assert f"{low:.2f}–{high:.2f}" in page(f"{row}.textContent")
    addresses = page(f"[...{row}.querySelectorAll('a')].map((each) => [each.href, each.target, each.rel])")
    assert [address.split("/")[2] for address, *_ in addresses] == ["ztf.snad.space", "irsa.ipac.caltech.edu"]
    assert str(OIDS[2]) in addresses[0][0]
    assert f"ID={OIDS[2]}&COLLECTION=ztf_dr24" in addresses[1][0]
    assert {tuple(rest) for _, *rest in addresses} == {("_blank", "noopener noreferrer")}


def test_of_input_outside_the_training_set_there_is_no_decision(page: Page) -> None:
    row = f"RBZTF.table.table.getRow('{OIDS[2]}').getElement()"
    assert page(f"{row}.querySelector('.badge').textContent") == "none"
    assert page(f"{row}.querySelector('.input').textContent") == "outside"
    assert "amplitude is 99" in page(f"{row}.querySelector('.input').title")
    page("RBZTF.object.open(arguments[0])", str(OIDS[2]))
    page.wait(f"RBZTF.object.data?.oid === '{OIDS[2]}'")
    assert page("document.querySelector('#object .badge').textContent") == "no decision"
    assert page("document.querySelector('#position').textContent") == "10.00000 +20.00000"
    assert page("document.querySelector('.warning').textContent").startswith(
        "Its input is outside the training set: amplitude is 99 </script>"
    )
    page("RBZTF.object.open(arguments[0])", str(OIDS[3]))
    page.wait(f"RBZTF.object.data?.oid === '{OIDS[3]}'")
    said = "Its input is unusual for the training set: amplitude is 9 (training: 0 to 5)."
    assert page("document.querySelector('.warning').textContent") == said
    page("RBZTF.object.open(arguments[0])", str(OIDS[4]))
    page.wait(f"RBZTF.object.data?.oid === '{OIDS[4]}'")
    assert page("document.querySelector('.warning')") is None


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
    page.type("#load-labels", str(pages / RUN / "scores.csv"))
    page.wait("document.querySelector('#notice').textContent.includes('read')")


def test_hostile_words_stay_words(page: Page) -> None:
    words = {"verdict": "bogus", "comment": HOSTILE + "z" * 10_000, "kind": HOSTILE}
    page("RBZTF.labels.change(arguments[0], arguments[1])", str(OIDS[1]), words)
    page.wait(f"RBZTF.labels.get('{OIDS[1]}').comment.length === 10000")
    assert HOSTILE.replace("\x1b", "\\x1b") in page("document.querySelector('h1').textContent")
    for oid in OIDS[:2]:
        page("RBZTF.object.open(arguments[0])", str(oid))
        page.wait(f"RBZTF.object.data?.oid === '{oid}'")
    assert "onerror" in page("document.querySelector('#object').textContent")
    assert page("document.querySelectorAll('img, main script, header script').length") == 0
    assert page("document.querySelector('#comment').value").startswith("</script><script>window.broken=1")
    assert page("document.querySelector('#kind').value") == HOSTILE
    assert page("document.documentElement.scrollWidth") <= 1440
    page("RBZTF.labels.change(arguments[0], {verdict: '', comment: '', kind: ''})", str(OIDS[1]))


BREACH = """
const done = arguments[arguments.length - 1], found = [];
addEventListener("securitypolicyviolation", (event) => found.push(event.effectiveDirective));
const add = (name, values) => document.body.append(Object.assign(document.createElement(name), values));
add("script", { textContent: "window.broken = 1" });
add("script", { src: "https://example.org/x.js" });
add("script", { src: "data:text/javascript,window.broken=1" });
add("img", { src: "https://example.org/x.png" });
add("iframe", { src: "https://example.org/" });
add("style", { textContent: "body { background: url(https://example.org/y.png) }" });
document.body.setAttribute("onclick", "window.broken = 1");
document.body.click();
fetch("https://example.org/").catch(() => {});
try { new WebSocket("wss://example.org/"); } catch { /* some browsers throw */ }
setTimeout("window.broken = 1", 0);
setTimeout(() => done(found), 300);
"""


def test_the_policy_of_the_page_forbids_what_it_does_not_need(page: Page, browser: Any) -> None:
    found = browser.execute_async_script(BREACH)
    assert set(found) >= {
        "script-src-elem",
        "script-src-attr",
        "img-src",
        "frame-src",
        "style-src-elem",
        "connect-src",
        "script-src",
    }
    assert all("Content Security Policy" in entry["message"] for entry in browser.get_log("browser"))
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = {
        message["params"]["requestId"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
        and "example.org" in message["params"]["request"]["url"]
    }
    blocked = {
        message["params"]["requestId"]
        for message in messages
        if message["method"] == "Network.loadingFailed" and message["params"].get("blockedReason") == "csp"
    }
    assert asked <= blocked
    browser.refresh()
    page.wait("RBZTF.table?.table && document.querySelectorAll('.tabulator-row').length > 0")


def test_a_narrow_window_shows_one_thing_at_a_time(page: Page, browser: Any) -> None:
    size = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        page("RBZTF.object.open(arguments[0])", str(OPEN))
        page.wait("getComputedStyle(document.querySelector('#objects')).display === 'none'")
        assert page("document.documentElement.scrollWidth") <= 390
        assert page("document.querySelector('#object').scrollWidth") <= 390
        page.click('[data-verdict="real"]')
        page.click('[aria-label="next frame (→)"]')
        page.click('[data-verdict="real"]')
        page.click(".back")
        page.wait("getComputedStyle(document.querySelector('#object')).display === 'none'")
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_a_cross_validation_and_its_mistakes(page: Page, browser: Any, pages: Path) -> None:
    browser.get((pages / "cv/index.html").as_uri())
    page.wait("RBZTF.table?.table && document.querySelectorAll('.tabulator-row').length > 0")
    page.click("#tab-evaluation")
    page.wait("document.querySelectorAll('#evaluation .chart canvas').length === 8")
    titles = page("[...document.querySelectorAll('#evaluation h3')].map((each) => each.textContent)")
    assert {"ROC curve", "Precision and recall", "Calibration", "Scores", "At the threshold"} <= {*titles}
    assert titles.count("Errors among the surest") == 2  # curve and table
    assert "At other shares of artefacts" in titles
    assert any(" minus first" in title for title in titles)
    assert titles[-3:] == ["first", "first", "votes " + HOSTILE.replace("\x1b", "\\x1b")]
    labels = page("[...document.querySelectorAll('#evaluation .chart')].map((each) => each.ariaLabel)")
    assert [label.split(": ")[-1] for label in labels[-3:]] == ["loss", "inner AUC", "loss"]
    assert not re.search(
        r"NaN|undefined|null|Infinity", page("document.querySelector('#evaluation').textContent")
    )
    page.click(".mistake")
    page.wait("!document.querySelector('#objects').hidden && RBZTF.object.data?.frames.length > 0")
    assert page("RBZTF.object.data.n_frames") == N_FRAMES


def test_the_evaluation_of_few_objects_holds_no_number_that_is_none(
    page: Page, browser: Any, pages: Path
) -> None:
    browser.get((pages / "small-cv/index.html").as_uri())
    page.wait("RBZTF.table?.table && document.querySelectorAll('.tabulator-row').length > 0")
    page.click("#tab-evaluation")
    page.wait("document.querySelectorAll('#evaluation .chart canvas').length === 6")
    said = page("document.querySelector('#evaluation').textContent")
    assert "ROC AUC" in said
    assert not re.search(r"NaN|undefined|null|Infinity", said)
