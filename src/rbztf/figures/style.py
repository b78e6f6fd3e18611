"""Colours of all figures."""

from __future__ import annotations

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Okabe & Ito's palette, which colour-blind readers can tell apart."""
GREY = "#777777"
RED = "#c8102e"
"""What is blamed."""
NO_DATA_COLOUR = (0.48, 0.12, 0.12)
"""Pixels that the chip does not have."""
