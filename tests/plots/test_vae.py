"""Plots of an autoencoder are drawn from few frames as well as from many."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers import random_frames

from rbztf.plots import vae


@pytest.mark.parametrize("n", [1, 3, 60])
def test_pictures_of_any_number_of_frames(tmp_path: Path, n: int) -> None:
    frames = random_frames(n)
    valid = np.ones(frames.shape, bool)
    valid[0, :5] = False
    error = np.linspace(0, 1, n).astype(np.float32)
    vae.reconstructions(frames, frames + 1, valid, error, np.arange(n) // 2, tmp_path / "r.png")
    vectors = np.random.default_rng(0).normal(size=(n, 4)).astype(np.float32)
    vae.neighbours(frames, valid, vectors, tmp_path / "n.png")
    for name in ("r", "n"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_learning_curves_leave_out_terms_that_are_not_used(tmp_path: Path) -> None:
    row = {"epoch": 1, "loss": 0.2, "reconstruction": 0.1, "kl": 30.0, "measures": 0.0, "artefacts": 0.0}
    vae.training([{**row, "active": 3}, {**row, "epoch": 2, "active": 4}], 4, tmp_path / "t.png")
    assert (tmp_path / "t.png").stat().st_size > 1000


def test_the_frames_shown_are_near_and_far() -> None:
    rng = np.random.default_rng(0)
    scaled = rng.normal(size=(200, 3)).astype(np.float32)
    scaled[:20] *= 30
    chosen = vae._chosen(scaled, 8, 0)
    assert len(set(chosen.tolist())) == 8
    assert np.sum(chosen < 20) >= 4
