"""Pictures of the report and of this site, at 1440 and 390 pixels: `make screenshots`.

Needs chromium and chromedriver, and the site (`make docs`). Everything shown is of the simulated sky.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image
from selenium import webdriver

import rbztf

HERE = Path(__file__).resolve().parent
SIZES = {1440: 900, 390: 844}
"""Width and height of a laptop's and of a telephone's window, pixels."""
QUALITY = 60


@contextlib.contextmanager
def browser() -> Iterator[Any]:
    """Chromium without a window."""
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options)
    try:
        yield driver
    finally:
        driver.quit()


def shoot(driver: Any, url: str, path: Path, width: int, keys: str = "") -> None:
    """Open a page in a window of ``width`` pixels, press keys, and write what is seen as WebP."""
    metrics = {"width": width, "height": SIZES[width], "deviceScaleFactor": 1, "mobile": width < 800}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    driver.get(url)
    time.sleep(1.0)
    for key in keys:
        driver.switch_to.active_element.send_keys(key)
        time.sleep(1.0)
    with Image.open(io.BytesIO(driver.get_screenshot_as_png())) as picture:
        picture.convert("RGB").save(path, "WEBP", quality=QUALITY, method=6)
    print(f"{path} {path.stat().st_size / 1000:.0f} kB")


def main() -> None:
    """Make the demo, unless one is named, and the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--demo", type=Path, help="Folder of rbztf demo; made anew if left out.")
    parser.add_argument("--site", type=Path, default=HERE / "_build" / "html")
    parser.add_argument("--out", type=Path, default=HERE / "figures")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, browser() as driver:
        demo = options.demo
        if demo is None:
            with contextlib.chdir(folder):  # pages name their model as it was given
                rbztf.demo("demo")
            demo = Path(folder) / "demo"
        pages = {
            "report_table": ((demo / "report" / "index.html").resolve().as_uri(), ""),
            "report_object": ((demo / "report" / "index.html").resolve().as_uri(), "j"),
            "report_evaluation": ((demo / "report-cv" / "index.html").resolve().as_uri(), "e"),
            "site": ((options.site / "index.html").resolve().as_uri(), ""),
        }
        for name, (url, keys) in pages.items():
            for width in SIZES:
                shoot(driver, url, options.out / f"{name}_{width}.webp", width, keys)


if __name__ == "__main__":
    main()
