"""The training loss of the autoencoder."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers import vae_config, vae_frames

from rbztf.models.vae.batches import Loaded
from rbztf.models.vae.objective import Objective


def test_the_kl_term_comes_in_slowly() -> None:
    torch.manual_seed(0)
    wanted = vae_config(
        "vae.measure_weight=0",
        "vae.artefact_weight=0",
        "vae.free_bits=0",
        "vae.kl_warm_up=0.5",
        "vae.kl_weight=1",
    )
    objective = Objective(wanted).eval()
    data = vae_frames(32)
    batch = Loaded(*(torch.from_numpy(array) for array in data.take(np.arange(32))))
    batch = batch._replace(values=batch.values[:, None], states=batch.states[:, None])
    shares = []
    for done in (0.0, 0.25, 0.5, 1.0):
        torch.manual_seed(1)
        with torch.no_grad():
            terms = objective(batch, done)
        shares.append(float((terms.loss - terms.reconstruction) / (wanted.vae.kl_weight * terms.kl)))
    assert shares == pytest.approx([0, 0.5, 1, 1], abs=2e-2)
