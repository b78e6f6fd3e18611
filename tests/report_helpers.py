"""Inputs of the tests of reports: objects, predictions that blame frames, and hostile words."""

from __future__ import annotations

import numpy as np
from helpers import make_oid

from rbztf.prediction.result import EpochContribution, Prediction

OIDS = [make_oid(number) for number in range(1, 31)]
CHANCES = np.linspace(0.02, 0.98, len(OIDS)).tolist()
N_FRAMES, N_EPOCHS = 50, 52
HOSTILE = "</script><script>window.broken=1</script><img src=x onerror='window.broken=1'>\"'\x1b[31m"


def prediction(oid: int, p_bogus: float, *, explained: bool = True, kind: str = "ghost") -> Prediction:
    """A prediction whose frames 3 and 7 are to be dropped."""
    shares = np.random.default_rng(oid % 1000).normal(0, 0.2, N_FRAMES)
    shares[[3, 7]] = 1.125, 0.875
    blamed = tuple(
        EpochContribution(
            frame=frame,
            mjd=58300.123456 + frame,
            hjd=2458300.6 + frame,
            filefracday=20180701123456,
            share=float(shares[frame]),
            dropped=frame in (3, 7),
        )
        for frame in np.argsort(-shares).tolist()
    )
    return Prediction(
        oid=oid,
        p_bogus=p_bogus,
        p_low=max(0.0, p_bogus - 0.1),
        p_high=min(1.0, p_bogus + 0.1),
        decision="bogus" if p_bogus > 0.6 else "real" if p_bogus < 0.4 else "unsure",
        threshold=0.5,
        in_training=bool(oid % 2),
        n_frames=N_FRAMES,
        n_missing=1,
        inputs="image",
        kinds={kind: 0.6, "track": 0.3},
        model="model",
        blamed=blamed if explained else (),
    )
