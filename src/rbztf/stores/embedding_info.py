"""What describes an embedding store: its stamp, its index, and which of its files have sums."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rbztf.errors import InputError
from rbztf.yamltext import read_yaml

SCHEMA = 1
OBJECT = np.dtype([("oid", "i8"), ("start", "i8"), ("n", "i8")])
"""One row of the index."""
CRCS = "checksums.npy"
PARTS = ("vectors", "times", "photometry")
"""Columns of the CRCs."""
INDEX = (CRCS, "objects.npy", "store.yaml")
"""Files whose sums are compared whenever a store is opened."""


@dataclass(frozen=True)
class EmbeddingInfo:
    """Where vectors come from.

    Attributes
    ----------
    latent : int
        Number of latent means per frame.
    encoder : str
        Hash of the encoder's weights; empty if it cannot be known.
    frames : dict
        The ``frames`` section (normaliser) the pixels went through.
    has_loss : bool
        Whether the last column is the VAE loss of the frame.
    """

    latent: int
    encoder: str = ""
    frames: dict[str, Any] | None = None
    has_loss: bool = False
    schema: int = SCHEMA


def read_stamp(folder: Path) -> EmbeddingInfo:
    """The stamp of a store.

    Raises
    ------
    InputError
        If it cannot be read, or is of a newer version.
    """
    path = folder / "store.yaml"
    content = read_yaml(path, advice="Make the embeddings again.")
    try:
        schema = int(content.get("schema", 0))
        if schema > SCHEMA:
            raise InputError(
                f"{folder} has the layout version {schema}; this rbztf knows {SCHEMA}.", "Update rbztf."
            )
        stamp = EmbeddingInfo(**content)
        if (
            type(stamp.latent) is not int
            or type(stamp.has_loss) is not bool
            or type(stamp.encoder) is not str
        ):
            raise ValueError("a value is of the wrong type")
        return stamp
    except (AttributeError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{path} cannot be used ({error!s:.120}).", "Make the embeddings again.") from None
