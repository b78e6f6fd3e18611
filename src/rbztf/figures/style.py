"""Colours of all figures, and the grey scale of frames."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Okabe & Ito's palette, which colour-blind readers can tell apart."""
GREY = "#777777"
RED = "#c8102e"
"""What is blamed."""
NO_DATA_COLOUR = (0.48, 0.12, 0.12)
"""Pixels that the chip does not have."""


def grey_limits(pixels: NDArray[np.float32], highest: float = 99.5) -> tuple[float, float]:
    """The first and the ``highest`` percentile of known pixels, not equal; 0 and 1 without any."""
    low, high = np.percentile(pixels, [1, highest]) if len(pixels) else (0.0, 1.0)
    return float(low), max(float(high), float(low) + 1e-6)
