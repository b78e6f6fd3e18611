"""The page of ``rbztf report``: how fast frames are built, how large they are, how fast the page is.

The page is opened in headless Chromium (packages chromium and chromium-driver); without it the first table is printed alone.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rbztf.prediction.result import EpochContribution, Prediction
from rbztf.reporting.build import Report, Sources, write_report
from rbztf.reporting.sources import of_predictions
from rbztf.simulate.archive.server import SimulatedArchive
from rbztf.simulate.sky import SimulatedSky
from rbztf.stores.cutouts import CutoutStore, open_cutouts
from rbztf.verbs.fetch import fetch

ALL_FRAMES = 800_000
REPEATS = 9
SORTS = (("mag", "asc"), ("p", "desc"))


def predictions(store: CutoutStore, n_objects: int) -> list[Prediction]:
    """Predictions that blame every frame; objects beyond those of the store have none."""
    rng = np.random.default_rng(0)
    known = list(store)
    made = []
    for number in range(n_objects):
        oid = int(known[number]) if number < len(known) else 600203100000000 + number
        n = len(store[oid].frames) if number < len(known) else 400
        shares = -np.sort(-rng.normal(0, 0.2, n))
        blamed = [
            EpochContribution(
                frame=frame,
                mjd=58300.0 + frame,
                hjd=2458300.5 + frame,
                filefracday=-1,
                share=share,
                dropped=share > 0.5,
            )
            for frame, share in zip(rng.permutation(n).tolist(), shares.tolist())
        ]
        p = float(rng.random())
        decision = "bogus" if p > 0.5 else "real"
        made.append(
            Prediction(
                oid=oid,
                p_bogus=p,
                p_low=0.8 * p,
                p_high=p + 0.2 * (1 - p),
                decision=decision,
                threshold=0.5,
                n_frames=n,
                n_missing=0,
                inputs="image",
                kinds={"ghost": p / 2},
                model="model",
                blamed=tuple(blamed),
            )
        )
    return made


def build(store: CutoutStore, out: Path, n_objects: int, every: bool) -> tuple[Report, float]:
    entries = of_predictions(predictions(store, n_objects))
    started = time.process_time()
    made = write_report(out, entries, Sources(store, all_frames=every))
    return made, time.process_time() - started


def browse(page: Path, repeats: int) -> dict[str, float]:
    """Milliseconds of the first paint and of what a user does, medians.

    Raises
    ------
    RuntimeError
        If the page complains in the console or asks for anything outside its folder.
    """
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1440,900"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(executable_path=shutil.which("chromedriver"))
    driver = webdriver.Chrome(options=options, service=service)
    try:
        times = _browse(driver, page, repeats)
        troubles = [str(entry["message"]) for entry in driver.get_log("browser")] + _foreign(driver, page)
    finally:
        driver.quit()
    if troubles:
        raise RuntimeError(f"The page is in trouble: {troubles[:3]}")
    return times


def _foreign(driver: Any, page: Path) -> list[str]:
    """Addresses outside the report's folder that were asked for."""
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    asked = [
        str(message["params"]["request"]["url"])
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]
    own = (page.parent.as_uri() + "/", "data:", "about:")
    return [address for address in asked if not address.startswith(own)]


TIMED = """
const done = arguments[arguments.length - 1], started = performance.now();
Promise.resolve((() => { %s })()).then(() => requestAnimationFrame(() => setTimeout(() => done(performance.now() - started))));
"""


def _browse(driver: Any, page: Path, repeats: int) -> dict[str, float]:
    def timed(scripts: list[str]) -> float:
        return statistics.median(driver.execute_async_script(TIMED % script) for script in scripts)

    paints = []
    for _ in range(repeats):
        driver.get("about:blank")
        driver.get(page.as_uri())
        while not driver.execute_script("return document.querySelectorAll('.tabulator-row').length"):
            time.sleep(0.01)
        script = "return performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
        while (paint := driver.execute_script(script)) is None:
            time.sleep(0.01)
        paints.append(paint)
    oids = driver.execute_script(
        "return RBZTF.page.rows.filter((row) => row.has_frames).map((row) => row.oid)"
    )
    times = {"first paint": statistics.median(paints)}
    times["open an object"] = timed([f"return RBZTF.object.open('{oid}')" for oid in oids[:repeats]])
    times["step to a frame"] = timed(["RBZTF.object.step(1)"] * repeats)
    times["verdict"] = timed(
        [f"RBZTF.labels.change('{oid}', {{verdict: 'bogus'}})" for oid in oids[:repeats]]
    )
    times["sort"] = timed(
        [f"return RBZTF.table.table.setSort('{field}', '{way}')" for field, way in SORTS] * repeats
    )
    times["search"] = timed(
        [_entered("search", "input", text) for text in ("6", "ghost", "real", "bogus", "")]
    )
    times["filter"] = timed([_entered("filter-decision", "change", text) for text in ("real", "bogus", "")])
    driver.execute_async_script(
        TIMED % "return RBZTF.table.table.setSort('mag', 'asc')"
    )  # those with frames first
    driver.execute_async_script(
        TIMED % "return RBZTF.object.open(RBZTF.table.table.getData('active')[0].oid)"
    )
    times["next object"] = timed(["return RBZTF.object.openBeside(1)"] * min(repeats, len(oids) - 1))
    return times


def _entered(field: str, event: str, text: str) -> str:
    """As if somebody entered it."""
    return f"const field = document.querySelector('#{field}'); field.value = '{text}'; field.dispatchEvent(new Event('{event}'))"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=2000, help="rows of the table")
    parser.add_argument("--with-frames", type=int, default=20, help="of them with cutouts")
    parser.add_argument("--epochs", type=int, default=400, help="of each of those")
    parser.add_argument("--repeats", type=int, default=REPEATS, help="of each measure of the page")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sky = SimulatedSky(n_objects=options.with_frames, n_epochs=options.epochs, seed=0)
        with SimulatedArchive(sky) as archive:
            fetch(sky.oids, out=folder / "cutouts", archive_url=archive.url)
        store = open_cutouts(folder / "cutouts")
        print(
            "| frames | built | frames/s | bytes a frame: zscale, asinh, min-max | 800,000 frames, MB a stretch |"
        )
        print("|---|---|---|---|---|")
        for title, every in (("40 most blamed, 40 of all times", False), ("all", True)):
            made, seconds = build(store, folder / "page", len(store), every)
            sizes = [size / made.n_frames for size in made.bytes_by_stretch.values()]
            print(
                f"| {title} | {made.n_frames} | {made.n_frames / seconds:,.0f} | {', '.join(f'{size:.0f}' for size in sizes)} "
                f"| {', '.join(f'{size * ALL_FRAMES / 1e6:.0f}' for size in sizes)} |"
            )
        made, seconds = build(store, folder / "page", options.objects, False)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
        print(f"\n{made.n_objects} objects: {seconds:.1f} s of a core, {memory:.0f} MB of memory at most\n")
        if shutil.which("chromium") and shutil.which("chromedriver"):
            print("| | ms |\n|---|---|")
            for name, value in browse(made.page, options.repeats).items():
                print(f"| {name} | {value:.0f} |")


if __name__ == "__main__":
    main()
