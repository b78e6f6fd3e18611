"""A small store of cutouts with light curves, and predictions of its objects."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import random_frames
from report_helpers import CHANCES, HOSTILE, N_EPOCHS, N_FRAMES, OIDS, prediction

from rbztf.prediction.result import Prediction
from rbztf.stores.cutouts import CutoutStore, open_cutouts
from rbztf.stores.epochs import epoch_table
from rbztf.stores.object_file import write_object


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> CutoutStore:
    """Objects of 52 epochs, 50 of them with a frame."""
    folder = tmp_path_factory.mktemp("report") / "cutouts"
    for number, oid in enumerate(OIDS):
        frame = np.concatenate([np.arange(N_FRAMES), [-1, -1]])
        columns = {
            "hjd": 2458300.6 + np.arange(N_EPOCHS),
            "mjd": 58300.123456 + np.arange(N_EPOCHS),
            "mag": 17 + 0.05 * number + 0.1 * np.sin(np.arange(N_EPOCHS)),
            "magerr": np.full(N_EPOCHS, 0.02),
            "catflags": np.where(np.arange(N_EPOCHS) == 5, 32768, 0),
            "frame": frame,
        }
        frames = random_frames(N_FRAMES, seed=number)
        table = epoch_table(columns, N_EPOCHS)
        write_object(folder, oid, frames, table, ra_deg=10.0, dec_deg=20.0, collection="ztf_dr24")
    return open_cutouts(folder)


@pytest.fixture(scope="session")
def predictions() -> list[Prediction]:
    """One of each object; words of the first three are hostile, the input of the third is outside, that of the fourth unusual."""
    made = [replace(prediction(oid, p), input_check="inside") for oid, p in zip(OIDS, CHANCES)]
    made[0] = prediction(OIDS[0], CHANCES[0], kind=HOSTILE)
    made[1] = replace(made[1], kinds={"k" * 10_000: 0.9}, model="m" * 10_000)
    made[2] = replace(
        made[2], decision=None, input_check="outside", input_reason=f"amplitude is 99 {HOSTILE}"
    )
    made[3] = replace(made[3], input_check="unusual", input_reason="amplitude is 9 (training: 0 to 5)")
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a test writes its report."""
    return tmp_path / "page"
