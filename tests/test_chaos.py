"""The attacks of ``make chaos``, a few of each, the same ones every time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import ROOT

VERBS = ("import", "embed")
"""Those that take little time; ``make chaos`` attacks all."""


def test_a_few_attacks_of_each_kind(tmp_path: Path, environment: dict[str, str]) -> None:
    if not (ROOT / "chaos").is_dir():
        pytest.skip("chaos is not at hand")
    words = [sys.executable, "-m", "chaos", "--most", "1", "--json", str(tmp_path / "figures.json")]
    words += [word for verb in VERBS for word in ("--verb", verb)]
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert {what for what, *_ in figures["kills"]} == set(VERBS)
    for part, lines in figures.items():
        assert lines, part
        for what, by, tried, held, broke in lines:
            assert tried == held > 0, (part, what, by, broke)
