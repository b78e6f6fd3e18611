"""Debian's Chromium, and what a user of a page does and sees."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

webdriver = pytest.importorskip("selenium.webdriver")
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
needs_chromium = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="chromium or chromium-driver is missing"
)
WAIT_S = 10.0


@contextmanager
def chromium(downloads: Path) -> Iterator[Any]:
    """A browser without a window, which saves files into a folder."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1440,900"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=DRIVER))
    driver.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(downloads)}
    )
    try:
        yield driver
    finally:
        driver.quit()


def no_trouble(driver: Any) -> None:
    """Nothing is wrong in the console, no foreign text was run, nothing left the folder."""
    assert driver.get_log("browser") == []
    assert driver.execute_script("return window.broken") is None
    for entry in driver.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            url = message["params"]["request"]["url"]
            assert url.startswith(("file:///", "data:,", "blob:")), url


class Page:
    """What a user does and sees."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def __call__(self, script: str, *arguments: object) -> Any:
        return self.driver.execute_script(f"return {script}", *arguments)

    def wait(self, script: str) -> None:
        wait_for(lambda: self(script), script)

    def keys(self, *keys: str) -> None:
        self.driver.switch_to.active_element.send_keys(*keys)

    def click(self, selector: str) -> None:
        self.driver.find_element("css selector", selector).click()

    def click_at(self, x: float, y: float) -> None:
        actions = webdriver.ActionChains(self.driver)
        actions.move_by_offset(0, 0)
        actions.w3c_actions.pointer_action.move_to_location(round(x), round(y))
        actions.w3c_actions.pointer_action.click()
        actions.perform()

    def findings(self) -> list[str]:
        """What axe-core has to say, and of what."""
        import axe_core_python

        (script,) = Path(axe_core_python.__file__).parent.glob("axe.min.js")
        self.driver.execute_script(script.read_text(encoding="utf-8"))
        found = self.driver.execute_async_script("axe.run().then(arguments[0])")
        assert found["passes"]
        return [
            f"{rule['impact']}: {rule['id']} {rule['nodes'][0]['html'][:100]}" for rule in found["violations"]
        ]

    def type(self, selector: str, text: str) -> None:
        self.driver.find_element("css selector", selector).send_keys(text)

    def oids(self) -> list[int]:
        """Of the table, as it is sorted and filtered."""
        return [int(oid) for oid in self("RBZTF.table.table.getData('active').map((row) => row.oid)")]


def wait_for(holds: Callable[[], object], what: str) -> None:
    end = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.02)
