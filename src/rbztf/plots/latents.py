"""Objects in the space of their latent vectors, seen in the two directions in which they differ most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from rbztf.figures.style import COLOURS, GREY

Array = NDArray[np.float64]
CLASSES: Mapping[str, tuple[str, str]] = {
    "": (GREY, "."),
    "real": (COLOURS[0], "o"),
    "artefact": (COLOURS[1], "^"),
}
"""Colour and marker of objects by what experts said; shapes differ too, for print in grey."""


def principal_components(vectors: Array) -> tuple[Array, Array]:
    """The first two principal components.

    Parameters
    ----------
    vectors : ndarray (n, k), float64
        Each column in its own units; it is divided by its standard deviation first.

    Returns
    -------
    points : ndarray (n, 2), float64
    shares : ndarray (2,), float64
        Of the variance.
    """
    spread = vectors.std(axis=0)
    scaled = (vectors - vectors.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    u, s, _ = np.linalg.svd(scaled, full_matrices=False)
    points = np.zeros((len(vectors), 2))
    shares = np.zeros(2)
    n = min(2, len(s))
    points[:, :n] = u[:, :n] * s[:n]
    shares[:n] = s[:n] ** 2 / max(float((s**2).sum()), 1e-300)
    return points, shares


def draw_latents(vectors: Array, labels: Sequence[str], width_in: float) -> Figure:
    """The objects in the first two principal components of their mean vectors.

    Parameters
    ----------
    vectors : ndarray (n, k), float64
        Mean of each object's frames.
    labels : sequence of str, (n,)
        ``real``, ``artefact`` or empty.
    """
    points, shares = principal_components(vectors)
    figure = Figure(figsize=(width_in, min(width_in, 5.0)), layout="constrained")
    axes = figure.subplots()
    named = np.array(labels)
    for name, (colour, marker) in CLASSES.items():
        mask = named == name
        if mask.any():
            axes.scatter(
                points[mask, 0],
                points[mask, 1],
                s=7,
                marker=marker,
                color=colour,
                alpha=0.55,
                linewidths=0,
                label=f"{name or 'not labelled'} ({mask.sum()})",
            )
    axes.set(
        xlabel=f"First principal component ({shares[0]:.0%} of the variance)",
        ylabel=f"Second ({shares[1]:.0%})",
    )
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper center", ncols=3, frameon=False, markerscale=1.8)
    return figure
