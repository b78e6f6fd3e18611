"""The benchmark of the page, run once on a few objects: it measures all that it should. How fast, it alone says."""

from __future__ import annotations

import re
import runpy

import pytest
from browser import needs_chromium
from helpers import ROOT

pytestmark = needs_chromium
FEW = ["--objects", "200", "--with-frames", "2", "--epochs", "12", "--repeats", "1"]
MEASURES = [
    "first paint",
    "open an object",
    "step to a frame",
    "verdict",
    "sort",
    "search",
    "filter",
    "next object",
]


def test_the_benchmark_of_the_page_is_whole(capsys: pytest.CaptureFixture[str]) -> None:
    """It raises where the page complains in the console or asks for anything outside its folder."""
    runpy.run_path(str(ROOT / "benchmarks/report_page.py"))["main"](FEW)
    said = capsys.readouterr().out
    assert re.findall(r"^\| ([a-z ]+) \| \d+ \|$", said, re.MULTILINE) == MEASURES
    assert "200 objects: " in said
    rows = [line.split(" | ") for line in said.splitlines() if re.match(r"\| (all|40 most blamed)", line)]
    assert len(rows) == 2
    for _, built, rate, sizes, megabytes in rows:
        assert int(built) > 0
        assert int(rate.replace(",", "")) > 0
        assert len(re.findall(r"\d+", sizes)) == len(re.findall(r"\d+", megabytes)) == 3
