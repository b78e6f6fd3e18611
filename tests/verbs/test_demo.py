"""The demo goes the whole way, and its pages do what they are for in a browser.

Its models are hardly trained: the way is looked at, not how well it ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import Page, chromium, needs_chromium, no_trouble, wait_for
from helpers import run_well, strict_json

from rbztf.config import Config, load_config
from rbztf.stores.labels import read_labels
from rbztf.ztf import Label

TWO_EPOCHS = {
    "demo-vae": ["training.epochs=2", "vae.simulated_frames=100"],
    "demo": [
        "ensemble.folds=2",
        *(f"ensemble.members.{name}.epochs=2" for name in ("frames", "frame-votes")),
    ],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "demo"


@pytest.fixture(scope="module")
def answer(folder: Path) -> dict[str, Any]:
    """What the demo says of itself."""

    def load(name: str, choices: list[str], **more: Any) -> Config:
        return load_config(name, [*TWO_EPOCHS[name], *choices], **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rbztf.verbs.demo.load_config", load)
        options = ("--objects", 40, "--epochs", 10, "--workers", 1)
        said: dict[str, Any] = strict_json(run_well("demo", "--out", folder, *options, "--json").stdout)
    return said


@pytest.fixture(scope="module")
def browser(folder: Path) -> Iterator[Any]:
    with chromium(folder.parent / "downloads") as driver:
        yield driver


def opened(driver: Any, address: str) -> Page:
    driver.get(address)
    page = Page(driver)
    page.wait("RBZTF.table?.table && document.querySelectorAll('.tabulator-row').length > 0")
    return page


def test_the_demo_goes_the_whole_way(answer: dict[str, Any], folder: Path) -> None:
    verbs = ["fetch", "train-vae", "embed", "features", "train-rnn", "cv", "predict", "report"]
    assert list(answer["seconds"]) == verbs
    assert answer["n_objects"] == 32
    assert len(answer["predict"]["objects"]) == 8
    assert set(answer["truth"]) == {str(entry["oid"]) for entry in answer["predict"]["objects"]}
    assert 0 <= answer["new_right"] <= 1
    for name in ("cv/roc.png", "cv/artefacts.png", "cv/scores.csv", "classifier/model.yaml", "rbztf.yaml"):
        assert (folder / name).is_file()


@needs_chromium
def test_its_page_is_walked_through(answer: dict[str, Any], browser: Any) -> None:
    page = opened(browser, answer["report"])
    p_of = {entry["oid"]: entry["p_bogus"] for entry in answer["predict"]["objects"]}
    rising = sorted(p_of, key=lambda oid: p_of[oid])
    assert page.oids() == rising[::-1]
    page.click('.tabulator-col[tabulator-field="p"]')
    wait_for(lambda: page.oids() == rising, "sort")
    page.type("#search", str(rising[2]))
    wait_for(lambda: page.oids() == [rising[2]], "search")
    page.click(".tabulator-row")
    page.wait(f"RBZTF.object.data?.oid === '{rising[2]}' && RBZTF.object.data.frames.length > 1")
    page("document.activeElement.blur()")
    frames = page("RBZTF.object.data.frames")
    shown = frames.index(page("RBZTF.object.frame"))
    key, step = ("\ue014", 1) if shown + 1 < len(frames) else ("\ue012", -1)
    page.keys("", key)
    assert page("RBZTF.object.frame") == frames[shown + step]
    epochs = page("RBZTF.object.data.epochs.frame")
    page.click_at(*page(f"RBZTF.curve.position(RBZTF.object.data.epochs, {epochs.index(frames[shown])})"))
    page.wait(f"RBZTF.object.frame === {frames[shown]}")
    no_trouble(browser)


@needs_chromium
def test_blame_on_the_page_is_what_explain_says(answer: dict[str, Any], browser: Any) -> None:
    page = opened(browser, answer["report"])
    for entry in answer["predict"]["objects"][:3]:
        page("RBZTF.object.open(arguments[0])", str(entry["oid"]))
        page.wait(f"RBZTF.object.data?.oid === '{entry['oid']}'")
        tiles = "[...document.querySelectorAll('.strip [data-frame]')]"
        said = page(f"{tiles}.map((each) => [each.dataset.frame, each.querySelector('.share').textContent])")
        shares = {each["frame"]: each["share"] for each in entry["blamed"]}
        assert {int(frame): share for frame, share in said} == {
            frame: f"{shares[frame]:+.2f}" for frame in page("RBZTF.object.data.frames")
        }


@needs_chromium
@pytest.mark.parametrize("size", [(1440, 900), (390, 844)])
@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("which", ["report", "report_cv"])
def test_axe_finds_nothing(
    which: str, colours: str, size: tuple[int, int], answer: dict[str, Any], browser: Any
) -> None:
    scheme = {"features": [{"name": "prefers-color-scheme", "value": colours}]}
    shape = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size[0] < 500}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme)
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", shape)
    try:
        page = opened(browser, answer[which])
        assert page.findings() == []
        page("RBZTF.object.open(RBZTF.page.rows[0].oid)")
        page.wait("RBZTF.object.data?.frames.length > 0")
        assert page.findings() == []
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@needs_chromium
def test_verdicts_train_a_model(answer: dict[str, Any], folder: Path, browser: Any) -> None:
    page = opened(browser, answer["report_cv"])
    truth = read_labels(folder / "labels.json")
    oids = page.oids()
    page("RBZTF.object.open(arguments[0])", str(oids[0]))
    for oid in oids:
        page.wait(f"RBZTF.object.data?.oid === '{oid}'")
        page("document.activeElement.blur()")
        page.keys("b" if truth[oid].label == Label.ARTEFACT else "r")
        page.wait(f"RBZTF.labels.get('{oid}').verdict !== ''")
        page.keys("j")
    page.click("#save-labels")
    downloads = folder.parent / "downloads"
    wait_for(lambda: list(downloads.glob("labels-*.csv")), "a download")
    (path,) = downloads.glob("labels-*.csv")
    saved = read_labels(path)
    assert {oid: saved[oid].label for oid in oids} == {oid: truth[oid].label for oid in oids}
    choices = [each for choice in TWO_EPOCHS["demo"] for each in ("--set", choice)]
    inputs = ("--embeddings", folder / "embeddings", "--labels", path, "--features", folder / "features.csv")
    trained = run_well(
        "train-rnn", "--config", "demo", *inputs, "--out", folder.parent / "mine", *choices, "--json"
    )
    assert strict_json(trained.stdout)["n_objects"] == len(oids)
    no_trouble(browser)
