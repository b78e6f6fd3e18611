"""What ``rbztf plot`` can draw."""

from __future__ import annotations

from enum import StrEnum


class PlotKind(StrEnum):
    """Of cross-validations, of objects, of an embedding store, of scores."""

    ROC = "roc"
    CALIBRATION = "calibration"
    RISK = "risk"
    HISTOGRAM = "histogram"
    FRAMES = "frames"
    LIGHTCURVE = "lightcurve"
    LATENTS = "latents"
    FIELD = "field"
