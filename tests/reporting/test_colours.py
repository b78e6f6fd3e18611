"""Colours of the page that colour-blind readers can tell apart, light and dark."""

from __future__ import annotations

import itertools
import re
from importlib.resources import files

import numpy as np
import pytest
from numpy.typing import NDArray

MACHADO = {
    "none": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
"""Machado, Oliveira & Fernandes (2009), severity 1: linear RGB as seen."""
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
WHITE = np.array([0.9505, 1.0, 1.089])
TOGETHER = [
    ("epoch", "flagged", "dropped", "current"),
    ("real", "bogus"),
    ("series1", "series2", "series3"),
]
"""What a reader must tell apart by colour; decisions have their word, points of one kind their shape."""
LEAST = 11.0
"""CIE 1976 difference; 2.3 is just noticeable."""


def lab(colour: str, seen: NDArray[np.float64]) -> NDArray[np.float64]:
    """CIE L*a*b* of a colour #rrggbb as somebody sees it."""
    rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    x, y, z = np.cbrt(np.maximum(TO_XYZ @ np.clip(seen @ linear, 0, 1) / WHITE, 0.008856))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def palettes() -> dict[str, dict[str, str]]:
    text = (files("rbztf.reporting") / "page" / "report.css").read_text(encoding="utf-8")
    light, dark, *_ = re.findall(r"color-scheme: (?:light|dark);(.*?)}", text, re.DOTALL)
    return {
        name: dict(re.findall(r"--(\w+): (#\w{6})", part))
        for name, part in (("light", light), ("dark", dark))
    }


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("sight", MACHADO)
def test_colours_differ_for_everybody(scheme: str, sight: str) -> None:
    palette = palettes()[scheme]
    for group in TOGETHER:
        for one, other in itertools.combinations(group, 2):
            away = np.linalg.norm(lab(palette[one], MACHADO[sight]) - lab(palette[other], MACHADO[sight]))
            assert away > LEAST, (one, other, away)


def test_the_reference_white_and_black() -> None:
    np.testing.assert_allclose(lab("#ffffff", np.eye(3)), [100, 0, 0], atol=0.1)
