"""Simulated frames lie within the spread of real ones, as the benchmark measures it."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
from helpers import REAL_FRAMES, ROOT, SHARED, need


def test_simulated_frames_are_like_real_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    need(REAL_FRAMES / "alert_science_stamps.npz")
    benchmark = runpy.run_path(str(ROOT / "benchmarks/compare_simulation.py"))
    figure = tmp_path / "figure.png"
    assert benchmark["main"](["--shared", str(SHARED), "--out", str(figure)]) == 0
    assert figure.stat().st_size > 50_000
    assert "14 of 14 quantities within the spread" in capsys.readouterr().out


def test_without_stamps_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    benchmark = runpy.run_path(str(ROOT / "benchmarks/compare_simulation.py"))
    assert benchmark["main"](["--shared", str(tmp_path)]) == 2
    assert "no real stamps" in capsys.readouterr().err
