"""Auxiliary heads."""

from __future__ import annotations

import numpy as np
import torch

from rbztf.models.vae.heads import N_MEASURES, Measures


def test_measures_know_a_cosmic_ray_from_a_star() -> None:
    rows, columns = np.mgrid[:28, :28]
    star = 80 * np.exp(-((rows - 13.5) ** 2 + (columns - 13.5) ** 2) / 5)
    sharp = np.zeros((28, 28))
    sharp[13, 13:15] = 80
    frames = torch.from_numpy(np.stack([star, sharp]).astype(np.float32))[:, None]
    measures = Measures()
    measures.scale = torch.nn.Identity()  # type: ignore[assignment]
    found = measures(torch.asinh(frames / 3), stretched=True)
    assert found.shape == (2, N_MEASURES)
    left = found[:, -8:-3]  # what each wider Gaussian leaves of the peak
    assert (left[0, :2] > left[1, :2]).all()
    assert found[0, -1] > found[1, -1] + 0.5
